#!/usr/bin/env python3
"""Eight requests at once that share a prefix of 800 tokens, and a prompt of 800 tokens sent again.

  python3 tests/load/shared_prefix.py            about 20 s
  python3 tests/load/shared_prefix.py --short    once, without claims about time
"""

import asyncio
import statistics

import harness
from harness import Server, parser, temporary_folder
from streams import Stream, body, words

REQUESTS, PREFIX_WORDS, TOKENS, ROUNDS = 8, 780, 800, 7
TOGETHER, AGAIN_MS = 1.3, 40


async def main(claims):
    a = parser(__doc__).parse_args()
    with temporary_folder() as folder, Server(folder) as server:
        first = await Stream(server, body(words(1, PREFIX_WORDS), 8)).run()
        claims.check(f"the prefix has {TOKENS} tokens", first.usage["prompt_tokens"] >= TOKENS,
                     first.usage["prompt_tokens"])
        ratios, again = [], []
        for number in range(1, 2 if a.short else ROUNDS + 1):
            one = await Stream(server, body(words(10_000 + number, PREFIX_WORDS) + " What comes first?", 8)).run()
            prefix = words(20_000 + number, PREFIX_WORDS)
            many = [Stream(server, body(f"{prefix} Question {i}?", 8)) for i in range(REQUESTS)]
            await asyncio.gather(*(s.run() for s in many))
            median = statistics.median(s.ttft_ms for s in many)
            repeated = await Stream(server, one.request).run()
            ratios.append(median / one.ttft_ms)
            again.append(repeated.ttft_ms)
            cached = sum(s.usage["prompt_tokens_details"]["cached_tokens"] for s in many)
            claims.note(f"one {one.ttft_ms:.0f} ms, {REQUESTS} together {median:.0f} ms (median), again "
                        f"{repeated.ttft_ms:.1f} ms; {cached} of {sum(s.usage['prompt_tokens'] for s in many)} tokens cached")
            claims.check("the same answer again", repeated.text == one.text)
        if a.short:
            return
        claims.check(f"{REQUESTS} together: median first token at most {TOGETHER}x that of one (median)",
                     statistics.median(ratios) <= TOGETHER, f"{statistics.median(ratios):.2f}")
        claims.check(f"again: first token in {AGAIN_MS} ms", max(again) < AGAIN_MS, f"worst {max(again):.1f} ms")


if __name__ == "__main__":
    harness.run(main, "shared prefix")
