"""Many at once, clients that leave, and what a stream looks like on the wire."""
import concurrent.futures
import http.client
import json
import random
import socket
import time

import pytest

from test_parameters import HELLO


def raw_stream(server, body):
    """Status, headers and the payloads of every event of a streamed request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("POST", "/v1/chat/completions", json.dumps(body),
                       {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    events = [e for e in text.split("\n\n") if e]
    assert all(e.startswith(("data: ", ": ")) for e in events)
    return answer.status, answer.headers, [e[6:] for e in events if e.startswith("data: ")]


def test_stream_on_the_wire(server):
    status, headers, payloads = raw_stream(server, {
        "model": "smollm2-135m", "messages": HELLO, "stream": True, "max_tokens": 8, "ignore_eos": True,
        "stream_options": {"include_usage": True}})
    assert status == 200
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache" and headers["X-Accel-Buffering"] == "no"
    assert headers["x-infe-seed"]
    assert payloads[-1] == "[DONE]"
    chunks = [json.loads(p) for p in payloads[:-1]]
    assert len({c["id"] for c in chunks}) == len({c["created"] for c in chunks}) == 1
    assert {c["object"] for c in chunks} == {"chat.completion.chunk"}
    first = chunks[0]["choices"][0]["delta"]
    assert first["role"] == "assistant"
    assert sum("role" in c["choices"][0]["delta"] for c in chunks if c["choices"]) == 1
    assert [c["choices"][0]["finish_reason"] for c in chunks if c["choices"]][-1] == "length"
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["completion_tokens"] == 8
    assert all(c["usage"] is None for c in chunks[:-1])
    assert chunks[-1]["timings"]["ttft_ms"] > 0
    assert sum("seed" in c for c in chunks) == 1


def test_without_include_usage_no_chunk_has_a_usage_key(server):
    _, _, payloads = raw_stream(server, {"model": "smollm2-135m", "messages": HELLO, "stream": True, "max_tokens": 4})
    chunks = [json.loads(p) for p in payloads[:-1]]
    assert all("usage" not in c for c in chunks)
    assert "timings" in chunks[-1] and chunks[-1]["choices"][0]["finish_reason"]


def test_twenty_concurrent_streams_all_finish(server):
    def one(i):
        _, _, payloads = raw_stream(server, {
            "model": "smollm2-135m", "stream": True, "max_tokens": 40, "seed": i,
            "messages": [{"role": "user", "content": f"Tell me about the number {i}."}]})
        assert payloads[-1] == "[DONE]"
        return json.loads(payloads[-2])["choices"][0]["finish_reason"]

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert all(reason in ("stop", "length") for reason in pool.map(one, range(20)))


@pytest.mark.load
def test_clients_that_vanish_disturb_nobody(server):
    quiet = raw_stream(server, {"model": "smollm2-135m", "messages": HELLO, "stream": True, "seed": 5, "max_tokens": 64})[2]

    def text(payloads):
        return "".join(json.loads(p)["choices"][0]["delta"].get("content") or "" for p in payloads[:-1])

    def vanish(i):
        random.seed(i)
        body = json.dumps({"model": "smollm2-135m", "stream": i % 2 == 0, "max_tokens": 400, "ignore_eos": True,
                           "messages": [{"role": "user", "content": "word " * random.randint(1, 600)}]}).encode()
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as s:
            s.sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
                       f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
            time.sleep(random.random() * 0.5)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        leavers = [pool.submit(vanish, i) for i in range(60)]
        survivor = raw_stream(server, {"model": "smollm2-135m", "messages": HELLO, "stream": True, "seed": 5, "max_tokens": 64})[2]
        for leaver in leavers:
            leaver.result()
    assert text(survivor) == text(quiet)
    # The engine is free again: an answer comes at once.
    start = time.time()
    raw_stream(server, {"model": "smollm2-135m", "messages": HELLO, "stream": True, "max_tokens": 4})
    assert time.time() - start < 20
