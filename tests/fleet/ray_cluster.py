"""examples/ray_serve on a cluster of nodes on this machine, one replica each and one to spare: run by
test_ray.py in an environment with Ray, prints what it saw as one JSON line. What fails is in there too;
nothing is asserted here.

  python ray_cluster.py MODEL FOLDER
"""
import asyncio
import contextlib
import json
import os
import pathlib
import signal
import sys
import time

EXAMPLE = str(pathlib.Path(__file__).resolve().parents[2] / "examples/ray_serve")
sys.path[:0] = [EXAMPLE, str(pathlib.Path(__file__).resolve().parents[1] / "load")]
import aiohttp  # noqa: E402
import harness  # noqa: E402
import infe_serve  # noqa: E402
import ray  # noqa: E402
from ray import serve  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

MODEL, FOLDER = sys.argv[1], sys.argv[2]
PORT, STREAMS, COLLECTED = harness.free_port(), 20, 4
URL = f"http://127.0.0.1:{PORT}"
PATIENCE_S = 60 * harness.SLOW


def body(number, tokens, stream=True):
    return harness.chat(harness.prompt_of(number, 12), max_tokens=tokens, stream=stream, seed=number, temperature=0.7,
                        logit_bias={"2": -100, "0": -100}) | {"model": MODEL}


async def ask(session, number, tokens, stream=True):
    """(whole, text)"""
    try:
        async with session.post(URL + "/v1/chat/completions", json=body(number, tokens, stream)) as answer:
            text = await answer.text()
            if answer.status != 200:
                return False, f"{answer.status} {text}"
            if not stream:
                return True, json.loads(text)["choices"][0]["message"]["content"]
            events = [line[6:] for line in text.split("\n\n") if line.startswith("data: ")]
            pieces = [json.loads(event)["choices"][0]["delta"].get("content", "") for event in events[:-1] if
                      json.loads(event).get("choices")]
            return events[-1:] == ["[DONE]"], "".join(pieces)
    except (aiohttp.ClientError, OSError) as error:
        return False, repr(error)


def processes():
    """The infe processes of replicas: their node by their id."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            environment = (path / "environ").read_bytes().split(b"\0")
            command = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"serve" in command[:2] and f"INFE_TEST_RAY={FOLDER}".encode() in environment:
            found[int(path.name)] = next(int(entry[10:]) for entry in environment if entry.startswith(b"TEST_NODE="))
    return found


def node_of(process):
    """All processes of a replica's node, itself among them: the node's raylet is their ancestor."""
    parents = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    raylet = parents[parents[process]]
    found, before = {raylet}, 0
    while len(found) > before:
        before = len(found)
        found |= {child for child, parent in parents.items() if parent in found}
    return found


def replicas():
    details = serve.status().applications["infe"].deployments["Infe"]
    return details.replica_states.get("RUNNING", 0)


async def until(condition):
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_S:
            return None
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def run(**options):
    serve.run(infe_serve.build({"model": MODEL, "threads": "1", "cpus": "2", **options}), name="infe")


async def while_streaming(session, tokens, act):
    """Streams, of which act() takes some away with the process that it names, and later requests: who failed of
    each."""
    streams = [asyncio.create_task(ask(session, i, tokens, stream=i < STREAMS - COLLECTED)) for i in range(STREAMS)]
    await asyncio.sleep(1.5)
    began = time.monotonic()
    gone = await act()
    later, back = [], None
    while back is None or len(later) < 40:
        later.append((await ask(session, 100 + len(later), 4, stream=len(later) % 2 == 0)))
        if back is None and len(processes().keys() - {gone}) == 2 and replicas() == 2:
            back = time.monotonic() - began
        if time.monotonic() - began > PATIENCE_S:
            break
    ended = await asyncio.gather(*streams)
    return {"streams_failed": sum(not whole for whole, _ in ended),
            "collected_told": sorted({text for whole, text in ended[-COLLECTED:] if not whole}),
            "later_failed": [text for whole, text in later if not whole], "later": len(later), "back_s": back}


async def main():
    seen = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0),
                                     timeout=aiohttp.ClientTimeout(total=4 * PATIENCE_S)) as session:
        run(min_replicas=2, max_replicas=2)
        seen["nodes"] = len(set(processes().values()))
        direct = [await ask(session, i, 12, stream=i % 2 == 0) for i in range(4)]
        again = [await ask(session, i, 12, stream=i % 2 == 1) for i in range(4)]
        seen["same_texts"] = all(whole for whole, _ in direct) and direct == again
        async with session.get(URL + "/v1/models") as answer:
            seen["models"] = (await answer.json())["data"][0]["id"]
        async with session.post(URL + "/v1/chat/completions", json=body(0, 4) | {"model": "other"}) as answer:
            seen["refusal"] = answer.status

        async def kill_process():
            gone = min(processes())
            os.kill(gone, signal.SIGKILL)
            return gone
        seen["killed"] = await while_streaming(session, 400, kill_process)

        async def lose_node():
            """All of its processes at once, as when the power fails: Ray's own way lets replicas answer on for a
            while when their node is gone already."""
            gone = min(processes())
            for process in sorted(node_of(gone)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            return gone
        seen["lost"] = await while_streaming(session, 400, lose_node)

        # One replica under more than it should have gets a second, which is drained when it is not needed.
        run(min_replicas=1, max_replicas=2, target_ongoing_requests=4, upscale_delay_s=0.5, downscale_delay_s=1)
        seen["down_to_one_s"] = await until(lambda: len(processes()) == 1)
        streams = [asyncio.create_task(ask(session, i, 600)) for i in range(STREAMS)]
        seen["up_to_two_s"] = await until(lambda: replicas() == 2)
        seen["failed_while_scaling"] = [text for whole, text in await asyncio.gather(*streams) if not whole]
        # Then three at a time, fewer than two replicas need: one is taken away in the middle of them.
        asked, stop = [], False

        async def go_on(number):
            while not stop:
                asked.append(asyncio.create_task(ask(session, number + len(asked), 400)))
                await asyncio.wait(asked[-1:])
        clients = [asyncio.create_task(go_on(50 + 100 * i)) for i in range(3)]
        seen["down_again_s"] = await until(lambda: replicas() == 1)
        stop = True
        seen["streams_while_draining"] = sum(not stream.done() for stream in asked)
        seen["processes_while_draining"] = len(processes())
        await asyncio.gather(*clients)
        seen["failed_while_draining"] = [text for whole, text in await asyncio.gather(*asked) if not whole]
        seen["processes_at_last"] = await until(lambda: len(processes()) == 1) is not None

        # A client that leaves is gone from the server.
        left = asyncio.create_task(ask(session, 1, 4000))
        await asyncio.sleep(1.5)
        left.cancel()
        began = time.monotonic()
        await ask(session, 2, 4)
        seen["after_leaving_s"] = time.monotonic() - began
    serve.shutdown()
    seen["left_behind"] = len(processes())
    return seen


if __name__ == "__main__":
    # For the nodes, which start with this process's environment.
    os.environ.update(INFE_TEST_RAY=FOLDER, PYTHONPATH=EXAMPLE)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    for i in range(3):
        cluster.add_node(num_cpus=2, env_vars={"TEST_NODE": str(i)})
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": PORT, "location": "HeadOnly"})
    try:
        print(json.dumps(asyncio.run(main())))
    finally:
        ray.shutdown()
        cluster.shutdown()
