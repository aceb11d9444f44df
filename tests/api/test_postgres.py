"""Several servers on one PostgreSQL: one set of keys, one ledger, one limit. The server is Debian's
package, started on a unix socket in a temporary folder, stopped by its process id."""
import concurrent.futures
import glob
import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import time

import openai
import pytest
from conftest import SLOW, Server

HELLO = [{"role": "user", "content": "Say hello."}]


class Postgres:
    def __init__(self, folder, bin_folder):
        self.folder = folder
        self.bin = bin_folder
        # As root it must run as somebody else.
        self.user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self.user:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
            for parent in pathlib.Path(folder).parents:  # pytest's folders are root's alone
                if parent.is_relative_to("/tmp") and parent != pathlib.Path("/tmp"):
                    os.chmod(parent, 0o711)
        self.log = open(folder / "postgres.log", "ab")
        self.run("initdb", "-D", f"{folder}/db", "-U", "infe", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        self.start()
        self.url = f"postgresql://infe@/postgres?host={folder}"

    def run(self, name, *args):
        subprocess.run([f"{self.bin}/{name}", *args], check=True, stdout=self.log, stderr=self.log, cwd=self.folder, **self.user)

    def start(self):
        self.process = subprocess.Popen([f"{self.bin}/postgres", "-D", f"{self.folder}/db", "-k", str(self.folder), "-c",
                                         "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"],
                                        stdout=self.log, stderr=self.log, cwd=self.folder, **self.user)
        deadline = time.time() + 30 * SLOW
        while subprocess.run([f"{self.bin}/pg_isready", "-q", "-h", str(self.folder)]).returncode != 0:
            assert time.time() < deadline and self.process.poll() is None, (self.folder / "postgres.log").read_text()
            time.sleep(0.05)

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)


@pytest.fixture(scope="module")
def postgres():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if not found:
        pytest.skip("Debian's package postgresql is not installed")
    folder = pathlib.Path(subprocess.check_output(["mktemp", "-d", "/tmp/infe-pg-XXXXXX"], text=True).strip())
    running = Postgres(folder, os.path.dirname(found[-1]))
    yield running
    running.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def pair(postgres, tmp_path_factory):
    """Two servers with data folders of their own, one pepper, one database."""
    folders = [tmp_path_factory.mktemp(name) for name in "ab"]
    for folder in folders:
        (folder / "data").mkdir(parents=True)
        (folder / "data/pepper").write_bytes(b"p" * 32)
    servers = [Server(folder, keys=False, env={"INFE_STORE_URL": postgres.url}, args=("--drain-grace", "0"))
               for folder in folders]
    yield servers
    for running in servers:
        assert running.process.poll() is None, running.log_text()
        assert running.stop() == 0, running.log_text()


def made(server, *args):
    return json.loads(server.command("keys", "create", "--json", *args))


def client(server, key):
    return openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0, timeout=60 * SLOW)


def ask(client, **more):
    return client.chat.completions.create(**{"model": "smollm2-135m", "messages": HELLO, "max_tokens": 2, **more})


def test_a_key_works_and_ends_everywhere(pair):
    key = made(pair[0], "--name", "shared")
    time.sleep(1)
    for server in pair:
        assert ask(client(server, key["key"])).choices
    pair[1].command("keys", "revoke", key["id"])
    time.sleep(1)
    for server in pair:
        with pytest.raises(openai.AuthenticationError):
            ask(client(server, key["key"]))


def test_two_servers_hold_one_limit_within_five_percent(pair):
    limit = 100
    key = made(pair[0], "--name", "limited", "--rpm", str(limit))
    time.sleep(1)
    clients = [client(server, key["key"]) for server in pair]
    start = time.time()

    def drain(client):
        passed = refused = 0
        while refused < 20:
            try:
                ask(client, max_tokens=1)
                passed += 1
            except openai.RateLimitError as error:
                assert error.type == "requests"
                refused += 1
                time.sleep(0.05)
        return passed
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        passed = sum(pool.map(drain, clients * 2))
    allowed = limit + limit * (time.time() - start) / 60
    assert 0.95 * allowed - 1 <= passed <= allowed, (passed, allowed)


def test_the_ledger_has_the_requests_of_both(pair):
    key = made(pair[0], "--name", "counted", "--project", "ledger")
    time.sleep(1)
    tokens = [ask(client(server, key["key"])).usage for server in pair for _ in range(2)]
    time.sleep(0.5)
    usage = json.loads(pair[0].command("usage", "--by", "key", "--key", key["id"], "--json"))["usage"]
    assert usage[0]["requests"] == 4 and usage[0]["open"] == 0
    assert usage[0]["prompt_tokens"] == sum(t.prompt_tokens for t in tokens)
    assert usage[0]["completion_tokens"] == sum(t.completion_tokens for t in tokens)


def test_without_the_database_new_work_is_refused_until_it_is_back(pair, postgres):
    key = made(pair[0], "--name", "outage")
    time.sleep(1)
    ask(client(pair[0], key["key"]))
    postgres.stop()
    deadline = time.time() + 30 * SLOW
    status = 200
    while status != 503 and time.time() < deadline:  # the first may be taken before anybody knows
        try:
            ask(client(pair[0], key["key"]))
        except openai.APIStatusError as error:
            status = error.status_code
    assert status == 503
    postgres.start()
    while time.time() < deadline:
        try:
            assert ask(client(pair[0], key["key"])).choices
            break
        except openai.APIStatusError as error:
            assert error.status_code == 503
            time.sleep(0.2)
    else:
        raise AssertionError("it did not come back")
