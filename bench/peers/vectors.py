#!/usr/bin/env python3
"""Texts per second of one BERT of embeddings, infe beside llama.cpp's server and sentence-transformers (torch) or ONNX
Runtime: the same weights, the same threads, in turns, each turn forwards and backwards (ABBA).

    vectors.py FOLDER [--pairs 5] [--threads 2] [--peers llama torch onnx] [--out FILE.md]

FOLDER: a BERT as sentence-transformers saves it (for onnx also onnx/model.onnx in it). Both servers answer lists of 32
texts of POST /v1/embeddings in base64, from one client; the libraries get the same lists in process, which spares them
HTTP, JSON and nothing else: tokens are made of texts by everybody. Needs infe (INFE) and, by peer, the packages
xllamacpp, sentence-transformers, onnxruntime. llama.cpp is what the package's wheel holds: built for AVX2 at run time
where its log says so, not for this machine.
"""
import argparse
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/golden/bert"))
import bert  # noqa: E402

LIST = 32
# Texts of about so many tokens, and how many of them one turn embeds.
WORKS = {"16 tokens": (16, 512), "128 tokens": (128, 96), "500 tokens": (500, 32)}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def texts(tokens, count):
    words = (ROOT / "tests/golden/text.txt").read_text().split()
    draw = np.random.default_rng(tokens)
    size = max(1, int(tokens * 0.68))  # words of as many tokens, marks included
    starts = [int(s) for s in draw.integers(0, len(words), count)]
    return [" ".join((words[s:] + words)[:size]) for s in starts]


class Served:
    """A server of POST /v1/embeddings."""

    def start(self, command, root, environment=None):
        self.root = root
        self.process = subprocess.Popen(command, env={**os.environ, **(environment or {})}, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(600):
            try:
                self.embed(["hello"])
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError(f"{command[0]} does not answer")

    def embed(self, lists):
        body = json.dumps({"model": "vector", "input": lists, "encoding_format": "base64"}).encode()
        request = urllib.request.Request(self.root + "/v1/embeddings", data=body,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=300) as answer:
            return len(json.loads(answer.read())["data"])

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Infe(Served):
    name = "infe"

    def __init__(self, gguf, threads, scratch):
        port = free_port()
        binary = os.environ.get("INFE", str(ROOT / "build/release/infe"))
        self.start([binary, "serve", "--port", str(port), "--ops-port", str(free_port()), "--model", str(gguf),
                    "--threads", str(threads)], f"http://127.0.0.1:{port}",
                   {"INFE_DATA_DIR": str(scratch / "data")})


class LlamaCpp(Served):
    name = "llama.cpp's server"

    def __init__(self, gguf, threads, scratch):
        port = free_port()
        code = (f"import xllamacpp, time\np = xllamacpp.CommonParams()\np.model.path = {str(gguf)!r}\n"
                "p.embedding = True\np.n_ctx = 32 * 512\np.n_batch = p.n_ubatch = 4096\np.n_parallel = 32\n"
                f"p.cpuparams.n_threads = p.cpuparams_batch.n_threads = {threads}\np.hostname = '127.0.0.1'\n"
                f"p.port = {port}\ns = xllamacpp.Server(p)\nprint(s.listening_address, flush=True)\n"
                "time.sleep(3600)\n")
        self.start([sys.executable, "-c", code], f"http://127.0.0.1:{port}")


class Torch:
    name = "sentence-transformers"

    def __init__(self, folder, threads):
        import torch
        from sentence_transformers import SentenceTransformer
        torch.set_num_threads(threads)
        self.model = SentenceTransformer(str(folder), device="cpu")
        self.model.max_seq_length = 512

    def embed(self, lists):
        return len(self.model.encode(lists, batch_size=LIST, normalize_embeddings=True, show_progress_bar=False))

    def stop(self):
        pass


class Onnx:
    name = "ONNX Runtime"

    def __init__(self, folder, threads):
        import onnxruntime
        import tokenizers
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(str(folder / "onnx/model.onnx"), options)
        self.wanted = {i.name for i in self.session.get_inputs()}
        self.encode = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.encode.enable_padding()
        self.encode.enable_truncation(512)

    def embed(self, lists):
        made = self.encode.encode_batch(lists)
        mask = np.array([m.attention_mask for m in made], np.int64)
        inputs = {"input_ids": np.array([m.ids for m in made], np.int64), "attention_mask": mask,
                  "token_type_ids": np.zeros_like(mask)}
        rows = self.session.run(None, {k: v for k, v in inputs.items() if k in self.wanted})[0]
        mean = (rows * mask[..., None]).sum(1) / mask.sum(1)[:, None]
        return len(mean / np.linalg.norm(mean, axis=1, keepdims=True))

    def stop(self):
        pass


def rate(engine, work):
    tokens, count = WORKS[work]
    sources = texts(tokens, count)
    begin = time.perf_counter()
    done = sum(engine.embed(sources[i:i + LIST]) for i in range(0, count, LIST))
    assert done == count
    return count / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--peers", nargs="*", default=["llama", "torch", "onnx"], choices=["llama", "torch", "onnx"])
    parser.add_argument("--out")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = pathlib.Path(folder)
        gguf = scratch / "vector.gguf"
        bert.write_gguf(gguf, *bert.load(a.folder))
        engines = [Infe(gguf, a.threads, scratch)]
        for peer in a.peers:
            engines.append({"llama": lambda: LlamaCpp(gguf, a.threads, scratch), "torch": lambda: Torch(a.folder, a.threads),
                            "onnx": lambda: Onnx(a.folder, a.threads)}[peer]())
        rates = {work: {engine.name: [] for engine in engines} for work in WORKS}
        try:
            for work in WORKS:
                for engine in engines:
                    rate(engine, work)  # warm
                for turn in range(a.pairs):
                    for engine in engines if turn % 2 == 0 else reversed(engines):
                        rates[work][engine.name].append(rate(engine, work))
        finally:
            for engine in engines:
                engine.stop()
    lines = ["| work | " + " | ".join(engine.name for engine in engines) + " | infe to each |",
             "|---" * (len(engines) + 2) + "|"]
    for work, by_name in rates.items():
        own = by_name["infe"]
        ratios = [statistics.median(x / y for x, y in zip(own, by_name[e.name])) for e in engines[1:]]
        lines.append(f"| {work} | " + " | ".join(
            f"{statistics.median(v):.0f} ({min(v):.0f} to {max(v):.0f})" for v in by_name.values())
            + " | " + ", ".join(f"{r:.2f}" for r in ratios) + " |")
    text = "\n".join(lines) + "\n"
    print(text)
    if a.out:
        pathlib.Path(a.out).write_text(text)


if __name__ == "__main__":
    main()
