"""The configurations of packaging/proxies in front of two servers: the same texts, streams that are not
held up, refusals as they are, and a client's leave that reaches infe. Restarts in turn are
tests/load/rolling.py's."""
import asyncio
import contextlib
import json
import time

import harness
import proxies
import pytest
from conftest import SLOW, Server
from harness import Connection, ask, chat, post, prompt_of
from postgres import Postgres

EVENTS = 40


@pytest.fixture(scope="module")
def pair():
    """Two servers with one database, which believe the proxy."""
    with harness.temporary_folder() as folder, Postgres(folder / "postgres") as postgres:
        environment = {"INFE_STORE_URL": postgres.url}

        def options(name):
            return {"args": ("--threads", "1", "--trusted-proxy", "127.0.0.1", "--access-log", str(folder / name)),
                    "env": environment}
        with Server(folder / "both", **options("first.log")) as first, \
                Server(folder / "both", keys=False, **options("second.log")) as second:
            second.key = first.key
            first.logs = [folder / "first.log", folder / "second.log"]
            yield first, second


@pytest.fixture(scope="module", params=list(proxies.ALL))
def start(request):
    if not proxies.has(request.param.lower()):
        pytest.skip(f"{request.param} is not installed")
    return proxies.ALL[request.param]


@pytest.fixture(scope="module")
def proxy(start, pair, tmp_path_factory):
    with start(tmp_path_factory.mktemp("proxy") / "folder", pair) as running:
        yield running


class Canned:
    """An upstream that is ready and answers every POST with `answer(reader, writer)`."""

    def __init__(self, answer):
        self.answer, self.port = answer, harness.free_port()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                if head.startswith(b"GET"):
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    continue
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                await self.answer(reader, writer)
        writer.close()


STREAM_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
               b"X-Accel-Buffering: no\r\n\r\n")


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_texts_are_those_of_a_server_asked_directly(pair, proxy):
    async def main():
        for i in range(4):
            body = chat(prompt_of(i, 12), max_tokens=16, seed=i, temperature=0.7, stream=i % 2 == 0)
            direct = await ask(pair[0], body)
            through = await ask(proxy.port, body, pair[0].key)
            assert direct.status == through.status == 200 and through.complete
            assert through.text == direct.text
    asyncio.run(main())


def test_an_event_reaches_the_client_before_the_next_is_made(start, tmp_path):
    """Each event is sent when the one before has arrived. What holds an event back for the next one
    never ends; what waits for acknowledgements takes 40 to 200 ms an event (0.3 without)."""
    arrived = asyncio.Event()

    async def answer(_, writer):
        writer.write(STREAM_HEAD)
        for i in range(EVENTS):
            arrived.clear()
            # In two pieces, as a token and the event behind it may come.
            writer.write(chunk(b"data: %d\n\n" % i))
            await writer.drain()
            await asyncio.wait_for(arrived.wait(), 10 * SLOW)
        writer.write(b"0\r\n\r\n")

    async def main():
        async with Canned(answer) as upstream:
            with start(tmp_path / "proxy", [upstream.port]) as proxy:
                await asyncio.sleep(1)  # the first check
                connection = await Connection.open(proxy.port)
                await connection.send(post("/v1/chat/completions", {"stream": True}))
                _, headers = await connection.head()
                seen, began = 0, time.perf_counter()
                async for piece in connection.pieces(headers):
                    seen += piece.count(b"data: ")
                    arrived.set()
                assert seen == EVENTS
                return (time.perf_counter() - began) / EVENTS
    assert asyncio.run(main()) < 0.03 * SLOW


def test_events_in_quick_succession_are_not_held(start, tmp_path):
    """Pairs of events 5 ms apart: a proxy that waits for the acknowledgement of the first sends the
    second late. The worst of 40 is told by when it was made."""
    async def answer(_, writer):
        writer.write(STREAM_HEAD)
        for _ in range(EVENTS):
            for _ in range(2):
                writer.write(chunk(b"data: %d\n\n" % time.perf_counter_ns()))
                await writer.drain()
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.02)
        writer.write(b"0\r\n\r\n")

    async def main():
        async with Canned(answer) as upstream:
            with start(tmp_path / "proxy", [upstream.port]) as proxy:
                await asyncio.sleep(1)
                connection = await Connection.open(proxy.port)
                await connection.send(post("/v1/chat/completions", {"stream": True}))
                _, headers = await connection.head()
                late = []
                async for piece in connection.pieces(headers):
                    now = time.perf_counter_ns()
                    late += [(now - int(line[6:])) / 1e6 for line in piece.split(b"\n\n") if line]
                return late
    late = asyncio.run(main())
    assert len(late) == 2 * EVENTS
    assert harness.quantile(late, 0.5) < 15 * SLOW, late


@pytest.mark.parametrize("stream", [False, True], ids=["collected", "stream"])
def test_a_client_that_leaves_is_gone_from_the_server(pair, proxy, stream):
    """Of a collected answer nothing has been sent yet: the proxy has to look at its silent client."""
    async def main():
        before = sum(server.total("infe_cancelled_total") for server in pair)
        connection = await Connection.open(proxy.port)
        await connection.send(post("/v1/chat/completions", chat(prompt_of(7), max_tokens=2000, stream=stream,
                                                                logit_bias={"2": -100, "0": -100}), pair[0].key))
        if stream:
            status, headers = await connection.head()
            assert status == 200
            await anext(connection.pieces(headers))
        else:
            while not any(server.total("infe_running") for server in pair):
                await asyncio.sleep(0.005)
        connection.close()
        for server in pair:
            assert not await harness.wait_idle(server)
        assert sum(server.total("infe_cancelled_total") for server in pair) == before + 1
    asyncio.run(main())


def test_refusals_keep_their_status_code_and_headers(pair, proxy):
    limited, _ = pair[0].new_key("limited", "--rpm", "1")

    async def main():
        wrong = await ask(proxy.port, chat("Hi", max_tokens=1), "sk-infe-wrong")
        assert wrong.status == 401 and wrong.json()["error"]["code"] == "invalid_api_key"
        await asyncio.sleep(1)
        replies = [await ask(proxy.port, chat("Hi", max_tokens=1), limited) for _ in range(4)]
        refused = [reply for reply in replies if reply.status != 200]
        assert refused and {reply.status for reply in refused} == {429}
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
        assert refused[0].json()["error"]["code"] == "rate_limit_exceeded"
        # 9 MB: more than any proxy's buffer, less than infe's bound; then more than that.
        long = await ask(proxy.port, chat("word " * 1_800_000, max_tokens=1), pair[0].key)
        assert long.status == 400 and long.json()["error"]["code"] == "context_length_exceeded"
    asyncio.run(main())


def test_the_servers_know_each_client_by_its_own_address(pair, proxy):
    """And by no other that it writes itself."""
    async def main(source, number):
        connection = await Connection.open(proxy.port, source=source)
        await connection.send(post("/v1/chat/completions", chat(prompt_of(number), max_tokens=1), pair[0].key,
                                   headers=("X-Forwarded-For: 203.0.113.9",)))
        reply = await connection.reply()
        connection.close()
        return reply.headers["x-request-id"]
    sources = {asyncio.run(main(source, i)): source for i, source in enumerate(("127.0.0.77", "127.0.0.78"))}
    deadline, seen = time.monotonic() + 20 * SLOW, {}
    while len(seen) < 2:
        assert time.monotonic() < deadline, seen
        time.sleep(0.05)
        lines = [json.loads(line) for log in pair[0].logs for line in log.read_text().splitlines()]
        seen = {line["request_id"]: line["remote"] for line in lines if line["request_id"] in sources}
    assert seen == sources


def test_when_all_are_full_the_client_gets_the_servers_own_503(start, tmp_path):
    body = json.dumps({"error": {"code": "server_is_overloaded"}}).encode()

    async def answer(_, writer):
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def main():
        async with Canned(answer) as one, Canned(answer) as other:
            with start(tmp_path / "proxy", [one.port, other.port]) as proxy:
                await asyncio.sleep(1)
                reply = await ask(proxy.port, {"model": "m"})
                assert reply.status == 503 and reply.headers["retry-after"] == "3"
                assert reply.body == body
    asyncio.run(main())


@pytest.mark.fleet
def test_a_silence_of_over_a_minute_is_no_end(start, tmp_path):
    """Longer than nginx waits by default (60 s) and Envoy (15 s)."""
    async def answer(_, writer):
        await asyncio.sleep(33)
        writer.write(STREAM_HEAD + chunk(b"data: 1\n\n"))
        await writer.drain()
        await asyncio.sleep(63)
        writer.write(chunk(b"data: 2\n\n") + b"0\r\n\r\n")

    async def main():
        async with Canned(answer) as upstream:
            with start(tmp_path / "proxy", [upstream.port]) as proxy:
                await asyncio.sleep(1)
                connection = await Connection.open(proxy.port)
                await connection.send(post("/v1/chat/completions", {"stream": True}))
                status, headers = await connection.head()
                return status, [piece async for piece in connection.pieces(headers)]
    status, pieces = asyncio.run(main())
    assert status == 200 and b"".join(pieces) == b"data: 1\n\ndata: 2\n\n"
