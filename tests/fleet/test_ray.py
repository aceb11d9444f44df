"""examples/ray_serve on a Ray cluster of nodes on this machine (ray_cluster.py): a process and a node that
go take only their streams along, replicas come and go with the load. The figures of docs/fleet.md are
printed (-s)."""
import json
import os
import pathlib
import subprocess

import harness
import proxies
import pytest
from conftest import SLOW

pytestmark = pytest.mark.fleet
PYTHON = pathlib.Path(proxies.FLEET_PYTHON) / "bin/python"


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    found = subprocess.run([PYTHON, "-c", "import ray.serve"], capture_output=True) if PYTHON.exists() else None
    if found is None or found.returncode != 0:
        pytest.skip("ray[serve] is not installed")
    if not (pathlib.Path(harness.MODEL_DIR) / f"{harness.MODEL}.gguf").exists():
        pytest.skip(f"{harness.MODEL} is not pulled")
    folder = tmp_path_factory.mktemp("ray")
    os.symlink(harness.MODEL_DIR, folder / "models")
    environment = {name: value for name, value in os.environ.items() if name != "INFE_STORE_URL"}
    environment |= {"INFE_BINARY": harness.BINARY, "INFE_DATA_DIR": str(folder), "INFE_QUEUE_WAIT": "0",
                    "RAY_USAGE_STATS_ENABLED": "0"}
    program = pathlib.Path(__file__).with_name("ray_cluster.py")
    with open(folder / "log", "w") as log:
        ran = subprocess.run([PYTHON, program, harness.MODEL, str(folder)], stdout=subprocess.PIPE, stderr=log,
                             env=environment, timeout=500 * SLOW, text=True)
    assert ran.returncode == 0, (folder / "log").read_text(errors="replace")[-3000:]
    figures = json.loads(ran.stdout.splitlines()[-1])
    print("\n" + json.dumps(figures, indent=1))
    return figures


def test_it_answers_as_infe_does_on_two_nodes(seen):
    assert seen["nodes"] == 2 and seen["same_texts"]
    assert seen["models"] == harness.MODEL and seen["refusal"] == 404


@pytest.mark.parametrize("what", ["killed", "lost"])
def test_what_goes_takes_only_its_streams(seen, what):
    assert 0 < seen[what]["streams_failed"] < 20, seen[what]
    assert seen[what]["later"] >= 40 and not seen[what]["later_failed"], seen[what]
    assert seen[what]["back_s"] is not None, seen[what]


def test_replicas_come_and_go_with_the_load_and_nothing_fails(seen):
    for name in ("down_to_one_s", "up_to_two_s", "down_again_s"):
        assert seen[name] is not None, name
    assert not seen["failed_while_scaling"]
    assert seen["streams_while_draining"] == 3 and seen["processes_while_draining"] == 2
    assert not seen["failed_while_draining"]


def test_nothing_is_left_behind(seen):
    assert seen["processes_at_last"] and seen["left_behind"] == 0
