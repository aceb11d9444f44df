"""Two signals end the server within five seconds, whatever it is at."""
import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import time

import harness
import pytest
from conftest import BINARY, SLOW, Server

# The promise, and what a busy machine needs to notice that a process has ended.
BOUND_S = 5 + 2 * SLOW
PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Say hello."}]


def stop_twice(process):
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)  # two of a kind that are pending at once are one
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60 * SLOW)
    return time.monotonic() - began


@pytest.fixture
def silent_database():
    """Accepts connections and never says anything."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"postgresql://u:p@127.0.0.1:{listener.getsockname()[1]}/infe"


def test_a_server_that_waits_for_its_database_at_start_ends(tmp_path, silent_database):
    environment = {**os.environ, "INFE_DATA_DIR": str(tmp_path / "data")}
    process = subprocess.Popen([BINARY, "serve", "--port", "0", "--ops-port", "0", "--store-url", silent_database],
                               env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(1)
    assert process.poll() is None
    assert stop_twice(process) < BOUND_S


def test_one_signal_ends_a_server_that_is_still_loading(tmp_path, silent_database):
    environment = {**os.environ, "INFE_DATA_DIR": str(tmp_path / "data")}
    process = subprocess.Popen([BINARY, "serve", "--port", "0", "--ops-port", "0", "--store-url", silent_database],
                               env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60 * SLOW)
    assert time.monotonic() - began < BOUND_S


def doubling(rules):
    return "root ::= r0\n" + "".join(f"r{i} ::= r{i + 1} r{i + 1}\n" for i in range(rules)) + f'r{rules} ::= "a" | "b"\n'


SLOW_WORK = {
    "grammars that double": lambda i: {"grammar": doubling(24 + i)},
    "dear patterns": lambda i: {"structured_outputs": {"regex": f"([ab]*a[ab]{{{12 + i % 4}}}c?){{1,{20 + i}}}"}},
    "long prompts": lambda i: {"messages": [{"role": "user", "content": f"{i} word" * 20000}]},
}


@pytest.mark.parametrize("name", SLOW_WORK)
def test_a_server_with_slow_work_and_clients_that_do_not_read_ends(tmp_path, name):
    server = Server(tmp_path)

    async def occupy():
        waiting = []
        for i in range(16):
            body = {"model": harness.MODEL, "messages": HELLO, "max_tokens": 200, "stream": True, **SLOW_WORK[name](i)}
            connection = await harness.Connection.open(server.port, receive_buffer=4096)
            await connection.send(harness.post(PATH, body, server.key))
            waiting.append(connection)
        # One body that never ends.
        idle = await harness.Connection.open(server.port)
        await idle.send(harness.post(PATH, b"x" * 1000, server.key)[:-500])
        await asyncio.sleep(0.3)
        took = await asyncio.get_running_loop().run_in_executor(None, stop_twice, server.process)
        for connection in [*waiting, idle]:
            connection.close()
        return took

    assert asyncio.run(occupy()) < BOUND_S, server.log_text()


def test_a_database_that_hangs_while_the_server_runs_does_not_hold_it_back(tmp_path):
    """Another process holds its lock."""
    server = Server(tmp_path)
    holder = sqlite3.connect(server.data_dir / "infe.db", timeout=30, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with contextlib.suppress(Exception):
            server.client(timeout=2).chat.completions.create(model=harness.MODEL, messages=HELLO, max_tokens=3)
        assert stop_twice(server.process) < BOUND_S, server.log_text()
    finally:
        holder.close()
