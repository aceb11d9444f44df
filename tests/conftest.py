"""Starts the real server for tests: on a free loopback port, with its own data folder that shares
the pulled models, stopped by its process id."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("INFE_BINARY", str(ROOT / "build/release/infe"))
MODEL_DIR = os.environ.get("INFE_MODEL_DIR", "")
SHARED_DATA = os.environ.get("INFE_SHARED_DATA", str(ROOT / "../shared/data"))
# Sanitizer builds are slower: timeouts are multiplied by this.
SLOW = float(os.environ.get("INFE_TEST_SLOW", "1"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One `infe serve` process. base_url and key are what a client needs."""

    def __init__(self, folder, models=("infe-pulse",), args=(), keys=True, env=None):
        self.folder = pathlib.Path(folder)
        self.data_dir = self.folder / "data"
        (self.data_dir / "models").mkdir(parents=True, exist_ok=True)
        for name in models:
            source = pathlib.Path(MODEL_DIR) / f"{name}.gguf"
            if not source.exists():
                pytest.skip(f"{name} is not pulled: set INFE_MODEL_DIR")
            target = self.data_dir / "models" / f"{name}.gguf"
            if not target.exists():
                target.symlink_to(source)
        self.environment = {**os.environ, "INFE_DATA_DIR": str(self.data_dir), **(env or {})}
        self.key, self.key_id = "none", None
        if keys:
            made = json.loads(self.command("keys", "create", "--name", "test", "--json"))
            self.key, self.key_id = made["key"], made["id"]
        self.port, self.ops_port = free_port(), free_port()
        self.root = f"http://127.0.0.1:{self.port}"
        self.ops_root = f"http://127.0.0.1:{self.ops_port}"
        self.base_url = self.root + "/v1"
        self.log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen(
            [BINARY, "serve", "--port", str(self.port), "--ops-port", str(self.ops_port), *args],
            env=self.environment, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        self.wait_ready()

    def command(self, *args, **kwargs):
        done = subprocess.run([BINARY, *args], env=self.environment, capture_output=True, text=True, timeout=120, **kwargs)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_ready(self):
        deadline = time.time() + 60 * SLOW
        while time.time() < deadline:
            assert self.process.poll() is None, f"the server ended:\n{self.log_text()}"
            try:
                with urllib.request.urlopen(self.root + "/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the server did not become ready:\n{self.log_text()}")

    def log_text(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def client(self, **kwargs):
        from openai import OpenAI
        kwargs.setdefault("max_retries", 0)
        kwargs.setdefault("timeout", 120 * SLOW)
        return OpenAI(base_url=self.base_url, api_key=self.key, **kwargs)

    def stop(self):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(timeout=30 * SLOW)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        return self.process.returncode


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """infe-pulse alone, for everything that does not care about the model."""
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


@pytest.fixture(scope="session")
def both(tmp_path_factory):
    """infe-pulse and infe-titan."""
    running = Server(tmp_path_factory.mktemp("both"), models=("infe-pulse", "infe-titan"))
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


@pytest.fixture(scope="session")
def client(server):
    return server.client()
