"""POST /v1/embeddings with the official client: the vectors against a second implementation, the shapes of requests and
answers, refusals, and what a key pays. The model is tiny and random; the folder of a real one may be given in
INFE_TEST_BERT (model.safetensors, config.json, vocab.txt)."""
import base64
import concurrent.futures
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys
import time
import urllib.request

import numpy as np
import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden/bert"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden/encoders"))
import bert  # noqa: E402
import tiny as encoders  # noqa: E402
from conftest import BINARY, MODEL_DIR, SLOW, Server  # noqa: E402
from test_parameters import post  # noqa: E402

TEXTS = ["The cat sat on the mat.", "a DOG walked, happily?", "Caf\u00e9 na\u00efve $+( \u4e2d\u6587!", "unhappy birds",
         "zebra \U0001F600 quickly", "the " * 400, "a", "one-two\u2014three\tfour\u00a0five\x00six", "x" * 101]


# What the registry may say of a model: its vectors may be cut, and it was made to be told what a text is for.
USED = 'embedding = { dimensions = [32, 16], query_prefix = "the ", document_prefix = "a cat " }'


def serve(folder, **files):
    """A server of these models, each written by its function; with an admin key."""
    running = Server(folder, models=(), start=False, admin=True)
    registry = ""
    for name, write in files.items():
        path = running.data_dir / "models" / f"{name}.gguf"
        write(path)
        registry += f'[[model]]\nname = "{name}"\nsources = [{{ file = "{path}" }}]\n{USED if name == "used" else ""}\n'
    (running.data_dir / "models.toml").write_text(registry)
    chat = pathlib.Path(MODEL_DIR) / "smollm2-135m.gguf"
    if chat.exists():
        (running.data_dir / "models" / chat.name).symlink_to(chat)
    running.start()
    return running


def tiny_bert(path):
    bert.write_gguf(path, *bert.tiny())


def tiny_ranker(path):
    bert.write_gguf(path, *bert.tiny(ranks=True), pooling=bert.RANKS)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    running = serve(tmp_path_factory.mktemp("embeddings"), tiny=tiny_bert, used=tiny_bert, ranker=tiny_ranker,
                    nomic=encoders.nomic_bert, gemma=encoders.gemma_embedding, qwen=encoders.qwen3,
                    xlmr=encoders.xlm_roberta)
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


def embed(server, texts, model="tiny", **fields):
    answer = server.client().embeddings.create(model=model, input=texts, **fields)
    assert [item.index for item in answer.data] == list(range(len(answer.data)))
    return [np.array(item.embedding) for item in answer.data]


def expected(model, texts):
    config, tensors, vocab = model
    encode = bert.tokenizer(vocab)
    return [bert.embed(config, tensors, encode.encode(text).ids) for text in texts]


def test_vectors_are_those_of_a_second_implementation(vectors):
    for text, got, want in zip(TEXTS, embed(vectors, TEXTS), expected(bert.tiny(), TEXTS)):
        assert abs(np.linalg.norm(got) - 1) < 1e-5
        assert got @ want > 0.99999, text


def test_tokens_are_those_of_another_tokenizer(vectors):
    encode = bert.tokenizer(bert.tiny()[2])
    draw = np.random.default_rng(1)
    alphabet = ("abcdefghij ABC \u00e9\u00c4\u0130\u4e2d\u3400 .,$^`|~ \t\n\u00a0\u2003 \u200b\u00ad\u0301 \U0001F600\u20ac"
                "\u2014\u00bf\u0e01\u0915\u093e\ud55c\u30ab\u30d9 0123456789 the cat ing")
    texts = ["".join(draw.choice(list(alphabet), size=int(draw.integers(1, 60)))) for _ in range(300)]
    ids = [encode.encode(text).ids for text in texts]
    for text, by_text, by_ids in zip(texts, embed(vectors, texts), embed(vectors, ids)):
        assert np.array_equal(by_text, by_ids), ascii(text)


def test_alone_and_batched_have_the_same_bytes(vectors):
    texts = [" ".join(bert.WORDS[(7 * i + j) % 20] for j in range(1 + i * 11 % 90)) for i in range(150)]
    together = embed(vectors, texts)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        alone = list(pool.map(lambda text: embed(vectors, text)[0], texts))
    for a, b in zip(together, alone):
        assert np.array_equal(a, b)


def test_base64_holds_the_same_floats(vectors):
    floats = post(vectors, "/v1/embeddings", {"model": "tiny", "input": "the cat"})[2]["data"][0]["embedding"]
    text = post(vectors, "/v1/embeddings",
                {"model": "tiny", "input": "the cat", "encoding_format": "base64"})[2]["data"][0]["embedding"]
    raw = base64.b64decode(text, validate=True)
    assert np.array_equal(np.float32(floats), np.float32(struct.unpack(f"<{len(raw) // 4}f", raw)))


def test_token_ids_are_taken_as_they_are(vectors):
    ids = bert.tokenizer(bert.tiny()[2]).encode("the cat").ids
    by_text, by_ids, by_list = embed(vectors, "the cat"), embed(vectors, ids), embed(vectors, [ids, ids[1:]])
    assert np.array_equal(by_text[0], by_ids[0]) and np.array_equal(by_text[0], by_list[0])
    assert not np.array_equal(by_list[0], by_list[1])


@pytest.mark.parametrize("fields, status, param", [
    ({"input": ""}, 400, "input"), ({"input": []}, 400, "input"), ({"input": ["a", ""]}, 400, "input[1]"),
    ({"input": ["a", 1]}, 400, "input[1]"), ({}, 400, "input"), ({"input": 3}, 400, "input"),
    ({"input": [[9999]]}, 400, "input"), ({"input": "the " * 600}, 400, "input"),
    ({"input": "a", "encoding_format": "int8"}, 400, "encoding_format"),
    ({"input": "a", "dimensions": 0}, 400, "dimensions"), ({"input": "a", "dimensions": 32}, 400, "dimensions"),
    ({"input": ["a"] * 2049}, 400, "input"), ({"input": "a", "model": "nobody"}, 404, None),
])
def test_what_cannot_be_is_refused(vectors, fields, status, param):
    got, _, body = post(vectors, "/v1/embeddings", {"model": "tiny", **fields})
    assert (got, body["error"]["param"]) == (status, param), body
    assert body["error"]["message"]


def test_a_text_that_is_too_long_is_named(vectors):
    status, _, body = post(vectors, "/v1/embeddings", {"model": "tiny", "input": ["a", "the " * 510, "the " * 511]})
    assert (status, body["error"]["param"], body["error"]["code"]) == (400, "input[2]", "context_length_exceeded"), body
    assert "512" in body["error"]["message"] and "513" in body["error"]["message"], body
    assert embed(vectors, "the " * 510)


def test_vectors_are_cut_where_the_registry_says_so(vectors):
    (whole,) = embed(vectors, "the cat", model="used")
    assert np.array_equal(whole, embed(vectors, "the cat")[0])
    for size in (32, 16, 64):
        (cut,) = embed(vectors, "the cat", model="used", dimensions=size)
        assert len(cut) == size and abs(np.linalg.norm(cut) - 1) < 1e-6
        assert cut @ (whole[:size] / np.linalg.norm(whole[:size])) > 0.999999
    for size in (17, 65, 2**40):
        status, _, body = post(vectors, "/v1/embeddings", {"model": "used", "input": "a", "dimensions": size})
        assert (status, body["error"]["param"]) == (400, "dimensions") and "32, 16" in body["error"]["message"], body


def test_a_text_may_be_a_query_or_a_document(vectors):
    def asked(model, role):
        status, headers, body = post(vectors, "/v1/embeddings", {"model": model, "input": ["dog", "cat"], "input_type": role})
        assert status == 200, body
        return headers.get("x-infe-ignored-params"), [item["embedding"] for item in body["data"]]

    def plain(texts):
        return [list(map(float, np.float32(vector))) for vector in embed(vectors, texts)]
    for role in ("query", "search_query"):
        ignored, got = asked("used", role)
        assert ignored is None and np.array_equal(np.float32(got), np.float32(plain(["the dog", "the cat"])))
    for role in ("document", "passage", "search_document"):
        ignored, got = asked("used", role)
        assert ignored is None and np.array_equal(np.float32(got), np.float32(plain(["a cat dog", "a cat cat"])))
    # A model that knows no roles is asked all the same, and it is said.
    ignored, got = asked("tiny", "query")
    assert ignored == "input_type" and np.array_equal(np.float32(got), np.float32(plain(["dog", "cat"])))
    status, _, body = post(vectors, "/v1/embeddings", {"model": "used", "input": "a", "input_type": "poem"})
    assert (status, body["error"]["param"]) == (400, "input_type"), body


@pytest.mark.parametrize("model, name", [("nomic", "nomic-bert"), ("gemma", "gemma-embedding"), ("qwen", "qwen3"),
                                         ("xlmr", "xlm-roberta")])
def test_other_architectures_are_those_of_another_engine(vectors, model, name):
    golden = json.loads((pathlib.Path(encoders.__file__).parent / f"{name}.json").read_text())
    path = vectors.data_dir / f"models/{model}.gguf"
    if hashlib.sha256(path.read_bytes()).hexdigest() != golden["sha256"]:
        pytest.skip("this numpy draws other random numbers")
    got = embed(vectors, encoders.texts(), model=model)
    cosines = [float(a @ (np.array(b) / np.linalg.norm(b))) for a, b in zip(got, golden["vectors"])]
    print(f"{name}: cosines of {min(cosines):.7f} and more")
    # The other engine looks GELU up in a table of half floats (Gemma).
    assert min(cosines) > (0.9999 if model == "gemma" else 0.999999), cosines
    alone = [embed(vectors, text, model=model)[0] for text in encoders.texts()]
    assert all(np.array_equal(a, b) for a, b in zip(got, alone))


def test_unigrams_are_those_of_another_tokenizer(vectors):
    import tokenizers
    made = tokenizers.Tokenizer(tokenizers.models.Unigram(list(zip(*encoders.unigram_vocabulary())), unk_id=3))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.WhitespaceSplit(), tokenizers.pre_tokenizers.Metaspace()])
    draw = np.random.default_rng(2)
    texts = ["the thing and the other one", " two  spaces ", "A b7c", "\u4e2d\u6587 the"]
    texts += ["".join(draw.choice(list("theangi  xyz9"), size=int(draw.integers(1, 60)))) + "a" for _ in range(100)]
    ids = [[0, *made.encode(text).ids, 2] for text in texts]
    assert len({token for text in ids for token in text}) > 20
    for text, by_text, by_ids in zip(texts, embed(vectors, texts, model="xlmr"), embed(vectors, ids, model="xlmr")):
        assert np.array_equal(by_text, by_ids), ascii(text)


def test_lines_of_a_command_are_what_the_api_embeds(vectors, tmp_path):
    texts = ["the cat", "a dog walked"]
    want = [vector.astype(np.float32) for vector in embed(vectors, texts)]
    path = str(vectors.data_dir / "models/tiny.gguf")
    (tmp_path / "texts.txt").write_text("".join(text + "\n" for text in texts))
    jsonl = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    for args, lines in (((*texts,), None), (("--file", str(tmp_path / "texts.txt")), None), (("--jsonl",), jsonl)):
        done = subprocess.run([BINARY, "embed", path, *args], input=lines, capture_output=True, text=True, timeout=60 * SLOW)
        assert done.returncode == 0, done.stderr
        got = [json.loads(line) for line in done.stdout.splitlines()]
        assert [line["index"] for line in got] == [0, 1]
        for line, wanted in zip(got, want):
            assert np.allclose(np.float32(line["embedding"]), wanted, atol=1e-6)


def test_dimensions_may_be_said_in_full(vectors):
    assert len(embed(vectors, "a", dimensions=64)[0]) == 64


def test_who_writes_makes_no_vectors_and_the_other_way_round(vectors):
    for path, more in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
                       ("/v1/completions", {"prompt": "hi"})):
        status, _, body = post(vectors, path, {"model": "tiny", **more})
        assert status == 400 and "embeddings" in body["error"]["message"], body
    for model in ("smollm2-135m", "ranker"):
        if (vectors.data_dir / f"models/{model}.gguf").exists():
            status, _, body = post(vectors, "/v1/embeddings", {"model": model, "input": "hi"})
            assert status == 400 and body["error"]["param"] == "model" and "no embeddings" in body["error"]["message"], body


def test_usage_lists_texts_apart_from_answers(vectors):
    key, key_id = vectors.new_key("lister", "--scope", "embeddings")
    deadline = time.time() + 20 * SLOW
    while post(vectors, "/v1/embeddings", {"model": "tiny", "input": "the cat"}, key=key)[0] == 401:
        assert time.time() < deadline
        time.sleep(0.1)

    def listed(kind):
        request = urllib.request.Request(
            f"{vectors.ops_root}/v1/organization/usage/{kind}?start_time={int(time.time()) - 3600}&api_key_ids={key_id}"
            "&group_by=model", headers={"Authorization": f"Bearer {vectors.admin_key}"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return [line for bucket in json.loads(answer.read())["data"] for line in bucket["results"]]
    while not listed("embeddings"):
        assert time.time() < deadline
        time.sleep(0.1)
    (line,) = listed("embeddings")
    assert line["object"] == "organization.usage.embeddings.result", line
    assert (line["model"], line["num_model_requests"], line["input_tokens"]) == ("tiny", 1, 4), line
    assert listed("completions") == []
    assert vectors.total("infe_http_requests_total", 'route="/v1/embeddings"', 'code="200"') > 0


def test_keys_need_the_scope_and_are_charged(vectors):
    key, key_id = vectors.new_key("rag", "--scope", "embeddings", "--rpm", "50")
    other, _ = vectors.new_key("chat", "--scope", "chat")
    deadline = time.time() + 20 * SLOW

    def client(of):
        return openai.OpenAI(base_url=vectors.base_url, api_key=of, max_retries=0)

    def ask(of, texts):
        while True:  # a running server knows a new key within a second
            try:
                return client(of).embeddings.with_raw_response.create(model="tiny", input=texts)
            except openai.AuthenticationError:
                assert time.time() < deadline
                time.sleep(0.1)
    raw = ask(key, ["the cat", "a dog"])
    assert raw.headers["x-ratelimit-limit-requests"] == "50"
    used = raw.parse().usage.total_tokens
    with pytest.raises(openai.PermissionDeniedError):
        ask(other, "a")

    def recorded():
        return json.loads(vectors.command("usage", "--by", "key", "--key", key_id, "--json"))["usage"]
    while not recorded():
        assert time.time() < deadline
        time.sleep(0.1)
    (row,) = recorded()
    assert (row["requests"], row["prompt_tokens"]) == (1, used), row


@pytest.mark.skipif("INFE_TEST_BERT" not in os.environ, reason="INFE_TEST_BERT names no folder of a model")
@pytest.mark.parametrize("kind, least", [("f32", 0.9999), ("f16", 0.9999), ("q8_0", 0.999)])
def test_a_real_model(tmp_path, kind, least):
    model = bert.load(os.environ["INFE_TEST_BERT"])
    words = (pathlib.Path(__file__).resolve().parents[1] / "golden/text.txt").read_text().split()
    texts = [" ".join(words[i:i + 1 + i * i % 330]) for i in range(0, 200, 10)] + TEXTS[:5]
    running = serve(tmp_path, tiny=lambda path: bert.write_gguf(path, *model, kind=kind))
    try:
        worst = min(a @ b for a, b in zip(embed(running, texts), expected(model, texts)))
        print(f"{kind}: the smallest cosine of {len(texts)} texts is {worst:.7f}")
        assert worst >= least
    finally:
        assert running.stop() == 0
