"""Starts the real server for tests: tests/load/harness.py does, here with fixtures and with a skip
where a model is not pulled."""
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/load"))
import harness  # noqa: E402
from harness import BINARY, MODEL_DIR, SLOW, free_port  # noqa: E402, F401

SHARED_DATA = os.environ.get("INFE_SHARED_DATA", str(ROOT / "../shared/data"))


# Prompts that wait are refused by how fast the machine is: a sanitizer on a busy one is too slow for
# what tests send at once. Tests of that bound set it (a flag beats the environment).
os.environ.setdefault("INFE_QUEUE_WAIT", "0")


class Server(harness.Server):
    def __init__(self, *args, **kwargs):
        try:
            super().__init__(*args, **kwargs)
        except FileNotFoundError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """smollm2-135m alone, for everything that does not care about the model."""
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


@pytest.fixture(scope="session")
def pulse(tmp_path_factory):
    """infe-pulse alone, where the answer's sense or its calls matter."""
    running = Server(tmp_path_factory.mktemp("pulse"), models=("infe-pulse",))
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


@pytest.fixture(scope="session")
def both(tmp_path_factory):
    """infe-pulse and infe-titan: for few tests, marked titan."""
    running = Server(tmp_path_factory.mktemp("both"), models=("infe-pulse", "infe-titan"))
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


@pytest.fixture(scope="session")
def client(server):
    return server.client()
