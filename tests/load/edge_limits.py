#!/usr/bin/env python3
"""The limits at the edge: sizes, times, connections, TLS, and slow clients by the hundred.

  python3 tests/load/edge_limits.py            about 2 minutes (keep-alive is 75 s)
  python3 tests/load/edge_limits.py --short    about 20 s

Every client is on loopback. Limits per address are seen from 127.0.0.2 and 127.0.0.3, since
127.0.0.1 stands for a proxy and has none.
"""

import asyncio
import contextlib
import hashlib
import os
import signal
import time

import harness
from harness import Connection, chat, get, post

IDLE = 4096


async def expect_refusal(claims, server, what, data, status, code=None):
    connection = await Connection.open(server.port)
    try:
        await connection.send(data)
    except ConnectionError:
        pass
    reply = await connection.reply()
    closed = await connection.ends() == b""
    error = reply.json()["error"]
    claims.check(f"{what}: {status}, an error object, closed", reply.status == status and closed
                 and set(error) == {"message", "type", "param", "code"} and (code is None or error["code"] == code),
                 (reply.status, error["message"]))
    connection.close()


async def sizes(claims, server):
    line = "GET /readyz HTTP/1.1\r\nHost: a\r\n"
    await expect_refusal(claims, server, "a field of 9 KiB", (line + f"A: {'b' * 9216}\r\n\r\n").encode(), 431)
    await expect_refusal(claims, server, "101 fields", (line + "A: b\r\n" * 101 + "\r\n").encode(), 431)
    await expect_refusal(claims, server, "a head of 40 KiB", (line + f"A: {'b' * 4000}\r\n" * 10 + "\r\n").encode(), 431)
    await expect_refusal(claims, server, "a target of 9 KiB", f"GET /{'a' * 9216} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 414)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {server.key}\r\n"
    await expect_refusal(claims, server, "16 MiB + 1 announced", (head + "Content-Length: 16777217\r\n\r\n").encode(), 413)
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    await expect_refusal(claims, server, "17 MiB in chunks", (head + "Transfer-Encoding: chunked\r\n\r\n").encode() + chunk * 17, 413)


async def continues(claims, server):
    body = b'{"model": "smollm2-135m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 3}'
    connection = await Connection.open(server.port)
    await connection.send(post("/v1/chat/completions", body, server.key, ["Expect: 100-continue"])[:-len(body)])
    first, _ = await connection.head()
    await connection.send(body)
    reply = await connection.reply()
    claims.check("Expect: 100-continue is answered before the body", (first, reply.status) == (100, 200), (first, reply.status))
    await connection.send(post("/v1/chat/completions", body, "wrong", ["Expect: 100-continue"])[:-len(body)])
    reply = await connection.reply()
    claims.check("a wrong key is refused without it", reply.status == 401, reply.status)
    connection.close()


async def pipeline(claims, server):
    bodies = [chat(harness.prompt_of(i, 5), max_tokens=4 + i % 3, seed=i, stream=i % 4 == 3) for i in range(16)]
    alone = [(await harness.ask(server, body)).text for body in bodies]
    connection = await Connection.open(server.port)
    await connection.send(b"".join(post("/v1/chat/completions", body, server.key) for body in bodies))
    together = [(await connection.reply()).text for _ in bodies]
    claims.check("16 pipelined chats are answered in order, with the same texts", together == alone)
    connection.close()


async def drip(connection, data, pause_s):
    """Sends a byte at a time until the server answers or closes; seconds that it took."""
    began = time.perf_counter()
    try:
        for i in range(len(data)):
            await connection.send(data[i : i + 1])
            done, _ = await asyncio.wait([asyncio.ensure_future(asyncio.sleep(pause_s))], timeout=pause_s + 1)
            if connection.reader.at_eof() or connection.reader._buffer:  # an answer is there
                break
    except ConnectionError:
        pass
    return time.perf_counter() - began


async def slow_head(claims, server):
    connection = await Connection.open(server.port)
    took = await drip(connection, b"GET /readyz HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 100, 0.25)
    status, _ = await connection.head()
    claims.check("a head that drips: 408 after 10 s", status == 408 and 9.5 < took < 12 * harness.SLOW, f"{took:.1f} s")
    connection.close()


async def stalled_body(claims, server):
    connection = await Connection.open(server.port)
    began = time.perf_counter()
    await connection.send(post("/v1/chat/completions", b"x" * 1000, server.key)[:-500])
    status, _ = await connection.head()
    took = time.perf_counter() - began
    claims.check("a body that stops: 408 after 10 s", status == 408 and 9.5 < took < 12 * harness.SLOW, f"{took:.1f} s")
    connection.close()


async def slow_body(claims, server):
    connection = await Connection.open(server.port)
    await connection.send(post("/v1/chat/completions", b"x" * 100_000, server.key)[:-100_000])
    took = await drip(connection, b"x" * 1000, 0.5)
    status, _ = await connection.head()
    claims.check("a body under 1 KiB/s: 408 after 20 s", status == 408 and 19.5 < took < 23 * harness.SLOW, f"{took:.1f} s")
    connection.close()


async def keep_alive(claims, server):
    connection = await Connection.open(server.port)
    await connection.send(get("/readyz"))
    await connection.reply()
    began = time.perf_counter()
    ended = await connection.ends()
    took = time.perf_counter() - began
    claims.check("an idle connection is closed after 75 s", ended == b"" and 74 < took < 80, f"{took:.1f} s")


async def opened(server, count, **options):
    """So many connections that the server accepted: none of them holds a refusal."""
    made = []
    for _ in range(count):
        made.append(await Connection.open(server.port, **options))
    await asyncio.sleep(0.3)
    return [c for c in made if not c.reader._buffer and not c.reader.at_eof()], made


async def per_address(claims, server):
    accepted, made = await opened(server, 70, source="127.0.0.2")
    claims.check("an address that proved nothing has 64 connections", len(accepted) == 64, len(accepted))
    claims.check("the next ones take the places of its oldest", accepted == made[6:])
    for c in made:
        c.close()
    await asyncio.sleep(0.3)
    proven = []
    for _ in range(260):
        c = await Connection.open(server.port, source="127.0.0.2")
        await c.send(get("/v1/models", server.key))
        proven.append((c, (await c.reply()).status))
    served = sum(status == 200 for _, status in proven)
    await asyncio.sleep(0.3)
    left = sum(not c.reader.at_eof() for c, _ in proven)
    claims.check("one with a valid key has 256: the longest idle make room for the rest", (served, left) == (260, 256), (served, left))
    other = await harness.ask(server, chat("Hello", max_tokens=2), source="127.0.0.3")
    claims.check("another address is served meanwhile", other.status == 200, other.status)
    for c, _ in proven:
        c.close()


async def many_idle(claims, server):
    """As many connections as there may be, all of them proven by a request, then idle."""
    before, made = server.rss_mb(), []
    for _ in range(0, IDLE, 128):
        batch = await asyncio.gather(*(Connection.open(server.port, window=2048) for _ in range(128)))
        for c in batch:
            await c.send(get("/v1/models", server.key))
        for c in batch:
            await c.reply()
        made += batch
    grown = server.rss_mb() - before
    cpu, began = server.cpu_seconds(), time.perf_counter()
    await asyncio.sleep(4)
    share = (server.cpu_seconds() - cpu) / (time.perf_counter() - began)
    opened_now = server.total("infe_http_connections")
    claims.check(f"{IDLE} connections are open", opened_now == IDLE, f"{opened_now:.0f}")
    claims.check("they cost little memory (under 8 KiB each)", grown * 1024 < 8 * IDLE, f"{grown:.1f} MB, {grown * 1024 / IDLE:.1f} KiB each")
    claims.check("and no CPU (under 2% of one)", share < 0.02, f"{100 * share:.2f}%")
    reply = await harness.ask(server, chat("Hello", max_tokens=2))
    gone = [i for i, c in enumerate(made) if c.reader.at_eof()]
    claims.check("one more is served, in the place of the longest idle", reply.status == 200 and len(gone) == 1 and gone[0] < 128, (reply.status, gone))
    reply = await harness.ask(server, chat("Hello", max_tokens=2), connection=made[1234])
    claims.check("one of them is served", reply.status == 200, reply.status)
    for c in made:
        c.close()


# What hostile connections send before they fall silent.
PROVE_NOTHING = {"silence": b"", "half a head": b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuth", "a wrong key": get("/v1/models", "wrong"),
                 "a probe": get("/livez")}


async def crowd(server, sends):
    """4096 connections from 64 addresses at once, each silent after its first bytes."""
    made, began = [], time.perf_counter()
    for _ in range(0, IDLE, 256):
        batch = await asyncio.gather(*(Connection.open(server.port, source=f"127.0.1.{1 + i % 64}", window=2048) for i in range(256)))
        for c in batch:
            with contextlib.suppress(ConnectionError):
                await c.send(sends)
        made += batch
    return made, time.perf_counter() - began


async def silent(claims, server):
    """Whoever proved nothing makes room: a client with a key is served at once, from anywhere."""
    for what, sends in PROVE_NOTHING.items():
        made, took = await crowd(server, sends)
        worst, statuses = 0, []
        for source in ("127.0.0.1", "127.0.9.9", "127.0.1.7"):  # the last: one of the crowd's own
            began = time.perf_counter()
            reply = await harness.ask(server, chat("Hello", max_tokens=2), source=source)
            worst = max(worst, time.perf_counter() - began)
            statuses.append(reply.status)
        claims.check(f"beside {IDLE} connections that sent {what}, a client with a key is served within 1 s",
                     statuses == [200] * 3 and worst < harness.SLOW, f"{statuses}, {worst:.2f} s, made in {took:.2f} s")
        for c in made:
            c.close()
    recycled = server.total("infe_http_rejected_total", 'reason="recycled"')
    claims.check("they are counted", recycled > 0, f"{recycled:.0f}")


async def slowloris(claims, server, count, bodies):
    """They drip a head, half of them a body if that is wanted, a byte a second; honest clients come
    beside them."""
    async def honest(times):
        seconds = []
        for i in range(times):
            began = time.perf_counter()
            reply = await harness.ask(server, chat(f"{i} Hello", max_tokens=2))
            seconds.append(time.perf_counter() - began if reply.status == 200 else 99)
        return seconds

    quiet = harness.quantile(await honest(20), 0.5)
    head = b"GET /readyz HTTP/1.1\r\nHost: a\r\nA: " + b"b" * 100
    body = post("/v1/chat/completions", b"[" * 4096, server.key)
    slow = [await Connection.open(server.port, window=2048) for _ in range(count)]

    async def attack(i):
        if bodies and i % 2:
            await slow[i].send(body[: -4096])
            return await drip(slow[i], b"[" * 60, 1)
        return await drip(slow[i], head, 1)

    running = asyncio.gather(*(attack(i) for i in range(count)))
    await asyncio.sleep(1)
    beside = await honest(40)
    took = await running
    claims.check(f"beside {count} slow clients every honest one is served", max(beside) < 90,
                 f"median {1e3 * harness.quantile(beside, 0.5):.0f} ms, quiet {1e3 * quiet:.0f} ms")
    claims.check("slow heads are cut off after 10 s", max(took[::2]) < 13 * harness.SLOW, f"{max(took[::2]):.1f} s")
    if bodies:
        claims.check("slow bodies are cut off after 20 s", max(took[1::2]) < 24 * harness.SLOW, f"{max(took[1::2]):.1f} s")
    for c in slow:
        c.close()


async def tls_reload(claims, folder):
    """A certificate replaced by SIGHUP is for new connections; a bad one changes nothing."""
    paths = folder / "tls.pem", folder / "tls.key"

    def install(name):
        made = harness.certificate(folder, name)
        for source, target in zip(made, paths):
            os.replace(source, target)

    def serial(connection):
        return hashlib.sha256(connection.writer.get_extra_info("ssl_object").getpeercert(True)).hexdigest()[:8]

    install("first")
    with harness.Server(folder / "tls", tls=paths) as server:
        options = {"tls": harness.trusting_anyone()}
        old = await Connection.open(server.port, **options)
        first = await harness.ask(server, chat("Hello", max_tokens=3), connection=old)
        install("second")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            new = await Connection.open(server.port, **options)
            if serial(new) != serial(old):
                break
            await asyncio.sleep(0.05)
        again = await harness.ask(server, chat("Hello", max_tokens=3), connection=old)
        claims.check("a new certificate is for new connections, old ones go on",
                     serial(new) != serial(old) and (first.status, again.status) == (200, 200))
        paths[0].write_text("not a certificate")
        server.process.send_signal(signal.SIGHUP)
        for _ in range(100):
            if "reload refused" in server.log_text():
                break
            await asyncio.sleep(0.05)
        third = await Connection.open(server.port, **options)
        reply = await harness.ask(server, chat("Hello", max_tokens=3, stream=True), connection=third)
        claims.check("a bad certificate is refused by name and the good one stays", "reload refused" in server.log_text()
                     and str(paths[0]) in server.log_text() and serial(third) == serial(new) and reply.complete)
        plain = await Connection.open(server.port)
        await plain.send(get("/readyz"))
        answer = await plain.ends()
        claims.check("plain text on the TLS port is not served", answer is not None and b"HTTP/1.1" not in answer, answer)
        for c in (old, new, third, plain):
            c.close()


async def prove(claims, short=False):
    harness.raise_descriptor_limit()
    # A service manager's usual soft limit of 1024 descriptors must not be the limit of connections.
    limit = ("prlimit", "--nofile=1024:20000", "--")
    with harness.temporary_folder() as folder:
        with harness.Server(folder, prefix=limit) as server:
            await sizes(claims, server)
            await continues(claims, server)
            await pipeline(claims, server)
            timed = [slow_head(claims, server), stalled_body(claims, server), slowloris(claims, server, 200 if short else 1000, not short)]
            if not short:
                timed += [slow_body(claims, server), keep_alive(claims, server)]
            await asyncio.gather(*timed)
            await per_address(claims, server)
            await many_idle(claims, server)
            await silent(claims, server)
            busy = await harness.wait_idle(server)
            claims.check("nothing is left behind", not busy, busy)
        await tls_reload(claims, folder)


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    harness.run(lambda claims: prove(claims, options.short), "limits at the edge")
