"""infe run: one answer, for scripts."""
import json
import os
import signal
import subprocess
import time

import pytest
from conftest import BINARY, MODEL_DIR, SLOW

MODEL = "smollm2-135m"
SHORT = ("--context", "512", "--max-tokens", "12", "--temperature", "0")


@pytest.fixture()
def data(tmp_path):
    source = os.path.join(MODEL_DIR, f"{MODEL}.gguf")
    if not os.path.exists(source):
        pytest.skip(f"{MODEL} is not pulled: set INFE_MODEL_DIR")
    (tmp_path / "models").mkdir()
    (tmp_path / f"models/{MODEL}.gguf").symlink_to(source)
    return {**os.environ, "INFE_DATA_DIR": str(tmp_path)}


def run(data, *arguments, code=0, **options):
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([BINARY, "run", *arguments], capture_output=True, text=True, timeout=120 * SLOW, env=data, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def test_the_answer_alone_goes_to_stdout(data):
    done = run(data, MODEL, "What is the sea?", *SHORT)
    assert len(done.stdout) > 10 and done.stdout.endswith("\n") and done.stderr == ""
    assert run(data, "--model", MODEL, "What is the sea?", *SHORT).stdout == done.stdout
    told = run(data, MODEL, "What is the sea?", "-v", *SHORT)
    assert told.stdout == done.stdout and "12 tokens" in told.stderr and "\x1b" not in told.stderr


def test_the_prompt_comes_from_stdin_too(data, tmp_path):
    said = run(data, MODEL, "Name a colour.\n\nOf the sea.", *SHORT).stdout
    assert run(data, MODEL, *SHORT, input="Name a colour.\n\nOf the sea.\n").stdout == said
    assert run(data, MODEL, "-", *SHORT, input="Name a colour.\n\nOf the sea.").stdout == said
    # Both: the prompt, then the text, from a pipe or from a file.
    assert run(data, MODEL, "Name a colour.", *SHORT, input="Of the sea.\n").stdout == said
    text = tmp_path / "text"
    text.write_text("Of the sea.")
    with open(text) as file:
        assert run(data, MODEL, "Name a colour.", *SHORT, stdin=file).stdout == said
    empty = run(data, MODEL, code=2)
    assert "no prompt" in empty.stderr
    assert "no prompt" in run(data, MODEL, "-", input="\n", code=2).stderr


def test_options_are_those_of_chat(data):
    schema = '{"type":"object","properties":{"n":{"type":"integer","maximum":9}},"required":["n"],"additionalProperties":false}'
    made = [run(data, MODEL, "A number, please.", "--context", "512", "--temperature", "0.9", "--seed", "5", "--max-tokens", "40",
                "--json-schema", schema).stdout for _ in range(2)]
    assert made[0] == made[1] and set(json.loads(made[0])) == {"n"}
    piped = subprocess.run([BINARY, "chat", MODEL, *SHORT, "--system", "Be brief."], input="What is the sea?", capture_output=True,
                           text=True, env=data, timeout=120 * SLOW)
    assert run(data, MODEL, "What is the sea?", "--system", "Be brief.", *SHORT).stdout == piped.stdout


def test_what_the_command_line_cannot_mean_is_refused(data):
    assert "cannot set temperature" in run(data, MODEL, "Hi", "--temperature", "hot", code=2).stderr
    image = run(data, MODEL, "Hi", "--image", "cat.png", code=2).stderr
    assert "cat.png" in image and "text alone" in image
    assert "which model" in run(data, code=2).stderr
    assert "the only argument" in run(data, "--model", MODEL, "one", "two", code=2).stderr
    assert run(data, MODEL, "Hi", "--json-schema", "/nowhere.json", code=3).stdout == ""


def test_nothing_is_fetched_silently(data):
    missing = run(data, "infe-pulse", "Hi", code=3).stderr
    assert "infe pull infe-pulse" in missing and "infe run --pull infe-pulse" in missing
    unknown = run(data, "nobody", "Hi", code=3).stderr
    assert "infe ls --all" in unknown and "--pull" not in unknown
    assert "no model is called nobody" in run(data, "--pull", "nobody", "Hi", code=3).stderr
    assert "no model file" in run(data, "./nobody.gguf", "Hi", code=3).stderr
    # What is here is not asked for again, though the network may be down.
    offline = {**data, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    assert run(offline, "--pull", MODEL, "What is the sea?", *SHORT).stdout


def test_ctrl_c_ends_it_with_130_and_keeps_what_came(data):
    process = subprocess.Popen([BINARY, "run", MODEL, "Write a very long story about the sea.", "--temperature", "0"], env=data,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        first = process.stdout.read(1)  # it is streamed: the answer is far from its end
        assert first and process.poll() is None
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate(timeout=60 * SLOW)
        assert process.returncode == 130 and rest.endswith(b"\n") and said == b""
    finally:
        process.kill()
        process.wait()


def test_an_answer_that_is_too_long_to_begin_fails(data):
    done = run(data, MODEL, "word " * 2000, *SHORT, code=1)
    assert "infe:" in done.stderr and "512" in done.stderr and done.stdout == ""


def test_a_reader_that_goes_away_ends_it(data):
    process = subprocess.Popen([BINARY, "run", MODEL, "Write a very long story about the sea.", "--temperature", "0"], env=data,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout.read(1)
        process.stdout.close()
        began = time.monotonic()
        process.wait(timeout=60 * SLOW)
        assert process.returncode == -signal.SIGPIPE, time.monotonic() - began
    finally:
        process.kill()
        process.wait()
