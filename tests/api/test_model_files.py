"""Model files that are not what they are called: damaged, replaced, cut, pipes. What is named everywhere is
what was loaded, and a file never ends the process or hangs it."""
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import BINARY, MODEL_DIR, SLOW, Server, free_port  # noqa: E402
from gguf_split import split  # noqa: E402

NAME = "smollm2-135m"
HELLO = [{"role": "user", "content": "Count from one to a hundred, in words."}]


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def infe(data, *args):
    return subprocess.run([BINARY, *args, "--data-dir", str(data)], capture_output=True, text=True, timeout=60 * SLOW)


def damage(path):
    """4 kB in the middle, under the time that was there."""
    before = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(before.st_size // 2)
        file.write(bytes(4096))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture()
def data(tmp_path):
    """A data folder with a copy of the model that the test may spoil."""
    source = pathlib.Path(MODEL_DIR) / f"{NAME}.gguf"
    if not source.exists():
        pytest.skip(f"{source} is not there")
    (tmp_path / "data/models").mkdir(parents=True)
    shutil.copyfile(source, tmp_path / f"data/models/{NAME}.gguf")
    return tmp_path / "data"


@pytest.fixture()
def file(data):
    return data / f"models/{NAME}.gguf"


def named(models):
    return [part for model in models for part in ("--model", model)]


def serve(data, *args, models=()):
    """A start that is to fail: its exit status and what it said."""
    command = [BINARY, "serve", *named(models), "--data-dir", str(data), "--port", str(free_port()), "--ops-port", "0", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * SLOW)
    return done.returncode, done.stdout + done.stderr


class Serving:
    """A server over a data folder of the test's own."""

    def __init__(self, data, *args, models=()):
        self.port, self.ops_port = free_port(), free_port()
        self.log = open(data / "log", "w+")
        self.process = subprocess.Popen(
            [BINARY, "serve", *named(models), "--data-dir", str(data), "--port", str(self.port), "--ops-port", str(self.ops_port), *args],
            stdout=self.log, stderr=self.log)
        self.wait(lambda: self.ready(), "ready")

    def ready(self):
        assert self.process.poll() is None, self.log_text()
        try:
            return self.get("/readyz", self.ops_port) is not None
        except OSError:
            return False

    def get(self, path, port=None):
        with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}{path}", timeout=30 * SLOW) as answer:
            return answer.read().decode()

    def post(self, body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v1/chat/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=120 * SLOW)

    def chat(self, **more):
        with self.post({"model": NAME, "messages": HELLO, "max_tokens": 4, "seed": 1, "temperature": 0, **more}) as answer:
            return json.load(answer)

    def log_text(self):
        with open(self.log.name) as log:
            return log.read()

    def wait(self, done, what):
        deadline = time.time() + 60 * SLOW
        while not done():
            assert time.time() < deadline, f"{what} did not come:\n{self.log_text()}"
            time.sleep(0.05)

    def reload(self, expect):
        before = self.log_text().count(expect)
        os.kill(self.process.pid, signal.SIGHUP)
        self.wait(lambda: self.log_text().count(expect) > before, expect)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60 * SLOW)


@pytest.fixture()
def serving(data):
    running = []

    def start(*args, **more):
        running.append(Serving(data, *args, **more))
        return running[-1]
    yield start
    for server in running:
        if server.process.poll() is None:
            assert server.stop() == 0, server.log_text()


def test_a_damaged_model_is_refused_with_both_digests_by_every_command(data, file):
    published = digest(file)
    assert infe(data, "show", NAME, "--json").returncode == 0  # leaves its stamp
    damage(file)
    own = digest(file)
    for command in (("serve", "--model", NAME, "--port", "0"), ("tokenize", "--model", NAME), ("chat", NAME)):
        refused = infe(data, *command)
        assert refused.returncode != 0, command
        assert own in refused.stderr and published in refused.stderr and f"infe pull --force {NAME}" in refused.stderr, command
    # What only shows, shows what is there.
    shown = json.loads(infe(data, "show", NAME, "--json").stdout)
    assert (shown["sha256"], shown["registry_sha256"]) == (own, published)
    assert own in infe(data, "show", NAME).stdout and published in infe(data, "show", NAME).stdout
    (listed,) = json.loads(infe(data, "ls", "--json").stdout)["models"]
    assert (listed["sha256"], listed["registry_sha256"]) == (own, published)
    assert own in infe(data, "ls").stdout and published in infe(data, "ls").stdout
    for doctor in (infe(data, "doctor", "--json"), infe(data, "doctor", "--json", "--verify")):
        (check,) = [c for c in json.loads(doctor.stdout)["checks"] if c["check"] == f"model {NAME}"]
        assert doctor.returncode == 1 and own in check["value"] and published in check["advice"]


def test_a_link_to_another_model_is_refused(data, file):
    other = data / "other.gguf"
    shutil.copyfile(file, other)
    damage(other)
    published = digest(file)
    assert infe(data, "doctor", "--json").returncode in (0, 1)
    for replace in (file.symlink_to, file.hardlink_to):
        file.unlink()
        replace(other)
        status, said = serve(data, models=(NAME,))
        assert status == 1 and published in said and digest(other) in said


def test_a_file_by_its_path_is_called_by_its_own_digest(data, file, serving):
    by_name = serving(models=(NAME,))
    named = json.loads(by_name.get("/v1/models"))["data"][0]
    fingerprint = by_name.chat()["system_fingerprint"]
    assert named["file_digest"] == "sha256:" + digest(file)
    assert by_name.stop() == 0
    other = data / f"elsewhere/{NAME}.gguf"
    other.parent.mkdir()
    shutil.copyfile(file, other)
    same = serving(models=(str(other),))
    assert json.loads(same.get(f"/v1/models/{NAME}"))["file_digest"] == named["file_digest"]
    assert same.chat()["system_fingerprint"] == fingerprint
    assert same.stop() == 0
    damage(other)
    damaged = serving(models=(str(other),))
    assert json.loads(damaged.get(f"/v1/models/{NAME}"))["file_digest"] == "sha256:" + digest(other) != named["file_digest"]
    assert damaged.chat()["system_fingerprint"] != fingerprint
    assert f'sha256="{digest(other)}"' in damaged.get("/metrics", damaged.ops_port)


def test_the_packed_weights_of_other_bytes_are_not_used(data, file, serving):
    """Same path, size and time: only the digest tells that what was packed is of another file."""
    path = data / "mine.gguf"
    shutil.copyfile(file, path)
    first = serving("--prefix-cache-disk", "64MiB", models=(str(path),))
    answer = first.chat(model="mine", max_tokens=24)["choices"][0]["message"]["content"]
    first.wait(lambda: list((data / "packed").glob("*.packed")), "packed weights")
    assert first.stop() == 0
    with open(path, "r+b") as changed:  # the scales of some tensors in the middle
        changed.seek(os.stat(path).st_size // 3)
        changed.write(os.urandom(1 << 20))
    os.utime(path, ns=(os.stat(file).st_atime_ns, os.stat(file).st_mtime_ns))
    second = serving("--prefix-cache-disk", "64MiB", models=(str(path),))
    again = second.chat(model="mine", max_tokens=24)["choices"][0]["message"]["content"]
    assert again != answer
    assert "mine.kv is not used" in second.log_text()


def test_a_reload_over_a_cut_file_is_refused_and_streams_go_on(data, file, serving):
    server = serving(models=(NAME,))
    whole = file.read_bytes()
    stream = server.post({"model": NAME, "messages": HELLO, "max_tokens": 120, "stream": True, "seed": 3})
    stream.readline()
    for left in (len(whole) // 2, 5000, 3, 0):
        os.truncate(file, left)
        server.reload("reload refused")
        assert "sha256" in server.log_text()
    assert stream.read().rstrip().endswith(b"data: [DONE]")
    assert server.chat()["usage"]["completion_tokens"] == 4
    file.write_bytes(whole)
    server.reload("reloaded")
    assert server.chat()["usage"]["completion_tokens"] == 4


def test_files_cut_while_they_are_loaded_end_nothing(data, file, serving):
    """By path, so that no digest is asked: each start and reload races with a cut."""
    server = serving(models=(NAME,))
    for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4):
        victim = data / f"victim-{delay}.gguf"
        shutil.copyfile(file, victim)
        process = subprocess.Popen(
            [BINARY, "serve", "--model", str(victim), "--data-dir", str(data / f"d{delay}"), "--port", str(free_port()), "--ops-port", "0"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        time.sleep(delay)
        os.truncate(victim, 100_000)
        time.sleep(0.5 * SLOW ** 0.5)
        if process.poll() is None:  # it was loaded before the cut, or is just ending
            process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60 * SLOW)[0]
        assert process.returncode in (0, 1, 130), (delay, process.returncode, said)
    assert server.chat()["usage"]["completion_tokens"] == 4


def test_a_model_that_is_cut_while_it_serves_serves_on(data, file, serving):
    server = serving(models=(NAME,))
    before = server.chat(max_tokens=16)["choices"][0]["message"]["content"]
    os.truncate(file, 0)
    assert server.chat(max_tokens=16)["choices"][0]["message"]["content"] == before
    file.unlink()
    assert server.chat(max_tokens=16)["choices"][0]["message"]["content"] == before


@pytest.mark.parametrize("kind", ["pipe", "folder", "device"])
def test_what_is_no_file_is_said_and_hangs_nothing(data, file, kind):
    def put(path):
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        {"pipe": lambda: os.mkfifo(path), "folder": path.mkdir, "device": lambda: path.symlink_to("/dev/zero")}[kind]()

    put(file)
    word = {"pipe": "a pipe", "folder": "a folder", "device": "a device"}[kind]
    status, said = serve(data, models=(NAME,))
    assert status == 1 and word in said
    for command in (("doctor",), ("ls",), ("show", NAME), ("tokenize", "--model", NAME), ("pull", "--offline", NAME)):
        done = infe(data, *command)
        assert word in done.stdout + done.stderr, command
    put(data / "models.toml")
    status, said = serve(data, models=(NAME,))
    assert status == 1 and word in said and "models.toml" in said
    config = data / "infe.toml"
    put(config)
    status, said = serve(data, "--config", str(config))
    assert status != 0 and word in said


def test_a_pipe_in_place_of_a_cache_file_costs_time_and_nothing_else(data, file, serving):
    first = serving("--prefix-cache-disk", "64MiB", models=(NAME,))
    text = first.chat(max_tokens=16)["choices"][0]["message"]["content"]
    first.wait(lambda: list((data / "packed").glob("*.packed")), "packed weights")
    assert first.stop() == 0
    caches = [*(data / "packed").glob("*.packed"), *(data / "digests").iterdir(), data / f"prefix/{NAME}.kv"]
    for cache in caches:
        cache.unlink(missing_ok=True)
        cache.parent.mkdir(exist_ok=True)
        os.mkfifo(cache)
    os.mkfifo(data / f"prefix/{NAME}.kv.new")
    second = serving("--prefix-cache-disk", "64MiB", models=(NAME,))
    assert second.chat(max_tokens=16)["choices"][0]["message"]["content"] == text
    assert second.stop() == 0
    assert "the prefix cache is not saved" in second.log_text()


def test_a_damaged_model_that_nobody_named_leaves_the_others_served(data, file, serving):
    spoilt = data / "models/mine.gguf"
    shutil.copyfile(file, spoilt)
    damage(spoilt)
    (data / "models.toml").write_text(f'[[model]]\nname = "mine"\nsha256 = "{digest(file)}"\n')
    server = serving()
    assert [m["id"] for m in json.loads(server.get("/v1/models"))["data"]] == [NAME]
    assert re.search(f"mine is not served.*{digest(spoilt)}.*{digest(file)}", server.log_text())
    assert server.stop() == 0
    status, said = serve(data, models=(NAME, "mine"))  # named: the start is refused
    assert status == 1 and digest(spoilt) in said


def test_two_files_of_one_name_are_refused_with_both_paths(tmp_path):
    paths = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        paths.append(tmp_path / folder / "twin.gguf")
        paths[-1].symlink_to(pathlib.Path(MODEL_DIR) / f"{NAME}.gguf")
    done = infe(tmp_path / "data", "serve", "--port", str(free_port()), "--ops-port", "0",
                "--model", str(paths[0]), "--model", str(paths[1]))
    assert done.returncode == 1
    assert "two models are called twin" in done.stderr and all(str(path) in done.stderr for path in paths)


def test_the_parts_of_a_split_file_are_one_model(data, file, serving):
    whole = serving(models=(NAME,))
    expected = whole.chat(max_tokens=16)["choices"][0]["message"]["content"]
    assert whole.stop() == 0
    (data / "parts").mkdir()
    first = split(file, data / "parts/big", 3)
    parts = sorted((data / "parts").iterdir())
    joined = serving(models=(str(first),))
    (model,) = json.loads(joined.get("/v1/models"))["data"]
    assert model["id"] == "big" and model["file_digest"] == "sha256:" + hashlib.sha256(
        "".join(digest(part) + "\n" for part in parts).encode()).hexdigest()
    assert joined.chat(model="big", max_tokens=16)["choices"][0]["message"]["content"] == expected
    assert joined.stop() == 0
    shown, of_whole = (json.loads(infe(data, "show", path, "--json").stdout) for path in (str(first), NAME))
    assert shown["runs_here"] and shown["why_not"] is None and shown["sha256"] == model["file_digest"].removeprefix("sha256:")
    assert all(shown[key] == of_whole[key] > 0 for key in ("layers", "parameters", "vocabulary", "context_length"))
    # A part that is named alone, and one that is not there.
    status, said = serve(data, models=(str(parts[1]),))
    assert status == 1 and "part 2 of 3" in said
    assert "part 2 of 3" in json.loads(infe(data, "show", str(parts[1]), "--json").stdout)["why_not"]
    parts[2].unlink()
    status, said = serve(data, models=(str(first),))
    assert status == 3 and parts[2].name in said
