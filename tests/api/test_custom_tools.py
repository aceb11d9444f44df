"""Custom tools: a tool whose input is one text, free or under a regex or a Lark grammar."""
import collections
import re

import openai
import pytest

CALCULATOR = {"type": "custom", "custom": {
    "name": "calculate", "description": "Computes an arithmetic expression.",
    "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": """start: sum
sum: product (("+" | "-") product)~0..3
product: atom (("*" | "/") atom)~0..2
atom: INT | "(" sum ")"
INT: /[0-9]{1,4}/
"""}}}}
CLOCK = {"type": "custom", "custom": {
    "name": "set_alarm", "description": "Sets an alarm.",
    "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": r"^(?P<hour>[01]\d|2[0-3]):[0-5]\d(: \"\w{1,8}\")?$"}}}}
NOTE = {"type": "custom", "custom": {"name": "take_note", "description": "Keeps a short note.", "format": {"type": "text"}}}
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"location": {"type": "string", "maxLength": 30}}, "required": ["location"], "additionalProperties": False}}}
CLOCK_PATTERN = r'([01]\d|2[0-3]):[0-5]\d(: "\w{1,8}")?'


def ask(client, text, **more):
    more.setdefault("max_tokens", 120)
    return client.chat.completions.create(model="smollm2-135m", messages=[{"role": "user", "content": text}], **more)


def named(tool):
    return {"type": "custom", "custom": {"name": tool["custom"]["name"]}}


@pytest.mark.parametrize("seed", range(4))
def test_input_follows_the_regex(client, seed):
    choice = ask(client, "Wake me at seven.", tools=[CLOCK], tool_choice=named(CLOCK), seed=seed).choices[0]
    call, = choice.message.tool_calls
    assert call.type == "custom" and call.custom.name == "set_alarm" and call.id.startswith("call_")
    assert re.fullmatch(CLOCK_PATTERN, call.custom.input)
    assert choice.finish_reason == "stop"  # as for every named tool
    assert choice.message.content is None


@pytest.mark.parametrize("seed", range(4))
def test_input_follows_the_lark_grammar(client, seed):
    choice = ask(client, "What is 12 * (3 + 4)?", tools=[CALCULATOR, CLOCK, WEATHER], seed=seed, parallel_tool_calls=False,
                 tool_choice={"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named(CALCULATOR)]}}).choices[0]
    call, = choice.message.tool_calls
    assert call.custom.name == "calculate" and choice.finish_reason == "tool_calls"
    assert re.fullmatch(r"[0-9+*/()-]+", call.custom.input)
    eval(re.sub(r"\b0+(\d)", r"\1", call.custom.input).replace("/", "*1+"))  # the brackets balance


def test_functions_and_custom_tools_stand_side_by_side(client):
    seen = collections.Counter()
    for seed in range(12):
        message = ask(client, "Do something useful.", tools=[NOTE, WEATHER, CLOCK], tool_choice="required", seed=seed, max_tokens=160).choices[0].message
        assert message.tool_calls
        for call in message.tool_calls:
            seen[call.type] += 1
            assert (call.function if call.type == "function" else call.custom).name in ("get_weather", "take_note", "set_alarm")
    assert sum(seen.values()) >= 12


@pytest.mark.parametrize("tool", [NOTE, CLOCK, CALCULATOR], ids=["text", "regex", "lark"])
def test_streamed_input_equals_the_plain_one(client, tool):
    arguments = dict(tools=[tool], tool_choice=named(tool), seed=5, max_tokens=60)
    plain = ask(client, "Note: buy \"milk\", 7:30 at the corner, 2+2.", **arguments).choices[0]
    name, text, ids, types = "", "", set(), set()
    for chunk in ask(client, "Note: buy \"milk\", 7:30 at the corner, 2+2.", stream=True, **arguments):
        for call in chunk.choices[0].delta.tool_calls or []:
            raw = call.to_dict()
            assert call.index == 0
            ids |= {raw["id"]} if "id" in raw else set()
            types |= {raw["type"]} if "type" in raw else set()
            name += raw["custom"].get("name", "")
            text += raw["custom"].get("input", "")
    assert (name, text) == (plain.message.tool_calls[0].custom.name, plain.message.tool_calls[0].custom.input)
    assert len(ids) == 1 and types == {"custom"}


def test_a_history_with_custom_calls_goes_on(client):
    first = ask(client, "Wake me at seven.", tools=[CLOCK], tool_choice=named(CLOCK), seed=1).choices[0].message
    answer = client.chat.completions.create(
        model="smollm2-135m", max_tokens=16, tools=[CLOCK, NOTE],
        messages=[{"role": "user", "content": "Wake me at seven."}, first,
                  {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "done"}])
    assert answer.choices[0].message.content is not None or answer.choices[0].message.tool_calls
    rendered = client.post("/chat/completions/render", cast_to=object, body={
        "model": "smollm2-135m", "tools": [CLOCK], "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "set_alarm", "input": 'say "07:00"'}}]},
            {"role": "tool", "tool_call_id": "a", "content": "done"}]})
    assert r'{"input": "say \"07:00\""}' in rendered["prompt"].replace('{"input":"', '{"input": "')
    assert "(?P<hour>" in rendered["prompt"].replace("\\\\", "\\")  # the model is told what the input looks like


@pytest.mark.parametrize("syntax, definition, says", [
    ("regex", "(a", "not closed"), ("regex", r"(a)\1", "back reference"), ("lark", "start: missing", "missing"),
    ("lark", "start: \"a\" %declare X", "not supported"), ("lark", "begin: \"a\"", "start"), ("regex", "a{2000001}", "kRepeatMax")])
def test_grammars_that_cannot_be_enforced_are_refused(client, syntax, definition, says):
    tool = {"type": "custom", "custom": {"name": "t", "format": {"type": "grammar", "grammar": {"syntax": syntax, "definition": definition}}}}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "Hi", tools=[tool])
    assert refused.value.param == "tools[0].custom.format.grammar.definition"
    assert says in refused.value.body["message"] and "'t'" in refused.value.body["message"]


def test_a_tool_choice_of_the_other_kind_is_refused(client):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "Hi", tools=[NOTE], tool_choice={"type": "function", "function": {"name": "take_note"}})
    assert refused.value.param == "tool_choice"
