"""Runs the wire conformance scripts: OpenAI's published schemas, and the JSON suite as bodies."""
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import BINARY, SHARED_DATA

HERE = pathlib.Path(__file__).resolve().parent


def run(script, *arguments, key=None):
    env = dict(os.environ, INFE_API_KEY=key or "")
    command = [sys.executable, str(HERE / script), "--data", SHARED_DATA, *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=1800)
    print(done.stdout[-8000:], done.stderr[-2000:])
    if done.returncode == 0 and "skipped: no data" in done.stdout:
        pytest.skip("no data")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_writers_and_parsers_fit_the_published_schemas():
    program = pathlib.Path(BINARY).parent / "src" / "api_test"
    if not program.exists():
        pytest.skip("api_test is not built")
    run("openapi_schemas.py", "--program", str(program))


def test_live_answers_fit_the_published_schemas(server):
    run("openapi_schemas.py", "--base-url", server.base_url, key=server.key)


def test_json_suite_bodies_get_a_clear_400(server):
    run("jsontestsuite.py", "--base-url", server.base_url, key=server.key)
