"""The logprobs that POST /v1/completions gives a prompt, against the float32 model of reference.py.

Bounds, in natural logarithms: a single token moves by what 8-bit activations cost over thirty layers
(so far 0.055 on average, against the reference that rounds alike as against pure float32, because both
rounding errors are amplified alike); the average over the text, which is what perplexity is made of,
hardly moves.
"""
import json
import pathlib

import numpy as np
import pytest
from conftest import MODEL_DIR
from reference import Reference

TEXT = (pathlib.Path(__file__).parent / "text.txt").read_text()[:600]
TOKEN_MAX, TEXT_MAX = 0.1, 0.03


def test_prompt_logprobs_are_those_of_the_reference(server):
    client = server.client()
    choice = client.completions.create(model="smollm2-135m", prompt=TEXT, echo=True, logprobs=5, max_tokens=0).choices[0]
    ids = json.loads(server.command("tokenize", "--model", "smollm2-135m", "--json", input=TEXT))["ids"]
    assert choice.text == TEXT and len(choice.logprobs.tokens) == len(ids)
    ours = np.array(choice.logprobs.token_logprobs[1:])
    for quantised in (True, False):
        logits = Reference(pathlib.Path(MODEL_DIR) / "smollm2-135m.gguf", quantised).forward(ids)[:-1].astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        theirs = logprobs[np.arange(len(ours)), ids[1:]]
        difference = ours - theirs
        print(f"quantised={quantised}: mean of a token {np.abs(difference).mean():.4f}, largest "
              f"{np.abs(difference).max():.4f}, of the text {difference.mean():+.5f}")
        assert np.abs(difference).mean() < TOKEN_MAX
        assert abs(difference.mean()) < TEXT_MAX
        # The likeliest tokens are the same wherever the reference itself is sure of them.
        for row, top in enumerate(choice.logprobs.top_logprobs[1:]):
            best, second = np.sort(logprobs[row])[::-1][:2]
            if best - second > 0.5:
                assert max(top.values()) == pytest.approx(best, abs=0.5)
