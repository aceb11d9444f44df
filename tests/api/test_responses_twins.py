"""Generated requests to /v1/responses: every answer and event fits OpenAI's published schemas, a stream added
up is the answer without streaming, field by field, and what is kept is what was answered.

INFE_TEST_GENERATED says how many requests; 300 take some minutes."""
import json
import os
import random

import pytest
from responses_wire import MODEL, Wire

COUNT = int(os.environ.get("INFE_TEST_GENERATED", "24"))
WORDS = "river stone garden window morning bridge letter market silver forest".split()
FUNCTION = {"type": "function", "name": "find", "description": "Finds things.", "parameters": {
    "type": "object", "properties": {"what": {"type": "string", "maxLength": 20}, "count": {"type": "integer"}},
    "required": ["what"], "additionalProperties": False}}
CUSTOM = {"type": "custom", "name": "dice", "format": {"type": "grammar", "syntax": "regex", "definition": "[1-9]d(6|20)"}}
GROUP = {"type": "namespace", "name": "town", "description": "Towns.", "tools": [{**FUNCTION, "name": "look"}]}
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 12}, "n": {"type": "integer"}},
          "required": ["name", "n"], "additionalProperties": False}


def words(draw, most):
    return " ".join(draw.choice(WORDS) for _ in range(draw.randint(1, most)))


def message(draw, role):
    text = words(draw, 12)
    kind = "output_text" if role == "assistant" else "input_text"
    return {"role": role, "content": draw.choice([text, [{"type": kind, "text": text}]])}


def history(draw):
    items = [message(draw, draw.choice(["developer", "system"]))] if draw.random() < 0.3 else []
    for turn in range(draw.randint(0, 2)):
        items.append(message(draw, "user"))
        if draw.random() < 0.3:
            items += [{"type": "function_call", "call_id": f"c{turn}", "name": "find", "arguments": '{"what":"x"}'},
                      {"type": "function_call_output", "call_id": f"c{turn}", "output": words(draw, 4)}]
        items.append(message(draw, "assistant"))
    return items + [message(draw, "user")]


def generated(number):
    """One request; the same for the same number."""
    draw = random.Random(number)
    body = {"model": MODEL, "seed": number, "max_output_tokens": draw.choice([1, 4, 12, 40]),
            "input": draw.choice([words(draw, 20), history(draw)])}
    if draw.random() < 0.3:
        body["instructions"] = words(draw, 10)
    if draw.random() < 0.4:
        body["temperature"] = draw.choice([0, 0.7, 1.5])
    if draw.random() < 0.2:
        body["top_p"] = 0.8
    if draw.random() < 0.3:
        body |= {"include": ["message.output_text.logprobs"], "top_logprobs": draw.randint(0, 5)}
    if draw.random() < 0.2:
        body["metadata"] = {"a": words(draw, 3)}
    shape = draw.random()
    if shape < 0.35:
        body["tools"] = draw.sample([FUNCTION, CUSTOM, GROUP, {"type": "web_search"}], draw.randint(1, 4))
        body["max_output_tokens"] = 60
        if any(tool["type"] != "web_search" for tool in body["tools"]):
            body["tool_choice"] = draw.choice(["auto", "required", "none"])
        body["parallel_tool_calls"] = draw.random() < 0.5
    elif shape < 0.55:
        body["max_output_tokens"] = 60
        body["text"] = {"format": draw.choice([
            {"type": "json_object"}, {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True}])}
    if draw.random() < 0.2:
        body["truncation"] = "auto"
    if draw.random() < 0.2:
        body["reasoning"] = {"effort": draw.choice(["none", "low", "high"])}
    if draw.random() < 0.2:
        body["store"] = False
    return body


def without_what_is_minted(response):
    """Of two answers to one request only ids, times and speeds differ."""
    ids = {}

    def clean(node, key=None):
        if isinstance(node, dict):
            return {k: clean(v, k) for k, v in node.items()
                    if k not in ("timings", "created_at", "completed_at", "cached_tokens")}
        if isinstance(node, list):
            return [clean(v) for v in node]
        if key in ("id", "call_id") and node is not None:
            return ids.setdefault(node, len(ids))
        return node
    return clean(response)


def added_up(events):
    """The output as a client has it that reads deltas alone."""
    items = []
    for event in events:
        kind = event["type"].removeprefix("response.")
        if kind == "output_item.added":
            items.append({"item": event["item"], "text": "", "scores": []})
        elif kind in ("output_text.delta", "function_call_arguments.delta", "custom_tool_call_input.delta",
                      "reasoning_text.delta", "reasoning_summary_text.delta"):
            assert event["output_index"] == len(items) - 1 and event["item_id"] == items[-1]["item"]["id"]
            items[-1]["text"] += event["delta"]
            items[-1]["scores"] += event.get("logprobs", [])
        elif kind == "output_item.done":
            assert event["output_index"] == len(items) - 1 and event["item"]["id"] == items[-1]["item"]["id"]
            items[-1]["done"] = event["item"]
    return items


def text_of(item):
    return {"message": lambda: item["content"][0]["text"], "function_call": lambda: item["arguments"],
            "custom_tool_call": lambda: item["input"],
            "reasoning": lambda: (item.get("content") or item["summary"])[0]["text"]}[item["type"]]()


@pytest.fixture(scope="module")
def wire(server):
    return Wire(server)


@pytest.mark.parametrize("number", range(COUNT))
def test_a_stream_added_up_is_the_answer(wire, number):
    body = generated(number)
    whole = wire.create(**body)
    events = wire.stream(**body)
    last = events[-1]["response"]
    assert without_what_is_minted(last) == without_what_is_minted(whole), json.dumps(body)
    items = added_up(events)
    assert [item["done"] for item in items] == last["output"]
    for item in items:
        assert item["text"] == text_of(item["done"]), json.dumps(body)
        if item["done"]["type"] == "message":
            assert item["scores"] == item["done"]["content"][0]["logprobs"]
    for answer in (whole, last):
        kept = wire.send("GET", f"/responses/{answer['id']}")
        if body.get("store") is False:
            assert kept.status == 404
        else:
            assert kept.json() == answer
