"""OpenAI's own client: chat completions, responses."""
import asyncio
import json
import time

import openai
from claims import (BASE_URL, HELLO, KEY, MODEL, ROOM, TRIP, WEATHER, WEATHER_SCHEMA, claims, text_of_stream, trip,
                    weather_of, whole)
from pydantic import BaseModel

client = openai.OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
function = {"name": "get_weather", "description": "Get the current weather in a location", "parameters": WEATHER_SCHEMA}
tool = {"type": "function", "function": function}


class Trip(BaseModel):
    city: str
    days: int


def ask(question, **more):
    return {"model": MODEL, "messages": [{"role": "user", "content": question}], "seed": 1, "max_tokens": ROOM, **more}


def plain():
    answer = client.chat.completions.create(**ask(HELLO))
    whole(answer.choices[0].message.content)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def stream():
    direct = client.chat.completions.create(**ask(HELLO)).choices[0].message.content
    chunks = list(client.chat.completions.create(**ask(HELLO), stream=True, stream_options={"include_usage": True}))
    assert text_of_stream(chunks) == direct
    assert chunks[-1].usage.total_tokens > 0
    with client.chat.completions.stream(**ask(HELLO)) as events:
        for _ in events:
            pass
        assert events.get_final_completion().choices[0].message.content == direct

    async def leave():
        other = openai.AsyncOpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0)
        async for chunk in await other.chat.completions.create(**ask(HELLO), stream=True):
            if chunk.choices and chunk.choices[0].delta.content:
                break
    asyncio.run(leave())
    # A client that leaves takes nobody with it.
    whole(client.chat.completions.create(**ask(HELLO)).choices[0].message.content)


def tools():
    first = client.chat.completions.create(**ask(WEATHER, tools=[tool], tool_choice="required"))
    message, call = first.choices[0].message, first.choices[0].message.tool_calls[0]
    assert first.choices[0].finish_reason == "tool_calls" and call.function.name == "get_weather", first
    result = weather_of(**json.loads(call.function.arguments))
    turns = [{"role": "user", "content": WEATHER}, message, {"role": "tool", "tool_call_id": call.id, "content": result}]
    whole(client.chat.completions.create(**{**ask(WEATHER), "messages": turns}, tools=[tool], tool_choice="none").choices[0].message.content)


def structured():
    trip(client.chat.completions.parse(**ask(TRIP), response_format=Trip).choices[0].message.parsed)


def responses():
    room = {"model": MODEL, "max_output_tokens": ROOM, "temperature": 0}
    direct = whole(client.responses.create(input=HELLO, **room).output_text)
    with client.responses.stream(input=HELLO, **room) as events:
        assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == direct
        assert events.get_final_response().status == "completed"
    trip(client.responses.parse(input=TRIP, text_format=Trip, **room).output_parsed)
    tools = [{"type": "function", "strict": False, **function}]
    first = client.responses.create(input=WEATHER, tools=tools, tool_choice="required", **room)
    call = next(item for item in first.output if item.type == "function_call")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": weather_of(**json.loads(call.arguments))}
    turns = [{"role": "user", "content": WEATHER}, *first.output, output]
    whole(client.responses.create(input=turns, tools=tools, tool_choice="none", **room).output_text)


def kept():
    room = {"model": MODEL, "max_output_tokens": ROOM, "temperature": 0}
    first = client.responses.create(input="My name is Ada.", **room)
    second = client.responses.create(input="What is my name?", previous_response_id=first.id, **room)
    whole(second.output_text)
    # What came before is part of the prompt, and the server's to tell again.
    turns = [{"role": "user", "content": "My name is Ada."}, *first.output, {"role": "user", "content": "What is my name?"}]
    assert client.responses.create(input=turns, **room).output_text == second.output_text
    assert client.responses.retrieve(second.id).output_text == second.output_text
    assert [item.content[0].text for item in client.responses.input_items.list(second.id).data][0] == "What is my name?"
    client.responses.delete(first.id)
    try:
        client.responses.retrieve(first.id)
        raise AssertionError("a deleted response is still there")
    except openai.NotFoundError:
        pass


def background():
    room = {"model": MODEL, "max_output_tokens": ROOM, "temperature": 0}
    answer = client.responses.create(input=HELLO, background=True, **room)
    assert answer.status in ("queued", "in_progress"), answer.status
    while answer.status in ("queued", "in_progress"):
        time.sleep(0.1)
        answer = client.responses.retrieve(answer.id)
    assert answer.status == "completed" and whole(answer.output_text) == client.responses.create(input=HELLO, **room).output_text
    # A stream that is left goes on, and is taken up again behind the last event that was seen.
    seen = []
    for event in client.responses.create(input=HELLO, background=True, stream=True, **room):
        seen.append(event)
        if event.type == "response.output_text.delta":
            break
    rest = client.responses.retrieve(seen[0].response.id, stream=True, starting_after=seen[-1].sequence_number)
    events = [*seen, *rest]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == answer.output_text
    long = client.responses.create(model=MODEL, input="Count to a thousand.", background=True, max_output_tokens=4000)
    assert client.responses.cancel(long.id).status == "cancelled"


claims(plain=plain, stream=stream, tools=tools, structured=structured, responses=responses, kept=kept, background=background)
