#!/usr/bin/env python3
"""Readers that stop reading: paused, then cancelled, while memory stays flat and others keep their pace.

  python3 tests/load/stalled.py            500 of them, about 6 minutes
  python3 tests/load/stalled.py --short    20 of them, about 45 s

Each asks for a long stream with 20 logprobs a token, so that 256 KiB fill up within some hundred
tokens, reads its head and nothing more. The server pauses its sequence at 256 KiB, gives its place in
the batch to the next, and cuts it off when it has taken nothing for 30 s.
"""

import asyncio
import time

import harness
from harness import Connection, chat, post, prompt_of


KV_MB = 256  # small, so that its pages being used for the first time do not hide what readers cost


async def stall(server, i):
    connection = await Connection.open(server.port, receive_buffer=4096, window=1024)
    body = chat(prompt_of(i, 8), max_tokens=1500, stream=True, logprobs=True, top_logprobs=20, temperature=1, seed=i,
                logit_bias={"2": -100, "0": -100})
    await connection.send(post("/v1/chat/completions", body, server.key))
    return connection


async def pace(server, streams, tokens, first):
    """Seconds a token of streams that are read, each; a stream at a time for each reader."""
    async def one(i):
        reply = await harness.ask(server, chat(prompt_of(first + i, 8), max_tokens=tokens, stream=True,
                                               stream_options={"include_usage": True}))
        return (reply.last_s - reply.first_s) / max(1, reply.usage["completion_tokens"] - 1)
    return await asyncio.gather(*(one(i) for i in range(streams)))


async def prove(claims, short=False):
    harness.raise_descriptor_limit()
    count = 20 if short else 500
    with harness.temporary_folder() as folder, \
            harness.Server(folder, args=("--queue-requests", "1000", "--kv-memory", f"{KV_MB}MiB")) as server:
        await pace(server, 4, 32, 1000)
        alone = harness.quantile(await pace(server, 4, 64, 2000), 0.5)
        before, peak = server.rss_mb(), 0.0
        began = time.monotonic()
        stalled = await asyncio.gather(*(stall(server, i) for i in range(count)))
        paused_most = cancelled = 0
        beside, reading = [], None
        while time.monotonic() - began < 420 * harness.SLOW:
            metrics = server.metrics()
            paused = metrics[f'infe_paused{{model="{harness.MODEL}"}}']
            cut = server.total("infe_http_rejected_total", 'reason="write_stall"')
            paused_most, cancelled, peak = max(paused_most, paused), cut, max(peak, server.rss_mb())
            if reading is None and paused >= (1 if short else 12):
                reading = asyncio.ensure_future(pace(server, 4, 64, 3000))
            if cut >= count:
                break
            await asyncio.sleep(0.25)
        beside = await reading if reading else []
        claims.check("readers that stop are paused", paused_most >= (1 if short else 12), f"{paused_most:.0f} at once, a batch has 16 places")
        claims.check("and cancelled when they take nothing for 30 s", cancelled == count, f"{cancelled:.0f} of {count}, {time.monotonic() - began:.0f} s in all")
        slower = harness.quantile(beside, 0.5) / alone if beside else 999
        claims.note(f"a token of 4 streams: {1e3 * alone:.1f} ms alone, {1e3 * harness.quantile(beside, 0.5):.1f} ms beside stalled ones")
        # Others prefill and decode beside them as long as stalled ones still fill their buffers.
        claims.check("streams that are read go on", slower < (12 if not short else 100), f"{slower:.1f} times the time of a token alone")
        # 256 KiB of output for each and as much again on the way, beside the attention's memory.
        bound = KV_MB + 48 + 0.5 * count
        claims.check(f"memory is bounded (under {bound:.0f} MB more)", peak - before < bound, f"{before:.0f} MB before, {peak:.0f} MB at most")
        busy = await harness.wait_idle(server)
        claims.check("nothing is left of them", not busy, busy)
        after = harness.quantile(await pace(server, 4, 64, 4000), 0.5)
        claims.check("afterwards the pace is what it was", after < alone * (2 if not short else 20), f"{1e3 * after:.1f} ms a token")
        for connection in stalled:
            connection.close()


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    harness.run(lambda claims: prove(claims, options.short), "stalled readers")
