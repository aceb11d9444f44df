"""JSON mode, tools and histories with calls, through the official client."""
import json
import sys

import openai
import pytest
from conftest import ROOT, SLOW

sys.path.insert(0, str(ROOT / "tests/conformance"))
import structured_output  # noqa: E402

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the current weather in a location",
    "parameters": {"type": "object", "properties": {"location": {"type": "string", "description": "City name"}},
                   "required": ["location"]}}}


def test_json_mode_example_parses(server):
    client = server.client()
    for seed in range(10):
        response = client.chat.completions.create(
            model="smollm2-135m",
            messages=[{"role": "system", "content": "Output valid JSON only."},
                      {"role": "user", "content": "List 3 colors with hex codes"}],
            response_format={"type": "json_object"}, seed=seed)
        assert isinstance(json.loads(response.choices[0].message.content), dict)


def test_json_mode_is_complete_at_the_token_limit(server):
    client = server.client()
    for limit in (8, 16, 33):
        response = client.chat.completions.create(
            model="smollm2-135m", messages=[{"role": "user", "content": "Describe a house as JSON with many fields."}],
            response_format={"type": "json_object"}, seed=limit, max_tokens=limit)
        assert isinstance(json.loads(response.choices[0].message.content), dict)
        assert response.usage.completion_tokens <= limit


def test_json_mode_streams_the_same_text(server):
    client = server.client()
    arguments = dict(model="smollm2-135m", messages=[{"role": "user", "content": "A cat as JSON."}],
                     response_format={"type": "json_object"}, seed=4, max_tokens=80)
    plain = client.chat.completions.create(**arguments).choices[0].message.content
    streamed = "".join(c.choices[0].delta.content or "" for c in client.chat.completions.create(**arguments, stream=True))
    assert plain == streamed


def test_tool_calling_example(pulse):
    client = pulse.client()
    calls = 0
    for seed in range(5):
        arguments = dict(model="infe-pulse", messages=[{"role": "user", "content": "What's the weather in Tokyo?"}],
                         tools=[WEATHER], seed=seed)
        response = client.chat.completions.create(**arguments)
        message = response.choices[0].message
        if message.tool_calls:
            calls += 1
            assert response.choices[0].finish_reason == "tool_calls"
            assert message.tool_calls[0].function.name == "get_weather"
            assert "<tool_call>" not in (message.content or "")
            streamed_name, streamed_arguments = "", ""
            for chunk in client.chat.completions.create(**arguments, stream=True):
                for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
                    if call.index == 0:
                        streamed_name += call.function.name or ""
                        streamed_arguments += call.function.arguments or ""
            assert streamed_name == "get_weather"
            assert streamed_arguments == message.tool_calls[0].function.arguments
    assert calls >= 4


def test_tool_results_in_history_render(server):
    client = server.client()
    response = client.chat.completions.create(
        model="smollm2-135m", max_tokens=24, tools=[WEATHER],
        messages=[
            {"role": "user", "content": "What's the weather in Tokyo?"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"location": "To'}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "12 degrees, rain"},
        ])
    assert response.choices[0].message.content is not None or response.choices[0].message.tool_calls


def test_truncation_drops_the_oldest_turns(server):
    client = server.client()
    messages = []
    for i in range(40):
        messages += [{"role": "user", "content": f"Turn {i}: " + "word " * 300}, {"role": "assistant", "content": "Yes."}]
    messages.append({"role": "user", "content": "And now?"})
    raw = client.chat.completions.with_raw_response.create(
        model="smollm2-135m", messages=messages, max_tokens=4, extra_body={"truncation": "auto"})
    assert int(raw.headers["x-infe-truncated-messages"]) >= 2
    assert raw.parse().usage.prompt_tokens < 8192


@pytest.mark.parametrize("kind, count", [("object", 8), ("schema", 50)])
def test_every_answer_validates_under_an_independent_validator(server, kind, count):
    """The short form of tests/conformance/structured_output.py: each of its schemas once."""
    assert structured_output.run(server.client(timeout=900 * SLOW), kind, count, "smollm2-135m", seed=7) == []


def test_everyday_schemas_give_declared_keys_and_whole_answers(pulse):
    """The short form of --kind open of tests/conformance/structured_output.py."""
    assert structured_output.run_open(pulse.client(timeout=900 * SLOW), "infe-pulse", seeds=3) == []


def tool(name, parameters, **more):
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


@pytest.mark.parametrize("parameters, valid", [
    # `required` names a key that nothing declares
    ({"type": "object", "properties": {"a": {"type": "integer", "maximum": 99}}, "required": ["a", "other"]},
     lambda args: set(args) == {"a", "other"}),
    # alternatives with properties of their own
    ({"type": "object", "properties": {"k": {"const": 1}}, "required": ["k"], "anyOf": [
        {"properties": {"a": {"type": "integer", "maximum": 99}}, "required": ["a"]},
        {"properties": {"b": {"type": "boolean"}}, "required": ["b"]}]},
     lambda args: set(args) in ({"k", "a"}, {"k", "b"})),
    ({"type": "object", "oneOf": [
        {"properties": {"t": {"const": "x"}, "n": {"type": "integer", "maximum": 99}}, "required": ["t", "n"]},
        {"properties": {"t": {"const": "y"}, "b": {"type": "boolean"}}, "required": ["t", "b"]}]},
     lambda args: set(args) == ({"t", "n"} if args["t"] == "x" else {"t", "b"})),
    ({"type": "object", "properties": {"c": {"enum": ["US", "DE"]}}, "required": ["c"],
      "if": {"properties": {"c": {"const": "US"}}}, "then": {"properties": {"zip": {"type": "integer", "maximum": 9}}, "required": ["zip"]},
      "else": {"properties": {"plz": {"type": "boolean"}}, "required": ["plz"]}},
     lambda args: set(args) == ({"c", "zip"} if args["c"] == "US" else {"c", "plz"})),
])
def test_arguments_follow_the_schema_as_it_was_given_without_further_keys(server, parameters, valid):
    for seed in range(4):
        done = server.client(timeout=900 * SLOW).chat.completions.create(
            model="smollm2-135m", messages=[{"role": "user", "content": "Use the tool."}], seed=seed, max_tokens=200,
            tools=[tool("f", parameters)], tool_choice="required", parallel_tool_calls=False)
        arguments = json.loads(done.choices[0].message.tool_calls[0].function.arguments)
        assert valid(arguments), arguments
        assert done.choices[0].finish_reason == "tool_calls"
        assert "x_unenforced" not in done.model_dump()


def test_one_tool_that_cannot_be_enforced_does_not_fail_the_others(server):
    good = tool("good", {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]})
    client = server.client(timeout=900 * SLOW)
    # What refers to nothing says nothing by itself; what nothing can fulfil takes its tool along.
    for parameters, unenforced in (
            ({"type": "object", "properties": {"a": {"$ref": "#/$defs/nowhere"}}}, "$ref at tools[0].function.parameters#/properties/a"),
            ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "tools[0].function.parameters")):
        asked = dict(model="smollm2-135m", messages=[{"role": "user", "content": "Use the good tool."}], max_tokens=64,
                     tool_choice={"type": "function", "function": {"name": "good"}})
        done = client.chat.completions.create(**asked, tools=[tool("bad", parameters), good])
        assert set(json.loads(done.choices[0].message.tool_calls[0].function.arguments)) == {"n"}
        assert [named.split(":")[0] for named in done.model_dump()["x_unenforced"]] == [unenforced]
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(**asked, tools=[good, tool("bad", parameters, strict=True)])
        assert refused.value.param == "tools[1].function.parameters"
        message = refused.value.body["message"]
        assert message.endswith(".") and not message.endswith("..") and message.count("/properties/a") <= 1
