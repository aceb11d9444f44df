"""The official Node clients."""
import os
import pathlib
import shutil
import subprocess

import pytest
from conftest import ROOT, SLOW


SCRIPTS = {"client.mjs": 6, "structured.mjs": 4, "messages.mjs": 6, "responses.mjs": 8}  # and how many claims each makes


@pytest.mark.parametrize("name", SCRIPTS)
def test_node_client(server, tmp_path, name):
    modules = os.environ.get("INFE_TEST_NODE")
    if shutil.which("node") is None or not modules or not all(
            (pathlib.Path(modules) / "node_modules" / package).exists() for package in ("openai", "@anthropic-ai/sdk")):
        pytest.skip("the Node client is not installed: tools/setup test")
    # Module resolution goes by the file's place: the script runs beside its node_modules.
    script = tmp_path / name
    script.write_bytes((ROOT / "tests/node" / name).read_bytes())
    (tmp_path / "node_modules").symlink_to(pathlib.Path(modules) / "node_modules")
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=120 * SLOW,
                          env={**os.environ, "INFE_BASE_URL": server.base_url, "INFE_API_KEY": server.key})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok ") == SCRIPTS[name]
