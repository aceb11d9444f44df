"""Bodies that are made to cost more than they weigh: refused precisely, within bounded memory."""
import asyncio
import json

import harness
import pytest
from conftest import Server

# Under the 16 MiB of a body.
BYTES = 15 << 20
PATH = "/v1/chat/completions"


def repeated(unit, tail):
    return b'{"model": "smollm2-135m", "messages": [{"role": "user", "content": "x"}], "metadata": ' + (
        unit[0] + unit[1] * ((BYTES - 200) // len(unit[1])) + tail) + b"}"


def keys():
    return b'{"a": {' + b",".join(b'"%x":0' % i for i in range(BYTES // 10)) + b"}}"


def calls():
    """Arguments are JSON inside a string: many values, none of them in the body's own tree."""
    one = json.dumps("[" + "0," * 7000 + "0]")
    count = BYTES // (len(one) + 200)
    call = '{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":%s}}]},' \
           '{"role":"tool","tool_call_id":"c","content":"x"},' % json.dumps('{"a":' + json.loads(one) + "}")
    return ('{"model":"smollm2-135m","max_tokens":2,"messages":[' + call * min(count, 1000) + '{"role":"user","content":"x"}]}').encode()


BODIES = {
    "numbers": (lambda: repeated((b"[", b"0,"), b"0]"), "more than 262144 values"),
    "arrays": (lambda: repeated((b"[", b"[],"), b"0]"), "more than 262144 values"),
    "objects": (lambda: repeated((b"[", b"{},"), b"0]"), "more than 262144 values"),
    "strings": (lambda: repeated((b"[", b'"",'), b"0]"), "more than 262144 values"),
    "keys": (keys, "more than 262144 values"),
    "depth": (lambda: b"[" * BYTES, "deeper than"),
    "one string": (lambda: json.dumps({"model": "smollm2-135m", "messages": [{"role": "user", "content": "a" * (BYTES - 100)}]}).encode(), ""),
    "arguments": (calls, ""),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("bodies"))
    yield running
    assert running.stop() == 0, running.log_text()


@pytest.mark.load
@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_is_refused_within_bounded_memory(plain, name):
    make, message = BODIES[name]
    body = make()
    assert len(body) < 16 << 20

    async def send():
        asking = asyncio.ensure_future(harness.ask(plain, body))
        most = before = plain.rss_mb()
        while not asking.done():
            most = max(most, plain.rss_mb())
            await asyncio.sleep(0.002)
        return await asking, most - before

    reply, grown = asyncio.run(send())
    error = reply.json()["error"]
    assert reply.status == 400 and message in error["message"], error
    # The body itself, what is read of it in one go, and a tree of 2^18 values.
    assert grown < 160, f"{grown:.0f} MB"
    assert asyncio.run(harness.ask(plain, harness.chat("Hello", max_tokens=2))).status == 200
