"""The Messages API as Anthropic's official Python client sees it. Every answer, event and error is
checked against the client's own types."""
import http.client
import json
import random
import time

import anthropic
import pydantic
import pytest
from anthropic.types import Message, ModelInfo, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse

from conftest import Server

MODEL = "smollm2-135m"
HI = [{"role": "user", "content": "Say hello to the world."}]
EVENT = pydantic.TypeAdapter(RawMessageStreamEvent)
WEATHER = {"name": "get_weather", "description": "The weather of a city, now",
           "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                            "additionalProperties": False}}


def anthropic_client(server, key=None):
    return anthropic.Anthropic(base_url=server.root, api_key=key or server.key, max_retries=0)


@pytest.fixture(scope="session")
def claude(server):
    return anthropic_client(server)


def new_key(server, *options):
    """A key that the running server knows already."""
    key, _ = server.new_key("more", *options)

    def status():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/v1/models", headers={"x-api-key": key})
        return connection.getresponse().status

    deadline = time.monotonic() + 60
    while status() == 401 and time.monotonic() < deadline:
        time.sleep(0.5)
    return key


def post(server, body, path="/v1/messages", **headers):
    """Status, headers and body of a request that no client library has touched."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    text = body if isinstance(body, str) else json.dumps(body)
    connection.request("POST", path, text, {"Content-Type": "application/json", "x-api-key": server.key,
                                            "anthropic-version": "2023-06-01", **headers})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def events_of(text):
    """(name, data) of every event."""
    found = []
    for event in text.split("\n\n"):
        if event:
            name, data = event.split("\n")
            assert name.startswith("event: ") and data.startswith("data: ")
            found.append((name[7:], json.loads(data[6:])))
    return found


def put_together(events):
    """The message that a stream's events come to, each of them valid for the client."""
    for name, data in events:
        assert data["type"] == name
        if name != "ping":
            EVENT.validate_python(data)
    names = [name for name, _ in events if name != "ping"]
    assert names[0] == "message_start" and names[-2:] == ["message_delta", "message_stop"]
    snapshot, buffers = None, {}
    for name, data in events:
        if name != "ping":
            snapshot = anthropic.lib.streaming._messages.accumulate_event(
                event=EVENT.validate_python(data), current_snapshot=snapshot, json_bufs=buffers)
    return json.loads(snapshot.to_json())


def comparable(message):
    """Without what is new in every answer, and what says only how it came about."""
    message = {**message, "id": None, "usage": {"output_tokens": message["usage"]["output_tokens"]}}
    message["content"] = [{k: v for k, v in block.items() if k != "id"} for block in message["content"]]
    return {k: v for k, v in message.items() if v is not None}


def test_create_and_stream_agree(claude):
    ask = {"model": MODEL, "max_tokens": 24, "messages": HI, "system": "Be brief.", "extra_body": {"seed": 7}}
    whole = claude.messages.create(**ask)
    assert whole.role == "assistant" and whole.content[0].type == "text" and whole.id.startswith("msg_")
    with claude.messages.stream(**ask) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == final.content[0].text == whole.content[0].text
    assert final.stop_reason == whole.stop_reason and final.usage.output_tokens == whole.usage.output_tokens
    assert whole._request_id.startswith("req_")


def test_count_tokens_is_what_the_prompt_costs(claude):
    ask = {"model": MODEL, "messages": HI, "system": [{"type": "text", "text": "Be brief."}], "tools": [WEATHER]}
    counted = claude.messages.count_tokens(**ask).input_tokens
    usage = claude.messages.create(**ask, max_tokens=1).usage
    assert counted == usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens


def test_a_stop_sequence_is_named(claude):
    ask = {"model": MODEL, "max_tokens": 60, "messages": HI, "extra_body": {"seed": 7}}
    text = claude.messages.create(**ask).content[0].text
    stop = text[len(text) // 2:len(text) // 2 + 3]
    cut = claude.messages.create(**ask, stop_sequences=["never said", stop])
    assert cut.stop_reason == "stop_sequence" and cut.stop_sequence == stop
    assert cut.content[0].text == text[:text.index(stop)]


def test_the_limit_and_the_context_are_told_apart(claude, server):
    assert claude.messages.create(model=MODEL, max_tokens=3, messages=HI).stop_reason == "max_tokens"
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.create(model=MODEL, max_tokens=5, messages=[{"role": "user", "content": "word " * 9000}])
    assert "prompt is too long" in refused.value.api_message
    assert refused.value.type == "invalid_request_error" and refused.value.error_code == "context_length_exceeded"


def test_a_tools_round_trip(pulse):
    claude, model = anthropic_client(pulse), "infe-pulse"
    question = {"role": "user", "content": "What is the weather in Paris? Use the tool."}
    ask = {"model": model, "max_tokens": 120, "tools": [WEATHER], "extra_body": {"temperature": 0}}
    called = claude.messages.create(**ask, messages=[question],
                                    tool_choice={"type": "any", "disable_parallel_tool_use": True})
    (use,) = [block for block in called.content if block.type == "tool_use"]
    assert called.stop_reason == "tool_use" and use.id.startswith("toolu_")
    assert use.name == "get_weather" and "Paris" in use.input["city"]
    result = {"type": "tool_result", "tool_use_id": use.id, "content": [{"type": "text", "text": "Snow, minus 31 C."}]}
    said = claude.messages.create(**ask, messages=[question, called.to_param(), {"role": "user", "content": [result]}],
                                  tool_choice={"type": "none"})
    assert said.stop_reason == "end_turn" and "31" in said.content[0].text
    # Streamed, the input comes in pieces of JSON.
    with claude.messages.stream(**ask, messages=[question], tool_choice={"type": "tool", "name": "get_weather"}) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        final = stream.get_final_message()
    assert len(pieces) > 1 and json.loads("".join(pieces)) == final.content[-1].input


def test_structured_output_is_enforced(claude):
    class Dog(pydantic.BaseModel):
        name: str
        age: int

    parsed = claude.messages.parse(model=MODEL, max_tokens=200, output_format=Dog,
                                   messages=[{"role": "user", "content": "A dog as JSON, please."}])
    assert isinstance(parsed.parsed_output, Dog)
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model=MODEL, max_tokens=9, messages=HI, output_config={
            "format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "zebra"}}}}})


def test_errors_have_the_types_that_the_client_knows(server, claude):
    wrong = anthropic_client(server, "sk-infe-wrong")
    ask = {"model": MODEL, "max_tokens": 5, "messages": HI}
    for call, kind, type_ in ((lambda: wrong.messages.create(**ask), anthropic.AuthenticationError, "authentication_error"),
                              (lambda: claude.messages.create(**{**ask, "model": "no"}), anthropic.NotFoundError,
                               "not_found_error"),
                              (lambda: claude.messages.create(**{**ask, "messages": []}), anthropic.BadRequestError,
                               "invalid_request_error"),
                              (lambda: claude.messages.create(**{**ask, "max_tokens": 0}), anthropic.BadRequestError,
                               "invalid_request_error")):
        with pytest.raises(kind) as raised:
            call()
        error = raised.value
        assert error.type == type_ and error.request_id == error.body["request_id"]
        ErrorResponse.model_validate(error.body)
    # A key without the scope, and one with its limit used up.
    other = anthropic_client(server, new_key(server, "--scope", "chat"))
    with pytest.raises(anthropic.PermissionDeniedError) as raised:
        other.messages.create(**ask)
    ErrorResponse.model_validate(raised.value.body)
    slow = anthropic_client(server, new_key(server, "--rpm", "1"))
    slow.messages.create(**ask)
    with pytest.raises(anthropic.RateLimitError) as raised:
        slow.messages.create(**ask)
    ErrorResponse.model_validate(raised.value.body)
    headers = raised.value.response.headers
    assert headers["anthropic-ratelimit-requests-limit"] == "1" and int(headers["retry-after"]) >= 1
    assert headers["anthropic-ratelimit-requests-reset"].endswith("Z")


def test_what_other_servers_would_do_is_left_out_and_named(server):
    status, headers, text = post(server, {
        "model": MODEL, "max_tokens": 4, "messages": HI, "context_management": {"edits": []},
        "tools": [{"type": "web_search_20250305", "name": "web_search"}, WEATHER]},
        **{"anthropic-beta": "context-management-2025-06-27,claude-code-20250219"})
    assert status == 200, text
    assert headers["x-infe-left-out"] == "web_search"
    assert headers["x-infe-ignored-params"] == "context_management, anthropic-beta.context-management-2025-06-27"
    status, _, text = post(server, {"model": MODEL, "max_tokens": 4, "messages": HI,
                                    "tools": [{"type": "web_search_20250305", "name": "web_search"}],
                                    "tool_choice": {"type": "tool", "name": "web_search"}})
    assert status == 400 and "web_search" in json.loads(text)["error"]["message"]


def test_a_changing_line_for_who_bills_does_not_cost_the_prefix(server):
    """An agent's first system block has a checksum that is another one in every request."""
    system = "You are an agent. " + " ".join(f"Rule {i}: be careful with files." for i in range(60))

    def turn(line, question):
        first = [{"type": "text", "text": line}] if line else []
        status, headers, text = post(server, {
            "model": MODEL, "max_tokens": 2, "messages": [{"role": "user", "content": question}],
            "system": [*first, {"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}]})
        assert status == 200, text
        usage = json.loads(text)["usage"]
        total = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        return usage["cache_read_input_tokens"] / total, headers.get("x-infe-ignored-params", "")

    mark = "x-anthropic-billing-header: cc_version=2.1.0.{}; cc_entrypoint=cli; cch={};"
    turn(mark.format("abc", "11111"), "What is one?")
    read, named = turn(mark.format("abc", "22222"), "What is two?")
    assert read > 0.9 and named == "system.x-anthropic-billing-header"
    assert turn("", "What is three?")[0] > 0.9
    # Any other line at the head is part of the prompt: nothing behind it is found again.
    turn("version 1", "What is four?")
    assert turn("version 2", "What is five?")[0] < 0.5


def test_models_have_anthropics_shape_where_the_version_is_sent(claude, server, client):
    (listed,) = claude.models.list()
    ModelInfo.model_validate(listed.model_dump())
    assert listed.id == MODEL and listed.lifecycle == "active" and listed.max_input_tokens > 1000
    assert claude.models.retrieve(MODEL).id == MODEL
    with pytest.raises(anthropic.NotFoundError) as missing:
        claude.models.retrieve("no-such-model")
    ErrorResponse.model_validate(missing.value.body)
    assert missing.value.type == "not_found_error"
    with pytest.raises(anthropic.AuthenticationError) as refused:
        anthropic_client(server, "wrong").models.list()
    assert refused.value.type == "authentication_error"
    # And OpenAI's everywhere else.
    assert [model.object for model in client.models.list()] == ["model"]


def random_request(random):
    """Anything that a client may ask for and a small model may answer."""
    ask = {"model": MODEL, "max_tokens": random.randint(1, 24), "seed": random.randrange(1000)}
    words = ["hello", "list three colours", "x" * 40, "Grüße, 世界", "write JSON", "count to ten"]
    text = {"type": "text", "text": random.choice(words), "cache_control": {"type": "ephemeral"}}
    ask["messages"] = [{"role": "user", "content": random.choice([random.choice(words), [text], [text, text]])}]
    if random.random() < 0.3:
        ask["messages"] += [{"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Oslo"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain",
                                          "is_error": random.random() < 0.3}]}]
    if random.random() < 0.4:
        ask["system"] = random.choice(["Be brief.", [{"type": "text", "text": "Be brief."}]])
    if random.random() < 0.4:
        ask["temperature"] = random.choice([0, 0.7, 1])
    if random.random() < 0.2:
        ask["top_k"], ask["top_p"] = random.randint(1, 50), 0.9
    if random.random() < 0.3:
        ask["stop_sequences"] = random.sample(["e", "\n", "the", "never said"], 2)
    if random.random() < 0.4:
        ask["tools"] = [WEATHER]
        ask["tool_choice"] = random.choice([{"type": "auto"}, {"type": "any"}, {"type": "none"},
                                            {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True}])
    elif random.random() < 0.2:
        ask["output_config"] = {"format": {"type": "json_schema", "schema": {
            "type": "object", "properties": {"a": {"enum": ["b", "c"]}}, "required": ["a"],
            "additionalProperties": False}}}
    if random.random() < 0.3:
        ask["thinking"] = random.choice([{"type": "adaptive"}, {"type": "disabled"},
                                         {"type": "enabled", "budget_tokens": 8}])
    return ask


def test_any_request_is_answered_alike_whole_and_streamed(server):
    draw = random.Random(11)
    for _ in range(300):
        ask = random_request(draw)
        status, _, text = post(server, ask)
        assert status == 200, (ask, text)
        whole = json.loads(text)
        Message.model_validate(whole)
        status, headers, text = post(server, {**ask, "stream": True})
        assert status == 200 and headers["Content-Type"].startswith("text/event-stream"), (ask, text)
        streamed = put_together(events_of(text))
        if whole["stop_reason"] in ("max_tokens", "stop_sequence"):
            # Of a call that was cut the client makes what it can, and so does infe.
            for message in (whole, streamed):
                for block in message["content"]:
                    block.pop("input", None)
        assert comparable(streamed) == comparable(whole), ask


def test_keys_limits_ledger_and_metrics_know_the_dialect(tmp_path):
    with Server(tmp_path) as server:
        claude = anthropic_client(server)
        claude.messages.create(model=MODEL, max_tokens=6, messages=HI, metadata={"user_id": "somebody"})
        with claude.messages.stream(model=MODEL, max_tokens=6, messages=HI) as stream:
            stream.get_final_message()
        assert server.total("infe_http_requests_total", 'route="/v1/messages"', 'code="200"') == 2
        (somebody,) = [row for row in json.loads(server.command("usage", "--by", "user", "--json"))["usage"]
                       if row["user"] == "somebody"]
        assert somebody["requests"] == 1 and somebody["completion_tokens"] > 0
