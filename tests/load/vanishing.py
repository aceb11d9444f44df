#!/usr/bin/env python3
"""Clients that disconnect at random moments: nothing of them stays, and nobody else notices.

  python3 tests/load/vanishing.py            200 of them, about a minute
  python3 tests/load/vanishing.py --short    36 of them

They leave while the head or the body is sent, in the queue, in prefill, in decode, in the middle of
a stream, with FIN or RST; some ask for n = 3, tools or a JSON format. Beside them survivors ask what
they asked on the quiet server, with the same seeds, and must get the same bytes.
"""

import asyncio
import random

import harness
from harness import Connection, Gone, chat, post, prompt_of

SCHEMA = {"type": "json_schema", "json_schema": {"name": "trip", "strict": True, "schema": {
    "type": "object", "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["place", "days"], "additionalProperties": False}}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]


def survivor(i):
    """Sampled, so that a draw out of place would show."""
    return chat(prompt_of(i, 10 + 20 * (i % 3)), temperature=0.9, seed=1000 + i, max_tokens=24 + i % 9,
                stream=i % 2 == 0, n=1 if i % 2 == 0 else 1 + i % 3)


def texts(reply):
    return reply.text if reply.events else [c["message"]["content"] for c in reply.json()["choices"]]


def leaver(random_, i):
    words = random_.choice([5, 40, 300])
    more = random_.choice([{}, {}, {}, {"n": 3}, {"response_format": SCHEMA}, {"tools": TOOLS}])
    return chat(prompt_of(10_000 + i, words), max_tokens=400, stream=random_.random() < 0.6, **more)


class Crowd:
    def __init__(self, server, seed):
        self.server, self.random, self.left = server, random.Random(seed), {}

    def note(self, stage):
        self.left[stage] = self.left.get(stage, 0) + 1

    async def vanish(self, i):
        random_ = self.random
        connection = await Connection.open(self.server.port)
        data = post("/v1/chat/completions", leaver(random_, i), self.server.key)
        try:
            if random_.random() < 0.15:
                cut = random_.randrange(len(data))
                await connection.send(data[:cut])
                await asyncio.sleep(random_.random() * 0.1)
                return self.note("head" if cut < data.find(b"\r\n\r\n") else "body")
            await connection.send(data)
            if random_.random() < 0.5:  # some time in the queue, in prefill, or in an answer that is collected
                await asyncio.sleep(random_.expovariate(1 / 0.6))
                return self.note("before the head" if not connection.reader._buffer else "after the head")
            _, headers = await connection.head()
            after, seen = random_.randrange(1, 60), 0
            async for _ in connection.pieces(headers):
                seen += 1
                if seen >= after:
                    return self.note("in the stream" if seen > 1 else "at its start")
            self.note("at the end")
        except Gone:
            self.note("refused")
        finally:
            connection.reset() if random_.random() < 0.5 else connection.close()


async def prove(claims, short=False, seed=1):
    count, survivors = (36, 6) if short else (200, 24)
    with harness.temporary_folder() as folder:
        log = folder / "access.log"
        with harness.Server(folder, args=("--access-log", str(log))) as server:
            quiet = [texts(await harness.ask(server, survivor(i))) for i in range(survivors)]
            gate, crowd = asyncio.Semaphore(48), Crowd(server, seed)

            async def vanish(i):
                async with gate:
                    await asyncio.sleep(crowd.random.random() * 0.2)
                    await crowd.vanish(i)

            leaving = asyncio.gather(*(vanish(i) for i in range(count)))

            async def stay(i):
                await asyncio.sleep(0.1 * i)
                return texts(await harness.ask(server, survivor(i)))

            loud = await asyncio.gather(*(stay(i) for i in range(survivors)))
            await leaving
            busy = await harness.wait_idle(server)
            metrics = server.metrics()
            claims.check(f"{count} left, and nothing runs, waits or is held", not busy, busy or crowd.left)
            same = sum(a == b for a, b in zip(quiet, loud))
            claims.check("the survivors' texts are the quiet ones, byte by byte", same == survivors, f"{same} of {survivors}")
            claims.check("connections are gone", (open_now := metrics["infe_http_connections"]) == 0, open_now)
            cancelled = server.total("infe_cancelled_total")
            claims.check("sequences were cancelled, not run to their end", cancelled > count / 3, f"{cancelled:.0f}")
            rows = log.read_text().count('"status":499')
            claims.check("the access log has them as 499", rows > count / 2, rows)
            again = [texts(await harness.ask(server, survivor(i))) for i in range(4)]
            claims.check("and the server goes on", again == quiet[:4])


if __name__ == "__main__":
    options = harness.parser(__doc__, seed=1).parse_args()
    harness.run(lambda claims: prove(claims, options.short, options.seed or 1), "vanishing clients")
