"""POST /v1/rerank and its other paths: scores against a second implementation, Cohere's client, shapes, refusals. The model
is tiny and random."""
import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden/bert"))
import bert  # noqa: E402
from test_embeddings import serve, tiny_bert, tiny_ranker  # noqa: E402
from test_parameters import post  # noqa: E402

QUERY = "the cat"
DOCUMENTS = ["a dog walked", "the cat sat on the mat", "zebra", "unhappy birds, quick foxes!", "the " * 300, "cat cat"]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = serve(tmp_path_factory.mktemp("rerank"), ranker=tiny_ranker, tiny=tiny_bert)
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


def rerank(server, documents=DOCUMENTS, path="/v1/rerank", query=QUERY, **fields):
    status, _, body = post(server, path, {"model": "ranker", "query": query, "documents": documents, **fields})
    assert status == 200, body
    return body


def expected(query, documents):
    config, tensors, vocab = bert.tiny(ranks=True)
    encode = bert.tokenizer(vocab)
    # The server keeps keys and values in 16 bits.
    return [bert.score(config, tensors, encode.encode(query).ids, encode.encode(document).ids[1:], np.float16)
            for document in documents]


def scores(body):
    return {result["index"]: result["relevance_score"] for result in body["results"]}


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank", "/rerank"])
def test_scores_are_those_of_a_second_implementation(server, path):
    body = rerank(server, path=path)
    wanted = expected(QUERY, DOCUMENTS)
    assert np.std(wanted) > 0.05
    assert [result["index"] for result in body["results"]] == [int(i) for i in np.argsort(-np.array(wanted))]
    assert max(abs(score - wanted[i]) for i, score in scores(body).items()) < 1e-4
    assert body["model"] == "ranker" and body["id"].startswith("rerank-")
    encode = bert.tokenizer(bert.tiny()[2])
    tokens = sum(len(encode.encode(QUERY).ids) + len(encode.encode(d).ids) - 1 for d in DOCUMENTS)
    assert body["usage"]["total_tokens"] == body["meta"]["tokens"]["input_tokens"] == tokens


def test_order_matters_within_a_pair_and_not_between_pairs(server):
    assert rerank(server, ["a dog"], query="the cat")["results"] != rerank(server, ["the cat"], query="a dog")["results"]
    together = scores(rerank(server))
    for i, document in enumerate(DOCUMENTS):
        assert scores(rerank(server, [document])) == {0: together[i]}
    twice = rerank(server, ["zebra", "the cat", "zebra"])["results"]
    places = [result["index"] for result in twice]
    assert places.index(0) < places.index(2), "equal scores come in the order of the documents"


def test_results_are_the_best_and_carry_their_documents_where_asked(server):
    whole = rerank(server)["results"]
    assert rerank(server, top_n=2)["results"] == whole[:2] and rerank(server, top_n=99)["results"] == whole
    assert "document" not in whole[0]
    shown = rerank(server, [{"text": d} for d in DOCUMENTS], return_documents=True)["results"]
    assert [r["document"]["text"] for r in shown] == [DOCUMENTS[r["index"]] for r in shown]
    assert [r["relevance_score"] for r in shown] == [r["relevance_score"] for r in whole]


def test_long_documents_are_refused_or_read_in_part(server):
    long = ["cat", "the cat " * 400]
    status, _, body = post(server, "/v1/rerank", {"model": "ranker", "query": QUERY, "documents": long})
    assert (status, body["error"]["param"]) == (400, "documents[1]") and "512" in body["error"]["message"], body
    got = scores(rerank(server, long, max_tokens_per_doc=10))
    assert got == scores(rerank(server, ["cat", "the cat " * 5]))


@pytest.mark.parametrize("fields, status, param", [
    ({"documents": []}, 400, "documents"), ({"documents": "a"}, 400, "documents"), ({"documents": ["a", ""]}, 400, "documents[1]"),
    ({"documents": ["a", 3]}, 400, "documents[1]"), ({"documents": [{"title": "a"}]}, 400, "documents[0].text"),
    ({"documents": ["a"] * 2049}, 400, "documents"), ({"query": ""}, 400, "query"), ({"query": ["a"]}, 400, "query"),
    ({"top_n": 0}, 400, "top_n"), ({"rank_fields": ["a"]}, 400, "rank_fields"), ({"query": "the " * 600}, 400, "query"),
    ({"model": "nobody"}, 404, None), ({"model": "tiny"}, 400, "model"), ({"model": "smollm2-135m"}, 400, "model"),
])
def test_what_cannot_be_is_refused(server, fields, status, param):
    if fields.get("model") == "smollm2-135m" and not (server.data_dir / "models/smollm2-135m.gguf").exists():
        pytest.skip("smollm2-135m is not pulled")
    got, _, body = post(server, "/v1/rerank", {"model": "ranker", "query": QUERY, "documents": ["a"], **fields})
    assert (got, body["error"]["param"]) == (status, param), body
    if param == "model" and status == 400:
        assert "no reranker" in body["error"]["message"]


def test_a_ranker_writes_nothing(server):
    status, _, body = post(server, "/v1/chat/completions",
                           {"model": "ranker", "messages": [{"role": "user", "content": "hi"}]})
    assert status == 400 and "ranks texts" in body["error"]["message"], body


def test_coheres_client_reads_it(server):
    cohere = pytest.importorskip("cohere")
    client = cohere.ClientV2(api_key=server.key, base_url=server.root)
    answer = client.rerank(model="ranker", query=QUERY, documents=DOCUMENTS, top_n=3)
    assert [(r.index, r.relevance_score) for r in answer.results] == [
        (r["index"], r["relevance_score"]) for r in rerank(server, top_n=3)["results"]]
