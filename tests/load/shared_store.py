#!/usr/bin/env python3
"""Two instances on one PostgreSQL: one rate limit for both, and a revocation that both see at once.

  python3 tests/load/shared_store.py            a minute
  python3 tests/load/shared_store.py --short    20 s

A key with so many requests a minute is used on both instances
at once as fast as answers come; what is let in may be the limit and what it regains meanwhile, and 5%.
"""

import asyncio
import shutil
import time

import harness
from harness import get
from postgres import Postgres


async def status(server, key):
    connection = await harness.Connection.open(server.port)
    try:
        await connection.send(get("/v1/models", key))
        return (await connection.reply()).status
    finally:
        connection.close()


async def until(servers, key, known, patience_s=20):
    """Seconds until all of them know the key, or know it no more (401, after some 429); None: they do
    not."""
    began = time.perf_counter()
    for server in servers:
        while (await status(server, key) == 200) != known:
            if time.perf_counter() - began > patience_s:
                return None
            await asyncio.sleep(0.01)
    return time.perf_counter() - began


async def chat_status(server, key):
    return (await harness.ask(server, harness.chat("Hi", max_tokens=1), key)).status


async def one_limit(claims, servers, limit, seconds):
    key, _ = servers[0].new_key("limited", "--rpm", str(limit))
    if await until(servers, key, True) is None:
        return claims.check("a new key is known to both", False)
    began, statuses = time.perf_counter(), []

    async def client(server):
        while time.perf_counter() - began < seconds:
            statuses.append(await chat_status(server, key))
            await asyncio.sleep(0.02)

    await asyncio.gather(*(client(server) for server in servers for _ in range(4)))
    let_in, took = statuses.count(200), time.perf_counter() - began
    most = limit * (1 + took / 60)
    claims.check("only 200 and 429 are answered", set(statuses) <= {200, 429}, set(statuses))
    claims.check("two instances hold one limit within 5%", limit * 0.95 <= let_in <= most * 1.05 + 1,
                 f"{let_in} let in of {len(statuses)} in {took:.0f} s; the limit is {limit} a minute, at most {most:.0f} by then")


async def one_revocation(claims, servers, times):
    worst = 0.0
    for i in range(times):
        key, key_id = servers[0].new_key(f"revoked {i}")
        if await until(servers, key, True) is None:
            return claims.check("a new key is known to both", False)
        await asyncio.to_thread(servers[0].command, "keys", "revoke", key_id)
        worst = max(worst, await until(servers, key, False) or 99)
    claims.check("both see a revocation in under a second", worst < 1 * harness.SLOW, f"{1e3 * worst:.0f} ms at worst of {times}")


async def prove(claims, short=False):
    with harness.temporary_folder() as folder, Postgres(folder / "postgres") as postgres:
        options = {"env": {"INFE_STORE_URL": postgres.url}, "args": ("--threads", "1")}
        with harness.Server(folder / "first", **options) as first, \
                harness.Server(folder / "second", keys=False, start=False, **options) as second:
            # Keys are stored under the pepper of the data folder: both need the same.
            shutil.copy(first.data_dir / "pepper", second.data_dir / "pepper")
            second.start()
            servers = (first, second)
            known = await until(servers, first.key, True)
            claims.check("a key made on one is known to the other", known is not None, f"after {known or 99:.2f} s")
            await one_limit(claims, servers, *((40, 8) if short else (120, 40)))
            await one_revocation(claims, servers, 2 if short else 20)
            for server in servers:
                busy = await harness.wait_idle(server)
                claims.check("nothing is left behind", not busy, busy)


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    harness.run(lambda claims: prove(claims, options.short), "two instances on one PostgreSQL")
