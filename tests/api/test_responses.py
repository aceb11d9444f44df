"""/v1/responses with the official client against the real server: whole and streamed, tools, formats,
errors. Every answer and event is held against OpenAI's published schemas where they are there."""
import json
import time

import openai
import pydantic
import pytest
from responses_wire import MODEL, Wire


@pytest.fixture(scope="module")
def wire(server):
    return Wire(server)


def test_the_official_client_creates_and_streams(client):
    whole = client.responses.create(model=MODEL, input="Name three colours.", max_output_tokens=16,
                                    extra_body={"seed": 7})
    assert whole.status in ("completed", "incomplete") and whole.output_text
    assert whole.usage.output_tokens > 0 and whole.usage.input_tokens > 0
    with client.responses.stream(model=MODEL, input="Name three colours.", max_output_tokens=16,
                                 extra_body={"seed": 7}) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
    assert "".join(deltas) == whole.output_text


def test_a_stream_has_openais_order(wire):
    events = wire.stream(input="Say hello.", max_output_tokens=8, seed=7)
    names = [event["type"].removeprefix("response.") for event in events]
    assert names[:4] == ["created", "in_progress", "output_item.added", "content_part.added"]
    assert names[-4:-1] == ["output_text.done", "content_part.done", "output_item.done"]
    assert names[-1] in ("completed", "incomplete")
    assert set(names[4:-4]) == {"output_text.delta"}


def test_the_instructions_are_part_of_the_prompt(wire):
    plain = wire.create(input="hi", max_output_tokens=1)
    told = wire.create(input="hi", instructions="You are a pirate. Speak like one.", max_output_tokens=1)
    assert told["usage"]["input_tokens"] != plain["usage"]["input_tokens"]
    assert told["instructions"] == "You are a pirate. Speak like one."


def test_logprobs_come_with_include(wire):
    body = {"input": "Say hello.", "max_output_tokens": 8, "seed": 7, "top_logprobs": 2,
            "include": ["message.output_text.logprobs"]}
    scores = wire.create(**body)["output"][0]["content"][0]["logprobs"]
    assert len(scores) >= 7 and all(len(score["top_logprobs"]) == 2 for score in scores)
    streamed = wire.stream(**body)
    told = [score for event in streamed if event["type"] == "response.output_text.delta" for score in event["logprobs"]]
    assert told == scores


class Colour(pydantic.BaseModel):
    name: str
    red: int


def test_parse_gives_the_model_asked_for(client):
    parsed = client.responses.parse(model=MODEL, input="Describe a colour.", text_format=Colour, max_output_tokens=200)
    assert isinstance(parsed.output_parsed, Colour)


WEATHER = {"type": "function", "name": "get_weather", "description": "The weather of a city.", "strict": True,
           "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
                          "additionalProperties": False}}


def test_a_call_is_an_item_and_its_output_goes_back(client):
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    called = client.responses.create(model=MODEL, input=question, tools=[WEATHER], tool_choice="required",
                                     parallel_tool_calls=False, max_output_tokens=100)
    calls = [item for item in called.output if item.type == "function_call"]
    assert len(calls) == 1 and calls[0].name == "get_weather" and "city" in json.loads(calls[0].arguments)
    answered = client.responses.create(
        model=MODEL, tools=[WEATHER], tool_choice="none", max_output_tokens=16,
        input=question + called.output + [
            {"type": "function_call_output", "call_id": calls[0].call_id, "output": "Sunny, 21 degrees."}])
    assert answered.output_text and all(item.type == "message" for item in answered.output)


def test_custom_tools_take_text_of_their_grammar(wire):
    tool = {"type": "custom", "name": "dice", "description": "Rolls dice.",
            "format": {"type": "grammar", "syntax": "regex", "definition": "[1-9]d(6|20)"}}
    body = {"input": "Roll two dice.", "tools": [tool], "tool_choice": {"type": "custom", "name": "dice"},
            "max_output_tokens": 60, "seed": 3}
    call = [item for item in wire.create(**body)["output"] if item["type"] == "custom_tool_call"][0]
    assert call["input"][1] == "d" and call["input"][2:] in ("6", "20")
    events = wire.stream(**body)
    pieces = [e["delta"] for e in events if e["type"] == "response.custom_tool_call_input.delta"]
    assert "".join(pieces) == call["input"]


def test_tools_of_a_group_are_called_by_their_own_name(wire):
    group = {"type": "namespace", "name": "town", "description": "About towns.", "tools": [WEATHER]}
    call = wire.create(input="Weather in Rome?", tools=[group], tool_choice="required", max_output_tokens=100)["output"][-1]
    assert (call["type"], call["namespace"], call["name"]) == ("function_call", "town", "get_weather")


def test_hosted_tools_are_left_out_and_named(wire):
    answer = wire.send("POST", "/responses", {
        "model": MODEL, "input": "hi", "max_output_tokens": 4,
        "tools": [{"type": "web_search"}, {"type": "code_interpreter", "container": {"type": "auto"}}]})
    assert answer.headers["x-infe-left-out"] == "web_search, code_interpreter"
    assert answer.json()["x_left_out"] == ["web_search", "code_interpreter"]
    wire.check("Response", answer.json())
    error = wire.refused(400, tools=[{"type": "web_search"}], tool_choice={"type": "web_search_preview"})
    assert error["code"] == "unsupported_value"


@pytest.mark.parametrize("body, status, param, code", [
    ({"model": "no-such-model"}, 404, None, "model_not_found"),
    ({"input": 5}, 400, "input", "invalid_type"),
    ({"input": []}, 400, "input", "empty_array"),
    ({"messages": []}, 400, "messages", "unsupported_parameter"),
    ({"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "nothing"}}}}, 400,
     "text.format.schema", None),
    ({"tools": [{"type": "function", "name": "f", "parameters": {"type": "nothing"}}]}, 400, "tools[0].parameters",
     "invalid_function_parameters"),
    ({"input": "word " * 9000}, 400, "input", "context_length_exceeded"),
])
def test_refusals_name_their_field(wire, body, status, param, code):
    error = wire.refused(status, **body)
    assert (error["param"], error["code"]) == (param, code), error


def test_input_tokens_are_those_of_the_prompt(client):
    counted = client.responses.input_tokens.count(model=MODEL, input="Name three colours.")
    made = client.responses.create(model=MODEL, input="Name three colours.", max_output_tokens=1)
    assert counted.input_tokens == made.usage.input_tokens


def test_a_key_without_the_scope_is_refused(server):
    key, _ = server.new_key("chatter", "--scope", "chat")
    user = openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0)
    deadline = time.monotonic() + 10
    while True:
        try:
            user.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "x"}], max_tokens=1)
            break
        except openai.AuthenticationError:  # a server sees a new key within a second
            assert time.monotonic() < deadline
            time.sleep(0.1)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        user.responses.create(model=MODEL, input="x")
    assert "responses" in refused.value.message
