"""Walks the table of docs/endpoints.md, which is the table of the server (endpoints_test.cc): what every generating
endpoint must have. A new one is walked by itself."""
import json
import pathlib
import re
import socket
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import ROOT, SLOW, Server  # noqa: E402

ROW = re.compile(r"^\| `(\w+) (\S+)` \| (\w+) \| (.+?) \| (\w+) \| ([\w ]+) \| .* \|$")


def rows():
    text = (ROOT / "docs/endpoints.md").read_text()
    return [match.groups() for match in map(ROW.match, text.splitlines()) if match]


# Where a dialect has names of its own for what is left of a limit.
RATE_HEADERS = {"/v1/messages": ("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining")}
# Vectors are made by models of another kind, and in one go: tests/api/test_embeddings.py.
GENERATING = [path for _, path, _, _, cost, _ in rows() if cost == "generates" and path.split("/")[-1] not in ("embeddings", "rerank")]


def body(path, max_tokens=4, **more):
    """What each dialect reads of it asks for a short answer."""
    if path == "/v1/responses":
        fields = {"input": "Hello", "max_output_tokens": max_tokens}
    else:
        fields = {"prompt": "Once", "max_tokens": max_tokens, "messages": [{"role": "user", "content": "Hello"}]}
    return json.dumps({"model": "smollm2-135m", "ignore_eos": True, **fields, **more}).encode()


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("endpoints"))
    yield running
    assert running.stop() == 0, running.log_text()


def post(server, path, data, key=None):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20 * SLOW) as sock:
        sock.sendall(head(path, data, key) + data)
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
    text = answer.decode()
    headers = dict(line.lower().split(": ", 1) for line in text.split("\r\n\r\n")[0].split("\r\n")[1:])
    return int(text.split()[1]), headers


def head(path, data, key):
    key_line = f"Authorization: Bearer {key}\r\n" if key else ""
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(data)}\r\n{key_line}\r\n").encode()


def counted(server, path, code):
    return server.total("infe_http_requests_total", f'route="{path}"', f'code="{code}"')


def wait_for(condition, what, step=0.02):
    deadline = time.time() + 20 * SLOW
    while not condition():
        assert time.time() < deadline, what
        time.sleep(step)


def test_the_table_has_the_endpoints_that_everybody_calls():
    paths = {path for _, path, *_ in rows()}
    assert {"/v1/chat/completions", "/v1/completions", "/v1/models", "/metrics", "/readyz"} <= paths
    assert {"/v1/chat/completions", "/v1/completions"} <= set(GENERATING)


@pytest.mark.parametrize("path", GENERATING)
def test_every_generating_endpoint_asks_charges_counts_and_stops(limited, path):
    key, key_id = limited.new_key("walker", "--rpm", "100")
    # An address may fail 20 times in a row, then it is 429: a server knows a new key within a second.
    wait_for(lambda: post(limited, path, body(path), key)[0] == 200, "the key is there", step=0.5)
    assert post(limited, path, body(path))[0] == 401

    # Limits: the key is charged.
    headers = post(limited, path, body(path), key)[1]
    limit, remaining = RATE_HEADERS.get(path, ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"))
    assert int(headers[remaining]) < int(headers[limit]) == 100
    # Metrics, under the route's own name.
    before = counted(limited, path, 200)
    assert post(limited, path, body(path), key)[0] == 200
    wait_for(lambda: counted(limited, path, 200) == before + 1, "counted")

    # A client that leaves in mid-answer: seen, and nothing runs for it any more.
    gone = counted(limited, path, 499)
    data = body(path, stream=True, max_tokens=4000)
    sock = socket.create_connection(("127.0.0.1", limited.port), timeout=20 * SLOW)
    sock.sendall(head(path, data, key) + data)
    assert b"200" in sock.recv(64)
    sock.close()
    wait_for(lambda: counted(limited, path, 499) == gone + 1, "the leaving is noticed")
    wait_for(lambda: limited.total("infe_running") == 0, "its sequence ends")

    # Ledger: a row each, also of the answer that broke off.
    def recorded():
        return json.loads(limited.command("usage", "--by", "key", "--key", key_id, "--json"))["usage"]
    wait_for(lambda: [row["requests"] for row in recorded()] == [4], "the ledger has them")
