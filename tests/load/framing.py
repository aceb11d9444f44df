#!/usr/bin/env python3
"""Request smuggling: the table of tests/conformance/framing_cases.json, straight and through proxies.

  python3 tests/load/framing.py

Straight, every byte string gets its status and the end of the connection, and the request that waits
behind it is never answered. Through nginx and HAProxy both sides must count the same requests: what
the proxy says that it sent on and what infe says that it got, string by string; or the proxy refuses.
Takes seconds. Without nginx or HAProxy that part is told as missing and fails.
"""

import asyncio
import contextlib
import json

import harness
import proxies

TABLE = harness.ROOT / "tests/conformance/framing_cases.json"
WAITING = b"GET /livez HTTP/1.1\r\nHost: infe.test\r\n\r\n"
# Of the table and of nginx: without keys only known names are served.
HOSTS = ("--allowed-host", "infe.test", "--allowed-host", "infe")
# The table is made for a server with /echo and /hello.
PATHS = ((b"/echo ", b"/v1/chat/completions "), (b"/hello", b"/livez"))


def cases():
    """(name, status, bytes) of the table, for infe's own paths."""
    for one in json.loads(TABLE.read_text(encoding="ascii")):
        parts = one["bytes"] if isinstance(one["bytes"], list) else [one["bytes"]]
        data = "".join(p if isinstance(p, str) else p[0] * p[1] for p in parts).encode("latin-1")
        for there, here in PATHS:
            data = data.replace(there, here)
        yield one["name"], one["status"], data


async def straight(claims, server):
    wrong = []
    for name, status, data in cases():
        connection = await harness.Connection.open(server.port)
        with contextlib.suppress(ConnectionError):
            await connection.send(data + WAITING)
        answer = await connection.ends()
        connection.close()
        if answer is None or answer[:12] != b"HTTP/1.1 %d" % status or answer.count(b"HTTP/1.1 ") != 1:
            wrong.append((name, None if answer is None else answer[:60]))
        elif b"Connection: close\r\n" not in answer or b'{"error":{' not in answer.replace(b" ", b""):
            wrong.append((name, "no close, or no error object"))
    claims.check("straight: the stated status, an error object, one answer, and the end", not wrong, wrong or
                 f"{sum(1 for _ in cases())} byte strings")


async def answers(connection, patience_s):
    """What comes until the end, or until nothing came for so long."""
    got = b""
    with contextlib.suppress(asyncio.TimeoutError, ConnectionError):
        while piece := await asyncio.wait_for(connection.reader.read(1 << 16), patience_s):
            got += piece
    return got


async def through(claims, server, name, proxy):
    """The counts of both sides, case by case: what they read differently shows at once."""
    # Without the proxy's own checks.
    count = lambda: server.total("infe_http_requests_total") - server.total(  # noqa: E731
        "infe_http_requests_total", 'route="/readyz"')
    differing, refused, passed, served = [], 0, 0, 0
    for case, _, data in cases():
        sent_before, got_before = proxy.passed(), count()
        connection = await harness.Connection.open(proxy.port)
        with contextlib.suppress(ConnectionError):
            await connection.send(data + WAITING)
        answer = await answers(connection, 0.08 * harness.SLOW)
        connection.close()
        for _ in range(200):  # the proxy writes its line when it has seen the end
            sent, got = proxy.passed() - sent_before, count() - got_before
            if sent == got:
                break
            await asyncio.sleep(0.02)
        if sent != got:
            differing.append((case, f"{name} sent {sent}, infe got {got:.0f}", answer[:40]))
        refused += sent == 0
        passed += sent
        served += answer.count(b"HTTP/1.1 200")
    claims.check(f"through {name}: both sides count the same requests", not differing, differing or
                 f"refused by {name} itself {refused}, sent on {passed:.0f}, answered with 200 {served}")


async def prove(claims, short=False):
    del short
    with harness.temporary_folder() as folder, \
            harness.Server(folder, keys=False, args=HOSTS) as server:
        await straight(claims, server)
        for name, start in (("nginx", proxies.nginx), ("HAProxy", proxies.haproxy)):
            if not proxies.has(name.lower()):
                claims.check(f"{name} is installed", False)
                continue
            with start(folder / name, [server]) as proxy:
                await through(claims, server, name, proxy)
        claims.check("the server is unharmed", (await harness.ask(server, harness.chat("Hello", max_tokens=4))).status == 200)


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    harness.run(lambda claims: prove(claims, options.short), "framing")
