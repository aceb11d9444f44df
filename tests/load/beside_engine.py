#!/usr/bin/env python3
"""Streams through HTTP beside the engine alone (`infe bench --work batched`): at most 5% slower.

  python3 tests/load/beside_engine.py            25 turns at 1 and 16 streams, about 4 minutes
  python3 tests/load/beside_engine.py --short    one turn of each, without claims about time

The two take turns, and the median of the ratios counts: single turns on a shared machine differ by
a fifth. Both decode as many tokens behind prompts of 64, without drafts; the client looks every 20
ms and costs next to nothing.
"""

import json
import pathlib
import statistics
import subprocess
import sys

import harness
from harness import Server, parser, temporary_folder

TURNS = 25
TOKENS = {1: 256, 16: 128}  # of each stream
PROMPT = 64
PROMPT_WORDS = 25  # what http_streams.py makes of them is about PROMPT tokens
CLIENT = pathlib.Path(__file__).with_name("http_streams.py")


def answer(*command):
    run = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(run.stdout)


def through_http(server, streams, words=PROMPT_WORDS, light=("--light",)):
    return answer(sys.executable, CLIENT, "--port", server.port, "--key", server.key, "--streams", streams,
                  "--tokens", TOKENS[streams], "--prompt-words", words, "--json", *light)


def alone(server, streams):
    model = server.data_dir / "models" / f"{harness.MODEL}.gguf"
    return answer(harness.BINARY, "bench", "--model", model, "--work", "batched", "--streams", streams, "--decode",
                  TOKENS[streams], "--repeat", 1, "--no-probes", "--json")["batched_tok_s"]


async def main(claims):
    a = parser(__doc__).parse_args()
    with temporary_folder() as folder, Server(folder, args=("--no-speculation",)) as server:
        tokens = through_http(server, 16, light=())["prompt_tokens"] / 16
        claims.check(f"prompts have about {PROMPT} tokens, as the engine's", abs(tokens - PROMPT) < 2, f"{tokens:.1f} each")
        for streams in TOKENS:
            turns = [(through_http(server, streams)["tok_s"], alone(server, streams))
                     for _ in range(1 if a.short else TURNS)]
            ratios = sorted(ours / engine for ours, engine in turns)
            ours, engine = (statistics.median(x) for x in zip(*turns))
            seen = (f"{statistics.median(ratios):.3f}, half of the turns {ratios[len(ratios) // 4]:.2f}.."
                    f"{ratios[3 * len(ratios) // 4]:.2f}; {ours:.0f} and {engine:.0f} tok/s")
            if a.short:
                claims.check(f"{streams} streams: both ran", min(ours, engine) > 0, seen)
            else:
                claims.check(f"{streams} streams: within 5% of the engine", statistics.median(ratios) >= 0.95, seen)


if __name__ == "__main__":
    harness.run(main, "beside the engine")
