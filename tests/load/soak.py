#!/usr/bin/env python3
"""Everything at once for a long time: no error but the intended, no memory that grows, no count that lies.

  python3 tests/load/soak.py --minutes 30
  python3 tests/load/soak.py --short        30 s
  python3 tests/load/soak.py --minutes 30 --hostile --damage --clock

--hostile adds what hostile.py makes, of a key of its own; --damage puts a damaged model file beside the
good one every few seconds, or takes it away, and asks for a reload; --clock makes the server's wall clock
jump (libfaketime, the Debian package faketime).

Twelve clients draw from all kinds of requests: short, long, streamed, n = 3, JSON by schema, tools,
completions, counting, listing, bad JSON, bad values, wrong keys, unknown models, bodies too large,
clients that leave, clients that read slowly. At the end: what clients counted (tokens of their 200s,
answers by status), the access log and /metrics agree; seeded requests always gave the same text;
resident memory in the last third is within 2% of the second third.
"""

import asyncio
import collections
import contextlib
import json
import pathlib
import random
import signal
import time

import harness
import hostile
from harness import Connection, Gone, chat, get, post, prompt_of
from vanishing import SCHEMA, TOOLS

CHAT = "/v1/chat/completions"
CLIENTS = 12
HOSTILE_CLIENTS = 2
ANSWER_S = 2.0  # what a hostile request may take, alone; beside twelve clients ten times that
FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
KV_MB = 64  # small: it is soon in use as a whole, and then memory must stay where it is


class Soak:
    def __init__(self, server, seed):
        self.server, self.random = server, random.Random(seed)
        self.by_kind, self.problems = collections.Counter(), []
        self.statuses = collections.Counter()  # of whole answers
        self.usage = {}                        # request id: completion tokens that a whole 200 told
        self.seeded = {}

    def problem(self, kind, what):
        self.problems.append((kind, str(what)[:160]))

    async def whole(self, kind, data, status=200):
        """Sends and reads one answer that must be whole."""
        connection = await Connection.open(self.server.port)
        try:
            with contextlib.suppress(ConnectionError):
                await connection.send(data)
            reply = await connection.reply()
            self.statuses[reply.status] += 1
            if reply.status == 503 and status == 200 and int(reply.headers["retry-after"]) >= 1:
                return None
            if reply.status != status or not reply.complete:
                return self.problem(kind, (reply.status, reply.complete, reply.body))
            if status == 200 and (usage := reply.usage):
                self.usage[reply.headers["x-request-id"]] = usage.get("completion_tokens", 0)
            return reply
        except (Gone, OSError, asyncio.TimeoutError) as error:
            return self.problem(kind, repr(error))
        finally:
            connection.close()

    def chat(self, words, **more):
        if more.get("stream"):
            more["stream_options"] = {"include_usage": True}
        return post(CHAT, chat(prompt_of(self.random.randrange(10**9), words), **more), self.server.key)

    async def short(self):
        await self.whole("short", self.chat(5, max_tokens=8))

    async def long(self):
        await self.whole("long", self.chat(250, max_tokens=150, stream=True))

    async def several(self):
        await self.whole("several", self.chat(10, max_tokens=16, n=3, temperature=1, stream=self.random.random() < 0.5))

    async def seed(self):
        i = self.random.randrange(6)
        data = post(CHAT, chat(prompt_of(i, 12), max_tokens=20, seed=i, temperature=0.8, stream=self.random.random() < 0.5,
                               stream_options=None), self.server.key)
        reply = await self.whole("seed", data)
        if reply and self.seeded.setdefault(i, reply.text) != reply.text:
            self.problem("seed", f"{self.seeded[i]!r} and then {reply.text!r}")

    async def schema(self):
        reply = await self.whole("schema", self.chat(10, max_tokens=120, response_format=SCHEMA, temperature=0.5))
        if reply and set(json.loads(reply.text)) != {"place", "days"}:
            self.problem("schema", reply.text)

    async def tools(self):
        await self.whole("tools", self.chat(10, max_tokens=80, tools=TOOLS, tool_choice="required"))

    async def completion(self):
        await self.whole("completion", post("/v1/completions", {"model": harness.MODEL, "prompt": "Once", "max_tokens": 10}, self.server.key))

    async def count(self):
        await self.whole("count", post(CHAT + "/input_tokens", chat("How many?"), self.server.key))

    async def listing(self):
        await self.whole("listing", get("/v1/models", self.server.key))

    async def bad_json(self):
        await self.whole("bad JSON", post(CHAT, b'{"messages": [', self.server.key), 400)

    async def many_values(self):
        await self.whole("many values", post(CHAT, b"[" + b"0," * 300_000 + b"0]", self.server.key), 400)

    async def bad_value(self):
        await self.whole("bad value", self.chat(3, temperature=9), 400)

    async def wrong_key(self):
        await self.whole("wrong key", post(CHAT, chat("x"), "sk-infe-wrong"), 401)

    async def no_model(self):
        await self.whole("no model", post(CHAT, {**chat("x"), "model": "none"}, self.server.key), 404)

    async def too_large(self):
        head = post(CHAT, b"", self.server.key).replace(b"Content-Length: 0", b"Content-Length: 99999999")
        await self.whole("too large", head + b"x" * 100_000, 413)

    async def framing(self):
        await self.whole("framing", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400)

    async def leave(self):
        connection = await Connection.open(self.server.port)
        with contextlib.suppress(OSError):
            data = self.chat(self.random.choice([5, 100]), max_tokens=300, stream=True)
            await connection.send(data[: self.random.randrange(len(data))] if self.random.random() < 0.3 else data)
            await asyncio.sleep(self.random.random())
        connection.reset() if self.random.random() < 0.5 else connection.close()

    async def slow_reader(self):
        connection = await Connection.open(self.server.port, receive_buffer=4096, window=1024)
        with contextlib.suppress(Gone, OSError):
            await connection.send(self.chat(5, max_tokens=60, stream=True))
            _, headers = await connection.head()
            async for _ in connection.pieces(headers):
                await asyncio.sleep(0.02)
        connection.close()

    async def hostile(self, key, cases, until):
        """Whatever it asks for: 200 or a 4xx, in time."""
        while time.monotonic() < until:
            case = next(cases)
            self.by_kind["hostile"] += 1
            began = time.monotonic()
            try:
                reply = await harness.ask(self.server, chat("Go on.", max_tokens=self.random.choice([1, 1, 1, 20]), **case[1]), key)
                self.statuses[reply.status] += 1
                if reply.status != 200 and not 400 <= reply.status < 500:
                    self.problem("hostile", (reply.status, hostile.describe(*case), reply.body))
                elif reply.status == 200:
                    self.usage[reply.headers["x-request-id"]] = (reply.usage or {}).get("completion_tokens", 0)
            except (Gone, OSError, asyncio.TimeoutError) as error:
                self.problem("hostile", (repr(error), hostile.describe(*case)))
            if time.monotonic() - began > 10 * ANSWER_S * harness.SLOW:
                self.problem("hostile", (f"{time.monotonic() - began:.1f} s", hostile.describe(*case)))

    async def damage(self, until):
        """A second model's file, cut, garbled, empty or gone, each time with a reload."""
        models = pathlib.Path(self.server.data_dir) / "models"
        good = (models / f"{harness.MODEL}.gguf").read_bytes()[: 8 << 20]
        while time.monotonic() < until:
            made = bytearray(good[: self.random.randrange(len(good))])
            for _ in range(self.random.randrange(40)):
                if made:
                    made[self.random.randrange(min(len(made), 1 << 16))] = self.random.randrange(256)
            (models / "damaged.part").write_bytes(made)
            (models / "damaged.part").rename(models / "damaged.gguf")
            self.by_kind["damage"] += 1
            self.server.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(self.random.uniform(1, 4))
            if self.random.random() < 0.5:  # also while it is being read
                with contextlib.suppress(FileNotFoundError):
                    with open(models / "damaged.gguf", "r+b") as file:
                        file.truncate(self.random.randrange(1 << 16))
            else:
                (models / "damaged.gguf").unlink(missing_ok=True)
            await asyncio.sleep(self.random.uniform(0, 2))
        (models / "damaged.gguf").unlink(missing_ok=True)

    async def clock(self, file, until):
        while time.monotonic() < until:
            file.write_text(f"{self.random.choice(['+', '-'])}{self.random.choice([1, 90, 4000, 100_000, 3_000_000])}s\n")
            self.by_kind["clock"] += 1
            await asyncio.sleep(self.random.uniform(1, 5))
        file.write_text("+0s\n")

    # How often, of a hundred.
    KINDS = {"short": 22, "long": 6, "several": 6, "seed": 12, "schema": 7, "tools": 5, "completion": 5, "count": 4,
             "listing": 5, "bad_json": 4, "many_values": 1, "bad_value": 3, "wrong_key": 3, "no_model": 2, "too_large": 2,
             "framing": 2, "leave": 9, "slow_reader": 2}

    async def client(self, until):
        kinds, weights = list(self.KINDS), list(self.KINDS.values())
        while time.monotonic() < until:
            kind = self.random.choices(kinds, weights)[0]
            self.by_kind[kind] += 1
            await getattr(self, kind)()


async def watch(server, until, memory):
    while time.monotonic() < until:
        memory.append(server.rss_mb())
        await asyncio.sleep(0.5)


async def prove(claims, short=False, minutes=0, seed=1, with_hostile=False, with_damage=False, with_clock=False):
    seconds = 60 * minutes if minutes else (30 if short else 1800)
    with harness.temporary_folder() as folder:
        log, offset = folder / "access.log", folder / "clock"
        offset.write_text("+0s\n")
        env = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        with harness.Server(folder, args=("--access-log", str(log), "--kv-memory", f"{KV_MB}MiB"), env=env if with_clock else None) as server:
            soak, memory, until = Soak(server, seed), [], time.monotonic() + seconds
            more = []
            if with_hostile:
                key, cases = server.new_key("hostile")[0], hostile.each(random.Random(seed))
                more += [soak.hostile(key, cases, until) for _ in range(HOSTILE_CLIENTS)]
            more += [soak.damage(until)] if with_damage else []
            more += [soak.clock(offset, until)] if with_clock else []
            await asyncio.gather(watch(server, until, memory), *more, *(soak.client(until) for _ in range(CLIENTS)))
            busy = await harness.wait_idle(server, 40)
            metrics, kinds = server.metrics(), sum(soak.by_kind.values())
            rss = server.rss_mb()
            code = server.stop()
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    third = len(memory) // 3
    before, after = (sorted(part)[len(part) // 2] for part in (memory[third : 2 * third], memory[2 * third :]))
    claims.note(f"{kinds} requests in {seconds} s: " + ", ".join(f"{k} {v}" for k, v in sorted(soak.by_kind.items())))
    claims.check("no answer but the intended", not soak.problems, soak.problems[:5] or dict(soak.statuses))
    claims.check("memory has stopped growing (under 2%)" if not short else "memory does not run away",
                 after < before * 1.02 if not short else rss < memory[0] + KV_MB + 96, f"{memory[0]:.0f} MB at first, then {before:.0f}, {after:.0f}, at the end {rss:.0f}")
    claims.check("nothing runs, waits or is held at the end", not busy, busy)
    counted = sum(v for k, v in metrics.items() if k.partition("{")[0] == "infe_http_requests_total")
    claims.check("the access log and the metrics count the same requests", len(rows) == counted, f"{len(rows)} and {counted:.0f}")
    by_status = collections.Counter(row["status"] for row in rows)
    logged = {row.get("request_id"): row.get("completion_tokens") for row in rows}
    other = {i: (n, logged.get(i)) for i, n in soak.usage.items() if n != logged.get(i) and not (n == 0 and logged.get(i) is None)}
    claims.check("the access log has the tokens that clients were told", not other, other or f"{len(soak.usage)} answers")
    ours = {status: n for status, n in soak.statuses.items() if status not in (200, 503)}
    claims.check("refusals are counted as clients saw them", all(by_status[s] == n for s, n in ours.items()),
                 {s: (n, by_status[s]) for s, n in ours.items()})
    server_errors = {s: n for s, n in by_status.items() if s >= 500 and s != 503}
    claims.check("no 5xx but 503", not server_errors, server_errors or f"{by_status[503]} times 503")
    claims.check("the server ends with exit code 0", code == 0, code)


if __name__ == "__main__":
    made = harness.parser(__doc__, minutes=30, seed=1)
    for name, text in (("hostile", "hostile grammars too"), ("damage", "damaged model files and reloads too"), ("clock", "a clock that jumps too")):
        made.add_argument("--" + name, action="store_true", help=text)
    options = made.parse_args()
    harness.run(lambda claims: prove(claims, options.short, options.minutes or 0, options.seed or 1, options.hostile, options.damage, options.clock), "soak")
