#!/usr/bin/env python3
"""kill -9 at random moments under traffic: the ledger opens clean and bills what clients saw.

  python3 tests/load/kills.py            200 kills, about 6 minutes
  python3 tests/load/kills.py --short    5 kills

Each client remembers of every request its id and the tokens that it saw. After the kill the server
starts again, on the same data folder; its ledger must be ready, sound (PRAGMA integrity_check), and
without a request left open. Then row by row: a request whose whole answer came is billed exactly; of
one that was in flight the billed tokens are the seen ones, less what one checkpoint may miss (256
tokens or a second of them) and what had not been committed, and more only by what was made and not
yet read. A request that ended less than `COMMIT_S` before the kill counts as in flight.
"""

import asyncio
import contextlib
import random
import sqlite3
import time

import harness
from harness import Connection, Gone, chat, post, prompt_of

COMMIT_S = 0.5          # the ledger commits every 20 ms; a loaded machine takes longer
CHECKPOINT_TOKENS = 256
BUFFERED_TOKENS = 64    # made and on their way when the process died


class Seen:
    def __init__(self, request_id):
        self.request_id, self.tokens, self.usage, self.ended, self.whole = request_id, 0, None, 0.0, False


async def client(server, seen, numbers, stop):
    while not stop.is_set():
        number = next(numbers)
        body = chat(prompt_of(number, 10), max_tokens=random.Random(number).choice([4, 16, 120]), stream=True,
                    stream_options={"include_usage": True})
        try:
            connection = await Connection.open(server.port)
        except OSError:
            return
        try:
            await connection.send(post("/v1/chat/completions", body, server.key))
            status, headers = await connection.head()
            if status != 200:
                continue
            seen.append(one := Seen(headers["x-request-id"]))
            async for piece in connection.pieces(headers):
                one.tokens += piece.count(b'"content":"') - piece.count(b'"content":""')
                if b'"usage":{' in piece:
                    one.usage = harness.json.loads(piece.split(b'data: ')[-2])["usage"]
                if b"data: [DONE]" in piece:
                    one.whole, one.ended = True, time.time()
        except (Gone, OSError):
            return
        finally:
            connection.close()


def billed(server):
    """request id -> (state, status, prompt, completion), and what SQLite says of the file."""
    with contextlib.closing(sqlite3.connect(f"file:{server.data_dir}/infe.db?mode=ro", uri=True)) as database:
        sound = database.execute("PRAGMA integrity_check").fetchone()[0]
        rows = database.execute("SELECT request_id, state, status, prompt_tokens, completion_tokens FROM usage").fetchall()
    return {row[0]: row[1:] for row in rows}, sound


def judge(seen, rows, killed_at):
    """What is wrong with the bill."""
    wrong = []
    for one in seen:
        row = rows.get(one.request_id)
        early = one.whole and one.ended < killed_at - COMMIT_S
        if row is None:
            if early:
                wrong.append((one.request_id, "a whole answer is not billed"))
            continue
        state, _, prompt, completion = row
        if state == 0:
            wrong.append((one.request_id, "left open"))
        elif early and (prompt, completion) != (one.usage["prompt_tokens"], one.usage["completion_tokens"]):
            wrong.append((one.request_id, f"billed {prompt} + {completion}, told {one.usage}"))
        elif not early and not one.tokens - CHECKPOINT_TOKENS <= completion <= one.tokens + BUFFERED_TOKENS:
            wrong.append((one.request_id, f"billed {completion}, seen {one.tokens}"))
    return wrong


async def prove(claims, short=False, kills=None, seed=1):
    kills = kills or (5 if short else 200)
    random_, numbers = random.Random(seed), iter(range(10**9))
    totals = {"whole": 0, "in flight": 0, "tokens": 0, "recovered": 0}
    wrong, unsound = [], []
    with harness.temporary_folder() as folder, harness.Server(folder) as server:
        for kill in range(kills):
            seen, stop = [], asyncio.Event()
            clients = asyncio.gather(*(client(server, seen, numbers, stop) for _ in range(10)))
            for _ in range(400):  # until somebody has a whole answer, on a machine however slow
                if any(s.whole for s in seen):
                    break
                await asyncio.sleep(0.05)
            await asyncio.sleep(1.5 * random_.random())
            killed_at = time.time()
            server.kill()
            stop.set()
            await clients
            await asyncio.to_thread(server.start)
            rows, sound = billed(server)
            if sound != "ok" or "recovered" in server.log_text() and "corrupt" in server.log_text():
                unsound.append((kill, sound))
            wrong += judge(seen, rows, killed_at)
            totals["whole"] += sum(s.whole for s in seen)
            totals["in flight"] += sum(not s.whole for s in seen)
            totals["tokens"] += sum(s.tokens for s in seen)
            totals["recovered"] += server.total("infe_ledger_recovered_rows_total")
        claims.check(f"{kills} kills: the ledger opens clean each time", not unsound, unsound[:3] or totals)
        claims.check("what clients saw is what is billed, within a checkpoint for those in flight", not wrong, wrong[:3] or "")
        reply = await harness.ask(server, chat("Hello", max_tokens=4))
        claims.check("and the server serves", reply.status == 200, reply.status)


if __name__ == "__main__":
    options = harness.parser(__doc__, kills=200, seed=1).parse_args()
    harness.run(lambda claims: prove(claims, options.short, options.kills, options.seed or 1), "kill -9")
