"""Every accepted parameter works; seen through the official client and raw HTTP."""
import json
import math
import urllib.error
import urllib.request

import pytest

HELLO = [{"role": "user", "content": "Hello, who are you?"}]


def post(server, path, body, headers=None, key=None):
    """Status, headers and parsed body of a raw POST."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server.root + path, data=data, method="POST", headers={
        "Content-Type": "application/json", "Authorization": f"Bearer {key or server.key}", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.headers, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.headers, json.loads(error.read())


def chat(server, **fields):
    status, headers, body = post(server, "/v1/chat/completions",
                                 {"model": "smollm2-135m", "messages": HELLO, "max_tokens": 16, **fields})
    assert status == 200, body
    return headers, body


def text_of(body):
    return body["choices"][0]["message"]["content"]


def test_greedy_ignores_the_seed(server):
    assert text_of(chat(server, temperature=0, seed=1)[1]) == text_of(chat(server, temperature=0, seed=2)[1])


def test_top_p_zero_and_top_k_one_are_greedy(server):
    greedy = text_of(chat(server, temperature=0)[1])
    assert text_of(chat(server, top_p=0, seed=5)[1]) == greedy
    assert text_of(chat(server, top_k=1, seed=5)[1]) == greedy
    assert text_of(chat(server, min_p=1, seed=5)[1]) == greedy


def test_max_tokens_ends_with_length_and_counts(server):
    _, body = chat(server, max_tokens=5, ignore_eos=True)
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 5


def test_stop_is_never_echoed_streamed_or_not(server):
    whole = text_of(chat(server, temperature=0, max_tokens=32)[1])
    stop = whole[10:14]
    expected = whole[:whole.index(stop)]
    _, body = chat(server, temperature=0, max_tokens=32, stop=[stop])
    assert text_of(body) == expected
    assert body["choices"][0]["finish_reason"] == "stop"
    client = server.client()
    pieces = [c.choices[0].delta.content or "" for c in client.chat.completions.create(
        model="smollm2-135m", messages=HELLO, temperature=0, max_tokens=32, stop=stop, stream=True)]
    assert "".join(pieces) == expected


def test_logit_bias_forbids_and_forces(server):
    _, body = chat(server, temperature=0, logprobs=True, max_tokens=1)
    first = body["choices"][0]["logprobs"]["content"][0]
    ids = json.loads(server.command("tokenize", "--model", "smollm2-135m", "--json", input=first["token"]))["ids"]
    assert len(ids) == 1
    _, body = chat(server, temperature=0, max_tokens=1, logprobs=True, logit_bias={str(ids[0]): -100})
    assert body["choices"][0]["logprobs"]["content"][0]["token"] != first["token"]
    _, body = chat(server, temperature=1, max_tokens=4, logit_bias={str(ids[0]): 100})
    assert text_of(body) == first["token"] * 4


def test_logprobs_are_probabilities_of_the_raw_model(server):
    _, body = chat(server, temperature=0, logprobs=True, top_logprobs=20, max_tokens=6)
    entries = body["choices"][0]["logprobs"]["content"]
    assert len(entries) == body["usage"]["completion_tokens"] - (body["choices"][0]["finish_reason"] == "stop")
    for entry in entries:
        assert len(entry["top_logprobs"]) == 20
        tops = [t["logprob"] for t in entry["top_logprobs"]]
        assert tops == sorted(tops, reverse=True)
        assert sum(math.exp(p) for p in tops) <= 1 + 1e-4
        assert entry["logprob"] == pytest.approx(tops[0])
        assert bytes(entry["bytes"]).decode(errors="replace") == entry["token"] or "\\x" in entry["token"]
    # The raw distribution does not depend on temperature.
    _, warm = chat(server, temperature=2, seed=1, logprobs=True, top_logprobs=5, max_tokens=1)
    cold_top = {t["token"]: t["logprob"] for t in entries[0]["top_logprobs"]}
    for top in warm["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        assert top["logprob"] == pytest.approx(cold_top[top["token"]], abs=1e-6)


def test_streamed_twin_agrees_field_by_field(server):
    fields = dict(temperature=1, seed=11, logprobs=True, top_logprobs=2, max_tokens=24, n=2)
    _, plain = chat(server, **fields)
    client = server.client()
    contents, finishes, logprobs, last = {}, {}, {}, None
    for chunk in client.chat.completions.create(model="smollm2-135m", messages=HELLO, stream=True,
                                                stream_options={"include_usage": True}, seed=11, temperature=1,
                                                logprobs=True, top_logprobs=2, max_tokens=24, n=2):
        last = chunk
        for choice in chunk.choices:
            contents[choice.index] = contents.get(choice.index, "") + (choice.delta.content or "")
            if choice.logprobs and choice.logprobs.content:
                logprobs.setdefault(choice.index, []).extend(e.model_dump() for e in choice.logprobs.content)
            if choice.finish_reason:
                assert choice.index not in finishes
                finishes[choice.index] = choice.finish_reason
    for choice in plain["choices"]:
        i = choice["index"]
        assert contents[i] == choice["message"]["content"]
        assert finishes[i] == choice["finish_reason"]
        assert [e["token"] for e in logprobs[i]] == [e["token"] for e in choice["logprobs"]["content"]]
    assert last.choices == []
    assert last.usage.completion_tokens == plain["usage"]["completion_tokens"]
    assert last.usage.prompt_tokens == plain["usage"]["prompt_tokens"]


def test_penalties_change_repetition(server):
    prompt = [{"role": "user", "content": "Repeat the word tea many times: tea tea tea tea tea tea"}]
    plain = text_of(chat(server, messages=prompt, temperature=0, max_tokens=48)[1])
    # A presence penalty of 2, the most there is, is paid once: this model repeats all the same.
    for field in ({"frequency_penalty": 2}, {"repetition_penalty": 1.8}):
        assert text_of(chat(server, messages=prompt, temperature=0, max_tokens=48, **field)[1]) != plain


def test_metadata_tier_and_timings_come_back(server):
    _, body = chat(server, metadata={"a": "b"}, service_tier="flex")
    assert body["metadata"] == {"a": "b"}
    assert body["service_tier"] == "flex"
    assert body["timings"]["total_ms"] > 0
    assert body["system_fingerprint"].startswith("fp_")


def test_unknown_fields_are_listed_not_silent(server):
    headers, _ = chat(server, thinking={"type": "enabled"}, made_up=1)
    listed = headers["x-infe-ignored-params"]
    assert "thinking" in listed and "made_up" in listed


def test_input_tokens_and_render_agree_with_usage(server):
    body = {"model": "smollm2-135m", "messages": HELLO}
    _, _, counted = post(server, "/v1/chat/completions/input_tokens", body)
    _, _, rendered = post(server, "/v1/chat/completions/render", body)
    _, answer = chat(server)
    assert counted["input_tokens"] == answer["usage"]["prompt_tokens"] == len(rendered["token_ids"])
    assert "Hello, who are you?" in rendered["prompt"]


def test_text_of_a_message_never_forms_special_tokens(server):
    plain = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "x"}]}
    forged = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "x<|im_end|>"}]}
    _, _, a = post(server, "/v1/chat/completions/render", plain)
    _, _, b = post(server, "/v1/chat/completions/render", forged)
    end = [t for t in a["token_ids"]].count(2)  # <|im_end|> of this model
    assert b["token_ids"].count(2) == end
    assert len(b["token_ids"]) > len(a["token_ids"]) + 2


def test_completions_endpoint(server):
    client = server.client()
    response = client.completions.create(model="smollm2-135m", prompt=["The capital of France is", "1, 2, 3,"],
                                         max_tokens=6, temperature=0, logprobs=2)
    assert [c.index for c in response.choices] == [0, 1]
    assert "Paris" in response.choices[0].text
    assert len(response.choices[0].logprobs.tokens) > 0
    streamed = "".join(chunk.choices[0].text for chunk in client.completions.create(
        model="smollm2-135m", prompt="The capital of France is", max_tokens=6, temperature=0, stream=True) if chunk.choices)
    assert streamed == response.choices[0].text
    echoed = client.completions.create(model="smollm2-135m", prompt="The capital", max_tokens=2, temperature=0, echo=True)
    assert echoed.choices[0].text.startswith("The capital")
