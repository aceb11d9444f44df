"""What the tests of packages share: making them, running commands, and a server until its test ends."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.request

from harness import BINARY, ROOT, SLOW

PATIENCE_S = 120 * SLOW
EPOCH = 1_000_000_000  # 2001-09-09 01:46:40 UTC: the time that the packages of the tests bear
QUESTION = {"model": "smollm2-135m", "max_tokens": 8, "messages": [{"role": "user", "content": "Say hello."}]}


def run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=600, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}\n{done.stderr}"
    return done.stdout


class Packages:
    def __init__(self, folder, prefix=(), **environment):
        run(*prefix, sys.executable, ROOT / "tools/package", "--binary", BINARY, "--out", folder,
            env={**os.environ, "SOURCE_DATE_EPOCH": str(EPOCH), **environment})
        (self.tarball,) = folder.glob("*.tar.gz")
        (self.deb,) = folder.glob("*.deb")
        (self.wheel,) = folder.glob("*.whl")
        self.all = (self.tarball, self.deb, self.wheel)
        assert sorted(folder.iterdir()) == sorted(self.all)


def ask(port, key=None, path="/v1/chat/completions", body=None):
    """The answer's JSON; OSError while nobody answers."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body or QUESTION).encode(), headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.load(answer)


@contextlib.contextmanager
def serving(command, port, log, end=signal.SIGTERM):
    """Runs a server and waits until it is ready; yields its process, which `end` ends."""
    with open(log, "wb") as out:
        process = subprocess.Popen(list(map(str, command)), stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            said = pathlib.Path(log).read_text(errors="replace")
            assert process.poll() is None and time.monotonic() < deadline, said
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                    if answer.status == 200:
                        break
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(end)
        process.wait(timeout=PATIENCE_S)
