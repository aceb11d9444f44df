#!/usr/bin/env python3
"""One key holds every place of the queue with answers that do not end; another asks short questions.

  python3 tests/load/hoard.py            about 40 s
  python3 tests/load/hoard.py --short    about 15 s; its bounds are wide, the machine may be busy

The hoarder opens more streams than the model has places, running and waiting, and opens each again that
ends or is refused. No question of the other key is refused, and their first tokens come at most three
times as late (p95) as alone: 16 streams are decoded beside them. Whoever hoards is told 429 or 503.
"""

import asyncio
import collections

import harness
from harness import Gone, chat, prompt_of

PLACES = 16 + 4 * 16 + 64  # max_batch, and queue_requests as they are by default
LATE = 3


class Hoarder:
    def __init__(self, server, key):
        self.server, self.key = server, key
        self.statuses = collections.Counter()
        self.over = False  # a task may lose its cancellation: wait_for before Python 3.12

    async def stream(self, number):
        while not self.over:
            try:
                body = chat(prompt_of(number, 12), max_tokens=3000, ignore_eos=True, stream=True)
                reply = await harness.ask(self.server, body, self.key)
                self.statuses[reply.status] += 1
            except (Gone, OSError, asyncio.TimeoutError) as error:
                self.statuses[repr(error)] += 1
            await asyncio.sleep(0.5)


async def questions(server, count, first):
    """Times to the first token, and what was no 200."""
    firsts, refused = [], []
    for number in range(first, first + count):
        reply = await harness.ask(server, chat(prompt_of(number, 12), max_tokens=2, stream=True), server.key)
        if reply.status == 200:
            firsts.append(reply.first_s)
        else:
            refused.append(reply.status)
        await asyncio.sleep(0.1)
    return firsts, refused


def running_and_waiting(server):
    return server.total("vllm:num_requests_running") + server.total("vllm:num_requests_waiting")


async def prove(claims, short=False):
    harness.raise_descriptor_limit()
    count = 20 if short else 100
    with harness.temporary_folder() as folder, harness.Server(folder) as server:
        hoarder = Hoarder(server, server.new_key("hoarder")[0])
        alone, _ = await questions(server, count, 0)
        streams = [asyncio.create_task(hoarder.stream(1000 + i)) for i in range(PLACES + 40)]
        while running_and_waiting(server) < PLACES:
            await asyncio.sleep(0.1)
        beside, refused = await questions(server, count, 5000)
        held = running_and_waiting(server)
        hoarder.over = True
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    p95, alone_p95 = harness.quantile(beside, 0.95) if beside else 0, harness.quantile(alone, 0.95)
    claims.note(f"the hoarder had {held:.0f} of {PLACES} places at the end, and was told {dict(hoarder.statuses)}")
    claims.check("no question of another key is refused", not refused and len(beside) == count, collections.Counter(refused))
    patience = 10 if short else 1
    claims.check(f"its first tokens come at most {LATE} times as late (p95)", beside and p95 < LATE * patience * harness.SLOW * alone_p95,
                 f"{1e3 * p95:.0f} ms, alone {1e3 * alone_p95:.0f}: {p95 / alone_p95:.2f} times")
    claims.check("whoever hoards is refused what is too much", set(hoarder.statuses) & {429, 503}, dict(hoarder.statuses))


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    harness.run(lambda claims: prove(claims, options.short), "hoard")
