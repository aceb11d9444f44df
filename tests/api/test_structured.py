"""JSON mode, tools and histories with calls, through the official client."""
import json
import sys

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
