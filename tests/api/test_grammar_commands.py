"""`infe grammar` and `infe parse`: JSON lines in, JSON lines out."""
import json
import os
import subprocess

import pytest
from conftest import BINARY, MODEL_DIR

HERMES = '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>'


def lines(command, *requests):
    done = subprocess.run([BINARY, *command], input="".join(json.dumps(r) + "\n" for r in requests),
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture()
def model():
    path = os.path.join(MODEL_DIR, "smollm2-135m.gguf")
    if not os.path.exists(path):
        pytest.skip("smollm2-135m is not pulled: set INFE_MODEL_DIR")
    return path


def test_grammar_answers_verdicts_and_times(model):
    replies = lines(["grammar", "--model", model],
                    {"schema": {"type": "integer", "minimum": 3}, "instances": ["3", "2", "x", "30"]},
                    {"grammar": 'root ::= "a" root "b" | "c"', "instances": ["aacbb", "acb ", "c"]},
                    {"regex": "[0-9]{2}", "instances": ["12", "123"]},
                    {"lark": "start: \"x\"~2", "instances": ["xx", "x"]},
                    {"schema": {"type": "string", "pattern": "(a)\\1"}, "instances": ["\"aa\""], "options": {"strict": True}},
                    {"schema": {"$dynamicRef": "#node", "$defs": {"a": {"$dynamicAnchor": "node"}, "b": {"$id": "b", "$dynamicAnchor": "node"}}},
                     "instances": []})
    assert [r["results"] for r in replies[:5]] == [[True, False, False, True], [True, False, True], [True, False], [True, False], []]
    assert [r["status"] for r in replies[:5]] == ["ok"] * 4 + ["refused"]
    assert "back reference" in replies[4]["reason"]
    for reply in replies:
        assert {"status", "reason", "path", "results", "compile_us", "mask_us"} <= set(reply)
        assert {"avg", "p50", "p99"} <= set(reply["mask_us"])


def test_parse_reads_answers_however_they_are_cut():
    tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    text = "<think>\nhm\n</think>\n\nSo: " + HERMES
    whole, pieces, plain = lines(["parse", "--format", "hermes"], {"tools": tools, "text": text},
                                 {"tools": tools, "pieces": list(text)}, {"text": HERMES})
    assert whole == pieces == {"content": "So:", "reasoning_content": "hm", "tool_calls": [{"name": "add", "arguments": '{"a": 1}'}]}
    assert plain == {"content": HERMES, "reasoning_content": None, "tool_calls": []}


def test_parse_takes_the_format_of_a_model(model):
    reply, = lines(["parse", "--model", model], {"tools": [{"name": "add"}], "text": HERMES})
    assert reply["content"] is None and reply["tool_calls"][0]["name"] == "add"
