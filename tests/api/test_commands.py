"""The commands that need no server."""
import json
import os
import subprocess

import pytest
from conftest import BINARY, MODEL_DIR, SLOW


def infe(*args, input=None, env=None, check=True):
    done = subprocess.run([BINARY, *args], input=input, capture_output=True, text=True, timeout=120 * SLOW,
                          env={**os.environ, **(env or {})})
    if check:
        assert done.returncode == 0, done.stderr
    return done


@pytest.fixture()
def data(tmp_path):
    (tmp_path / "models").mkdir()
    source = os.path.join(MODEL_DIR, "smollm2-135m.gguf")
    if not os.path.exists(source):
        pytest.skip("smollm2-135m is not pulled: set INFE_MODEL_DIR")
    (tmp_path / "models/smollm2-135m.gguf").symlink_to(source)
    return {"INFE_DATA_DIR": str(tmp_path)}


def test_every_command_has_help():
    for command in ("serve", "chat", "embed", "pull", "ls", "rm", "show", "keys", "tokenize", "render", "perplexity", "doctor"):
        assert "--help" in infe(command, "--help").stdout
    assert infe("nonsense", check=False).returncode == 2
    assert infe("serve", "--nonsense", check=False).returncode == 2


def test_ls_and_show(data):
    models = json.loads(infe("ls", "--json", env=data).stdout)["models"]
    assert models[0]["name"] == "smollm2-135m" and len(models[0]["sha256"]) == 64 and models[0]["size_bytes"] > 9e7
    shown = json.loads(infe("show", "smollm2-135m", "--json", env=data).stdout)
    assert shown["architecture"] == "llama" and shown["sha256"] == models[0]["sha256"] and shown["context_length"] == 8192
    assert infe("show", "nobody", env=data, check=False).returncode == 3
    assert infe("pull", "nobody", env=data, check=False).returncode == 3


def test_pull_finds_a_verified_file(data):
    pulled = json.loads(infe("pull", "smollm2-135m", "--offline", "--json", env=data).stdout)["models"]
    assert pulled[0]["already_there"] is True


def test_keys(tmp_path):
    env = {"INFE_DATA_DIR": str(tmp_path)}
    made = json.loads(infe("keys", "create", "--name", "k", "--json", env=env).stdout)
    assert made["key"].startswith("sk-infe-") and made["id"].startswith("key_")
    listed = infe("keys", "list", "--json", env=env).stdout
    assert made["id"] in listed and made["key"] not in listed
    infe("keys", "revoke", "k", env=env)
    assert json.loads(infe("keys", "list", "--json", env=env).stdout)["keys"][0]["revoked_at"]
    assert infe("keys", "revoke", "nobody", env=env, check=False).returncode == 3


def test_tokenize_round_trip(data):
    text = "Hello, w\u00f6rld! \U0001F600\n\tdef f(x): return x\u00b2"
    ids = infe("tokenize", "--model", "smollm2-135m", input=text, env=data).stdout.split()
    assert infe("tokenize", "--model", "smollm2-135m", "--decode", input=" ".join(ids), env=data).stdout == text
    lines = "\n".join(json.dumps({"text": t}) for t in ("a", text, ""))
    out = [json.loads(line) for line in infe("tokenize", "--model", "smollm2-135m", "--jsonl", input=lines, env=data).stdout.splitlines()]
    assert out[1]["ids"] == [int(i) for i in ids] and out[2]["ids"] == []


def test_render_is_the_models_template(data):
    request = {"messages": [{"role": "user", "content": "Hi"}], "add_generation_prompt": True}
    prompt = infe("render", "--model", "smollm2-135m", input=json.dumps(request), env=data).stdout
    assert prompt.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_chat_reads_a_pipe_as_one_prompt(data):
    # The context bounds an answer that does not find its end.
    answer = infe("chat", "smollm2-135m", "--context", "512", input="Write one sentence about the sea.", env=data).stdout
    assert answer.strip()


def test_doctor_says_what_it_found(data):
    done = infe("doctor", "--json", env=data, check=False)
    checks = {c["check"]: c["value"] for c in json.loads(done.stdout)["checks"]}
    assert checks["kernels"] in ("generic", "avx2", "avx512", "amx")
    assert done.returncode in (0, 1)


def test_perplexity_of_a_text(data, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text(" ".join(f"The number {i} comes before the number {i + 1}." for i in range(120)))
    result = json.loads(infe("perplexity", str(text), "--model", "smollm2-135m", "--json", env=data).stdout)
    assert 1 < result["perplexity"] < 10 and result["windows"] >= 2


def test_show_says_that_a_file_runs_here(data):
    shown = json.loads(infe("show", "smollm2-135m", "--json", env=data).stdout)
    assert shown["runs_here"] is True and shown["why_not"] is None
    assert "runs here     yes" in infe("show", "smollm2-135m", env=data).stdout


def test_render_reads_a_request_as_the_server_does(data):
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}, {"role": "assistant", "content": None}],
               "response_format": {"type": "json_object"}}
    prompt = infe("render", "--model", "smollm2-135m", input=json.dumps(request), env=data).stdout
    assert "Answer with one JSON object and nothing else." in prompt and prompt.endswith("<|im_start|>assistant\n")
    refused = infe("render", "--model", "smollm2-135m", input='{"messages": []}', env=data, check=False)
    assert refused.returncode != 0 and "messages" in refused.stderr
    raw = infe("render", "--raw", "--model", "smollm2-135m", input=json.dumps({"messages": [{"role": "user", "content": "Hi"}]}), env=data)
    assert not raw.stdout.endswith("assistant\n")


def test_chat_takes_options_for_a_pipe(data):
    schema = '{"type":"object","properties":{"n":{"type":"integer","maximum":9}},"required":["n"],"additionalProperties":false}'
    made = [infe("chat", "--model", "smollm2-135m", "--context", "512", "--temperature", "0.9", "--seed", "5", "--max-tokens", "40",
                 "--json-schema", schema, input="A number, please.", env=data).stdout for _ in range(2)]
    assert made[0] == made[1] and set(json.loads(made[0])) == {"n"}
    assert infe("chat", "smollm2-135m", "--temperature", "hot", input="Hi", env=data, check=False).returncode == 2


def test_a_key_of_ones_own_is_taken_from_stdin(data):
    made = json.loads(infe("keys", "create", "--name", "own", "--import", "--json", input="my-own-secret-key-1\n", env=data).stdout)
    assert made["last4"] == "ey-1" and "my-own" not in json.dumps(made)
    assert infe("keys", "create", "--name", "b", "--import", input="short\n", env=data, check=False).returncode != 0
