"""Runs the other conformance scripts: templates against jinja2, HTTP framing, tokenizer vectors."""
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import BINARY, MODEL_DIR, SHARED_DATA, SLOW

HERE = pathlib.Path(__file__).resolve().parent


def run(script, *arguments):
    done = subprocess.run([sys.executable, str(HERE / script), *arguments], capture_output=True, text=True,
                          timeout=1200 * SLOW)
    print(done.stdout[-6000:], done.stderr[-2000:])
    if done.returncode == 77 or (done.returncode == 0 and "skipped: no data" in done.stdout):
        pytest.skip("no data")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def test_templates_render_as_jinja2_does():
    program = pathlib.Path(BINARY).parent / "tests" / "chat_render"
    if not program.exists():
        pytest.skip("chat_render is not built")
    arguments = ["--program", str(program), "--data", SHARED_DATA]
    if MODEL_DIR:
        arguments += ["--models", MODEL_DIR]
    run("chat_templates.py", *arguments)


def test_http_framing_is_never_laxer_than_llhttp(server):
    run("llhttp_requests.py", "--port", str(server.port), "--data", SHARED_DATA, "--head-refusals")


def test_tokenizer_vectors():
    run("tokenizer_vectors.py", "--infe", BINARY, "--data", SHARED_DATA)
