#!/usr/bin/env python3
"""A disk that is full: nothing is served unmetered, nothing hangs, and all is well when there is room.

  python3 tests/load/disk_full.py        20 s; needs root, for a tmpfs of its own

The data folder lies on a tmpfs of 24 MiB. Under traffic a file takes all that is left of it: new
requests must be told 503 and those that run must end whole; the server stays alive. Then the file
goes: requests are served again, and every answer that was told its usage is billed so.
"""

import asyncio
import os
import subprocess
import sys
import time

import harness
from harness import chat, prompt_of
from kills import billed


class Tmpfs:
    def __init__(self, folder, mib):
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", str(self.folder)], check=False)

    def fill(self):
        """Takes every byte; returns the file."""
        path = self.folder / "everything"
        with open(path, "wb", buffering=0) as file:
            for size in (1 << 20, 4096, 64, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass
        return path


async def health(server, path):
    connection = await harness.Connection.open(server.ops_port)
    await connection.send(harness.get(path))
    reply = await connection.reply()
    connection.close()
    return reply.status


async def statuses_until(server, seconds, wanted):
    """Statuses of requests one after another, until one is as wanted; and the usages of the 200s."""
    seen, told, until = [], {}, time.monotonic() + seconds * harness.SLOW
    while time.monotonic() < until and wanted not in seen:
        reply = await harness.ask(server, chat(prompt_of(len(seen), 5), max_tokens=4))
        seen.append(reply.status)
        if reply.status == 200:
            told[reply.headers["x-request-id"]] = reply.usage
        await asyncio.sleep(0.1)
    return seen, told


async def prove(claims, short=False):
    del short
    with harness.temporary_folder() as folder, Tmpfs(folder / "small", 24) as disk, harness.Server(folder / "small") as server:
        before, told = await statuses_until(server, 10, 200)
        running = [asyncio.ensure_future(harness.ask(server, chat(prompt_of(i, 5), max_tokens=60, stream=True,
                                                                  stream_options={"include_usage": True}))) for i in range(4)]
        await asyncio.sleep(0.3)
        everything = disk.fill()
        full, more = await statuses_until(server, 20, 503)
        told |= more
        claims.check("with a full disk new work is refused, not served unmetered", full[-1] == 503, (before, full[-5:]))
        ready, alive = [(await health(server, path)) for path in ("/readyz", "/livez")]
        claims.check("/readyz says so, /livez does not mind", (ready, alive) == (503, 200), (ready, alive))
        ended = await asyncio.gather(*running)
        claims.check("what ran ends whole", all(r.status == 200 and r.complete for r in ended), [r.status for r in ended])
        told |= {r.headers["x-request-id"]: r.usage for r in ended}
        everything.unlink()
        again, more = await statuses_until(server, 20, 200)
        told |= more
        claims.check("with room again it serves", again[-1] == 200, again[-5:])
        code = server.stop()
        rows, sound = billed(server)
        wrong = {i: (rows.get(i), usage) for i, usage in told.items()
                 if i not in rows or rows[i][2:] != (usage["prompt_tokens"], usage["completion_tokens"])}
        claims.check("the ledger is sound and bills every answer", sound == "ok" and not wrong and code == 0,
                     wrong or f"{sound}, {len(told)} answers, exit code {code}")


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    if os.geteuid() != 0:
        sys.exit("disk_full: needs root")
    harness.run(lambda claims: prove(claims, options.short), "a full disk")
