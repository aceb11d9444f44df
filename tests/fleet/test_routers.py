"""Routers made for vLLM's and SGLang's servers, and LiteLLM's proxy with the configuration of examples/,
in front of two servers: the same texts, what they know of their workers, limits that count what clients
asked, restarts in turn. The figures of docs/fleet.md are printed (-s)."""
import asyncio
import contextlib
import json
import os
import pathlib
import signal
import statistics
import subprocess
import time
import urllib.request

import harness
import proxies
import pytest
import rolling
from conftest import SLOW, Server
from harness import Connection, ask, chat, post, prompt_of
from postgres import Postgres

pytestmark = pytest.mark.fleet
BIN = pathlib.Path(proxies.FLEET_PYTHON) / "bin"
START_S = 90


class Router:
    """A router on `port` in front of workers, stopped by its process id."""

    def __init__(self, folder, command, environment, path):
        self.port = harness.free_port()
        self.log = folder / "router.log"
        command = [str(part).replace("{port}", str(self.port)) for part in command]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, start_new_session=True,
                                            env={**os.environ, **environment})
        deadline = time.monotonic() + START_S * SLOW
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text(errors="replace")[-3000:]
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2):
                    return
            time.sleep(0.2)
        raise AssertionError(self.log.read_text(errors="replace")[-3000:])

    def look(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10 * SLOW) as answer:
            return json.loads(answer.read())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)  # its own session
            self.process.wait()


# A worker that stops says so at /readyz before it refuses anything; one look must be enough. A refusal of one
# key must not close a worker to the others.
WATCHES = ("--health-check-endpoint", "/readyz", "--health-check-interval-secs", "1", "--health-failure-threshold", "1",
           "--health-success-threshold", "1", "--disable-circuit-breaker",
           # Without these cache_aware lets one worker have dozens of requests more than another before it looks at load.
           "--balance-abs-threshold", "4", "--balance-rel-threshold", "1.2")


def flags(workers, policy):
    return ["--worker-urls", *(w.root for w in workers), "--policy", policy, "--host", "127.0.0.1", "--port", "{port}",
            "--prometheus-port", harness.free_port(), "--worker-startup-check-interval", "1", *WATCHES]


def vllm(folder, workers, policy="cache_aware"):
    return Router(folder, [BIN / "vllm-router", *flags(workers, policy)], {}, "/health")


def sglang(folder, workers, policy="cache_aware"):
    return Router(folder, [BIN / "python", "-m", "sglang_router.launch_router", *flags(workers, policy)], {},
                  "/readiness")


def litellm(folder, workers):
    text = (harness.ROOT / "examples/litellm/config.yaml").read_text()
    for there, worker in zip(("127.0.0.1:8080", "127.0.0.1:8090"), workers):
        text = text.replace(there, f"127.0.0.1:{worker.port}")
    (folder / "config.yaml").write_text(text.replace("infe-pulse", harness.MODEL))
    return Router(folder, [BIN / "litellm", "--config", "config.yaml", "--host", "127.0.0.1", "--port", "{port}"],
                  {"INFE_API_KEY": workers[0].key, "NO_DOCS": "True", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}, "/health/liveliness")


ALL = {"vllm-router": vllm, "sglang-router": sglang, "litellm": litellm}
PACKAGES = {"vllm-router": "vllm_router", "sglang-router": "sglang_router", "litellm": "litellm"}


def start_of(name):
    found = subprocess.run([BIN / "python", "-c", f"import importlib.util as u; assert u.find_spec('{PACKAGES[name]}')"],
                           capture_output=True) if (BIN / "python").exists() else None
    if found is None or found.returncode != 0:
        pytest.skip(f"{name} is not installed")
    return ALL[name]


@pytest.fixture(scope="module")
def workers():
    with harness.temporary_folder() as folder, Postgres(folder / "postgres") as postgres:
        options = {"args": ("--threads", "1"), "env": {"INFE_STORE_URL": postgres.url}}
        with Server(folder / "both", **options) as first, Server(folder / "both", keys=False, **options) as second:
            second.key = first.key
            yield first, second


@pytest.fixture(scope="module", params=list(ALL))
def router(request, workers, tmp_path_factory):
    with start_of(request.param)(tmp_path_factory.mktemp("router"), workers) as running:
        running.name = request.param
        yield running


async def first_token_ms(port, body, key):
    began = time.perf_counter()
    connection = await Connection.open(port)
    try:
        await connection.send(post("/v1/chat/completions", body, key))
        return 1e3 * (await connection.reply(began)).first_s
    finally:
        connection.close()


def test_texts_are_those_of_a_server_asked_directly(workers, router):
    async def main():
        for i in range(4):
            body = chat(prompt_of(i, 12), max_tokens=16, seed=i, temperature=0.7, stream=i % 2 == 0)
            direct = await ask(workers[0], body)
            through = await ask(router.port, body, workers[0].key)
            assert direct.status == through.status == 200, through.body
            assert through.complete and through.text == direct.text
    asyncio.run(main())


def test_what_it_costs_to_the_first_token(workers, router):
    async def main():
        direct, through = [], []
        for i in range(30):
            body = chat("Say hello.", max_tokens=2, stream=True)
            direct.append(await first_token_ms(workers[0].port, body, workers[0].key))
            through.append(await first_token_ms(router.port, body, workers[0].key))
        return statistics.median(direct), statistics.median(through)
    direct, through = asyncio.run(main())
    print(f"\n{router.name}: first token {direct:.1f} ms directly, {through:.1f} through it (medians of 30)")
    assert through < direct + 250 * SLOW  # a machine that is busy; the figure is what is printed


def test_a_key_of_120_a_minute_has_120_chats(workers, router):
    if router.name == "litellm":
        pytest.skip("has keys of its own")
    key, _ = workers[0].new_key("limited", "--rpm", "120")

    async def main():
        await asyncio.sleep(1.5)
        began, statuses = time.monotonic(), []
        while time.monotonic() - began < 50 and statuses.count(429) < 3:
            statuses.append((await ask(router.port, chat("Hi", max_tokens=1), key)).status)
        return statuses, time.monotonic() - began
    statuses, took = asyncio.run(main())
    # The routers send a 429 again, and so does the limit regain some while it is spent.
    most = 120 * (1 + took / 60) * 1.05 + 1
    print(f"\n{router.name}: {statuses.count(200)} chats in {took:.0f} s")
    assert set(statuses) <= {200, 429} and 114 <= statuses.count(200) <= most or (429 not in statuses and took >= 50)


@pytest.mark.parametrize("name", ["vllm-router", "sglang-router"])
def test_prompts_that_share_a_beginning_find_it_cached(workers, name, tmp_path):
    shared = [prompt_of(100 + i, 300) for i in range(5)]  # odd: in turns, each goes to both

    async def main(port, first):
        prompt = cached = 0
        for round in range(5):
            for text in shared:
                usage = (await ask(port, chat(f"{first} {text} {round}", max_tokens=1), workers[0].key)).usage
                if round:
                    prompt += usage["prompt_tokens"]
                    cached += usage["prompt_tokens_details"]["cached_tokens"]
        return cached / prompt
    direct = asyncio.run(main(workers[0].port, name))
    shares = {}
    for policy in ("cache_aware", "round_robin"):
        folder = tmp_path / policy
        folder.mkdir()
        with start_of(name)(folder, workers, policy) as router:
            shares[policy] = asyncio.run(main(router.port, f"{name} {policy}"))
    print(f"\n{name}: {shares} of the prompts cached, {direct:.3f} at one server alone")
    # Every prompt finds all that there is to be found; their first words are not equally long.
    assert direct >= 0.9 and shares["cache_aware"] >= direct - 0.02 > shares["round_robin"]


def look(worker, path):
    with urllib.request.urlopen(worker.root + path, timeout=10 * SLOW) as answer:
        return json.loads(answer.read())


def answered(worker):
    return worker.total("infe_requests_finished_total")


@pytest.mark.parametrize("policy", ["round_robin", "cache_aware"])
@pytest.mark.parametrize("name", ["vllm-router", "sglang-router"])
def test_requests_that_share_nothing_are_spread(workers, name, policy, tmp_path):
    async def client(port, numbers):
        for i in numbers:
            reply = await ask(port, chat(prompt_of(300 + i), max_tokens=4), workers[0].key)
            assert reply.status == 200, reply.body

    async def main(port):
        await asyncio.gather(*(client(port, range(first, 60, 12)) for first in range(12)))
    before = [answered(worker) for worker in workers]
    with start_of(name)(tmp_path, workers, policy) as router:
        asyncio.run(main(router.port))
    shares = [answered(worker) - had for worker, had in zip(workers, before)]
    print(f"\n{name}, {policy}: {shares[0]:.0f} and {shares[1]:.0f} of 60 requests")
    assert sum(shares) == 60 and min(shares) >= 15


# What each reads of /get_load, and what that is for it.
LOADS = {"vllm-router": ("vllm", lambda load: load["load"]), "sglang-router": ("sglang", lambda load: load[0]["num_tokens"])}
STREAMS = 20


@pytest.mark.parametrize("name", LOADS)
def test_it_sees_the_load_that_we_have(name, tmp_path):
    """Under streams of which some run and some wait; what we say before and after bounds what it sees."""
    shape, read = LOADS[name]
    options = {"args": ("--threads", "1", "--get-load", shape), "keys": False}

    async def streams(busy):
        body = chat("Count.", max_tokens=4000, stream=True, logit_bias={"2": -100, "0": -100})
        connections = []
        for _ in range(STREAMS):
            connections.append(await Connection.open(busy.port))
            await connections[-1].send(post("/v1/chat/completions", body))
        while (load := look(busy, "/get_loads")[0])["num_reqs"] < STREAMS or load["num_waiting_reqs"] != STREAMS - 16:
            await asyncio.sleep(0.05)
        return connections

    async def main(router, busy, idle):
        assert [one["load"] for one in router.look("/get_loads")["workers"]] == [0, 0]
        connections = await streams(busy)
        before = read(look(busy, "/get_load"))
        seen = {one["worker"]: one["load"] for one in router.look("/get_loads")["workers"]}
        after = read(look(busy, "/get_load"))
        assert all(load["num_waiting_reqs"] == STREAMS - 16 for load in look(busy, "/get_loads"))
        for connection in connections:
            connection.close()
        assert seen[idle.root] == 0 and 0 < before <= seen[busy.root] <= after
        if shape == "vllm":
            assert before == STREAMS
        while look(busy, "/get_loads")[0]["num_reqs"]:
            await asyncio.sleep(0.05)
        assert [one["load"] for one in router.look("/get_loads")["workers"]] == [0, 0]
    with Server(tmp_path / "busy", **options) as busy, Server(tmp_path / "idle", **options) as idle, \
            start_of(name)(tmp_path, (busy, idle), "power_of_two") as router:
        time.sleep(2)
        asyncio.run(asyncio.wait_for(main(router, busy, idle), 120 * SLOW))


def test_sglangs_router_knows_the_model(workers, tmp_path):
    with start_of("sglang-router")(tmp_path, workers, "power_of_two") as router:
        deadline = time.monotonic() + 30 * SLOW
        while len(known := router.look("/workers")["workers"]) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert {worker["model_id"] for worker in known} == {harness.MODEL}


@pytest.mark.parametrize("name", ["vllm-router", "sglang-router"])
def test_a_worker_that_is_killed_takes_only_its_streams_and_returns(name, tmp_path):
    """kill -9 under streams on both: what is asked from then on is answered by the other, and by both
    again once it is back."""
    start = start_of(name)
    options = {"args": ("--threads", "1"), "keys": False}

    async def stream(port, i):
        with contextlib.suppress(harness.Gone):
            reply = await ask(port, chat(prompt_of(i), max_tokens=600, stream=True, logit_bias={"2": -100, "0": -100}))
            return reply.status == 200 and reply.complete

    async def main(router, killed, other):
        streams = [asyncio.create_task(stream(router.port, i)) for i in range(8)]
        while look(killed, "/get_loads")[0]["num_reqs"] + look(other, "/get_loads")[0]["num_reqs"] < 8:
            await asyncio.sleep(0.05)
        there = look(killed, "/get_loads")[0]["num_reqs"]
        killed.kill()
        later = [(await ask(router.port, chat(prompt_of(50 + i), max_tokens=4))).status for i in range(20)]
        whole = await asyncio.gather(*streams)
        await asyncio.to_thread(killed.start)
        began, back = time.monotonic(), None
        while back is None:
            assert time.monotonic() - began < 60 * SLOW, "it is asked no more"
            later.append((await ask(router.port, chat(prompt_of(len(later)), max_tokens=4))).status)
            back = time.monotonic() - began if answered(killed) else None
        return there, whole, later, back
    with Server(tmp_path / "killed", **options) as killed, Server(tmp_path / "other", **options) as other, \
            start(tmp_path, (killed, other), "round_robin") as router:
        there, whole, later, back = asyncio.run(asyncio.wait_for(main(router, killed, other), 300 * SLOW))
    print(f"\n{name}: of 8 streams the {there} of the killed worker broke; {len(later)} requests after that, "
          f"{sum(status != 200 for status in later)} failed; asked again {back:.1f} s after it was back")
    assert there and whole.count(True) == 8 - there
    assert set(later) == {200}


@pytest.mark.parametrize("name", ALL)
def test_no_request_fails_while_workers_restart_in_turn(name, tmp_path):
    start = start_of(name)
    with harness.temporary_folder() as folder, Postgres(folder / "postgres") as postgres:
        options = {"args": ("--threads", "1"), "env": {"INFE_DRAIN_GRACE": "3", "INFE_STORE_URL": postgres.url}}
        with Server(folder / "both", **options) as first, Server(folder / "both", keys=False, **options) as second:
            second.key = first.key
            with start(tmp_path, (first, second)) as router:
                async def main():
                    expected = [(await ask(first, rolling.body(i))).text for i in range(6)]
                    clients = rolling.Clients(router.port, first.key, expected)
                    running = asyncio.gather(*(clients.client(kept=i % 2 == 0) for i in range(4)))
                    codes = [await rolling.restart(server) for _ in range(4) for server in (first, second)]
                    clients.stop = True
                    await running
                    return clients, codes
                clients, codes = asyncio.run(main())
    print(f"\n{name}: {len(clients.failures)} of {clients.answers} requests failed in {len(codes)} restarts")
    assert not clients.failures, clients.failures[:3]
    assert set(codes) == {0} and clients.answers > 20
