"""What a server does when its keys, its secrets, its folder or its clock are not what they were."""
import contextlib
import glob
import http.client
import json
import os
import sqlite3
import stat
import subprocess
import time

import openai
import pytest
from conftest import BINARY, SLOW, Server, free_port
from harness import MODEL

HELLO = [{"role": "user", "content": "Say hello."}]


def status(server, key=None, path="/v1/models", ops=False, host="localhost"):
    connection = http.client.HTTPConnection("127.0.0.1", server.ops_port if ops else server.port, timeout=20 * SLOW)
    headers = {"Host": host, **({"Authorization": f"Bearer {key}"} if key else {})}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def start(server, *args, env=None):
    """What a server that is refused says, and that it is refused."""
    done = subprocess.run([BINARY, "serve", "--port", str(free_port()), "--ops-port", str(free_port()), *args],
                          env={**server.environment, **(env or {})}, capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 1, done.stdout
    return done.stderr


def wait_for(condition, what):
    deadline = time.time() + 20 * SLOW
    while not condition():
        assert time.time() < deadline, what
        time.sleep(0.5)


@pytest.fixture()
def stopped(tmp_path):
    """A server that had a key and was stopped."""
    server = Server(tmp_path)
    assert status(server, server.key) == 200 and status(server) == 401
    assert server.stop() == 0
    yield server
    if server.process.poll() is None:
        server.stop()


def lose_database(server):
    for path in glob.glob(f"{server.data_dir}/infe.db*"):
        os.remove(path)


@pytest.mark.parametrize("how", ["removed", "emptied", "no rows"])
def test_a_lost_database_opens_nothing_and_says_how_to_go_on(stopped, how):
    if how == "no rows":
        with contextlib.closing(sqlite3.connect(stopped.data_dir / "infe.db")) as database:
            database.execute("DELETE FROM api_key")
            database.commit()
    else:
        lose_database(stopped)
        if how == "emptied":
            (stopped.data_dir / "infe.db").touch(0o600)
    for _ in range(2):  # the first try makes a new database
        said = start(stopped)
        for word in ("infe keys create", "--first-key", "require_keys", "backup"):
            assert word in said, said
    doctor = json.loads(subprocess.run([BINARY, "doctor", "--json"], env=stopped.environment, capture_output=True,
                                       text=True).stdout)
    assert any(c["check"] == "keys" and c["value"] == "lost" for c in doctor["checks"])
    # An operator may say that it shall be open.
    stopped.environment["INFE_REQUIRE_KEYS"] = "never"
    stopped.start()
    assert status(stopped) == 200
    stopped.stop()
    del stopped.environment["INFE_REQUIRE_KEYS"]
    key, _ = stopped.new_key("next")
    stopped.start()
    assert status(stopped) == 401 and status(stopped, stopped.key) == 401 and status(stopped, key) == 200


def test_a_first_key_goes_on_after_a_loss(stopped):
    lose_database(stopped)
    stopped.args += ("--first-key",)
    stopped.start()
    assert status(stopped) == 401
    assert "export INFE_API_KEY=sk-infe-" in stopped.log_text()


def test_keys_that_vanish_while_it_runs_shut_the_door(tmp_path):
    with Server(tmp_path) as server:
        with contextlib.closing(sqlite3.connect(server.data_dir / "infe.db", timeout=20)) as database:
            database.execute("DELETE FROM api_key")
            database.execute("UPDATE store_counter SET value = value + 1 WHERE name = 'key_generation'")
            database.commit()
        wait_for(lambda: status(server, server.key) == 503, "still served")
        assert status(server) == 503 and status(server, path="/readyz", ops=True) == 503
        wait_for(lambda: "no request is taken" in server.log_text(), server.log_text())
        key, _ = server.new_key("next")
        wait_for(lambda: status(server, key) == 200, "not served again")
        assert status(server) == 401


def test_revoked_and_expired_keys_open_nothing(stopped):
    stopped.command("keys", "revoke", stopped.key_id)
    stopped.command("keys", "create", "--name", "brief", "--expires", "1s")
    time.sleep(1.1)
    stopped.start()
    assert status(stopped) == 401 and status(stopped, stopped.key) == 401


def test_always_means_never_without_keys(tmp_path):
    server = Server(tmp_path, keys=False, start=False)
    assert "require_keys" in start(server, "--require-keys", "always")
    assert "auto, always or never" in start(server, "--require-keys", "perhaps")
    server.start()
    assert status(server) == 200 and "there are no API keys" in server.log_text()
    server.stop()


def test_a_missing_or_foreign_pepper_is_refused_with_words(stopped):
    pepper = stopped.data_dir / "pepper"
    content = pepper.read_bytes()
    for wrong in (None, b"x" * 32, b"short", b""):
        pepper.unlink(missing_ok=True)
        if wrong is not None:
            pepper.write_bytes(wrong)
        listed = subprocess.run([BINARY, "keys", "list"], env=stopped.environment, capture_output=True, text=True)
        doctor = subprocess.run([BINARY, "doctor"], env=stopped.environment, capture_output=True, text=True)
        for said in (start(stopped), listed.stderr, doctor.stdout):
            assert "pepper" in said and "new-pepper" in said, said
        assert listed.returncode == 1 and doctor.returncode == 1
        assert pepper.exists() == (wrong is not None)
    # Usage needs none.
    stopped.command("usage", "--json")
    pepper.unlink(missing_ok=True)
    pepper.write_bytes(content)
    pepper.chmod(0o600)
    stopped.start()
    assert status(stopped, stopped.key) == 200


def test_a_pepper_that_is_lost_for_good_ends_all_keys(stopped):
    (stopped.data_dir / "pepper").unlink()
    refused = subprocess.run([BINARY, "keys", "new-pepper"], env=stopped.environment, capture_output=True, text=True)
    assert refused.returncode == 2 and "--revoke-all-keys" in refused.stderr
    assert json.loads(stopped.command("keys", "new-pepper", "--revoke-all-keys", "--json")) == {"revoked": 1}
    key, _ = stopped.new_key("next")
    stopped.start()
    assert status(stopped, stopped.key) == 401 and status(stopped, key) == 200


@pytest.mark.parametrize("name, mode, refused", [("pepper", 0o666, True), ("pepper", 0o620, True),
                                                 ("pepper", 0o644, False), ("infe.db", 0o666, True),
                                                 ("infe.db", 0o640, None), ("infe.db", 0o644, False)])
def test_secrets_that_others_may_write_are_refused_and_those_they_read_told(stopped, name, mode, refused):
    path = stopped.data_dir / name
    path.chmod(mode)
    if refused:
        for said in (start(stopped), subprocess.run([BINARY, "keys", "list"], env=stopped.environment,
                                                    capture_output=True, text=True).stderr):
            assert str(path) in said and "chmod 600" in said
        return
    stopped.start()
    assert (f"warning: others may read {path}" in stopped.log_text()) == (refused is False)
    assert stat.S_IMODE(path.stat().st_mode) == mode  # its owner's business


def test_a_tls_key_that_others_may_write_is_refused(stopped, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    key.chmod(0o666)
    said = start(stopped, "--tls-certificate", str(certificate), "--tls-key", str(key))
    assert "TLS key" in said and f"chmod 600 {key}" in said


def test_a_second_server_on_one_folder_is_refused_and_commands_are_not(tmp_path):
    with Server(tmp_path) as server:
        said = start(server)
        assert f"process {server.pid}" in said and "--store-url" in said
        key, _ = server.new_key("beside")
        wait_for(lambda: status(server, key) == 200, "the command's key")
        server.command("usage", "--json")
        server.command("usage", "backup", str(tmp_path / "copy.db"))
        assert status(server, server.key) == 200
        # Killed, it holds nothing.
        server.process.kill()
        server.process.wait()
        server.start()
        assert status(server, server.key) == 200


# ---- The clock


class Clock:
    """A server's wall clock, set by libfaketime; the kernel's uninterrupted clock goes on. It begins at noon,
    so that no test meets the end of a day."""

    def __init__(self, folder):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            pytest.skip("Debian's package faketime is not installed")
        self.file = folder / "faketime"
        self.noon = int(DAY / 2 - time.time() % DAY)
        self.set(0)
        self.environment = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}

    def set(self, seconds):
        aside = self.file.with_suffix(".new")
        aside.write_text(f"{self.noon + seconds:+d}\n")
        aside.rename(self.file)


DAY = 86400


def ask(server, key):
    try:
        openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0).chat.completions.create(
            model=MODEL, messages=HELLO, max_tokens=1)
        return 200
    except openai.APIStatusError as error:
        return error.status_code


@pytest.fixture
def clocked(tmp_path):
    """A server that is not started, and its clock."""
    clock = Clock(tmp_path)
    server = Server(tmp_path, start=False)
    server.environment.update(clock.environment)
    yield server, clock
    if server.process is not None and server.process.poll() is None:
        server.process.kill()
        server.process.wait()


def test_a_clock_that_jumps_neither_blocks_a_quota_nor_gives_it_back(clocked):
    server, clock = clocked
    key, _ = server.new_key("daily", "--requests-per-day", "3")
    server.start()
    assert [ask(server, key) for _ in range(2)] == [200, 200]
    clock.set(3 * DAY)
    assert [ask(server, key) for _ in range(4)] == [200, 200, 200, 429]
    clock.set(0)
    assert [ask(server, key) for _ in range(2)] == [200, 429]  # what was left of today
    wait_for(lambda: "jumped ahead by 3 days" in server.log_text() and "is back" in server.log_text(), server.log_text())
    clock.set(-2 * DAY)
    assert ask(server, key) == 429
    wait_for(lambda: "went back by" in server.log_text(), server.log_text())
    assert server.stop() == 0
    # Started while the clock is behind, and then set right: spent is spent.
    server.start()
    wait_for(lambda: "behind what the database has seen" in server.log_text(), server.log_text())
    assert ask(server, key) == 429
    clock.set(0)
    assert ask(server, key) == 429
    assert server.stop() == 0
    # The jump has left nothing on the days that it named.
    clock.set(3 * DAY)
    server.start()
    assert [ask(server, key) for _ in range(4)] == [200, 200, 200, 429]
    assert server.stop() == 0
    # That was a day which the database has seen: a clock set back says so, until it is told.
    clock.set(0)
    assert "0 requests" not in server.command("usage", "accept-clock")
    server.start()
    assert ask(server, key) == 429  # today's own three
    server.stop()


def test_an_expired_key_stays_so_whatever_the_clock_says(clocked):
    server, clock = clocked
    key, key_id = server.new_key("brief", "--expires", "2s")
    server.start()
    assert status(server, server.key) == 200
    wait_for(lambda: status(server, key) == 401, "not expired")
    clock.set(-DAY)
    assert status(server, key) == 401
    time.sleep(0.6)
    server.process.kill()
    server.process.wait()
    server.start()
    assert status(server, key) == 401
    server.command("keys", "update", key_id, "--expires", "30d")
    wait_for(lambda: status(server, key) == 200, "its owner gave it a longer life")
    assert server.stop() == 0
