"""POST /v1/completions: what evaluation tools read out of it, and the shapes of its prompts."""
import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import Server  # noqa: E402
from test_parameters import post  # noqa: E402

TEXT = "The capital of France is Paris, and the capital of Italy is Rome."
# Characters of two and four bytes, the last of them in more than one token.
WIDE = "na\u00efve caf\u00e9 \U0001F9AC!"


def complete(server, **fields):
    status, _, body = post(server, "/v1/completions", {"model": "smollm2-135m", "temperature": 0, **fields})
    assert status == 200, body
    return body


def ids_of(server, text):
    return json.loads(server.command("tokenize", "--model", "smollm2-135m", "--json", input=text))["ids"]


def stream(server, **fields):
    """Per choice: text, logprobs joined over its chunks, finish reasons."""
    chunks = server.client().completions.create(model="smollm2-135m", temperature=0, stream=True, **fields)
    choices = {}
    for chunk in chunks:
        for choice in chunk.choices:
            seen = choices.setdefault(choice.index, {"text": "", "finish": [], "tokens": [], "token_logprobs": [],
                                                     "top_logprobs": [], "text_offset": []})
            seen["text"] += choice.text
            if choice.finish_reason:
                seen["finish"].append(choice.finish_reason)
            if choice.logprobs:
                for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                    seen[name] += getattr(choice.logprobs, name)
    return choices


def check_prompt_scores(choice, text, count, top):
    logprobs = choice["logprobs"]
    assert choice["text"] == text
    assert len(logprobs["tokens"]) == len(logprobs["token_logprobs"]) == count
    assert logprobs["token_logprobs"][0] is None and logprobs["top_logprobs"][0] is None
    assert all(p <= 0 for p in logprobs["token_logprobs"][1:])
    assert all(len(t) == top for t in logprobs["top_logprobs"][1:])
    for token, offset in zip(logprobs["tokens"], logprobs["text_offset"]):
        if not token.startswith("bytes:"):
            assert text[offset:offset + len(token)] == token


def test_a_prompt_is_scored_without_generating(server):
    body = complete(server, prompt=TEXT, echo=True, logprobs=3, max_tokens=0)
    ids = ids_of(server, TEXT)
    (choice,) = body["choices"]
    check_prompt_scores(choice, TEXT, len(ids), 3)
    assert choice["finish_reason"] == "length"
    assert body["usage"] | {"prompt_tokens_details": 0, "completion_tokens_details": 0} == {
        "prompt_tokens": len(ids), "completion_tokens": 0, "total_tokens": len(ids),
        "prompt_tokens_details": 0, "completion_tokens_details": 0}
    # The same prompt as token ids, and among others in one request: the same numbers.
    by_ids = complete(server, prompt=ids, echo=True, logprobs=3, max_tokens=0)["choices"][0]
    assert by_ids["logprobs"] == choice["logprobs"] and by_ids["text"] == TEXT
    several = complete(server, prompt=["Something else.", TEXT, WIDE], echo=True, logprobs=3, max_tokens=0)
    assert [c["index"] for c in several["choices"]] == [0, 1, 2]
    assert several["choices"][1]["logprobs"] == choice["logprobs"]
    check_prompt_scores(several["choices"][2], WIDE, len(ids_of(server, WIDE)), 3)
    assert several["usage"]["prompt_tokens"] == sum(
        len(ids_of(server, text)) for text in ("Something else.", TEXT, WIDE))
    id_lists = complete(server, prompt=[ids, ids_of(server, WIDE)], echo=True, logprobs=3, max_tokens=0)
    assert id_lists["choices"][0]["logprobs"] == choice["logprobs"]
    assert id_lists["choices"][1]["text"] == WIDE


def test_prompt_scores_do_not_depend_on_the_cache_or_on_what_follows(server):
    cold = complete(server, prompt=TEXT * 12, echo=True, logprobs=0, max_tokens=0)["choices"][0]
    complete(server, prompt=TEXT * 12, max_tokens=2)
    warm = complete(server, prompt=TEXT * 12, echo=True, logprobs=0, max_tokens=5)["choices"][0]
    count = len(cold["logprobs"]["tokens"])
    for name in ("tokens", "token_logprobs", "text_offset"):
        assert warm["logprobs"][name][:count] == cold["logprobs"][name]
    assert len(warm["logprobs"]["tokens"]) > count
    assert warm["text"].startswith(TEXT * 12)
    # Offsets run on into the answer.
    assert warm["logprobs"]["text_offset"][count] == len(TEXT * 12)


def test_a_prompt_says_what_generating_it_said(server):
    """Scored afterwards, the tokens of an answer have the logprobs they were sampled with."""
    ids = ids_of(server, "Once upon a time")
    made = complete(server, prompt=ids, max_tokens=24, logprobs=1, ignore_eos=True)["choices"][0]
    whole = complete(server, prompt="Once upon a time" + made["text"], echo=True, logprobs=1, max_tokens=0)["choices"][0]
    if whole["logprobs"]["tokens"][len(ids):] != made["logprobs"]["tokens"]:
        pytest.skip("the text has another tokenisation than the one that was sampled")
    assert whole["logprobs"]["token_logprobs"][len(ids):] == made["logprobs"]["token_logprobs"]
    assert made["logprobs"]["text_offset"][0] == 0


@pytest.mark.parametrize("max_tokens", [0, 6])
def test_echo_streams_what_it_answers(server, max_tokens):
    fields = dict(prompt=[TEXT, WIDE], echo=True, logprobs=2, max_tokens=max_tokens)
    plain = complete(server, **fields)
    streamed = stream(server, **fields)
    for choice in plain["choices"]:
        twin = streamed[choice["index"]]
        assert twin["text"] == choice["text"]
        assert twin["finish"] == [choice["finish_reason"]]
        for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
            assert twin[name] == choice["logprobs"][name], name


def test_without_logprobs_max_tokens_zero_gives_the_prompt_or_nothing(server):
    assert complete(server, prompt=TEXT, echo=True, max_tokens=0)["choices"][0]["text"] == TEXT
    silent = complete(server, prompt=TEXT, max_tokens=0)["choices"][0]
    assert silent["text"] == "" and silent["finish_reason"] == "length" and silent["logprobs"] is None


def test_n_and_several_prompts_index_their_choices(server):
    body = post(server, "/v1/completions", {
        "model": "smollm2-135m", "prompt": ["A dog", "A cat"], "n": 2, "max_tokens": 6, "seed": 3, "echo": True})[2]
    assert [c["index"] for c in body["choices"]] == [0, 1, 2, 3]
    assert [c["text"][:5] for c in body["choices"]] == ["A dog", "A dog", "A cat", "A cat"]
    prompts = len(ids_of(server, "A dog")) + len(ids_of(server, "A cat"))
    assert body["usage"]["prompt_tokens"] == prompts  # each once, whatever n is


@pytest.mark.parametrize("change, status, param", [
    ({"suffix": "x"}, 400, "suffix"),
    ({"best_of": 2}, 400, "best_of"),
    ({"logprobs": 6}, 400, "logprobs"),
    ({"prompt": []}, 400, "prompt"),
    ({"prompt": [1, "a"]}, 400, "prompt[1]"),
    ({"prompt": [99999999]}, 400, "prompt"),
    ({"prompt": "word " * 9000}, 400, "prompt"),
    ({"prompt": [1] * 8192}, 400, "prompt"),
    ({"prompt": [1] * 8193, "max_tokens": 0}, 400, "prompt"),
    ({"max_tokens": -1}, 400, "max_tokens"),
    ({"model": "nobody"}, 404, None),
])
def test_refusals(server, change, status, param):
    got, _, body = post(server, "/v1/completions", {"model": "smollm2-135m", "prompt": "x", "max_tokens": 1, **change})
    assert (got, body["error"]["param"]) == (status, param), body


def test_a_prompt_that_fills_the_context_is_scored(tmp_path):
    small = Server(tmp_path, args=("--context", "512"))
    try:
        body = complete(small, prompt=[7] * 512, echo=True, logprobs=0, max_tokens=0)
        assert body["usage"]["prompt_tokens"] == len(body["choices"][0]["logprobs"]["tokens"]) == 512
        for length, max_tokens in ((512, 1), (513, 0)):
            status, _, refused = post(small, "/v1/completions", {
                "model": "smollm2-135m", "prompt": [7] * length, "max_tokens": max_tokens})
            assert (status, refused["error"]["code"]) == (400, "context_length_exceeded")
    finally:
        assert small.stop() == 0
