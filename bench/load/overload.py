#!/usr/bin/env python3
"""Ten times the load that the machine can carry: what is served stays served, the rest is told at once.

  python3 bench/load/overload.py            60 s at ten times the peak
  python3 bench/load/overload.py --short    8 s

First the peak: as many clients as the batch has places and half as many again, one request after
another. Then arrivals at ten times that rate, each on a connection of its own, whatever becomes of
the others. The latency of a refusal is told as the client sees it and as the server counts it (first
byte read to last byte queued, from the access log): clients and server share the processors.
"""

import asyncio
import json
import re
import socket
import time

import harness
from harness import chat, post, prompt_of

TOKENS = 16


class OneAnswer:
    """Sends a request on a connection of its own and takes its answer: as little work as can be,
    since the processors that clients use are the server's too. OSError: the server took neither."""

    def __init__(self, port, data):
        self.got, self.loop = b"", asyncio.get_running_loop()
        self.done = self.loop.create_future()
        self.socket = socket.create_connection(("127.0.0.1", port))  # done in the kernel, at once
        self.socket.setblocking(False)
        self.socket.send(data)
        self.loop.add_reader(self.socket.fileno(), self.read)

    def read(self):
        try:
            data = self.socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.got += data
        head = self.got.find(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: (\d+)", self.got[:head], re.I) if head >= 0 else None
        if not data or (length and len(self.got) >= head + 4 + int(length[1])):
            self.loop.remove_reader(self.socket.fileno())
            self.socket.close()
            self.done.set_result(self.got)


class Tally:
    def __init__(self):
        self.tokens, self.served, self.refused_s, self.whole_s, self.wrong = 0, 0, [], [], []

    async def one(self, server, number):
        data = post("/v1/chat/completions", chat(prompt_of(number, 12), max_tokens=TOKENS), server.key, ["Connection: close"])
        began = time.perf_counter()
        try:
            answering = OneAnswer(server.port, data)
        except OSError as error:
            self.wrong.append(repr(error))
            return
        answer = await answering.done
        took = time.perf_counter() - began
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


async def peak(server, seconds, clients):
    """Tokens and requests a second of clients that wait for their answers."""
    tally, until, number = Tally(), time.perf_counter() + seconds, iter(range(10**6, 10**7))
    began = time.perf_counter()

    async def client():
        while time.perf_counter() < until:
            await tally.one(server, next(number))

    await asyncio.gather(*(client() for _ in range(clients)))
    took = time.perf_counter() - began
    return tally.tokens / took, tally.served / took


async def flood(server, seconds, rate, memory, arrivals_min):
    """Arrivals at a rate, for so long; then waits for what was let in. On a machine too slow for
    arrivals_min they come faster."""
    tally, running, began = Tally(), set(), time.perf_counter()
    number = 2 * 10**7
    while (now := time.perf_counter() - began) < seconds:
        while number - 2 * 10**7 < max(now * rate, min(1, now / seconds * 2) * arrivals_min):
            running.add(task := asyncio.ensure_future(tally.one(server, number)))
            task.add_done_callback(running.discard)
            number += 1
        memory.append(server.rss_mb())
        await asyncio.sleep(0.01)
    await asyncio.gather(*running)
    # Until the last of those that were let in has its answer: a queue's worth comes after the end.
    return tally, tally.tokens / (time.perf_counter() - began), number - 2 * 10**7


async def prove(claims, short=False, seconds=None):
    harness.raise_descriptor_limit()
    seconds = seconds or (8 if short else 60)
    with harness.temporary_folder() as folder:
        log = folder / "access.log"
        # In the short form the queue is short too, so that ten times the peak soon means refusals.
        args = ("--access-log", str(log), "--kv-memory", "64MiB", *(("--queue-requests", "16") if short else ()))
        with harness.Server(folder, args=args) as server:
            await peak(server, 1, 24)
            peak_tokens, peak_rate = await peak(server, 4 if short else 15, 24)
            memory = []
            cpu = server.cpu_seconds(), time.process_time()
            tally, goodput, offered = await flood(server, seconds, 10 * peak_rate, memory, 300 if short else 0)
            cpu = server.cpu_seconds() - cpu[0], time.process_time() - cpu[1]
            busy = await harness.wait_idle(server)
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    inside = [row["total_ms"] for row in rows if row["status"] == 503]
    share = goodput / peak_tokens
    claims.note(f"peak {peak_rate:.1f} requests/s, {peak_tokens:.0f} tokens/s; offered {offered / seconds:.0f} requests/s for {seconds} s")
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
