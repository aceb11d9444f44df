#!/usr/bin/env python3
"""A prompt of 1,500 words arrives while three streams decode: what they notice, and what it pays.

  python3 tests/load/intruder.py            about 30 s
  python3 tests/load/intruder.py --short    once, without claims about time

The streams' share is what their tokens would have cost them without the intruder: the tokens that
one of them got meanwhile, times the median gap of three streams alone.
"""

import asyncio
import statistics

import harness
from harness import Server, parser, temporary_folder
from streams import Stream, body, words

STREAMS, PROMPT_WORDS, ROUNDS = 3, 1500, 5
GAP_MS, LATER = 60, 1.15


def long_prompt(number):
    return body(words(1000 + number, PROMPT_WORDS), 2)


async def wait_for(streams, tokens):
    while min(len(s.times) for s in streams) < tokens:
        await asyncio.sleep(0.002)


async def beside(server, number):
    """The intruder, the streams' gaps while it was there, and those before."""
    streams = [Stream(server, body(words(100 * number + i, 20), 2000)) for i in range(STREAMS)]
    running = [asyncio.create_task(s.run()) for s in streams]
    try:
        await wait_for(streams, 50)
        intruder = await Stream(server, long_prompt(number)).run()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    end = intruder.times[0]
    before = [g for s in streams for g in s.gaps_ms(s.times[10], intruder.sent)]
    during = [s.gaps_ms(intruder.sent, end) for s in streams]
    return intruder, before, during


async def main(claims):
    a = parser(__doc__).parse_args()
    with temporary_folder() as folder, Server(folder, args=["--no-speculation"]) as server:
        await Stream(server, long_prompt(0)).run()  # the engine learns what a step costs
        worst, bounds = [], []
        for number in range(1, 2 if a.short else ROUNDS + 1):
            alone = await Stream(server, long_prompt(500 + number)).run()
            await harness.wait_idle(server)
            intruder, before, during = await beside(server, number)
            await harness.wait_idle(server)
            step = statistics.median(before)
            share = step * max(len(g) for g in during)
            bound = alone.ttft_ms * LATER + share
            worst.append(max(g for gaps in during for g in gaps))
            bounds.append(intruder.ttft_ms / bound)
            claims.note(f"{intruder.usage['prompt_tokens']} tokens: first token after {intruder.ttft_ms:.0f} ms, alone "
                        f"{alone.ttft_ms:.0f} ms, the streams' share {share:.0f} ms (steps of {step:.1f} ms alone); worst gap "
                        f"{worst[-1]:.1f} ms")
            claims.check("every stream went on", all(len(g) > 2 for g in during), [len(g) for g in during])
        if a.short:
            return
        claims.check(f"worst gap at most {GAP_MS} ms", max(worst) <= GAP_MS, f"{max(worst):.1f} ms")
        claims.check(f"first token at most {100 * LATER - 100:.0f}% later than alone, plus the streams' share (median)",
                     statistics.median(bounds) <= 1, f"{statistics.median(bounds):.2f} of that")


if __name__ == "__main__":
    harness.run(main, "intruder")
