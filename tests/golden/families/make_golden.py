#!/usr/bin/env python3
"""Log-probabilities of llama.cpp for the tiny float models of tools/make_tiny_gguf.py: another
engine's word on every family, and on what the keys of its files mean. Needs the package xllamacpp
(made with 2026.10.11549), which holds that library, beside numpy and gguf.

    make_golden.py            NAME.json here, for every family
    make_golden.py NAME...    for some

The file that the numbers belong to is named by its digest: where numpy draws other random numbers,
the test has nothing to compare with and says so.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import xllamacpp

HERE = Path(__file__).resolve().parent
MAKE = HERE.parents[2] / "tools/make_tiny_gguf.py"
FAMILIES = ["llama", "qwen2", "qwen3", "gemma3", "qwen2moe", "qwen3moe", "granite", "granitemoe", "smollm3", "phi3",
            "mistral3", "exaone4", "gpt-oss", "olmo2", "gemma2", "gemma4", "qwen35", "qwen35moe", "qwen3next", "lfm2",
            "lfm2moe", "granitehybrid", "falcon-h1", "nemotron_h", "nemotron_h_moe"]  # fmt: skip
VOCABULARY = {"llama": 323, "qwen2": 323, "qwen3": 323, "gemma3": 323}
TOKENS = 24
ROWS = [0, 1, 15, 16, 23]
FORCED = 65  # a token of whole characters: an answer that ends within one comes without numbers


def params(path):
    p = xllamacpp.CommonParams()
    p.model.path = str(path)
    p.n_ctx = p.n_batch = 256
    p.n_parallel = 1
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    p.warmup = False
    p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return p


def log_probabilities(server, prompt, vocabulary):
    """Of the token that follows the prompt; biases and samplers do not touch them."""
    answer = server.handle_completions(
        {"prompt": prompt, "max_tokens": 1, "n_predict": 1, "logprobs": vocabulary, "n_probs": vocabulary,
         "cache_prompt": False, "logit_bias": [[FORCED, 1000.0]]}
    )  # fmt: skip
    row = [None] * vocabulary
    for entry in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        row[entry["id"]] = round(entry["logprob"], 6)
    assert None not in row
    return row


def main():
    with tempfile.TemporaryDirectory() as folder:
        families = sys.argv[1:] or FAMILIES
        names = [f"{family}-f32" for family in families]
        subprocess.run([sys.executable, MAKE, folder, *names], check=True)
        for family, name in zip(families, names):
            path = Path(folder) / f"{name}.gguf"
            vocabulary = VOCABULARY.get(family, 320)
            tokens = [int(t) for t in np.random.default_rng(7).integers(0, 256, TOKENS)]
            server = xllamacpp.Server(params(path))
            rows = [log_probabilities(server, tokens[: r + 1], vocabulary) for r in ROWS]
            del server
            out = {
                "model": name,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "tokens": tokens,
                "rows": ROWS,
                "log_probabilities": rows,
            }
            (HERE / f"{family}.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
