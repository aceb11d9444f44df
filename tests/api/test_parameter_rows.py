"""Rows of the parameter tables that test_parameters.py leaves: each accepted value has its effect, or
is listed as having none."""
import json
import pathlib
import re
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import Server  # noqa: E402
from test_parameters import HELLO, chat, post, text_of  # noqa: E402

COUNT = [{"role": "user", "content": "Count: one two three four five six seven eight nine ten one two three"}]


def ignored(headers):
    return (headers.get("x-infe-ignored-params") or "").replace(" ", "").split(",")


def test_null_is_absent(server):
    plain = text_of(chat(server, temperature=0)[1])
    nulls = dict.fromkeys(("top_p", "stop", "seed", "tools", "tool_choice", "response_format", "logit_bias", "metadata",
                           "stream_options", "n", "user", "audio", "web_search_options", "moderation", "modalities",
                           "store", "verbosity", "functions", "function_call", "prediction", "truncation"))
    headers, body = chat(server, temperature=0, **nulls)
    assert text_of(body) == plain and ignored(headers) == [""]


def test_values_that_change_nothing_are_accepted(server):
    plain = text_of(chat(server, temperature=0)[1])
    headers, body = chat(server, temperature=0, store=False, verbosity="medium", modalities=["text"], user="u",
                         safety_identifier="s", prompt_cache_key="k", n=1, stop=None, service_tier="auto",
                         presence_penalty=0, frequency_penalty=0, top_p=1, tools=[], parallel_tool_calls=None)
    assert text_of(body) == plain
    assert body["service_tier"] == "default" and ignored(headers) == [""]


@pytest.mark.parametrize("fields", [{"prompt_cache_retention": "24h"}, {"prompt_cache_options": {}},
                                    {"reasoning_effort": "low"}])
def test_hints_without_effect_are_listed(server, fields):
    headers, _ = chat(server, **fields)
    assert ignored(headers) == list(fields)


def test_nested_unknown_fields_are_listed_by_path_and_filtered(server):
    tools = [{"type": "function", "cache_control": {}, "function": {"name": "f", "x y\r\nz": 1}}]
    headers, _ = chat(server, tools=tools, **{"a\r\nb": 1, "c" * 99: 2})
    listed = ignored(headers)
    assert "tools[].cache_control" in listed
    assert all(re.fullmatch(r"[A-Za-z0-9_.\[\]-]{1,64}", name) for name in listed), listed


def test_identity_never_reaches_the_prompt(server):
    body = {"model": "smollm2-135m", "messages": HELLO}
    plain = post(server, "/v1/chat/completions/render", body)[2]["prompt"]
    named = post(server, "/v1/chat/completions/render",
                 {**body, "user": "canary-a", "safety_identifier": "canary-b", "metadata": {"k": "canary-c"}})[2]["prompt"]
    assert named == plain


def test_identity_is_kept_with_the_usage(server):
    chat(server, user="user-of-this-test", max_tokens=1)
    chat(server, user="shadowed", safety_identifier="safe-of-this-test", max_tokens=1)
    post(server, "/v1/completions", {"model": "smollm2-135m", "prompt": "Hi", "max_tokens": 1, "user": "user-of-this-test"})
    wanted, deadline = {"user-of-this-test": 2, "safe-of-this-test": 1}, time.monotonic() + 30
    while True:
        used = json.loads(server.command("usage", "--by", "user", "--json"))["usage"]
        counts = {row["user"]: row["requests"] for row in used if row["user"] in (*wanted, "shadowed")}
        if counts == wanted:
            break
        assert time.monotonic() < deadline, counts
        time.sleep(0.1)


def test_service_tiers_are_echoed(server):
    for sent, used in (("priority", "priority"), ("fast", "priority"), ("default", "default"), ("scale", "default"),
                       ("auto", "default"), ("flex", "flex")):
        assert chat(server, service_tier=sent, max_tokens=1)[1]["service_tier"] == used
    assert "service_tier" not in chat(server, max_tokens=1)[1]


def test_both_spellings_of_the_limit(server):
    _, body = chat(server, max_tokens=None, max_completion_tokens=3, ignore_eos=True)
    assert body["usage"]["completion_tokens"] == 3 and body["choices"][0]["finish_reason"] == "length"


def test_the_context_ends_an_answer_with_length(tmp_path):
    small = Server(tmp_path, args=("--context", "512"))
    try:
        asked = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "word " * 400}]}
        counted = post(small, "/v1/chat/completions/input_tokens", asked)[2]["input_tokens"]
        _, body = chat(small, **asked, max_tokens=4000, ignore_eos=True)
        assert body["choices"][0]["finish_reason"] == "length"
        assert body["usage"]["completion_tokens"] == 512 - counted
    finally:
        assert small.stop() == 0


def test_presence_penalty_is_paid_by_every_seen_token(server):
    """By its effect on what is likeliest next: a token that was generated falls behind its runner-up."""
    fields = dict(messages=COUNT, temperature=0, max_tokens=64, ignore_eos=True)
    plain = text_of(chat(server, **fields)[1])
    penalised = text_of(chat(server, presence_penalty=2, **fields)[1])
    assert penalised != plain
    assert text_of(chat(server, presence_penalty=2, **fields)[1]) == penalised


def test_seed_draws_and_temperature_spreads(server):
    texts = {text_of(chat(server, seed=seed, temperature=1.5, max_tokens=12)[1]) for seed in range(4)}
    assert len(texts) > 1
    assert len({text_of(chat(server, seed=seed, temperature=0.01, max_tokens=6)[1]) for seed in range(4)}) == 1
    assert chat(server, seed=-5)[1]["seed"] == -5
    assert chat(server, seed=2**63 - 1)[1]["seed"] == 2**63 - 1


def test_a_prediction_never_changes_the_text_and_is_counted(server):
    fields = dict(messages=HELLO, temperature=0, max_tokens=32)
    _, plain = chat(server, **fields)
    _, right = chat(server, prediction={"type": "content", "content": text_of(plain)}, **fields)
    _, wrong = chat(server, prediction={"type": "content", "content": [{"type": "text", "text": "Bananas all day."}]},
                    **fields)
    assert text_of(right) == text_of(wrong) == text_of(plain)
    assert right["usage"]["completion_tokens_details"]["accepted_prediction_tokens"] > 0
    assert wrong["usage"]["completion_tokens_details"]["accepted_prediction_tokens"] == 0


def test_prompt_cache_key_parts_the_cache(server):
    long = [{"role": "user", "content": "A cache key of its own. " * 30}]

    def cached(key):
        _, body = chat(server, messages=long, max_tokens=1, prompt_cache_key=key)
        return body["usage"]["prompt_tokens_details"]["cached_tokens"]

    assert cached("one") == 0
    assert cached("one") > 64
    assert cached("two") == 0


def test_obfuscation_evens_out_the_sizes_of_chunks(server):
    client = server.client()
    for wanted in (False, True):
        chunks = list(client.chat.completions.create(
            model="smollm2-135m", messages=HELLO, max_tokens=8, stream=True,
            stream_options={"include_obfuscation": wanted}))
        assert any("obfuscation" in chunk.to_dict() for chunk in chunks) == wanted


@pytest.mark.parametrize("fields", [
    {"structured_outputs": {"json": {"type": "object", "properties": {"a": {"type": "integer", "maximum": 99}},
                                     "required": ["a"], "additionalProperties": False}}},
    {"json_schema": {"type": "object", "properties": {"a": {"type": "integer", "maximum": 99}},
                     "required": ["a"], "additionalProperties": False}},
    {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "strict": True, "schema": {
        "type": "object", "properties": {"a": {"type": "integer", "maximum": 99}}, "required": ["a"],
        "additionalProperties": False}}}},
])
def test_each_spelling_of_a_schema_is_enforced(server, fields):
    for seed in range(3):
        answer = json.loads(text_of(chat(server, max_tokens=64, seed=seed, **fields)[1]))
        assert set(answer) == {"a"} and isinstance(answer["a"], int) and answer["a"] <= 99


@pytest.mark.parametrize("fields, pattern", [
    ({"structured_outputs": {"regex": "[ab]{3}-[0-9]{2}"}}, "[ab]{3}-[0-9]{2}"),
    ({"structured_outputs": {"choice": ["left", "right"]}}, "left|right"),
    ({"structured_outputs": {"grammar": 'root ::= "x" [0-9] "y"'}}, "x[0-9]y"),
    ({"grammar": 'root ::= ("ja" | "nein") "!"'}, "(ja|nein)!"),
    ({"structured_outputs": {"json_object": True}}, r"(?s)\{.*\}"),
])
def test_each_other_constraint_is_enforced(server, fields, pattern):
    for seed in range(3):
        assert re.fullmatch(pattern, text_of(chat(server, max_tokens=48, seed=seed, temperature=1.5, **fields)[1]))


def test_legacy_functions_answer_as_function_call(server):
    function = {"name": "note", "parameters": {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}},
                                               "required": ["n"], "additionalProperties": False}}
    _, body = chat(server, functions=[function], function_call={"name": "note"}, max_tokens=64)
    call = body["choices"][0]["message"]["function_call"]
    assert call["name"] == "note" and set(json.loads(call["arguments"])) == {"n"}
    assert "tool_calls" not in body["choices"][0]["message"]
    history = HELLO + [{"role": "assistant", "content": None, "function_call": call},
                       {"role": "function", "name": "note", "content": "noted"}]
    assert chat(server, messages=history)[1]["choices"][0]["message"]["content"] is not None


@pytest.mark.parametrize("choice, names, finish", [
    ("required", {"red", "blue"}, "tool_calls"),
    ({"type": "function", "function": {"name": "blue"}}, {"blue"}, "stop"),
    ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "function", "function": {"name": "red"}}]}}, {"red"}, "tool_calls"),
    ("none", set(), "stop"),
])
def test_tool_choice_decides_who_is_called(server, choice, names, finish):
    tools = [{"type": "function", "function": {"name": name, "parameters": {
        "type": "object", "properties": {"level": {"type": "integer", "maximum": 9}}, "required": ["level"],
        "additionalProperties": False}}} for name in ("red", "blue")]
    _, body = chat(server, tools=tools, tool_choice=choice, parallel_tool_calls=False, max_tokens=96, seed=1)
    calls = body["choices"][0]["message"].get("tool_calls", [])
    assert {call["function"]["name"] for call in calls} <= names and len(calls) == min(1, len(names))
    for call in calls:
        assert set(json.loads(call["function"]["arguments"])) == {"level"}
    if names:
        assert body["choices"][0]["finish_reason"] == finish


def test_roles_and_parts_reach_the_prompt(server):
    messages = [{"role": "developer", "content": "Be brief."},
                {"role": "user", "name": "ann", "content": [{"type": "text", "text": "alpha"}, {"type": "text", "text": "beta"}]},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "gamma"}]},
                {"role": "user", "content": "delta"}]
    rendered = post(server, "/v1/chat/completions/render", {"model": "smollm2-135m", "messages": messages})[2]["prompt"]
    assert "<|im_start|>system\nBe brief." in rendered
    for word in ("alpha", "beta", "gamma", "delta"):
        assert word in rendered


def test_what_the_model_lists_of_itself(server):
    client = server.client()
    model = client.models.retrieve("smollm2-135m")
    assert model.created == client.models.list().data[0].created
    extra = model.model_extra
    assert extra["context_length"] == 8192 and len(extra["file_digest"]) >= 64 and extra["quantization"]
