#!/usr/bin/env python3
"""Keys, prompts and answers are nowhere but with their client: not in a log, a metric, an error, a file.

  python3 tests/load/canaries.py

Canaries go in wherever text can: key, wrong keys, prompts, system prompts, schemas, tool arguments,
stop strings, names, model names, paths, queries, headers, broken JSON, whole and cut requests,
over-long ones. Then the whole data folder (database, journal), the access log, stderr, /metrics and
every error body are searched, while the server runs, after a kill -9 and after a clean end. A request
id that a client chose is the only text that is logged as it came, and whom a request names as its user
is in the ledger, and there alone.
"""

import asyncio
import contextlib
import json

import harness
from harness import Connection, chat, get, post

CANARY = "canary7391"
USER = "named7391"
SECRETS = 40


class Canaries:
    def __init__(self):
        self.made = []

    def new(self):
        self.made.append(f"{CANARY}x{len(self.made):04d}")
        return self.made[-1]


def requests(server, canary):
    """(what, bytes) with a fresh canary in each place; the bodies of their errors may not repeat those
    that are secret, so the second is whether the answer is an error about a name that it may quote."""
    say = lambda **more: chat(canary(), max_tokens=4, **more)  # noqa: E731
    system = {"messages": [{"role": "system", "content": canary()}, {"role": "user", "content": canary()}]}
    calls = {"messages": [{"role": "user", "content": "x"},
                          {"role": "assistant", "tool_calls": [{"id": "a", "type": "function", "function": {
                              "name": "f", "arguments": json.dumps({"q": canary()})}}]},
                          {"role": "tool", "tool_call_id": "a", "content": canary()}]}
    schema = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "properties": {
        "p": {"type": "string", "description": canary()}}}}}
    path = "/v1/chat/completions"
    yield "plain", post(path, say(), server.key)
    yield "stream", post(path, say(stream=True), server.key)
    yield "system", post(path, {**say(), **system}, server.key)
    yield "tool calls", post(path, {**say(), **calls}, server.key)
    yield "schema", post(path, say(response_format=schema), server.key)
    yield "stop, user, metadata", post(path, say(stop=[canary()], user=USER, metadata={"k": canary()}), server.key)
    yield "prediction", post(path, say(prediction={"type": "content", "content": canary()}), server.key)
    yield "completion", post("/v1/completions", {"model": harness.MODEL, "prompt": canary(), "max_tokens": 3}, server.key)
    yield "render", post(path + "/render", say(), server.key)
    yield "wrong key", post(path, say(), "sk-infe-" + canary())
    yield "right key, wrong tail", post(path, say(), server.key[:-6] + canary())
    yield "broken JSON", post(path, b'{"messages": "' + canary().encode(), server.key)
    yield "bad type", post(path, {**say(), "temperature": canary()}, server.key)
    yield "bad message", post(path, {"model": harness.MODEL, "messages": canary()}, server.key)
    yield "too long a prompt", post(path, chat((canary() + " ") * 20_000), server.key)
    yield "query", get("/v1/models?secret=" + canary(), server.key)
    yield "header", post(path, say(), server.key, [f"X-Secret: {canary()}", f"Cookie: {canary()}"])
    yield "bad header", f"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuth orization: {canary()}\r\n\r\n".encode()


async def send_all(server, canaries):
    """Sends everything; the error bodies, which may quote what a request named but no secret."""
    leaks = []
    for what, data in requests(server, canaries.new):
        connection = await Connection.open(server.port)
        with contextlib.suppress(OSError):
            await connection.send(data)
        reply = await connection.reply()
        text = reply.body.decode(errors="replace")
        # An error may name a wrong key in part, and a value that its field does not take.
        if reply.status >= 400 and (server.key in text or (CANARY in text and what not in ("bad type", "wrong key"))):
            leaks.append((what, text[:200]))
        if what == "wrong key" and canaries.made and any(c in text for c in canaries.made):
            leaks.append((what, text[:200]))
        connection.close()
        # And one that breaks off in the middle.
        connection = await Connection.open(server.port)
        with contextlib.suppress(OSError):
            await connection.send(data[: len(data) - len(data) // 8])
        await asyncio.sleep(0.01)
        connection.reset()
    return leaks


def search(folder, needles):
    """Files under folder that hold one of the needles; models are left out."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and "packed" not in path.parts:
            data = path.read_bytes()
            found += [(path.name, needle) for needle in needles if needle.encode() in data]
    return found


async def prove(claims, short=False):
    del short
    canaries = Canaries()
    with harness.temporary_folder() as folder:
        server = harness.Server(folder, args=("--access-log", str(folder / "access.log")))
        try:
            leaks = await send_all(server, canaries)
            claims.check("no error body repeats a secret", not leaks, leaks[:3])
            # The key's own random part, and what it is looked up by.
            needles = [CANARY, server.key, server.key[8:30]]
            await asyncio.sleep(1.5)  # a checkpoint of the ledger, lines of the log
            with_metrics = "\n".join(server.metrics())
            claims.check("/metrics knows none", not any(n in with_metrics for n in [*needles, USER]))
            claims.check("log, stderr and data folder know none", not (found := search(folder, needles)), found)
            asking = [asyncio.ensure_future(harness.ask(server, chat(canaries.new(), max_tokens=400, stream=True))) for _ in range(8)]
            await asyncio.sleep(0.7)
            server.kill()
            await asyncio.gather(*asking, return_exceptions=True)
            claims.check("nor after kill -9 under load", not (found := search(folder, needles)), found)
            server.start()
            await send_all(server, canaries)
            claims.check("the server ends with exit code 0", server.stop() == 0)
            claims.check("nor after a clean end", not (found := search(folder, needles)), found)
            known = {name for name, _ in search(folder, [USER])}
            claims.check("the ledger alone has the user that a request names", known == {"infe.db"}, known)
            lines = (folder / "access.log").read_text().count("\n")
            claims.check("the log has every request", lines > len(canaries.made) / 2, f"{lines} lines, {len(canaries.made)} canaries")
        finally:
            server.stop()


if __name__ == "__main__":
    options = harness.parser(__doc__).parse_args()
    harness.run(lambda claims: prove(claims, options.short), "canaries")
