#!/usr/bin/env python3
"""How many people one server holds: users who read and think, ask again in a conversation that grows, and
stream the answer.

  python3 tests/load/users.py                          4, 8, 16 ... users, half a minute each
  python3 tests/load/users.py --model infe-pulse --think 20 --words 60 --tokens 150

A user asks --words words on top of what was said, takes --tokens tokens of answer, waits --think seconds in
the mean (exponential) and goes on, for --turns turns; then a new conversation begins. A number of users is
held when nobody was refused, 95% of first tokens came within 2 s and 95% of answers were written faster than
10 tokens a second, which is faster than people read. Numbers double until one is not held. At last 16, as many
as decode together, ask without a pause: so many answers a second are all there are, and by Little's law users
that think are at most that times the seconds of a round (docs/one-machine-to-many.md). The clients run on the
same cores.
"""

import argparse
import asyncio
import contextlib
import random
import time

import harness
from harness import Connection, Gone, chat, post, prompt_of, quantile

FIRST_TOKEN_S, TOKENS_PER_S, BATCH = 2.0, 10.0, 16
DEFAULTS = {"users": 4, "users_max": 1024, "think": 15, "words": 40, "tokens": 100, "turns": 6, "seconds": 30}
SHORT = {"users_max": 4, "think": 1, "words": 60, "tokens": 8, "seconds": 6}


class Crowd:
    """`count` users for a while, each thinking `think` seconds in the mean; what they saw."""

    def __init__(self, server, options, count, think):
        self.server, self.options, self.count, self.think = server, options, count, think
        self.first, self.speeds, self.rounds, self.refused = [], [], [], []
        self.prompt = self.cached = 0
        self.stopped = asyncio.Event()

    async def pause(self, seconds):
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.stopped.wait(), seconds)

    async def user(self, number):
        dice = random.Random(number)
        said, turn = [], 0
        await self.pause(dice.random() * self.think)
        while not self.stopped.is_set():
            if turn == self.options.turns:
                said, turn = [], 0
            said.append({"role": "user", "content": prompt_of(dice.randrange(1 << 30), self.options.words)})
            text = await self.ask(said)
            if text is None:
                return
            said.append({"role": "assistant", "content": text})
            turn += 1
            await self.pause(dice.expovariate(1 / self.think) if self.think else 0)

    async def ask(self, said):
        """The answer's text; None, and one more refusal, where there was no whole one."""
        body = chat("", model=self.options.model, messages=said, max_tokens=self.options.tokens,
                    min_tokens=self.options.tokens, stream=True, stream_options={"include_usage": True})
        began = time.perf_counter()
        connection = await Connection.open(self.server.port)
        try:
            await connection.send(post("/v1/chat/completions", body, self.server.key))
            reply = await connection.reply(began)
        except Gone as error:
            self.refused.append(str(error))
            return None
        finally:
            connection.close()
        if reply.status != 200 or not reply.complete or not reply.first_s:
            self.refused.append(reply.status)
            return None
        self.first.append(reply.first_s)
        self.rounds.append(reply.last_s)
        self.speeds.append((self.options.tokens - 1) / max(reply.last_s - reply.first_s, 1e-6))
        self.prompt += reply.usage["prompt_tokens"]
        self.cached += reply.usage["prompt_tokens_details"]["cached_tokens"]
        return reply.text

    async def live(self):
        """For --seconds; who waits for an answer then still gets it, as the slow ones count too."""
        began, used, had = time.monotonic(), self.server.cpu_seconds(), self.server.total("infe_generated_tokens_total")
        users = [asyncio.create_task(self.user(number)) for number in range(self.count)]
        await asyncio.sleep(self.options.seconds)
        # By tokens: of answers that take as long as a third of the time, half of one is lost at the end.
        tokens = self.server.total("infe_generated_tokens_total") - had
        self.rate = tokens / self.options.tokens / (time.monotonic() - began)
        self.stopped.set()
        await asyncio.gather(*users)
        self.cpu_s = (self.server.cpu_seconds() - used) / max(1, len(self.first))
        return self

    @property
    def round_s(self):
        """Seconds from one question of a user to the next."""
        return self.think + sum(self.rounds) / max(1, len(self.rounds))

    @property
    def held(self):
        return bool(self.first) and not self.refused and quantile(self.first, 0.95) <= FIRST_TOKEN_S \
            and quantile(self.speeds, 0.05) >= TOKENS_PER_S

    def line(self):
        answers = max(1, len(self.first))
        return (f"{self.count} users: {self.rate:.2f} answers/s; first token {1e3 * quantile(self.first, 0.5):.0f} ms, "
                f"95% within {1e3 * quantile(self.first, 0.95):.0f}; an answer {quantile(self.speeds, 0.5):.0f} "
                f"tokens/s, 95% above {quantile(self.speeds, 0.05):.0f}; {len(self.refused)} refused; prompts of "
                f"{self.prompt / answers:.0f} tokens, {self.cached / max(1, self.prompt):.0%} of them cached; "
                f"{self.cpu_s:.2f} s of processor time an answer")


async def prove(claims, short=False, options=None):
    """short: a few users once; nothing about how many are held."""
    options = options or argparse.Namespace(**{**DEFAULTS, **SHORT}, model=harness.MODEL)
    with harness.temporary_folder() as folder, harness.Server(folder, models=(options.model,)) as server:
        async def live(count, think):
            crowd = await Crowd(server, options, count, think).live()
            claims.note(crowd.line())
            claims.check(f"nothing of {count} users is left running", not await harness.wait_idle(server, 60))
            return crowd
        last = held = None
        count = options.users
        while count <= options.users_max:
            last = await live(count, options.think)
            if not last.held:
                break
            held, count = last, 2 * count
        if short:
            claims.check("all are answered", last.first and not last.refused, last.refused[:3])
            claims.check("what was said before is cached", last.cached > 0, last.cached)
            return
        if not claims.check("the first number of users is held", held is not None):
            return
        claims.note(f"{held.count} users are held, " + ("no more were tried" if last.held else f"{last.count} are not"))
        full = await live(BATCH, 0)
        claims.check("who asks without a pause is answered", full.first and not full.refused, full.refused[:3])
        claims.note(f"without a pause {full.rate:.2f} answers/s; a round of the {held.count} is {held.round_s:.1f} s: "
                    f"at most {full.rate * held.round_s:.0f} such users")


if __name__ == "__main__":
    parser = harness.parser(__doc__)
    parser.add_argument("--model", default=harness.MODEL)
    for name, value in DEFAULTS.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, help=f"default {value}")
    arguments = parser.parse_args()
    for name, value in {**DEFAULTS, **(SHORT if arguments.short else {})}.items():
        setattr(arguments, name, value if getattr(arguments, name) is None else getattr(arguments, name))
    harness.run(lambda claims: prove(claims, arguments.short, arguments), "users")
