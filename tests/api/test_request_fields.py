"""Fields of other servers' clients, on the wire: each has its effect."""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from test_parameters import chat, post, text_of  # noqa: E402

SEA = [{"role": "user", "content": "Write two sentences about the sea."}]


def complete(server, model="smollm2-135m", **fields):
    status, _, body = post(server, "/v1/completions", {"model": model, "temperature": 0, "max_tokens": 40, **fields})
    assert status == 200, body
    return body


def tokens_of(server, text, **fields):
    status, _, body = post(server, "/v1/tokenize", {"model": "smollm2-135m", "prompt": text, **fields})
    assert status == 200, body
    return body


def test_a_stop_token_ends_the_answer_and_stays_out_unless_it_is_asked_for(server):
    plain = complete(server, prompt="One, two, three, four, five, six,")["choices"][0]["text"]
    comma = tokens_of(server, ",")["tokens"]
    assert len(comma) == 1 and "," in plain
    cut = complete(server, prompt="One, two, three, four, five, six,", stop_token_ids=comma)["choices"][0]
    assert cut["text"] == plain.split(",")[0] and cut["finish_reason"] == "stop"
    kept = complete(server, prompt="One, two, three, four, five, six,", stop_token_ids=comma, include_stop_str_in_output=True)
    assert kept["choices"][0]["text"] == plain.split(",")[0] + ","


def test_min_tokens_holds_the_end_back(server):
    question = [{"role": "user", "content": "Say only: yes."}]
    short = chat(server, messages=question, temperature=0, max_tokens=60)[1]
    assert short["usage"]["completion_tokens"] < 40
    long = chat(server, messages=question, temperature=0, max_tokens=60, min_tokens=40)[1]
    assert long["usage"]["completion_tokens"] >= 40


def test_an_answer_goes_on_with_the_last_message(server):
    begun = [*SEA, {"role": "assistant", "content": "The sea is"}]
    status, _, shown = post(server, "/v1/chat/completions/render",
                            {"model": "smollm2-135m", "messages": begun, "continue_final_message": True})
    assert status == 200 and shown["prompt"].endswith("<|im_start|>assistant\nThe sea is")
    plain = chat(server, messages=begun, continue_final_message=True, temperature=0)[1]
    marked = chat(server, messages=[*SEA, {"role": "assistant", "content": "The sea is", "prefix": True}], temperature=0)[1]
    assert text_of(plain) == text_of(marked) and text_of(plain)


def test_a_format_holds_for_the_whole_text_that_is_gone_on_with(server):
    schema = {"type": "object", "properties": {"name": {"enum": ["Ann", "Bob"]}}, "required": ["name"]}
    for begun in ('{"name": "A', '{"na'):
        body = chat(server, messages=[*SEA, {"role": "assistant", "content": begun, "prefix": True}],
                    response_format={"type": "json_schema", "schema": schema})[1]
        assert json.loads(begun + text_of(body))["name"] in ("Ann", "Bob")
    status, _, body = post(server, "/v1/chat/completions", {
        "model": "smollm2-135m", "messages": [*SEA, {"role": "assistant", "content": "No JSON", "prefix": True}],
        "response_format": {"type": "json_schema", "schema": schema}})
    assert status == 400 and body["error"]["param"] == "messages"


def test_a_stop_text_never_cuts_a_call(pulse):
    tool = {"type": "function", "function": {"name": "look_up", "parameters": {
        "type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"], "additionalProperties": False}}}
    status, _, body = post(pulse, "/v1/chat/completions", {
        "model": "infe-pulse", "messages": [{"role": "user", "content": "The weather in Paris?"}], "tools": [tool],
        "tool_choice": "required", "stop": ["Paris", "city"], "max_tokens": 60, "parallel_tool_calls": False})
    assert status == 200, body
    call = body["choices"][0]["message"]["tool_calls"][0]["function"]
    assert json.loads(call["arguments"]) == {"city": "Paris"} and body["choices"][0]["finish_reason"] == "tool_calls"


def test_a_coder_fills_in_between_two_texts(pulse):
    before, behind = "def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n"
    filled = complete(pulse, "infe-pulse", prompt=before, suffix=behind, max_tokens=16)["choices"][0]
    by_hand = complete(pulse, "infe-pulse", prompt=f"<|fim_prefix|>{before}<|fim_suffix|>{behind}<|fim_middle|>", max_tokens=16)
    assert filled["text"] == by_hand["choices"][0]["text"] and "a + b" in filled["text"]
    assert filled["finish_reason"] == "stop"


def test_a_suffix_for_a_model_that_cannot_is_refused_by_name(server):
    status, _, body = post(server, "/v1/completions", {"model": "infe-pulse", "prompt": "a", "suffix": "b"})
    assert status == 404
    status, _, body = post(server, "/v1/completions", {"model": "smollm2-135m", "prompt": "a", "suffix": "b"})
    # SmolLM2 learnt it under StarCoder's names, if its file has them.
    assert status == 200 or (status == 400 and body["error"]["param"] == "suffix")


@pytest.mark.parametrize("root", ("/v1", ""))
def test_texts_and_chats_become_tokens_and_come_back(server, root):
    text = "Hello <|im_end|> w\u00f6rld"
    status, _, body = post(server, root + "/tokenize", {"model": "smollm2-135m", "prompt": text, "return_token_strs": True})
    assert status == 200 and body["count"] == len(body["tokens"]) == len(body["token_strs"])
    assert "<|im_end|>" in body["token_strs"] and body["max_model_len"] > 0
    status, _, back = post(server, root + "/detokenize", {"model": "smollm2-135m", "tokens": body["tokens"]})
    assert status == 200 and back == {"prompt": text}
    status, _, asked = post(server, root + "/tokenize", {"messages": SEA})
    shown = post(server, "/v1/chat/completions/render", {"model": "smollm2-135m", "messages": SEA})[2]
    assert status == 200 and asked["tokens"] == shown["token_ids"]


def test_the_number_of_a_prompt_beyond_the_context_is_told(server):
    long = [{"role": "user", "content": "sea " * 12000}]
    status, _, body = post(server, "/v1/chat/completions/input_tokens", {"model": "smollm2-135m", "messages": long})
    assert status == 200 and body["input_tokens"] > 12000
    status, _, body = post(server, "/v1/chat/completions", {"model": "smollm2-135m", "messages": long, "max_tokens": 100})
    assert status == 400 and body["error"]["code"] == "context_length_exceeded"
    assert "you requested" not in body["error"]["message"]


def test_what_the_template_does_not_read_is_told(server):
    headers, _ = chat(server, chat_template_kwargs={"enable_thinking": False}, reasoning_effort="low", thinking_token_budget=9)
    assert headers["x-infe-ignored-params"].split(", ") == ["reasoning_effort", "chat_template_kwargs.enable_thinking",
                                                            "thinking_token_budget"]
