#!/usr/bin/env python3
"""JSON mode and a JSON schema beside free text of as many tokens: constrained text is not slower.

  python3 tests/load/constrained.py            about 40 s
  python3 tests/load/constrained.py --short    once, without claims about time

The runs take turns. Speed is that of the answer, from its first token to its last, as a client sees
it.
"""

import asyncio
import json
import statistics

import harness
from harness import Server, parser, temporary_folder
from streams import Stream, body, words

TOKENS, ROUNDS = 200, 5
STREAMS = (1, 4)
PERSON = {"type": "object", "properties": {
    "first_name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"},
    "hobbies": {"type": "array", "items": {"type": "string"}}, "married": {"type": "boolean"}},
    "required": ["first_name", "age", "city", "hobbies", "married"], "additionalProperties": False}
SCHEMA = {"type": "object", "properties": {"people": {"type": "array", "items": PERSON, "minItems": 8}},
          "required": ["people"], "additionalProperties": False}
FORMATS = {
    "json_object": {"type": "json_object"},
    "json_schema": {"type": "json_schema", "json_schema": {"name": "people", "strict": True, "schema": SCHEMA}}}


def request(kind, number, tokens, temperature):
    prompt = f"Write a long list of people as JSON, with all that you know of them. {words(number, 12)}"
    more = {"response_format": FORMATS[kind]} if kind in FORMATS else {}
    return body(prompt, tokens, temperature=temperature, seed=number, **more)


async def speed(server, kind, number, tokens, temperature, streams):
    """(tokens per second together, tokens of each)"""
    running = [Stream(server, request(kind, 100 * number + i, tokens[i], temperature)) for i in range(streams)]
    await asyncio.gather(*(s.run() for s in running))
    if kind in FORMATS:
        for s in running:
            json.loads(s.text)
    count = [s.usage["completion_tokens"] for s in running]
    seconds = max(s.times[-1] for s in running) - max(s.times[0] for s in running)
    return (sum(count) - streams) / seconds, count


async def main(claims):
    a = parser(__doc__).parse_args()
    with temporary_folder() as folder, Server(folder) as server:
        for kind in FORMATS:
            for temperature in (0, 1):
                for streams in STREAMS[:1] if a.short else STREAMS:
                    ratios, speeds = [], []
                    for number in range(2 if a.short else ROUNDS):
                        ours, count = await speed(server, kind, number, [TOKENS] * streams, temperature, streams)
                        free, _ = await speed(server, "text", number, count, temperature, streams)
                        if number > 0:  # the first fills the cache of prompts
                            ratios.append(ours / free)
                            speeds.append((ours, free, statistics.mean(count)))
                    ours, free, count = (statistics.median(x) for x in zip(*speeds))
                    seen = (f"{statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f}); {ours:.0f} and "
                            f"{free:.0f} tok/s, {count:.0f} tokens")
                    claim = f"{kind}, temperature {temperature}, {streams} streams: at least as fast as free text"
                    if a.short:
                        claims.check(claim.partition(":")[0] + ": whole JSON", True, seen)
                    else:
                        claims.check(claim, statistics.median(ratios) >= 1, seen)


if __name__ == "__main__":
    harness.run(main, "constrained")
