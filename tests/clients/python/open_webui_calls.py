"""The calls that Open WebUI makes of a connection, with the fields that it adds: its list of models, a
chat, the tasks beside it (title, tags), native tool calls. Written by hand as requests, since the
program itself is a whole web application; not compared with a release of it."""
import json

import httpx
from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, TRIP_SCHEMA, WEATHER, WEATHER_SCHEMA, claims, trip, weather_of, whole

client = httpx.Client(base_url=BASE_URL, timeout=300, headers={
    "Authorization": f"Bearer {KEY}", "X-OpenWebUI-User-Id": "1", "X-OpenWebUI-Chat-Id": "c"})


def chat(messages, **more):
    body = {"model": MODEL, "messages": messages, "stream": False, **more}
    if body["stream"]:
        with client.stream("POST", "/chat/completions", json=body) as answer:
            assert answer.status_code == 200, answer.read()
            lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line]
        assert lines[-1] == "[DONE]", lines[-3:]
        return [json.loads(line) for line in lines[:-1]]
    answer = client.post("/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]


def models():
    listed = client.get("/models").json()["data"]
    assert MODEL in [model["id"] for model in listed] and all(model["object"] == "model" for model in listed)


def plain():
    # The task model's prompt for a title.
    text = '### Task:\nGenerate a concise, 3-5 word title.\n### Output:\nJSON format: { "title": "..." }\n<chat_history>USER: Hi</chat_history>'
    whole(chat([{"role": "user", "content": text}], max_completion_tokens=100)["content"])


def stream():
    chunks = chat([{"role": "system", "content": "You help."}, {"role": "user", "content": [{"type": "text", "text": HELLO}]}],
                  stream=True, stream_options={"include_usage": True}, temperature=0.8, top_p=0.9, frequency_penalty=0,
                  max_tokens=128, stop=["###"], logit_bias={})
    whole("".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]))
    assert chunks[-1]["usage"]["total_tokens"] > 0


def tools():
    tool = {"type": "function", "function": {"name": "get_weather", "description": "Get the weather", "parameters": WEATHER_SCHEMA}}
    chunks = chat([{"role": "user", "content": WEATHER}], stream=True, tools=[tool], temperature=0)
    parts = [part for chunk in chunks if chunk["choices"] for part in chunk["choices"][0]["delta"].get("tool_calls") or [] if part["index"] == 0]
    arguments = "".join(part["function"].get("arguments") or "" for part in parts)
    call = {"index": 0, "id": parts[0]["id"], "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    # It sends the call back as it collected it, index and empty content too.
    turns = [{"role": "user", "content": WEATHER}, {"role": "assistant", "content": "", "tool_calls": [call]},
             {"role": "tool", "tool_call_id": call["id"], "content": weather_of(**json.loads(arguments))}]
    chunks = chat(turns, stream=True, tools=[tool], tool_choice="none")
    whole("".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"]))


def structured():
    trip(chat([{"role": "user", "content": TRIP}],
              response_format={"type": "json_schema", "json_schema": {"name": "trip", "schema": TRIP_SCHEMA}})["content"])


claims(models=models, plain=plain, stream=stream, tools=tools, structured=structured)
