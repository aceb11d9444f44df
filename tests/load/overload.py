#!/usr/bin/env python3
"""Ten times the load that the machine can carry: what is served stays served, the rest is told at once.

  python3 tests/load/overload.py            60 s at ten times the peak
  python3 tests/load/overload.py --short    8 s

First the peak: as many clients as the batch has places and half as many again, one request after
another. Then arrivals at ten times that rate, each on a connection of its own, whatever becomes of
the others; then the peak again. The latency of a refusal is told as the server counts it (first byte
read to last byte queued, from the access log) and as the client sees it, who looks 3 ms after each
turn of 10 ms in which it sends what is due: clients and server share the processors.
"""

import json
import re
import select
import socket
import time

import harness
from harness import chat, post, prompt_of

TOKENS = 16


class Clients:
    """Requests, each on a connection of its own, and their answers. As little work as can be while
    they run, since the processors that clients use are the server's too: bytes are made before and
    judged after."""

    def __init__(self, port):
        self.address, self.poll, self.open, self.answers = ("127.0.0.1", port), select.epoll(), {}, []

    def send(self, data):
        try:
            sock = socket.create_connection(self.address)  # done in the kernel, at once
            sock.setblocking(False)
            sock.send(data)
        except OSError as error:  # the server took neither
            self.answers.append(([repr(error).encode()], 0))
            return
        self.poll.register(sock.fileno(), select.EPOLLIN)
        self.open[sock.fileno()] = (sock, time.perf_counter(), [])

    @staticmethod
    def take(sock):
        """Bytes that are there; none at the end; None when more is to come."""
        try:
            return sock.recv(1 << 16)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def receive(self, timeout):
        """Takes what has come; the server closes after each answer. The number of answers ended."""
        ended = 0
        for fd, _ in self.poll.poll(timeout):
            sock, began, parts = self.open[fd]
            while (data := self.take(sock)):
                parts.append(data)
            if data is not None:
                self.answers.append((parts, time.perf_counter() - began))
                del self.open[fd]
                sock.close()
                ended += 1
        return ended


def request(server, number):
    return post("/v1/chat/completions", chat(prompt_of(number, 12), max_tokens=TOKENS), server.key, ["Connection: close"])


class Tally:
    """What answers were: served, refused as they should be, or wrong."""

    def __init__(self, answers):
        self.tokens, self.served, self.refused_s, self.whole_s, self.wrong = 0, 0, [], [], []
        for parts, took in answers:
            self.add(b"".join(parts), took)

    def add(self, answer, took):
        head, _, body = answer.partition(b"\r\n\r\n")
        retry = re.search(rb"\r\nretry-after: (\d+)", head, re.I)
        if head.startswith(b"HTTP/1.1 200"):
            self.served += 1
            self.tokens += json.loads(body)["usage"]["completion_tokens"]
            self.whole_s.append(took)
        elif (head.startswith(b"HTTP/1.1 503") and retry and 1 <= int(retry[1]) <= 5
              and b'"code":"server_is_overloaded"' in body):
            self.refused_s.append(took)
        else:
            self.wrong.append(answer[:200])


def peak(server, seconds, clients, first):
    """Tokens and requests a second of clients that wait for their answers."""
    prepared = (request(server, number) for number in range(first, first + 10**6))
    many, began = Clients(server.port), time.perf_counter()
    for _ in range(clients):
        many.send(next(prepared))
    while many.open:
        for _ in range(many.receive(1)):
            if time.perf_counter() - began < seconds:
                many.send(next(prepared))
    took, tally = time.perf_counter() - began, Tally(many.answers)
    return tally.tokens / took, tally.served / took


def flood(server, seconds, rate, arrivals_min):
    """Arrivals at a rate, for so long; then waits for what was let in. On a machine too slow for
    arrivals_min they come faster. What came back, tokens a second, arrivals, and the memory."""
    prepared = [request(server, 2 * 10**7 + number) for number in range(int(max(arrivals_min, rate * seconds)) + 1)]
    many, memory, sent = Clients(server.port), [], 0
    began = time.perf_counter()
    while (now := time.perf_counter() - began) < seconds:
        due = min(len(prepared), int(max(now * rate, now / seconds * arrivals_min)))
        for data in prepared[sent:due]:
            many.send(data)
        sent = due
        if now > len(memory) / 4:
            memory.append(server.rss_mb())
        # A turn: what is due was sent; 3 ms later all answers there are taken at once; then a pause.
        time.sleep(0.003)
        many.receive(0)
        time.sleep(0.007)
    while many.open:
        many.receive(1)
    # Until the last of those that were let in has its answer: a queue's worth comes after the end.
    took, tally = time.perf_counter() - began, Tally(many.answers)
    return tally, tally.tokens / took, sent, memory


async def prove(claims, short=False, seconds=None):
    harness.raise_descriptor_limit()
    seconds = seconds or (8 if short else 60)
    with harness.temporary_folder() as folder:
        log = folder / "access.log"
        # In the short form the queue is short too, so that ten times the peak soon means refusals.
        args = ("--access-log", str(log), "--kv-memory", "64MiB", *(("--queue-requests", "16") if short else ()))
        with harness.Server(folder, args=args) as server:
            peak(server, 1, 24, 10**6)
            peak_tokens, peak_rate = peak(server, 4 if short else 15, 24, 3 * 10**6)
            cpu = server.cpu_seconds(), time.process_time()
            tally, goodput, offered, memory = flood(server, seconds, 10 * peak_rate, 300 if short else 0)
            cpu = server.cpu_seconds() - cpu[0], time.process_time() - cpu[1]
            later_tokens, later_rate = peak(server, 4 if short else 15, 24, 6 * 10**6)
            busy = await harness.wait_idle(server)
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    inside = [row["total_ms"] for row in rows if row["status"] == 503]
    # A shared machine's speed changes within minutes: the peak is the mean of before and after.
    share = goodput / ((peak_tokens + later_tokens) / 2)
    claims.note(f"peak {peak_rate:.1f} and {later_rate:.1f} requests/s, {peak_tokens:.0f} and {later_tokens:.0f} tokens/s; offered {offered / seconds:.0f} requests/s for {seconds} s")
    claims.note(f"served {tally.served}, refused {len(tally.refused_s)}; an answer took {harness.quantile(tally.whole_s, 0.5):.2f} s, p99 {harness.quantile(tally.whole_s, 0.99):.2f} s; "
                f"processor time: server {cpu[0]:.1f} s, clients {cpu[1]:.1f} s")
    claims.check("every answer is a 200, or a 503 with its code and Retry-After", not tally.wrong, tally.wrong[:3])
    claims.check("most are refused", len(tally.refused_s) > 0.7 * offered)
    limit = 5 if not short else 100  # a sanity bound where others use the machine
    claims.check(f"a refusal takes the server under {limit} ms (p99)", harness.quantile(inside, 0.99) < limit,
                 f"p50 {harness.quantile(inside, 0.5):.2f} ms, p99 {harness.quantile(inside, 0.99):.2f} ms; as clients see it "
                 f"p50 {1e3 * harness.quantile(tally.refused_s, 0.5):.1f} ms, p99 {1e3 * harness.quantile(tally.refused_s, 0.99):.1f} ms")
    claims.check("goodput stays", share >= (0.95 if not short else 0.25), f"{goodput:.0f} tokens/s, {100 * share:.0f}% of the peak")
    settled = memory[len(memory) // 3:]
    claims.check("memory is flat", max(settled) - min(settled) < (32 if not short else 128), f"{min(settled):.0f} to {max(settled):.0f} MB")
    claims.check("nothing is left behind", not busy, busy)


if __name__ == "__main__":
    options = harness.parser(__doc__, seconds=60).parse_args()
    harness.run(lambda claims: prove(claims, options.short, options.seconds), "overload")
