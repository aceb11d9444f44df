#!/usr/bin/env python3
"""Two instances on one PostgreSQL behind HAProxy, then nginx, then Envoy (where it is installed), restarted
in turn under load: no request fails.

  python3 tests/load/rolling.py            four rounds of each, about 4 minutes
  python3 tests/load/rolling.py --short    one round of each

A round is SIGTERM, the drain, the exit with 0, the start and the return of each instance in turn.
Clients ask without pause all the while, streams and whole answers, on connections of their own and on
kept ones; every answer must be a whole 200, and the texts must be those of a quiet server.
"""

import asyncio
import signal

import harness
import proxies
from harness import Connection, Gone, chat, post, prompt_of
from postgres import Postgres

GRACE_S = 1.5  # HAProxy's checks come twice a second


class Clients:
    def __init__(self, port, key, expected):
        self.port, self.key, self.expected = port, key, expected
        self.stop, self.answers, self.failures = False, 0, []

    async def client(self, kept):
        connection, number = None, 0
        while not self.stop:
            i = number % len(self.expected)
            number += 1
            try:
                connection = connection or await Connection.open(self.port)
                await connection.send(post("/v1/chat/completions", body(i), self.key))
                reply = await connection.reply()
                self.answers += 1
                if reply.status != 200 or not reply.complete or reply.text != self.expected[i]:
                    self.failures.append((reply.status, (reply.body or reply.text.encode())[:120]))
                if kept and reply.headers.get("connection") != "close":
                    continue
            except (Gone, OSError) as error:
                self.failures.append(repr(error))
            if connection:
                connection.close()
            connection = None


def body(i):
    return chat(prompt_of(i, 12), max_tokens=12 + 4 * i, seed=i, temperature=0.7, stream=i % 2 == 0)


async def restart(server):
    server.process.send_signal(signal.SIGTERM)
    while server.process.poll() is None:
        await asyncio.sleep(0.02)
    code = server.process.returncode
    if code != 0:
        print(server.log_text()[-2000:])
    await asyncio.to_thread(server.start)
    await asyncio.sleep(1.5)  # the balancer's next checks, and nginx's second of mistrust
    return code


async def rounds(claims, name, proxy, servers, key, count):
    expected = [(await harness.ask(servers[0], body(i), key)).text for i in range(6)]
    clients = Clients(proxy.port, key, expected)
    running = asyncio.gather(*(clients.client(kept=i % 2 == 0) for i in range(8)))
    await asyncio.sleep(0.5)
    codes = [await restart(server) for _ in range(count) for server in servers]
    clients.stop = True
    await running
    claims.check(f"{name}: {2 * count} restarts, no request failed", not clients.failures,
                 f"{len(clients.failures)} of {clients.answers}: {clients.failures[:3]}" if clients.failures else f"{clients.answers} answers")
    if clients.failures:
        for line in [text for path in proxy.folder.glob("*.log") for text in path.read_text().splitlines() if "error" in path.name][:8]:
            claims.note(line[:200])
    claims.check(f"{name}: every drain ended with exit code 0", set(codes) == {0}, codes)


async def prove(claims, short=False):
    with harness.temporary_folder() as folder, Postgres(folder / "postgres") as postgres:
        # One data folder, and one database: both know the same keys and hold the same limits. (With
        # SQLite a folder has one server at a time.)
        options = {"args": ("--threads", "1"),
                   "env": {"INFE_DRAIN_GRACE": str(GRACE_S), "INFE_STORE_URL": postgres.url}}
        with harness.Server(folder / "both", **options) as first, \
                harness.Server(folder / "both", keys=False, **options) as second:
            for name, start in proxies.ALL.items():
                if not proxies.has(name.lower()):
                    if name != "Envoy":  # no package of Debian's
                        claims.check(f"{name} is installed", False)
                    continue
                with start(folder / name, [first, second]) as proxy:
                    await rounds(claims, name, proxy, (first, second), first.key, 1 if short else 4)


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    harness.run(lambda claims: prove(claims, options.short), "rolling restart")
