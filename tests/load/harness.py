"""What the load proofs share: a server of their own, raw HTTP clients, /metrics, and claims.

A Server is one `infe serve` on free loopback ports with a data folder of its own, stopped by its
process id. A Connection sends exactly the bytes it is given and reads one answer at a time; all of
them run in one asyncio loop. Claims collects what a proof found and makes its exit code. Standard
library only; the binary is INFE_BINARY or build/release/infe, the models lie in INFE_MODEL_DIR.
"""

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("INFE_BINARY", str(ROOT / "build/release/infe"))
MODEL_DIR = os.environ.get("INFE_MODEL_DIR", str(pathlib.Path.home() / ".cache/infe/test-data/models"))
# Sanitizer builds are slower: timeouts are multiplied by this.
SLOW = float(os.environ.get("INFE_TEST_SLOW", "1"))
MODEL = "smollm2-135m"
# How long a client waits for bytes that must come.
PATIENCE_S = 120 * SLOW
WORDS = ("river stone garden window morning bridge letter market silver forest island engine harbour winter "
         "candle orange").split()


# ---- Servers


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """One `infe serve` process. base_url and key are what a client needs. keys=False: no key is
    asked for. admin: also make an admin key. data_of: another Server, stopped, whose data to go on
    with. tls: (certificate, key) files. prefix: a command that runs it (prlimit, say)."""

    def __init__(self, folder, models=(MODEL,), args=(), keys=True, env=None, tls=None, prefix=(), port=None,
                 ops_port=None, start=True, admin=False, data_of=None):
        self.folder = pathlib.Path(folder)
        self.data_dir = self.folder / "data"
        (self.data_dir / "models").mkdir(parents=True, exist_ok=True)
        for name in models:
            source = pathlib.Path(MODEL_DIR) / f"{name}.gguf"
            if not source.exists():
                raise FileNotFoundError(f"{name} is not pulled: set INFE_MODEL_DIR")
            target = self.data_dir / "models" / f"{name}.gguf"
            if not target.exists():
                target.symlink_to(source)
        # Nobody waits for a balancer to notice that a test's server stops.
        self.environment = {**os.environ, "INFE_DATA_DIR": str(self.data_dir), "INFE_DRAIN_GRACE": "0", **(env or {})}
        self.key, self.key_id = "none", None
        self.admin_key, self.admin_key_id = None, None
        if data_of:
            self.key, self.key_id = data_of.key, data_of.key_id
            self.admin_key, self.admin_key_id = data_of.admin_key, data_of.admin_key_id
        elif keys:
            self.key, self.key_id = self.new_key("test")
        if admin and not data_of:
            self.admin_key, self.admin_key_id = self.new_key("test admin", "--admin")
        self.args, self.tls, self.prefix = tuple(args), tls, tuple(prefix)
        self.port, self.ops_port = port or free_port(), ops_port or free_port()
        self.root = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.ops_root = f"http://127.0.0.1:{self.ops_port}"
        self.base_url = self.root + "/v1"
        self.process = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        tls = ["--tls-certificate", str(self.tls[0]), "--tls-key", str(self.tls[1])] if self.tls else []
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, BINARY, "serve", "--port", str(self.port), "--ops-port", str(self.ops_port), *tls,
                 *self.args], env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.wait_ready()

    @property
    def pid(self):
        return self.process.pid

    def command(self, *args, **kwargs):
        done = subprocess.run([BINARY, *args], env=self.environment, capture_output=True, text=True, timeout=120,
                              **kwargs)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def new_key(self, name, *options):
        made = json.loads(self.command("keys", "create", "--name", name, *options, "--json"))
        return made["key"], made["id"]

    def wait_ready(self):
        deadline = time.monotonic() + 60 * SLOW
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the server ended:\n{self.log_text()}"
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(self.ops_root + "/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        return
            time.sleep(0.02)
        raise AssertionError(f"the server did not become ready:\n{self.log_text()}")

    def log_text(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def metrics(self):
        """Every sample of /metrics, as {'name{labels}': value}."""
        with urllib.request.urlopen(self.ops_root + "/metrics", timeout=10 * SLOW) as answer:
            text = answer.read().decode()
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")}

    def total(self, family, *labels):
        """The sum of a metric family's samples that carry every given label text."""
        return sum(value for name, value in self.metrics().items()
                   if name.partition("{")[0] == family and all(label in name for label in labels))

    def rss_mb(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024

    def cpu_seconds(self):
        """User and system time so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def client(self, **kwargs):
        """The official Python client."""
        from openai import OpenAI
        kwargs.setdefault("max_retries", 0)
        kwargs.setdefault("timeout", 120 * SLOW)
        return OpenAI(base_url=self.base_url, api_key=self.key, **kwargs)

    def admin_client(self, **kwargs):
        from openai import OpenAI
        kwargs.setdefault("max_retries", 0)
        return OpenAI(base_url=self.ops_root + "/v1", api_key="none", admin_api_key=self.admin_key, **kwargs)

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()

    def stop(self, patience_s=30):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=patience_s * SLOW)
            except subprocess.TimeoutExpired:
                self.kill()
        return None if self.process is None else self.process.returncode


# What must be back at nothing once all clients are gone.
IDLE_GAUGES = ("infe_running", "infe_queue_depth", "infe_queue_tokens", "infe_paused", "infe_kv_blocks_used",
               "infe_http_body_bytes", "infe_ledger_open_requests", "infe_ledger_pending_rows")


def busy_gauges(server):
    """The gauges of IDLE_GAUGES that are there and not zero."""
    return {name: value for name, value in server.metrics().items()
            if name.partition("{")[0] in IDLE_GAUGES and value != 0}


async def wait_idle(server, patience_s=20):
    """Until nothing runs, waits or is held; returns what still is."""
    deadline = time.monotonic() + patience_s * SLOW
    while (busy := busy_gauges(server)) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return busy


# ---- Clients


class Reply:
    """One answer. times: seconds from the sending to the head, to the first and to the last byte of
    text; events: the JSON of each SSE event; complete: it ended as HTTP and SSE say it must."""

    def __init__(self, status, headers):
        self.status, self.headers = status, headers
        self.body, self.events, self.complete = b"", [], False
        self.head_s = self.first_s = self.last_s = 0.0

    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        if self.events:
            return "".join(choice["delta"].get("content") or "" for event in self.events
                           for choice in event.get("choices", []))
        return self.json()["choices"][0]["message"]["content"] or ""

    @property
    def usage(self):
        for event in reversed(self.events):
            if event.get("usage"):
                return event["usage"]
        return self.json().get("usage") if self.body else None


class Gone(Exception):
    """The server closed the connection before the answer was whole."""


class Connection:
    """One HTTP/1.1 connection to the server. Reads no further than it is asked to, plus `window`."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, port, source=None, tls=None, receive_buffer=0, window=1 << 16):
        s = socket.socket()
        s.setblocking(False)
        if receive_buffer:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if source:
            s.bind((source, 0))
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(s, ("127.0.0.1", port)), PATIENCE_S)
            return cls(*await asyncio.open_connection(sock=s, limit=window, ssl=tls,
                                                      server_hostname="localhost" if tls else None))
        except BaseException:
            s.close()
            raise

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, patience_s=None):
        """Status and headers (names in lower case) of the next answer; a 100 is an answer too."""
        try:
            text = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), patience_s or PATIENCE_S)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone(f"no answer: {error}") from error
        lines = text.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        return int(lines[0].split(" ")[1]), headers

    async def pieces(self, headers):
        """The body in the pieces that the server made; ends with the body."""
        try:
            if "content-length" in headers:
                if length := int(headers["content-length"]):
                    yield await asyncio.wait_for(self.reader.readexactly(length), PATIENCE_S)
                return
            while True:
                line = await asyncio.wait_for(self.reader.readuntil(b"\r\n"), PATIENCE_S)
                size = int(line, 16)
                data = await asyncio.wait_for(self.reader.readexactly(size + 2), PATIENCE_S)
                if size == 0:
                    return
                yield data[:-2]
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise Gone(f"cut: {error}") from error

    async def reply(self, began=None):
        """The whole next answer; of a stream every event. Gone carries no text: use pieces for that."""
        began = began or time.perf_counter()
        status, headers = await self.head()
        reply = Reply(status, headers)
        reply.head_s = time.perf_counter() - began
        rest, done = b"", False
        async for piece in self.pieces(headers):
            reply.last_s = time.perf_counter() - began
            if "text/event-stream" not in headers.get("content-type", ""):
                reply.body += piece
                continue
            *lines, rest = (rest + piece).split(b"\n\n")
            for line in lines:
                if line == b"data: [DONE]":
                    done = True
                elif line.startswith(b"data: "):
                    reply.events.append(json.loads(line[6:]))
                    if not reply.first_s and any(c["delta"].get("content") for c in reply.events[-1].get("choices", [])):
                        reply.first_s = reply.last_s
        reply.complete = done or not reply.events
        return reply

    async def ends(self, patience_s=None):
        """Reads to the end and returns what came; None: the server did not close in time."""
        try:
            return await asyncio.wait_for(self.reader.read(), patience_s or PATIENCE_S)
        except ConnectionError:
            return b""
        except asyncio.TimeoutError:
            return None

    def reset(self):
        """Leaves as a process that died does: with a RST."""
        with contextlib.suppress(OSError):
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        if self.writer.transport:
            self.writer.transport.abort()


def post(path, body, key="none", headers=()):
    """The bytes of one POST with a JSON body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json",
             f"Content-Length: {len(data)}", f"Authorization: Bearer {key}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def get(path, key="none"):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


def chat(prompt, **more):
    """A chat body. Nothing ends it before max_tokens: the end tokens are biased away."""
    return {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "temperature": 0, **more}


def prompt_of(number, words=20):
    """Words that begin differently for each number, so that no prompt is served from another one's
    prefix."""
    return f"{number} Tell a long story about " + " ".join(WORDS[(number + 7 * i) % len(WORDS)] for i in range(words))


async def ask(server, body, key=None, path="/v1/chat/completions", connection=None, **options):
    """One request on a connection of its own, or on the one given."""
    own = connection or await Connection.open(getattr(server, "port", server), **options)
    try:
        began = time.perf_counter()
        await own.send(post(path, body, key or getattr(server, "key", "none")))
        return await own.reply(began)
    finally:
        if connection is None:
            own.close()


# ---- Proofs


class Claims:
    """What a proof claims and whether it saw it; notes are numbers that are only told."""

    def __init__(self, title):
        self.title, self.rows, self.began = title, [], time.monotonic()

    def check(self, claim, held, seen=""):
        self.rows.append((bool(held), claim, str(seen)))
        print(f"  {'ok    ' if held else 'FAILED'} {claim}{': ' if seen != '' else ''}{seen}", flush=True)
        return bool(held)

    def note(self, text):
        print(f"         {text}", flush=True)

    @property
    def failed(self):
        return [f"{claim}: {seen}" for held, claim, seen in self.rows if not held]

    def code(self):
        print(f"{self.title}: {len(self.rows)} claims, {len(self.failed)} failed, "
              f"{time.monotonic() - self.began:.0f} s", flush=True)
        return 1 if self.failed else 0


def quantile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def parser(text, **defaults):
    """The options that every proof has; defaults become integer options."""
    made = argparse.ArgumentParser(description=text.strip().splitlines()[0])
    made.add_argument("--short", action="store_true", help="the version of `make test`")
    for name, value in defaults.items():
        made.add_argument("--" + name.replace("_", "-"), type=type(value), default=None, help=f"default {value}")
    return made


def raise_descriptor_limit():
    """For thousands of connections of this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def temporary_folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="infe-load-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def certificate(folder, name):
    """A self-signed certificate for localhost; returns (certificate, key)."""
    paths = pathlib.Path(folder) / f"{name}.pem", pathlib.Path(folder) / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
                    "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
    return paths


def trusting_anyone():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def run(main, title):
    """main(claims) as the whole program: prints, and exits with 1 when a claim failed."""
    claims = Claims(title)
    print(title, flush=True)
    asyncio.run(main(claims))
    sys.exit(claims.code())
