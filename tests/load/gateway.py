#!/usr/bin/env python3
"""What a gateway costs: one infe before another server, for streams by the thousand and for one
request alone. The other server and the clients are processes of their own, on one epoll loop each,
which write and count bytes that were made before and do next to nothing beside; what they take is
told, as it is taken from the same CPUs.

  python3 tests/load/gateway.py [--short] [--streams 2000] [--events-per-s 20000] [--seconds 30] [--rounds 500]

Claims: every stream comes whole, every event is there; memory of the gateway under 300 MB; its
processor time for 20,000 events a second under one core; a request's median through the gateway
less than a millisecond above the same request straight. Bounded: streams, seconds, one request at a
time for the latency.
"""

import argparse
import json
import multiprocessing
import re
import select
import socket
import statistics
import time

import harness
from harness import Server, parser, raise_descriptor_limit, temporary_folder

MEMORY_MB_MAX = 300
EVENTS_PER_CORE_MIN = 20_000
ADDED_MS_MAX = 1.0
REQUEST_END = re.compile(rb"\r\n\r\n")


# ---- The other server


def event(delta, finish=None):
    chunk = {"id": "chatcmpl-x", "object": "chat.completion.chunk", "created": 1, "model": "m",
             "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    data = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    return b"%x\r\n" % len(data) + data + b"\r\n"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ROLE = event({"role": "assistant", "content": ""})
WORD = event({"content": " word"})


def tail(tokens):
    usage = {"prompt_tokens": 9, "completion_tokens": tokens, "total_tokens": 9 + tokens}
    last = b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"
    done = b"data: [DONE]\n\n"
    return (event({}, "stop") + b"%x\r\n" % len(last) + last + b"\r\n" + b"%x\r\n" % len(done) + done
            + b"\r\n0\r\n\r\n")


class Peer:
    def __init__(self, sock):
        self.sock, self.read, self.left, self.tokens = sock, b"", 0, 0


def serve(listener, pace_s, told):
    """Answers POSTs with max_tokens words: all at once, or one each pace_s. told: its CPU time."""
    listener.setblocking(False)
    poll, peers, running = select.epoll(), {}, {}
    poll.register(listener, select.EPOLLIN)
    due = time.monotonic()
    while not told.value:
        if running and time.monotonic() >= due:
            due += pace_s
            for peer in list(running.values()):
                peer.left -= 1
                try:
                    peer.sock.send(WORD if peer.left else WORD + tail(peer.tokens))
                except OSError:
                    peer.left = 0
                if not peer.left:
                    del running[peer.sock.fileno()]
        wait = max(0.0, due - time.monotonic()) if running else 0.2
        for fd, _ in poll.poll(wait):
            if fd == listener.fileno():
                sock, _ = listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                peers[sock.fileno()] = Peer(sock)
                poll.register(sock, select.EPOLLIN)
                continue
            peer = peers[fd]
            data = peer.sock.recv(65536)
            if not data:
                poll.unregister(fd)
                running.pop(fd, None)
                del peers[fd]
                peer.sock.close()
                continue
            peer.read += data
            head = REQUEST_END.search(peer.read)
            if not head:
                continue
            length = int(re.search(rb"(?i)content-length: *(\d+)", peer.read)[1])
            if len(peer.read) < head.end() + length:
                continue
            peer.tokens = int(re.search(rb'"max_tokens": *(\d+)', peer.read)[1])
            peer.read = b""
            if not pace_s:
                peer.sock.send(HEAD + ROLE + WORD * peer.tokens + tail(peer.tokens))
                continue
            if not running:
                due = time.monotonic() + pace_s
            peer.left = peer.tokens
            peer.sock.send(HEAD + ROLE)
            running[fd] = peer


class Other:
    """The other server, in a process of its own."""

    def __init__(self, pace_s):
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = listener.getsockname()[1]
        self.over = multiprocessing.Value("b", 0)
        self.process = multiprocessing.Process(target=serve, args=(listener, pace_s, self.over), daemon=True)
        self.process.start()
        listener.close()

    def stop(self):
        self.over.value = 1
        self.process.join(10)


# ---- Clients


def request(port, key, tokens):
    body = json.dumps({"model": "m", "stream": True, "max_tokens": tokens,
                       "messages": [{"role": "user", "content": "Say it."}]}).encode()
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def crowd(port, key, streams, tokens, seconds, out):
    """So many streams at once; puts how many were whole, their words and the seconds they took."""
    poll, socks, tails, words, whole = select.epoll(), {}, {}, 0, 0
    data = request(port, key, tokens)
    begun = time.monotonic()
    for i in range(streams):
        # An address may have few connections that have proven nothing yet.
        sock = socket.create_connection(("127.0.0.1", port), timeout=30, source_address=(f"127.0.0.{2 + i // 32}", 0))
        sock.send(data)
        socks[sock.fileno()], tails[sock.fileno()] = sock, b""
        poll.register(sock, select.EPOLLIN)
    deadline = time.monotonic() + seconds
    while socks and time.monotonic() < deadline:
        for fd, _ in poll.poll(0.5):
            piece = socks[fd].recv(262144)
            # What was looked at lies before the last line's beginning.
            text = tails[fd] + piece
            cut = text.rfind(b"data: ") if piece else len(text)
            words += text.count(b'"content":" word"', 0, cut)
            tails[fd] = text[max(cut, 0):]
            if not piece or b"data: [DONE]" in text:
                whole += b"data: [DONE]" in text
                poll.unregister(fd)
                socks.pop(fd).close()
    cpu = time.process_time()
    out.put((whole, words, time.monotonic() - begun, cpu))


def one_ms(sock, data):
    """From the sending of one request to its last byte."""
    begun = time.perf_counter()
    sock.sendall(data)
    seen = b""
    while not seen.endswith(b"0\r\n\r\n"):
        piece = sock.recv(262144)
        if not piece:
            raise ConnectionError("the answer broke off")
        seen += piece
    return 1e3 * (time.perf_counter() - begun)


# ---- The proofs


def config(folder, port):
    path = folder / "infe.toml"
    path.write_text("local_models = false\n[[upstream]]\nname = \"other\"\n"
                    f"url = \"http://127.0.0.1:{port}/v1\"\nmodels = [\"m\"]\n")
    return ["--config", str(path)]


def added(folder, a, claims):
    """The same request straight and through the gateway, in turns."""
    other = Other(0)
    with Server(folder, models=(), args=config(folder, other.port)) as server:
        ways = {}
        for name, port, key in (("straight", other.port, "none"), ("through", server.port, server.key)):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            ways[name] = (sock, request(port, key, 1), [])
        for i in range(a.rounds + 20):
            for sock, data, times in ways.values():
                took = one_ms(sock, data)
                if i >= 20:
                    times.append(took)
        straight, through = (statistics.median(ways[name][2]) for name in ("straight", "through"))
        p99 = harness.quantile(ways["through"][2], 0.99)
        claims.check(f"a request alone takes less than {ADDED_MS_MAX * a.slack:.0f} ms more in the median",
                     through - straight < ADDED_MS_MAX * a.slack,
                     f"{straight:.2f} ms straight, {through:.2f} through (p99 {p99:.2f}), {a.rounds} each")
    other.stop()


def many(folder, a, claims):
    pace_s = a.streams / a.events_per_s
    tokens = max(2, int(a.seconds / pace_s))
    other = Other(pace_s)
    args = [*config(folder, other.port), "--access-log", ""]
    with Server(folder, models=(), args=args) as server:
        out = multiprocessing.Queue()
        before = server.cpu_seconds()
        idle_mb = server.rss_mb()
        clients = multiprocessing.Process(target=crowd, daemon=True, args=(
            server.port, server.key, a.streams, tokens, a.seconds * 4 + 60 * harness.SLOW, out))
        clients.start()
        most_mb = most = 0
        while clients.is_alive() and out.empty():
            most_mb = max(most_mb, server.rss_mb())
            most = max(most, server.total("infe_upstream_running"))
            time.sleep(0.5)
        whole, words, took, client_cpu = out.get()
        clients.join(10)
        cpu = server.cpu_seconds() - before
        events = words + 4 * whole
        claims.check("every stream comes whole", whole == a.streams, f"{whole} of {a.streams}")
        claims.check("every event is there", words == a.streams * tokens, f"{words} of {a.streams * tokens}")
        claims.check("all of them ran at once", most >= 0.95 * a.streams, f"{most:.0f}")
        claims.check(f"memory stays under {MEMORY_MB_MAX} MB", most_mb < MEMORY_MB_MAX,
                     f"{idle_mb:.0f} MB before, {most_mb:.0f} at most")
        claims.check(f"one core carries {EVENTS_PER_CORE_MIN / a.slack:.0f} events a second",
                     events / cpu > EVENTS_PER_CORE_MIN / a.slack,
                     f"{events / cpu:.0f} a second of processor time; {events / took:.0f} a second for {took:.1f} s, "
                     f"the gateway {cpu / took:.2f} cores, the clients {client_cpu / took:.2f}")
    other.stop()


async def prove(claims, short=False, **wanted):
    usual = {"streams": 300, "events_per_s": 3000, "seconds": 5, "rounds": 100} if short else {
        "streams": 2000, "events_per_s": 20000, "seconds": 30, "rounds": 500}
    a = argparse.Namespace(**{**usual, **{name: value for name, value in wanted.items() if value is not None}})
    # A busy machine is no defect.
    a.slack = 5 * harness.SLOW if short else 1
    raise_descriptor_limit()
    with temporary_folder() as folder:
        for part in ("one", "many"):
            (folder / part).mkdir()
        added(folder / "one", a, claims)
        many(folder / "many", a, claims)


if __name__ == "__main__":
    options = parser(__doc__, streams=2000, events_per_s=20000, seconds=30, rounds=500).parse_args()
    harness.run(lambda claims: prove(claims, **vars(options)), "gateway")
