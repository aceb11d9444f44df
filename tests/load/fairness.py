#!/usr/bin/env python3
"""One greedy key with 64 streams against three polite ones: the polite hardly notice.

  python3 tests/load/fairness.py            about 2 minutes
  python3 tests/load/fairness.py --short    about 15 s; its bounds are wide, the machine may be busy

A polite key has one stream at a time. Solo is its time to the first token while the server is its
own; the claim is about the 95th percentile beside the greedy key. Then all four keys have 32 streams
each and the tokens that they get are counted.
"""

import asyncio
import time

import harness
from harness import chat, prompt_of


async def stream(server, key, number, tokens):
    """Time to the first token, and tokens; None when refused."""
    reply = await harness.ask(server, chat(prompt_of(number, 30), max_tokens=tokens, stream=True,
                                           stream_options={"include_usage": True}), key)
    return (reply.first_s, reply.usage["completion_tokens"]) if reply.status == 200 else None


class Keys:
    def __init__(self, server):
        self.server, self.keys = server, [server.key] + [server.new_key(f"polite {i}")[0] for i in range(3)]
        self.number, self.enough = 0, False

    async def end_when(self, counts, tokens):
        """Counts from where every key has had an answer: who comes first finds the batch empty, and may fill it."""
        while min(counts) == 0:
            await asyncio.sleep(0.01)
        counts[:] = [0] * len(counts)
        while sum(counts) < tokens:
            await asyncio.sleep(0.01)
        self.enough = True

    async def client(self, key, until, tokens, firsts, counts, pause_s=0.0):
        while time.perf_counter() < until and not self.enough:
            self.number += 1
            got = await stream(self.server, self.keys[key], self.number, tokens)
            if got is None:
                await asyncio.sleep(0.2)
                continue
            firsts.append(got[0])
            if time.perf_counter() < until and not self.enough:
                counts[key] += got[1]
            await asyncio.sleep(pause_s)

    async def polite(self, seconds, others=()):
        """The times to the first token of the three, one stream each."""
        firsts, until = [], time.perf_counter() + seconds
        await asyncio.gather(*others, *(self.client(k, until, 16, firsts, [0] * 4, 0.2) for k in (1, 2, 3)))
        return firsts


async def prove(claims, short=False):
    harness.raise_descriptor_limit()
    seconds, streams = (4, 16) if short else (30, 64)
    with harness.temporary_folder() as folder, harness.Server(folder, args=("--queue-requests", "400")) as server:
        keys = Keys(server)
        await keys.polite(1)
        solo = await keys.polite(seconds)
        until = time.perf_counter() + seconds + 1
        greedy = [keys.client(0, until, 48 if not short else 16, [], [0] * 4) for _ in range(streams)]
        beside = await keys.polite(seconds, greedy)
        ratio = harness.quantile(beside, 0.95) / harness.quantile(solo, 0.95)
        claims.note(f"first token of a polite key: p50 {1e3 * harness.quantile(solo, 0.5):.0f} ms, p95 {1e3 * harness.quantile(solo, 0.95):.0f} ms solo; "
                    f"p50 {1e3 * harness.quantile(beside, 0.5):.0f} ms, p95 {1e3 * harness.quantile(beside, 0.95):.0f} ms beside {streams} greedy streams")
        claims.check("p95 of the first token of the polite", ratio < (1.5 if not short else 40), f"{ratio:.2f} times solo, {len(beside)} streams")
        counts, until = [0] * 4, time.perf_counter() + seconds
        if short:  # so many requests, however long they take
            until = time.perf_counter() + 120
            asyncio.get_running_loop().create_task(keys.end_when(counts, 600))
        await asyncio.gather(*(keys.client(k, until, 32 if not short else 8, [], counts) for k in range(4) for _ in range(streams // 2)))
        shares = [count / sum(counts) for count in counts]
        worst = max(abs(share - 0.25) for share in shares)
        claims.check("four keys that all want everything share evenly", worst < (0.0125 if not short else 0.1),
                     " ".join(f"{100 * share:.1f}%" for share in shares))


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    harness.run(lambda claims: prove(claims, options.short), "fairness")
