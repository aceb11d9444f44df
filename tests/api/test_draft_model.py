"""A model's draft model, as the registry names it: the same bytes with and without it, and a draft model that is
missing, damaged or of another vocabulary never costs more than itself."""
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import BINARY, MODEL_DIR, SLOW, Server, free_port  # noqa: E402

CODE = ("Write a Python class Matrix with rows, columns, addition, multiplication, transposition, determinant, and "
        "a readable __repr__. Code only.")
STORY = "Tell me a story of a lighthouse keeper who finds a letter in a bottle."
FORMAT = {"type": "json_schema", "json_schema": {"name": "cities", "schema": {
    "type": "object", "properties": {"cities": {"type": "array", "minItems": 4, "items": {
        "type": "object", "properties": {"name": {"type": "string"}, "country": {"type": "string"},
                                         "reason": {"type": "string"}},
        "required": ["name", "country", "reason"], "additionalProperties": False}}},
    "required": ["cities"], "additionalProperties": False}}}
# Greedy, drawn by the model's own defaults, drawn at large, with logprobs, several choices, under a grammar.
ASKS = (
    {"prompt": CODE, "temperature": 0, "max_tokens": 120},
    {"prompt": CODE, "temperature": 0.7, "seed": 5, "max_tokens": 120, "logprobs": True, "top_logprobs": 3},
    {"prompt": STORY, "temperature": 1, "top_p": 1, "seed": 6, "max_tokens": 60},
    {"prompt": STORY, "seed": 7, "max_tokens": 60, "n": 2, "frequency_penalty": 0.5},
    {"prompt": "Four cities worth a visit.", "seed": 8, "temperature": 0.3, "max_tokens": 120, "response_format": FORMAT},
)


def entries(folder, text):
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data/models.toml").write_text(text)


def said(client, prompt, **more):
    """Everything of an answer that must not depend on drafts."""
    answer = client.chat.completions.create(model="infe-titan", messages=[{"role": "user", "content": prompt}], **more)
    return [(c.message.content, c.finish_reason, c.logprobs.model_dump() if c.logprobs else None) for c in answer.choices], \
        answer.usage.completion_tokens


@pytest.mark.titan
def test_answers_are_the_same_with_and_without_it_alone_and_together(tmp_path):
    (tmp_path / "a").mkdir()
    entries(tmp_path / "a", '[[model]]\nname = "infe-titan"\ndraft = "infe-pulse"\n')
    arguments = ("--kv-memory", "512MiB", "--model", "infe-titan")
    with Server(tmp_path / "a", models=("infe-titan", "infe-pulse"), args=arguments) as server:
        assert "infe-pulse drafts for it" in server.log_text()
        client = server.client(timeout=600 * SLOW)
        assert client.models.retrieve("infe-titan").draft_model == "infe-pulse"
        assert [m.id for m in client.models.list()] == ["infe-titan"]  # it drafts, and is not served
        assert json.loads(server.command("show", "infe-titan", "--json"))["draft"] == "infe-pulse"
        with_draft = [said(client, **ask) for ask in ASKS]
        assert server.total("infe_model_drafted_tokens_total") > 0
        assert 0 < server.total("infe_model_accepted_tokens_total") <= server.total("infe_model_drafted_tokens_total")
        assert server.total("infe_draft_model_seconds_total") > 0
        assert 0 < server.total("infe_draft_state_bytes") <= 128 << 20
        assert server.total("infe_draft_model_file_bytes") == (pathlib.Path(MODEL_DIR) / "infe-pulse.gguf").stat().st_size
        with concurrent.futures.ThreadPoolExecutor(len(ASKS)) as together:
            assert list(together.map(lambda ask: said(client, **ask), ASKS)) == with_draft
    (tmp_path / "b").mkdir()
    entries(tmp_path / "b", '[[model]]\nname = "infe-titan"\ndraft = "infe-pulse"\n')
    with Server(tmp_path / "b", models=("infe-titan", "infe-pulse"), args=(*arguments, "--no-draft")) as server:
        client = server.client(timeout=600 * SLOW)
        assert getattr(client.models.retrieve("infe-titan"), "draft_model", None) is None
        assert [said(client, **ask) for ask in ASKS] == with_draft
        assert server.total("infe_model_drafted_tokens_total") == 0 == server.total("infe_draft_state_bytes")


# ---- What may be wrong with it. The models are small: a copy of one drafts for it.

HELPED = '[[model]]\nname = "smollm2-135m"\ndraft = "helper"\n'


def entry_of(path):
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return (f'\n[[model]]\nname = "helper"\ntitle = "A helper"\nlicence = "none"\nsha256 = "{digest}"\n'
            f'sources = [{{ file = "{path}" }}]\n')


def drafter(server):
    return getattr(server.client().models.retrieve("smollm2-135m"), "draft_model", None)


def answers(server):
    return server.client().chat.completions.create(model="smollm2-135m", max_tokens=3, messages=[
        {"role": "user", "content": "Hello"}]).usage.completion_tokens > 0


def wait_for(held):
    deadline = time.monotonic() + 60 * SLOW
    while not held():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture()
def small():
    path = pathlib.Path(MODEL_DIR) / "smollm2-135m.gguf"
    if not path.exists():
        pytest.skip(f"{path} is not there")
    return path


def test_a_missing_one_is_told_and_a_reload_finds_it_and_its_end(tmp_path, small):
    entries(tmp_path, HELPED + entry_of(small))
    with Server(tmp_path, args=("--model", "smollm2-135m")) as server:
        assert "smollm2-135m has no draft model: helper is not on this machine" in server.log_text()
        assert drafter(server) is None and answers(server)
        helper = server.data_dir / "models/helper.gguf"
        helper.symlink_to(small)
        os.kill(server.pid, signal.SIGHUP)
        wait_for(lambda: drafter(server) == "helper")
        assert answers(server)
        # The same file: its weights are in memory once.
        assert server.rss_mb() < 2 * small.stat().st_size / 2**20 + 400
        entries(tmp_path, entry_of(small))
        os.kill(server.pid, signal.SIGHUP)
        wait_for(lambda: drafter(server) is None)
        assert answers(server)


@pytest.mark.parametrize("registered", [False, True])
def test_a_damaged_one_is_told_and_left_out(tmp_path, small, registered):
    """Damaged against its digest, and no model at all though the digest agrees."""
    models = tmp_path / "data/models"
    models.mkdir(parents=True)
    helper = models / "helper.gguf"
    helper.write_bytes(small.read_bytes()[:1 << 20])
    entries(tmp_path, HELPED + entry_of(helper if registered else small))
    with Server(tmp_path, args=("--model", "smollm2-135m")) as server:
        assert "no draft model: " in server.log_text() and "helper" in server.log_text()
        assert drafter(server) is None and answers(server)
        assert server.total("infe_draft_model_file_bytes") == 0


def test_one_of_another_vocabulary_is_refused_with_the_difference(tmp_path, small):
    other = pathlib.Path(MODEL_DIR) / "infe-pulse.gguf"
    if not other.exists():
        pytest.skip(f"{other} is not there")
    models = tmp_path / "data/models"
    models.mkdir(parents=True)
    (models / "smollm2-135m.gguf").symlink_to(small)
    (models / "helper.gguf").symlink_to(other)
    entries(tmp_path, HELPED + entry_of(other))
    done = subprocess.run([BINARY, "serve", "--data-dir", str(tmp_path / "data"), "--model", "smollm2-135m", "--port",
                           str(free_port()), "--ops-port", "0"], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode != 0
    assert 'draft = "helper": the vocabulary has 49152 tokens, the draft model\'s ' in done.stderr


def test_memory_that_has_no_room_for_its_state_goes_on_without(tmp_path, small):
    entries(tmp_path, HELPED + entry_of(small))
    (tmp_path / "data/models").mkdir()
    (tmp_path / "data/models/helper.gguf").symlink_to(small)
    with Server(tmp_path, args=("--model", "smollm2-135m", "--kv-memory", "64MiB")) as server:
        assert "no draft model: its state of " in server.log_text()
        assert drafter(server) is None and answers(server)


def test_a_memory_limit_counts_it_and_has_it_go_first(tmp_path, small):
    """The same file twice: what it needs beside the model is a step's buffers and its state."""
    arguments = ("--model", "smollm2-135m", "--kv-memory", "400MiB", "--max-batch", "4")
    for folder in ("tight", "wide"):
        (tmp_path / folder / "data/models").mkdir(parents=True)
        entries(tmp_path / folder, HELPED + entry_of(small))
        (tmp_path / folder / "data/models/helper.gguf").symlink_to(small)
    with Server(tmp_path / "tight", args=(*arguments, "--memory-limit", "480MiB")) as server:
        said = server.log_text()
        needs = re.search(r"no draft model: helper: it needs 0 MiB for weights, (\d+) MiB for the buffers of a step and "
                          r"(\d+) MiB for what it has read; .* memory_limit leaves (\d+) MiB", said)
        assert needs, said
        assert int(needs[1]) + int(needs[2]) > int(needs[3])
        assert drafter(server) is None and answers(server)
        assert server.client().models.retrieve("smollm2-135m").context_length == 8192
        assert server.total("infe_draft_model_file_bytes") == 0
    # The engine gives it a quarter of keys and values at most.
    left = int(re.search(r"memory_limit of 480MiB leaves (\d+) MiB of kv_memory's 400MiB", said)[1])
    limit = 480 + int(needs[1]) + 4 * int(needs[2]) - left + 2
    with Server(tmp_path / "wide", args=(*arguments, "--memory-limit", f"{limit}MiB")) as server:
        assert drafter(server) == "helper", server.log_text()
        assert server.client().models.retrieve("smollm2-135m").context_length == 8192
        for turn in range(6):  # different texts: the prefix cache fills what it was given
            server.client().completions.create(model="smollm2-135m", prompt=f"{turn} " + STORY * 150, max_tokens=40,
                                               temperature=0)
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{server.pid}/status").read_text())[1])
        assert peak / 1024 <= limit
