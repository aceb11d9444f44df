#!/usr/bin/env python3
"""Vectors of infe beside those of sentence-transformers for the same weights: 200 texts of 1 to 512 tokens. Needs the
package sentence-transformers (with torch) beside numpy and gguf, the folder of a BERT or XLM-RoBERTa of embeddings as
that library saves it (xlmr.py makes a random one), and the binary (INFE_BINARY, or build/release/infe).

    compare.py FOLDER [f32] [f16] [q8_0]     the smallest and the mean cosine for each type of file; exits 1 below the bound
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import bert
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("INFE_BINARY", str(ROOT / "build/release/infe"))
TEXTS = 200
# Accents apart and together, wide and old letters, ligatures, signs, runs of spaces, letters that no token has.
ODD = ["na\u00efve cafe\u0301 \u00c5ngstr\u00f6m", "\uff26\uff55\uff4c\uff4c width \uff11\uff12", "\ufb01ne o\ufb03ce \u2160\u2161 \u00bd \u2122",
       "  two  spaces\tand\u00a0others\u3000here ", "\u4e2d\u6587 \u65e5\u672c\u8a9e \ud55c\uad6d\uc5b4 \u0420\u0443\u0441\u0441\u043a\u0438\u0439 \u0627\u0644\u0639\u0631\u0628\u064a\u0629", "\U0001F600 \u200b zero\u200dwidth\u00ad"]
BOUNDS = {"f32": 0.9999, "f16": 0.9999, "q8_0": 0.999}


def texts(count_tokens):
    """Pieces of a text, each as long as it may be within so many tokens: 1 to 512, marks included."""
    words = (ROOT / "tests/golden/text.txt").read_text().split()
    draw = np.random.default_rng(3)
    lengths = [1, 512, 511] + [int(n) for n in draw.integers(2, 512, TEXTS - 3)]
    made = []
    for length in lengths:
        at = int(draw.integers(0, len(words)))
        turned = words[at:] + words[:at]
        low, high = 1, min(len(turned), length)
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if count_tokens(" ".join(turned[:middle])) <= length else (low, middle - 1)
        made.append(" ".join(turned[:low]))
    return made + ODD


def of_infe(path, sources):
    lines = "".join(json.dumps({"text": text}) + "\n" for text in sources)
    done = subprocess.run([BINARY, "embed", str(path), "--jsonl"], input=lines, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return np.array([json.loads(line)["embedding"] for line in done.stdout.splitlines()])


def main():
    from sentence_transformers import SentenceTransformer
    folder = pathlib.Path(sys.argv[1])
    peer = SentenceTransformer(str(folder), device="cpu")
    peer.max_seq_length = 512  # the file says 256 for MiniLM; infe goes by the model's positions
    sources = texts(lambda text: len(peer.tokenizer(text)["input_ids"]))
    wanted = peer.encode(sources, normalize_embeddings=True, batch_size=8).astype(np.float64)
    model = bert.load(folder)
    failed = False
    for kind in sys.argv[2:] or BOUNDS:
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch) / f"{kind}.gguf"
            bert.write_gguf(path, *model, kind=kind, pooling=bert.pooling_of(folder))
            got = of_infe(path, sources)
        cosines = np.sum(got * wanted, axis=1) / np.linalg.norm(got, axis=1) / np.linalg.norm(wanted, axis=1)
        print(f"{kind}: {len(cosines)} texts, cosine {cosines.min():.7f} and more, mean {cosines.mean():.7f}")
        failed |= cosines.min() < BOUNDS[kind]
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
