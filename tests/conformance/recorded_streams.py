"""Whether two builds give the same bytes: a recorded set of requests, their answers compared.

    python tests/conformance/recorded_streams.py --model-dir DIR --record before.json path/to/infe
    python tests/conformance/recorded_streams.py --model-dir DIR --compare before.json path/to/infe

Chat and text completions, whole and streamed, with tools, formats, logprobs, choices, stop strings,
and refusals of many kinds, each asked of a server of its own folder, one after the other. What must
differ between two runs (ids, times, drawn seeds, padding) is replaced; every other byte of status,
headers and body counts. How the choices of one stream interleave depends on when each joined the
batch: they are compared one after the other. Standard library only.
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

MODELS = ("smollm2-135m", "infe-pulse")
START_S, ANSWER_S = 300, 600

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "Current weather of a city",
           "parameters": {"type": "object", "properties": {"location": {"type": "string"},
                          "unit": {"enum": ["celsius", "fahrenheit"]}}, "required": ["location"]}}}
SUM = {"type": "function", "function": {"name": "add_numbers", "description": "Add two numbers", "strict": True,
       "parameters": {"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
                      "required": ["a", "b"], "additionalProperties": False}}}
ODD = {"type": "function", "function": {"name": "odd", "parameters": {"type": "object", "properties": {
       "x": {"type": "string", "format": "no-such-format", "contentEncoding": "base64"}}}}}
NOTE = {"type": "custom", "custom": {"name": "note", "description": "Write a note"}}
DATE = {"type": "custom", "custom": {"name": "set_date", "format": {"type": "grammar", "grammar": {
        "syntax": "regex", "definition": "20[0-9]{2}-[01][0-9]-[0-3][0-9]"}}}}
LARK = {"type": "custom", "custom": {"name": "calc", "format": {"type": "grammar", "grammar": {
        "syntax": "lark", "definition": "start: NUMBER OP NUMBER\nNUMBER: /[0-9]{1,3}/\nOP: \"+\" | \"-\""}}}}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"},
          "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3}},
          "required": ["name", "age"], "additionalProperties": False}
HISTORY = [{"role": "user", "content": "What is the weather in Tokyo?"},
           {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function",
            "function": {"name": "get_weather", "arguments": "{\"location\": \"Tokyo\"}"}}]},
           {"role": "tool", "tool_call_id": "call_1", "content": "18 degrees, sunny"},
           {"role": "user", "content": "And what should I wear?"}]


def schema(name="person", strict=True, body=PERSON):
    return {"type": "json_schema", "json_schema": {"name": name, "strict": strict, "schema": body}}


def user(text):
    return [{"role": "user", "content": text}]


def chats():
    """Bodies of chats that succeed."""
    hello, story, weather = user("Say hello."), user("Tell me a story about a fox."), user("What is the weather in Paris?")
    person = user("Describe a person named Ann, 31 years old, as JSON.")
    for model in MODELS:
        def chat(messages, _model=model, **fields):
            return {"model": _model, "messages": messages, "max_completion_tokens": 24, "seed": 7, **fields}
        yield chat(hello)
        yield chat(story, temperature=0)
        yield chat(story, temperature=0, max_completion_tokens=1)
        yield chat([{"role": "system", "content": "You are terse."}, *hello])
        yield chat([{"role": "developer", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "Two"}]}, *hello])
        yield chat(story, stop=["fox", "the"])
        yield chat(story, stop=" a")
        yield chat(hello, n=2, temperature=1.2, top_p=0.9)
        yield chat(hello, logprobs=True)
        yield chat(user("Zähle auf: €, 日本, 🦊"), logprobs=True, top_logprobs=3, n=2)
        yield chat(story, logprobs=True, top_logprobs=2, stop=["fox"])
        yield chat(hello, metadata={"who": "me"}, service_tier="flex", user="u1", store=False)
        yield chat(hello, logit_bias={"5": -100, "17": 5}, presence_penalty=0.5, frequency_penalty=0.3)
        yield chat(hello, top_k=5, min_p=0.05, repetition_penalty=1.1, ignore_eos=True)
        yield chat(hello, reasoning_effort="low", unknown_field=1, another={"a": 1})
        yield chat(story, prediction={"type": "content", "content": "Once upon a time, there was a fox"}, temperature=0)
        yield chat(user("list an object as JSON"), response_format={"type": "json_object"}, max_completion_tokens=40)
        yield chat(person, response_format=schema(), max_completion_tokens=60)
        yield chat(person, response_format=schema(), logprobs=True, n=2)
        yield chat(person, response_format=schema(strict=False, body={"type": "object", "properties": {
            "x": {"type": "string", "format": "no-such"}, "y": {"type": "integer", "multipleOf": 0.3}}}))
        yield {"model": model, "messages": person, "seed": 3, "response_format": schema()}
        yield chat(hello, structured_outputs={"regex": "(yes|no), [a-z]{3,5}"})
        yield chat(hello, structured_outputs={"choice": ["red", "green", "blue"]})
        yield chat(hello, grammar='root ::= "a" [bc]+ "d"')
        yield chat(hello, json_schema=PERSON)
        yield chat(weather, tools=[WEATHER, SUM])
        yield chat(hello, tools=[WEATHER, SUM], logprobs=True)
        yield chat(weather, tools=[WEATHER, SUM], tool_choice="none")
        yield chat(weather, tools=[WEATHER, SUM], tool_choice="required", max_completion_tokens=80)
        yield chat(weather, tools=[WEATHER, SUM], tool_choice="required", max_completion_tokens=9)
        yield chat(weather, tools=[WEATHER, SUM], tool_choice="required", parallel_tool_calls=False,
                   max_completion_tokens=80, logprobs=True, top_logprobs=1)
        yield chat(weather, tools=[SUM, WEATHER], tool_choice={"type": "function", "function": {"name": "add_numbers"}},
                   max_completion_tokens=60, n=2)
        yield chat(weather, tools=[WEATHER, SUM, ODD], tool_choice={"type": "allowed_tools", "allowed_tools": {
            "mode": "required", "tools": [{"type": "function", "function": {"name": "get_weather"}}]}}, max_completion_tokens=60)
        yield chat(weather, tools=[WEATHER, ODD], response_format=schema())
        yield chat(user("Note: buy milk"), tools=[NOTE], tool_choice="required", max_completion_tokens=40)
        yield chat(user("Set the date"), tools=[DATE, NOTE], tool_choice={"type": "custom", "custom": {"name": "set_date"}},
                   max_completion_tokens=60)
        yield chat(user("What is 3+4?"), tools=[LARK], tool_choice="required", max_completion_tokens=60)
        yield chat(weather, functions=[WEATHER["function"]], function_call={"name": "get_weather"}, max_completion_tokens=60)
        yield chat(weather, functions=[WEATHER["function"], SUM["function"]], max_completion_tokens=60)
        yield chat(HISTORY, tools=[WEATHER])
        yield chat([m for i in range(40) for m in (*user(f"Question {i}: " + "word " * 120),
                   {"role": "assistant", "content": "Answer"})] + hello, truncation="auto")


def texts():
    """Bodies of text completions that succeed."""
    for model in MODELS:
        def text(prompt, _model=model, **fields):
            return {"model": _model, "prompt": prompt, "max_tokens": 12, "seed": 5, **fields}
        yield text("The fox")
        yield text(["One two", "Three four"], n=2)
        yield text("The quick", echo=True)
        yield text("Größe: €", echo=True, logprobs=2)
        yield text([[10, 20, 30], [40, 50]], echo=True, logprobs=0, max_tokens=3)
        yield text("The fox", logprobs=3, stop=["the", "."])
        yield text("Once upon", echo=True, max_tokens=0, logprobs=1)
        yield text("", max_tokens=4)
        yield text("A person:", response_format=schema(), max_tokens=40)
        yield text("Answer:", structured_outputs={"regex": "[0-9]{4}"}, logprobs=1)
        yield text("Answer:", service_tier="priority", temperature=0, top_k=3, best_of=1, suffix=None)


def refusals():
    """(path, body) of requests that are refused."""
    chat, text = "/v1/chat/completions", "/v1/completions"
    hello, model = user("Say hello."), MODELS[0]
    long = "word " * 200_000
    for fields in (
            {}, {"model": "no-such-model"}, {"messages": []}, {"messages": "x"}, {"temperature": 3}, {"n": 0}, {"n": 99},
            {"logit_bias": {"99999999": 1}}, {"logit_bias": {"a": 1}}, {"stop": ["a", "b", "c", "d", "e"]}, {"top_logprobs": 5},
            {"messages": user(long)}, {"messages": user("word " * 9000)},
            {"messages": user("word " * 9000), "max_completion_tokens": 50}, {"messages": user(long), "truncation": "auto"},
            {"max_tokens": 0}, {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "none"}}},
            {"tool_choice": "required"}, {"messages": [{"role": "assistant", "content": "x"}, {"role": "tool", "content": "y", "tool_call_id": "z"}]},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "bad", "strict": False, "schema": {"type": 17}}}},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "f", "strict": True, "schema": {"type": "string", "format": "no-such"}}}},
            {"structured_outputs": {"regex": "(unclosed"}}, {"grammar": "root ::= missing"}, {"grammar": "not a grammar ::"},
            {"json_schema": {"type": "nonsense"}}, {"structured_outputs": {"regex": "a", "choice": ["b"]}},
            {"tools": [{"type": "function", "function": {"name": "bad", "parameters": {"type": "object", "properties": {"x": {"type": "nonsense"}}}}}]},
            {"tools": [{"type": "function", "function": {"name": "bad", "strict": True, "parameters": {"type": "object", "properties": {"x": {"type": "string", "format": "no-such"}}}}}]},
            {"functions": [{"name": "bad", "parameters": {"type": "object", "properties": {"x": {"$ref": "#/no"}}}}]},
            {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "(("}}}}]},
            {"tools": [{"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: missing"}}}}]},
            {"modalities": ["audio"]}, {"stream_options": {"include_usage": True}}, {"service_tier": "gold"}):
        yield chat, {"model": model, "messages": hello, "max_completion_tokens": 4, "seed": 7, **fields} if fields else {}
    for fields in ({}, {"prompt": [[99999999]]}, {"prompt": long}, {"prompt": "word " * 9000}, {"logprobs": 9}, {"n": 0},
                   {"best_of": 3}, {"structured_outputs": {"regex": "("}}, {"logit_bias": {"99999999": 1}}, {"model": "nope"},
                   {"response_format": {"type": "json_schema", "json_schema": {"name": "bad", "schema": {"type": 17}}}}):
        yield text, {"model": model, "prompt": "The fox", "max_tokens": 4, "seed": 7, **fields} if fields else {}
    yield chat, {"model": "infe-pulse", "messages": [{"role": "assistant", "content": "only me"}], "max_completion_tokens": 4, "seed": 7}


def requests():
    """All of them: (method, path, body)."""
    for body in chats():
        for fields in ({}, {"stream": True}):
            yield "POST", "/v1/chat/completions", {**body, **fields}
    for body in texts():
        for fields in ({}, {"stream": True}):
            yield "POST", "/v1/completions", {**body, **fields}
    options = {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": True}}
    for body in list(chats())[::5]:
        yield "POST", "/v1/chat/completions", {**body, **options}
    for body in list(texts())[::4]:
        yield "POST", "/v1/completions", {**body, "stream": True, "stream_options": {"include_usage": True}}
    for body in list(chats())[::7]:
        yield "POST", "/v1/chat/completions/input_tokens", body
        yield "POST", "/v1/chat/completions/render", body
    for path, body in refusals():
        yield "POST", path, body
        if body:
            yield "POST", path, {**body, "stream": True}
    yield "POST", "/v1/chat/completions", b"{not json"
    yield "GET", "/v1/models", None
    yield "GET", "/v1/models/infe-pulse", None
    yield "GET", "/v1/models/none", None


# What differs between two runs of one build.
MOVING = [
    (re.compile(r'"(chatcmpl|cmpl|call)[-_][0-9A-Za-z]{20,}"'), r'"\1-ID"'),
    (re.compile(r'"created":\d+'), '"created":0'),
    (re.compile(r'"timings":\{[^}]*\}'), '"timings":{}'),
    (re.compile(r'"obfuscation":"[^"]*"'), '"obfuscation":""'),
    (re.compile(r'"seed":\d{4,}'), '"seed":0'),
]
HEADERS = {"x-request-id", "openai-processing-ms", "server-timing", "date", "retry-after", "retry-after-ms"}


def normal(text):
    for pattern, instead in MOVING:
        text = pattern.sub(instead, text)
    return text


def by_choice(answer):
    """A stream's events choice after choice. What rides on the last chunk is told of the stream."""
    events = answer["body"].split("\n\n")
    choices = [re.search(r'"choices":\[\{"index":(\d+)', event) or re.search(r'"text":.*?"index":(\d+)', event)
               for event in events]
    if len({match.group(1) for match in choices if match}) < 2 or not answer["body"].startswith("data: "):
        return answer
    extras = re.compile(r',"seed":\d+,"timings":\{\}[^{}]*(?=\}$)')
    told = sorted(found for event in events for found in extras.findall(event))
    order = sorted(range(len(events)), key=lambda i: (int(choices[i].group(1)) if choices[i] else 999, i))
    return {**answer, "body": "\n\n".join([extras.sub("", events[i]) for i in order] + told)}


def ask(port, method, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, data, {"Content-Type": "application/json"} if data else {})
    answer = connection.getresponse()
    text = normal(answer.read().decode())
    headers = sorted((k.lower(), "MOVES" if k.lower() in HEADERS else v) for k, v in answer.getheaders()
                     if k.lower() != "content-length" and not (k.lower() == "x-infe-seed" and len(v) > 3))
    connection.close()
    return {"status": answer.status, "headers": headers, "body": text}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(binary, model_dir):
    """Every request with its answer, of a server of its own."""
    with tempfile.TemporaryDirectory(prefix="infe-recorded-") as folder:
        models = pathlib.Path(folder) / "data/models"
        models.mkdir(parents=True)
        for name in MODELS:
            (models / f"{name}.gguf").symlink_to(pathlib.Path(model_dir).resolve() / f"{name}.gguf")
        port, ops = free_port(), free_port()
        environment = {**os.environ, "INFE_DATA_DIR": str(models.parent), "INFE_DRAIN_GRACE": "0", "INFE_QUEUE_WAIT": "0"}
        with open(os.path.join(folder, "log"), "wb") as log:
            server = subprocess.Popen([binary, "serve", "--port", str(port), "--ops-port", str(ops), "--context", "4096"],
                                      env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + START_S
            while time.monotonic() < deadline:
                if server.poll() is not None:
                    sys.exit(pathlib.Path(folder, "log").read_text())
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{ops}/readyz", timeout=2) as ready:
                        if ready.status == 200:
                            break
                except OSError:
                    time.sleep(0.1)
            return [{"request": [method, path, str(body)[:400]], **ask(port, method, path, body)}
                    for method, path, body in requests()]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary")
    parser.add_argument("--model-dir", required=True)
    parser.add_argument("--record", help="write the answers here")
    parser.add_argument("--compare", help="answers to compare with, of --record")
    options = parser.parse_args()
    answers = run(options.binary, options.model_dir)
    statuses = {}
    for answer in answers:
        statuses[answer["status"]] = statuses.get(answer["status"], 0) + 1
    print(f"{len(answers)} answers, by status: {statuses}")
    if options.record:
        pathlib.Path(options.record).write_text(json.dumps(answers, indent=1, ensure_ascii=False))
    if not options.compare:
        return 0
    before = json.loads(pathlib.Path(options.compare).read_text())
    pairs = zip(map(by_choice, before), map(by_choice, json.loads(json.dumps(answers))), strict=True)
    differ = [(a, b) for a, b in pairs if a != b]
    for a, b in differ[:10]:
        print("DIFFERS:", a["request"])
        for key in ("status", "headers", "body"):
            if a[key] != b[key]:
                print("  before:", str(a[key])[:1500], "\n  after: ", str(b[key])[:1500])
    print(f"{len(differ)} of {len(answers)} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
