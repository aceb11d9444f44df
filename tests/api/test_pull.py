"""infe pull against a stub of Hugging Face: progress, resume, damage, Ctrl-C, tokens, and what is left."""
import hashlib
import http.server
import json
import os
import pty
import random
import re
import signal
import subprocess
import threading
import time

import pytest
from conftest import BINARY, SLOW

BODY = random.Random(7).randbytes(3_000_000)


class Hub(http.server.ThreadingHTTPServer):
    """Serves `body` with ranges. `cut`: bytes after which the next transfer breaks off; `pace`: seconds
    between pieces of 64 kB."""

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.cut, self.pace, self.seen, self.token = body, None, 0, [], None
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server
        hub.seen.append((self.path, self.headers.get("Range"), self.headers.get("Authorization")))
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.send_error(401)
        begin = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1]) if self.headers.get("Range") else 0
        if begin >= len(hub.body):
            return self.send_error(416)
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(hub.body) - 1}/{len(hub.body)}")
        self.send_header("Content-Length", str(len(hub.body) - begin))
        self.end_headers()
        end, hub.cut = (hub.cut, None) if hub.cut else (len(hub.body), None)
        for at in range(begin, end, 65536):
            try:
                self.wfile.write(hub.body[at:min(at + 65536, end)])
            except OSError:
                return
            time.sleep(hub.pace)

    def log_message(self, *args):
        pass


@pytest.fixture()
def hub(tmp_path):
    running = Hub(BODY)
    (tmp_path / "models.toml").write_text(
        f'[[model]]\nname = "toy"\nsha256 = "{hashlib.sha256(BODY).hexdigest()}"\n'
        'sources = [{ hf = "someone/toys/folder/toy.gguf" }]\n')
    running.env = {**os.environ, "INFE_DATA_DIR": str(tmp_path), "HF_ENDPOINT": running.url}
    running.env.pop("HF_TOKEN", None)
    running.file = tmp_path / "models/toy.gguf"
    yield running
    running.shutdown()


def pull(hub, *args):
    return subprocess.run([BINARY, "pull", "toy", *args], env=hub.env, capture_output=True, text=True, timeout=120 * SLOW)


def left_over(hub):
    return sorted(p.name for p in hub.file.parent.iterdir() if p.suffix != ".lock")


def test_a_broken_download_is_taken_up_where_it_broke(hub):
    hub.cut = 1_000_000
    broken = pull(hub)
    assert broken.returncode == 1 and not hub.file.exists()
    assert "cannot fetch toy" in broken.stderr and hub.url in broken.stderr
    done = pull(hub, "--json")
    assert done.returncode == 0, done.stderr
    (model,) = json.loads(done.stdout)["models"]
    assert model["sha256"] == hashlib.sha256(BODY).hexdigest() and model["size_bytes"] == len(BODY)
    assert hub.file.read_bytes() == BODY
    assert [r for _, r, _ in hub.seen] == [None, "bytes=1000000-"]
    assert hub.seen[0][0] == "/someone/toys/resolve/main/folder/toy.gguf"
    assert left_over(hub) == ["toy.gguf"]
    assert "already here" in pull(hub).stdout and len(hub.seen) == 2


def test_what_was_kept_of_another_file_is_not_built_upon(hub):
    hub.cut = 1_000_000
    right, hub.body = hub.body, bytes(len(BODY))
    assert pull(hub).returncode == 1
    hub.body = right
    mixed = pull(hub)  # the kept part is wrong, so the whole is
    assert mixed.returncode == 1 and "sha256" in mixed.stderr and not hub.file.exists()
    assert pull(hub).returncode == 0 and hub.file.read_bytes() == BODY


def test_damage_is_found_and_mended(hub):
    assert pull(hub).returncode == 0
    with open(hub.file, "r+b") as f:
        f.seek(1234)
        f.write(b"damage")
    assert pull(hub, "--offline").returncode == 1
    assert pull(hub).returncode == 0 and hub.file.read_bytes() == BODY
    removed = subprocess.run([BINARY, "rm", "toy"], env=hub.env, capture_output=True, text=True)
    assert removed.returncode == 0 and left_over(hub) == []
    assert subprocess.run([BINARY, "rm", "toy"], env=hub.env, capture_output=True).returncode == 3


def test_ctrl_c_leaves_no_half_file_and_the_next_pull_goes_on(hub):
    hub.pace = 0.05
    running = subprocess.Popen([BINARY, "pull", "toy"], env=hub.env, stderr=subprocess.PIPE, text=True)
    partial = hub.file.parent / ".pull-toy/download"
    deadline = time.time() + 30 * SLOW
    while (not partial.exists() or partial.stat().st_size < 300_000) and time.time() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    assert running.wait(30 * SLOW) == 130
    assert "goes on from here" in running.stderr.read()
    assert not hub.file.exists() and 0 < partial.stat().st_size < len(BODY)
    hub.pace = 0
    assert pull(hub).returncode == 0 and hub.file.read_bytes() == BODY
    assert hub.seen[-1][1] is not None  # it asked for the rest only


def test_a_token_is_sent_where_there_is_one(hub):
    hub.token = "hf_secret"
    refused = pull(hub)
    assert refused.returncode == 1 and "401" in refused.stderr
    hub.env["HF_TOKEN"] = "hf_secret"
    assert pull(hub).returncode == 0
    assert "hf_secret" not in pull(hub).stderr


def test_the_terminal_shows_how_far_it_is(hub):
    hub.pace = 0.02
    fd, child = pty.openpty()
    running = subprocess.Popen([BINARY, "pull", "toy"], env=hub.env, stdout=child, stderr=child)
    os.close(child)
    shown = b""
    try:
        while piece := os.read(fd, 4096):
            shown += piece
    except OSError:
        pass  # the end, as Linux has it
    assert running.wait(30 * SLOW) == 0
    text = shown.decode()
    percents = [int(p) for p in re.findall(r"downloading \[=* *\] (\d+)%", text)]
    assert len(percents) > 3 and percents == sorted(percents) and percents[-1] > 80
    # The bar is wiped at the end: what stays is the result.
    assert re.search(r"\r\x1b\[Ktoy: done \(3 MB", text)


def test_quiet_and_unknown_and_offline(hub):
    assert pull(hub, "--offline").returncode == 1 and not hub.seen
    done = pull(hub, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    unknown = subprocess.run([BINARY, "pull", "nobody"], env=hub.env, capture_output=True, text=True)
    assert unknown.returncode == 3 and "toy" in unknown.stderr
