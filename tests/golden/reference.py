#!/usr/bin/env python3
"""An independent float32 model in numpy, over weights that the gguf package dequantises. It shares no
code with infe: what the two agree on is the model.

Two numerics:
  exact      weights as dequantised, everything else in float32
  quantised  the same, but activations rounded to 8 bits per block of 32 before each product with a
             quantised matrix, and keys and values kept as float16: infe's documented arithmetic
             (docs/batch-invariance.md), so that agreement is close to float rounding

    reference.py tiny DIR                       NAME.json beside every DIR/NAME.gguf
    reference.py model FILE.gguf IDS.json OUT   golden file of a real model; IDS.json holds
                                                {"prompt": [...], "text": [...]}
    reference.py perplexity FILE.gguf IDS.json  of both numerics, beside `infe perplexity --json`; IDS.json
                                                is what `infe tokenize --json` printed for the same text
"""

import json
import sys
from pathlib import Path

import gguf
import numpy as np

WINDOW = 512  # tokens of a perplexity window; the second half is scored


def quantise_activations(x):
    """Round to 8 bits per block of 32, as values."""
    blocks = x.reshape(*x.shape[:-1], -1, 32)
    largest = np.abs(blocks).max(axis=-1, keepdims=True)
    scale = largest / np.float32(127)
    inverse = np.where(largest >= 1e-30, np.float32(127) / np.maximum(largest, 1e-30), 0)
    return (np.rint(blocks * inverse.astype(np.float32)) * scale).reshape(x.shape).astype(np.float32)


def rms_norm(x, weight, epsilon):
    mean = np.mean(x.astype(np.float64) ** 2, axis=-1, keepdims=True)
    return (x / np.sqrt(mean + epsilon) * weight).astype(np.float32)


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


class Reference:
    def __init__(self, path, quantised=False):
        self.quantised = quantised
        reader = gguf.GGUFReader(path)
        self.fields = {k: f.contents() for k, f in reader.fields.items() if not k.startswith("tokenizer.")}
        self.arch = self.fields["general.architecture"]
        self.weights, self.is_float = {}, {}
        for t in reader.tensors:
            data = gguf.quants.dequantize(t.data, t.tensor_type).astype(np.float32)
            self.weights[t.name] = data.reshape(list(reversed([int(s) for s in t.shape])))
            self.is_float[t.name] = t.tensor_type.name in ("F32", "F16", "BF16")
        get = self.get
        self.layers = get("block_count")
        self.d = get("embedding_length")
        self.heads = get("attention.head_count")
        self.kv_heads = get("attention.head_count_kv", self.heads)
        self.dim = get("attention.key_length", self.d // self.heads)
        self.eps = get("attention.layer_norm_rms_epsilon")
        self.rope_base = get("rope.freq_base", 10000.0)
        self.rope_scale = get("rope.scaling.factor", 1.0) if get("rope.scaling.type", "none") == "linear" else 1.0
        self.rope_dim = get("rope.dimension_count", self.dim)
        self.gemma = self.arch == "gemma3"
        self.post_norms = self.arch in ("gemma3", "exaone4")
        self.embedding_scale = np.sqrt(np.float32(self.d)) if self.gemma else np.float32(get("embedding_scale", 1))
        self.residual_scale = np.float32(get("residual_scale", 1))
        self.attention_scale = np.float32(get("attention.scale", 1 / np.sqrt(self.dim)))
        self.logit_scale = np.float32(get("logit_scale", 1))
        self.experts_used = get("expert_used_count", 0)
        self.window = get("attention.sliding_window", 0) if self.gemma else 0
        self.pattern = get("attention.sliding_window_pattern", 6)
        self.reset()

    def get(self, key, default=None):
        return self.fields.get(f"{self.arch}.{key}", default)

    def reset(self):
        self.keys = [np.zeros((0, self.kv_heads, self.dim), np.float32) for _ in range(self.layers)]
        self.values = [k.copy() for k in self.keys]

    def product(self, x, name):
        if self.quantised and not self.is_float[name]:
            x = quantise_activations(x)
        return x @ self.weights[name].T

    def yarn(self, frequency, base):
        """Stretched frequencies and the amplitude of YaRN."""
        factor, length = self.get("rope.scaling.factor"), self.get("rope.scaling.original_context_length")
        turns = [self.get("rope.scaling.yarn_beta_fast", 32.0), self.get("rope.scaling.yarn_beta_slow", 1.0)]
        fast, slow = (self.rope_dim * np.log(length / (t * 2 * np.pi)) / (2 * np.log(base)) for t in turns)
        low, high = max(np.floor(fast), 0), min(np.ceil(slow), self.rope_dim - 1)
        keep = 1 - np.clip((np.arange(self.rope_dim // 2) - low) / max(0.001, high - low), 0, 1)
        multiplier = self.get("rope.scaling.yarn_log_multiplier", 0.0)
        amplitude = (0.1 * np.log(factor) + 1) / (0.1 * multiplier * np.log(factor) + 1)
        return frequency * (keep + (1 - keep) / factor), amplitude

    def rope(self, x, positions, base, scale):
        """x: [rows, heads, dim], turned in the first rope_dim dimensions. Files of some families pair
        (2i, 2i+1), the others (i, i + rope_dim/2)."""
        n = self.rope_dim
        half = n // 2
        amplitude = 1.0
        frequency = float(base) ** (-np.arange(half) * 2.0 / n) / scale
        if "rope_freqs.weight" in self.weights:
            frequency = frequency / self.weights["rope_freqs.weight"]
        if self.get("rope.scaling.type") == "yarn":
            frequency, amplitude = self.yarn(frequency, base)
        if self.get("rope.scaling.type") == "longrope":
            which = "long" if self.get("context_length") > self.get("rope.scaling.original_context_length") else "short"
            frequency = frequency / self.weights[f"rope_factors_{which}.weight"]
            amplitude = self.get("rope.scaling.attn_factor", 1.0)
        angle = positions[:, None] * frequency[None, :]
        cos, sin = (amplitude * f(angle)[:, None, :] for f in (np.cos, np.sin))
        out = x.copy()
        if self.arch in ("llama", "granite", "granitemoe", "smollm3", "mistral3"):
            a, b = x[..., 0:n:2], x[..., 1:n:2]
            out[..., 0:n:2], out[..., 1:n:2] = a * cos - b * sin, a * sin + b * cos
        else:
            a, b = x[..., :half], x[..., half:n]
            out[..., :half], out[..., half:n] = a * cos - b * sin, a * sin + b * cos
        return out

    def attention(self, q, layer, position, window):
        """Causal attention of rows at position, position + 1, ... over the cache."""
        keys, values = self.keys[layer], self.values[layer]
        rows, total = q.shape[0], keys.shape[0]
        scale = self.attention_scale
        p = position + np.arange(rows)[:, None]
        k = np.arange(total)[None, :]
        hidden = (k > p) | ((k <= p - window) if window else False)
        out = np.empty_like(q)
        group = self.heads // self.kv_heads
        for h in range(self.heads):
            scores = q[:, h] @ keys[:, h // group].T * scale
            scores[hidden] = -np.inf
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[:, h] = scores / scores.sum(axis=1, keepdims=True) @ values[:, h // group]
        return out

    def qkv(self, h, p):
        if p + "attn_qkv.weight" in self.weights:
            sizes = np.cumsum([self.heads * self.dim, self.kv_heads * self.dim])
            return np.split(self.product(h, p + "attn_qkv.weight"), sizes, axis=1)
        q, k, v = (self.product(h, p + f"attn_{n}.weight") for n in "qkv")
        if p + "attn_q.bias" in self.weights:
            q, k, v = (a + self.weights[p + f"attn_{n}.bias"] for a, n in zip((q, k, v), "qkv"))
        return q, k, v

    def gated(self, h, p, suffix=""):
        """The feed-forward part of three matrices, or of two if the first holds gate and up."""
        if p + f"ffn_gate{suffix}.weight" in self.weights:
            gate, up = (self.product(h, p + f"ffn_{n}{suffix}.weight") for n in ("gate", "up"))
        else:
            gate, up = np.split(self.product(h, p + f"ffn_up{suffix}.weight"), 2, axis=1)
        h = ((gelu_tanh if self.gemma else silu)(gate) * up).astype(np.float32)
        return self.product(h, p + f"ffn_down{suffix}.weight")

    def experts(self, h, p):
        w = self.weights
        logits = self.product(h, p + "ffn_gate_inp.weight").astype(np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        out = np.zeros_like(h)
        for r, row in enumerate(weights):
            chosen = np.argsort(-row, kind="stable")[: self.experts_used]
            share = row[chosen] / (1 if self.arch == "qwen2moe" else row[chosen].sum())
            for e, s in zip(chosen, share):
                if p + "ffn_gate_up_exps.weight" in w:
                    gate, up = np.split(self.expert_product(h[r], p + "ffn_gate_up_exps.weight", e), 2)
                else:
                    gate, up = (self.expert_product(h[r], p + f"ffn_{n}_exps.weight", e) for n in ("gate", "up"))
                x = (silu(gate) * up).astype(np.float32)
                out[r] += np.float32(s) * self.expert_product(x, p + "ffn_down_exps.weight", e)
        if p + "ffn_gate_shexp.weight" in w:
            shared = self.gated(h, p, "_shexp")
            if p + "ffn_gate_inp_shexp.weight" in w:
                gate = h @ w[p + "ffn_gate_inp_shexp.weight"]
                shared = shared / (1 + np.exp(-gate))[:, None]
            out += shared
        return out.astype(np.float32)

    def expert_product(self, x, name, expert):
        if self.quantised and not self.is_float[name]:
            x = quantise_activations(x)
        return self.weights[name][expert] @ x

    def forward(self, tokens):
        """Logits [len(tokens), vocabulary] of tokens that follow what the cache holds."""
        w = self.weights
        position = self.keys[0].shape[0]
        positions = (position + np.arange(len(tokens))).astype(np.float64)
        x = w["token_embd.weight"][tokens].copy()
        x *= self.embedding_scale
        growth = self.get("attention.temperature_scale", 0.0)
        for i in range(self.layers):
            p = f"blk.{i}."
            local = self.gemma and (i + 1) % self.pattern != 0
            base, scale = (10000.0, 1.0) if local else (self.rope_base, self.rope_scale)
            h = x if self.arch == "exaone4" else rms_norm(x, w[p + "attn_norm.weight"], self.eps)
            q, k, v = self.qkv(h, p)
            q = q.reshape(-1, self.heads, self.dim)
            k = k.reshape(-1, self.kv_heads, self.dim)
            v = v.reshape(-1, self.kv_heads, self.dim)
            if p + "attn_q_norm.weight" in w:
                q = rms_norm(q, w[p + "attn_q_norm.weight"], self.eps)
                k = rms_norm(k, w[p + "attn_k_norm.weight"], self.eps)
            if not (self.arch == "smollm3" and (i + 1) % 4 == 0):
                q, k = (self.rope(a, positions, base, scale) for a in (q, k))
            if growth:
                periods = np.floor(positions / self.get("rope.scaling.original_context_length"))
                q = q * (1 + growth * np.log(1 + periods))[:, None, None]
            q, k, v = (a.astype(np.float32) for a in (q, k, v))
            if self.quantised:
                k, v = (a.astype(np.float16).astype(np.float32) for a in (k, v))
            self.keys[i] = np.concatenate([self.keys[i], k])
            self.values[i] = np.concatenate([self.values[i], v])
            a = self.attention(q, i, position, self.window if local else 0)
            a = self.product(a.reshape(len(tokens), -1), p + "attn_output.weight")
            a = rms_norm(a, w[p + "post_attention_norm.weight"], self.eps) if self.post_norms else a
            x = x + a * self.residual_scale
            h = x if self.arch == "exaone4" else rms_norm(x, w[p + "ffn_norm.weight"], self.eps)
            f = self.experts(h, p) if self.experts_used else self.gated(h, p)
            f = rms_norm(f, w[p + "post_ffw_norm.weight"], self.eps) if self.post_norms else f
            x = x + f * self.residual_scale
        x = rms_norm(x, w["output_norm.weight"], self.eps)
        return self.product(x, "output.weight" if "output.weight" in w else "token_embd.weight") / self.logit_scale

    def greedy(self, prompt, count):
        self.reset()
        tokens, logits = list(prompt), self.forward(prompt)
        for _ in range(count):
            tokens.append(int(np.argmax(logits[-1])))
            logits = self.forward(tokens[-1:])
        return tokens[len(prompt):]

    def perplexity(self, tokens):
        """exp of the mean negative log likelihood over the second halves of whole windows: the
        tokens that follow the window's rows WINDOW / 2 .. WINDOW - 2."""
        total, scored = 0.0, 0
        for begin in range(0, len(tokens) - WINDOW + 1, WINDOW):
            self.reset()
            window = tokens[begin : begin + WINDOW]
            logits = self.forward(window)[WINDOW // 2 : -1].astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            logprobs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
            targets = np.asarray(window[WINDOW // 2 + 1 :])
            total -= logprobs[np.arange(len(targets)), targets].sum()
            scored += len(targets)
        return float(np.exp(total / scored))


def tiny(folder):
    for path in sorted(Path(folder).glob("*.gguf")):
        rng = np.random.default_rng(7)
        exact = Reference(path)
        vocabulary = exact.weights["token_embd.weight"].shape[0]
        tokens = [int(t) for t in rng.integers(0, vocabulary, 70)]
        # Rows that cross a KV block (32) and, in windowed models, leave the window behind.
        rows = [0, 1, 31, 32, 33, 47, 64, 69]
        out = {"tokens": tokens, "rows": rows}
        for name, model in (("exact", exact), ("quantised", Reference(path, quantised=True))):
            out[name] = [[float(f"{v:.7g}") for v in row] for row in model.forward(tokens)[rows]]
        path.with_suffix(".json").write_text(json.dumps(out))


def real(path, ids_path, out_path):
    ids = json.loads(Path(ids_path).read_text())
    prompt, text = ids["prompt"], ids["text"]
    out = {"prompt": prompt, "text": text}
    for name in ("exact", "quantised"):
        model = Reference(path, quantised=name == "quantised")
        logits = model.forward(prompt)
        rows = []
        for r in (len(prompt) // 2, len(prompt) - 1):
            top = np.argsort(-logits[r], kind="stable")[:20]
            some = np.linspace(0, logits.shape[1] - 1, 64).astype(int)
            picked = sorted({int(t) for t in top} | {int(t) for t in some})
            rows.append({
                "row": r,
                "top": [int(t) for t in top],
                "ids": picked,
                "logits": [float(f"{logits[r][t]:.6g}") for t in picked],
                "mean": float(logits[r].mean(dtype=np.float64)),
                "deviation": float(logits[r].std(dtype=np.float64)),
            })
        out[name] = {"rows": rows, "greedy": model.greedy(prompt, 24), "perplexity": model.perplexity(text)}
        del model
    Path(out_path).write_text(json.dumps(out, separators=(",", ":")) + "\n")


def score(path, ids_path):
    ids = json.loads(Path(ids_path).read_text())["ids"]
    found = {name: Reference(path, quantised=name == "quantised").perplexity(ids) for name in ("exact", "quantised")}
    print(json.dumps({**found, "windows": len(ids) // WINDOW}))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "tiny":
        tiny(sys.argv[2])
    elif len(sys.argv) == 5 and sys.argv[1] == "model":
        real(*sys.argv[2:])
    elif len(sys.argv) == 4 and sys.argv[1] == "perplexity":
        score(*sys.argv[2:])
    else:
        sys.exit(__doc__)
