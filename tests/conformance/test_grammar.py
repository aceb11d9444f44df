"""Runs the grammar conformance scripts with `infe grammar` on infe-pulse's vocabulary."""
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import BINARY, MODEL_DIR, SHARED_DATA, SLOW

HERE = pathlib.Path(__file__).resolve().parent


@pytest.mark.parametrize("script", ["maskbench.py", "json_schema_suite.py"])
def test_schemas_are_enforced(script):
    model = os.path.join(MODEL_DIR, "infe-pulse.gguf")
    if not os.path.exists(model):
        pytest.skip("infe-pulse is not pulled: set INFE_MODEL_DIR")
    done = subprocess.run([sys.executable, str(HERE / script), "--data", SHARED_DATA,
                           "--command", f"{BINARY} grammar --model {model}"],
                          capture_output=True, text=True, timeout=1500 * SLOW)
    print(done.stdout[-4000:], done.stderr[-2000:])
    if done.returncode == 77:
        pytest.skip("no data")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
