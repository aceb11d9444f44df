"""The benchmark's work on ik_llama.cpp, through the C API that its Python package binds.

Run by the interpreter of the environment that has ik-llama-cpp-python; engines.py does so. Prints
one number, tokens per second. The definitions are those of `infe bench` and llama-bench: greedy or
not does not matter, tokens come from a fixed seed, and one small step warms up before the clock.
"""

import argparse
import random
import time

from ik_llama_cpp import _ctypes_api as api


class Work:
    def __init__(self, model: str, threads: int, positions: int, sequences: int, repack: bool,
                 flash: bool):
        api.llama_backend_init()
        params = api.llama_model_default_params()
        params.n_gpu_layers = 0
        params.repack_tensors = repack
        params.use_mmap = not repack
        self.model = api.llama_model_load_from_file(model.encode(), params)
        if not self.model:
            raise SystemExit(f"cannot load {model}")
        context = api.llama_context_default_params()
        context.n_ctx = (positions * sequences + 255) // 256 * 256
        context.n_batch = 2048
        context.n_ubatch = 512
        context.n_seq_max = sequences
        context.n_threads = context.n_threads_batch = threads
        context.flash_attn = flash
        self.context = api.llama_init_from_model(self.model, context)
        if not self.context:
            raise SystemExit("no context")
        vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(self.model))
        draw = random.Random(1)
        self.tokens = [draw.randrange(vocabulary) for _ in range(positions)]
        self.batch = api.llama_batch_init(512, 0, 1)

    def step(self, rows):
        """rows: (token, position, sequence, wants logits)."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for i, (token, position, sequence, logits) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = logits
        if api.llama_decode(self.context, batch) != 0:
            raise SystemExit("llama_decode failed")
        api.llama_get_logits_ith(self.context, len(rows) - 1)

    def prefill(self, count: int, sequence: int = 0):
        for at in range(0, count, 512):
            end = min(count, at + 512)
            self.step([(self.tokens[p], p, sequence, p + 1 == count) for p in range(at, end)])

    def decode(self, streams: int, position: int, steps: int):
        for p in range(position, position + steps):
            self.step([(self.tokens[p], p, s, True) for s in range(streams)])

    def clear(self):
        api.llama_kv_cache_clear(self.context)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--prefill", type=int, required=True)
    parser.add_argument("--decode", type=int, required=True)
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--stream-prompt", type=int, required=True)
    parser.add_argument("--depth", type=int, required=True)
    parser.add_argument("--repack", type=int, required=True)
    parser.add_argument("--flash", type=int, required=True)
    a = parser.parse_args()
    streams, before, tokens = {
        "prefill": (1, 0, a.prefill),
        "decode": (1, 0, a.decode),
        "batched": (a.streams, a.stream_prompt, a.streams * a.decode),
        "depth": (1, a.depth, a.decode),
    }[a.work]
    positions = max(a.prefill, 64) if a.work == "prefill" else before + a.decode
    work = Work(a.model, a.threads, positions, streams, bool(a.repack), bool(a.flash))
    work.prefill(min(64, positions))
    work.clear()
    work.decode(1, 0, 1)
    work.clear()
    for sequence in range(streams if before else 0):
        work.prefill(before, sequence)
    start = time.perf_counter()
    if a.work == "prefill":
        work.prefill(a.prefill)
    else:
        work.decode(streams, before, a.decode)
    print(tokens / (time.perf_counter() - start))


main()
