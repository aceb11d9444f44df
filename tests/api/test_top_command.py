"""infe top against a running server, and one that goes away."""
import json
import os
import re
import signal
import subprocess
import threading

import pytest
from conftest import BINARY, SLOW, Server, free_port
from screen import Screen


def top(*arguments, code=0, env=None):
    done = subprocess.run([BINARY, "top", *arguments], capture_output=True, text=True, timeout=60 * SLOW, stdin=subprocess.DEVNULL,
                          env={**os.environ, **(env or {})})
    assert done.returncode == code, done.stdout + done.stderr
    return done


class Work:
    """Answers one after the other, until it is ended."""

    def __init__(self, server):
        self.client, self.ends = server.client(), threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.ends.is_set():
            self.client.chat.completions.create(model="smollm2-135m", max_tokens=16,
                                                messages=[{"role": "user", "content": "Tell me of the sea."}])

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join()


def test_two_looks_tell_what_happened_between_them(server):
    with Work(server):
        load = json.loads(top(server.ops_root, "--once", "--json", "--interval-ms", str(int(2000 * SLOW))).stdout)
    (model,) = load["models"]
    assert load["ready"] is True and load["url"] == server.ops_root and load["memory_bytes"] > 1e8 and load["uptime_s"] > 0
    assert model["model"] == "smollm2-135m" and model["generated_tokens_per_s"] > 0 and model["prompt_tokens_per_s"] > 0
    assert model["ttft_p95_ms"] >= model["ttft_p50_ms"] > 0 and model["inter_token_p50_ms"] > 0 and model["step_ms"] > 0
    assert 0 <= model["kv_usage_ratio"] <= 1 and load["requests_per_s"] > 0


def test_a_server_at_rest_has_no_rates(server):
    load = json.loads(top(server.ops_root, "--once", "--json", "--interval-ms", "300").stdout)
    (model,) = load["models"]
    assert model["running"] == model["waiting"] == model["generated_tokens_per_s"] == 0
    assert model["ttft_p50_ms"] is model["step_ms"] is None
    text = top(server.ops_root + "/metrics", "--once", "--interval-ms", "300").stdout
    assert re.search(r"^infe \S+ at http\S+: ready, up ", text) and "\x1b" not in text
    assert re.search(r"^smollm2-135m +0 +0 +\d+ +- +0 +0 +0 +- +- +- +-$", text, re.M)


def test_what_is_asked_without_a_url_is_what_the_configuration_names(server, tmp_path):
    file = tmp_path / "config/infe/infe.toml"
    file.parent.mkdir(parents=True)
    home = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    file.write_text(f'ops_host = "0.0.0.0"\nops_port = {server.ops_port}\n')
    assert json.loads(top("--once", "--json", "--interval-ms", "100", env=home).stdout)["url"] == server.ops_root
    file.write_text("ops_port = 0\n")
    assert "without an operations port" in top("--once", code=1, env=home).stderr
    file.write_text('ops_host = "unix:/run/infe.sock"\n')
    assert "unix:/run/infe.sock" in top("--once", code=1, env=home).stderr


def test_what_is_no_infe_server_is_said(server):
    nobody = top(f"http://127.0.0.1:{free_port()}", code=1).stderr
    assert "no server answers" in nobody and "--ops-port" in nobody
    assert "status 404" in top(server.root, code=1).stderr  # the API's own port
    assert "is no URL" in top("127.0.0.1:8081", code=1).stderr
    assert top(server.ops_root, "--interval-ms", "5", code=2).stderr


def test_a_pipe_gets_a_look_a_line(server):
    process = subprocess.Popen([BINARY, "top", server.ops_root, "--json", "--interval-ms", "100"], stdout=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, text=True)
    try:
        looks = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert all(look["ready"] for look in looks)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30 * SLOW) == 0
    finally:
        process.kill()
        process.wait()


def test_a_program_learns_that_the_server_is_away(tmp_path):
    server = Server(tmp_path / "server", keys=False)
    process = subprocess.Popen([BINARY, "top", server.ops_root, "--json", "--interval-ms", "100"], stdout=subprocess.PIPE,
                               stdin=subprocess.DEVNULL, text=True)
    try:
        assert json.loads(process.stdout.readline())["ready"]
        server.stop()
        # Not the last load again and again.
        while (look := json.loads(process.stdout.readline()))["ready"]:
            pass
        assert "no server answers" in look["error"] and look["models"] == []
        server.start()
        while not (look := json.loads(process.stdout.readline()))["ready"]:
            pass
        assert look["models"][0]["model"] == "smollm2-135m" and "error" not in look
    finally:
        process.kill()
        process.wait()
        server.stop()


def test_the_screen_follows_a_server_that_goes_and_comes_back(tmp_path):
    server = Server(tmp_path / "server", keys=False)
    screen = Screen([BINARY, "top", server.ops_root, "--interval-ms", "200"], columns=120)
    try:
        screen.until(r"^infe \S+ at \S+: ready(?s:.)*^smollm2-135m +0 +0 ")
        server.stop()
        seen = screen.until(r"away since \d\d:\d\d:\d\d")
        assert "no server answers" in seen and "smollm2" not in seen
        server.start()
        screen.until(r"^smollm2-135m +0 +0 (?s:.)*^It was away from \d\d:\d\d:\d\d to \d\d:\d\d:\d\d\.$")
        with Work(server):
            # A restart's counters are no negative rates, and what is computed is seen.
            screen.until(r"^smollm2-135m +[01] +0 +\d+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ +[\d.]+ ")
        screen.resize(60, 10)
        screen.until(r"^smollm2-135m")
        screen.keys("q")
        assert screen.ended() == 0
    finally:
        screen.close()
        server.stop()
