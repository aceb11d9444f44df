#!/usr/bin/env python3
"""Vectors of llama.cpp for the tiny models of tiny.py: another engine's word on every architecture of embeddings. Needs
the package xllamacpp (made with 2026.10.11549), which holds that library, beside numpy and gguf.

    make_golden.py            NAME.json here, for every architecture
    make_golden.py NAME...    for some

The file that the numbers belong to is named by its digest: where numpy draws other random numbers, the test has nothing
to compare with and says so.
"""
import hashlib
import json
import pathlib
import sys
import tempfile

import numpy as np
import tiny
import xllamacpp

HERE = pathlib.Path(__file__).resolve().parent


def params(path):
    p = xllamacpp.CommonParams()
    p.model.path = str(path)
    p.embedding = True
    p.n_ctx = p.n_batch = p.n_ubatch = 256
    p.n_parallel = 1
    p.cpuparams.n_threads = p.cpuparams_batch.n_threads = 1
    p.warmup = False
    p.cache_type_k = p.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
    p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return p


def main():
    for name in sys.argv[1:] or tiny.FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "tiny.gguf"
            tiny.FAMILIES[name](path)
            server = xllamacpp.Server(params(path))
            answer = server.handle_embeddings({"input": tiny.texts(), "encoding_format": "float"})
            vectors = [None] * len(tiny.texts())
            for item in answer["data"]:
                vector = np.array(item["embedding"], np.float64)
                vectors[item["index"]] = [round(float(x), 7) for x in vector / np.linalg.norm(vector)]
            out = {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "vectors": vectors}
            (HERE / f"{name}.json").write_text(json.dumps(out, separators=(",", ":")) + "\n")
            del server


if __name__ == "__main__":
    main()
