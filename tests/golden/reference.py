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
        self.eps = get("attention.layer_norm_rms_epsilon", get("attention.layer_norm_epsilon"))
        self.rope_base = get("rope.freq_base", 10000.0)
        self.rope_scale = get("rope.scaling.factor", 1.0) if get("rope.scaling.type", "none") == "linear" else 1.0
        self.rope_dim = get("rope.dimension_count", self.dim)
        self.gemma = self.arch in ("gemma2", "gemma3", "gemma4")
        self.post_norms = self.gemma or self.arch in ("exaone4", "olmo2")
        self.pre_norms = self.arch not in ("exaone4", "olmo2")
        self.nemotron = self.arch in ("nemotron_h", "nemotron_h_moe")
        self.delta = self.arch in ("qwen35", "qwen35moe", "qwen3next")
        self.embedding_scale = np.sqrt(np.float32(self.d)) if self.gemma else np.float32(get("embedding_scale", 1))
        self.residual_scale = np.float32(get("residual_scale", 1))
        scale = 1.0 if self.arch == "gemma4" else 1 / np.sqrt(self.dim)
        self.attention_scale = np.float32(get("attention.scale", scale))
        self.logit_scale = np.float32(get("logit_scale", 1))
        self.experts_used = get("expert_used_count", 0)
        windows = self.gemma or self.arch in ("gpt-oss", "olmo2")
        self.window = get("attention.sliding_window", 0) if windows else 0
        self.pattern = get("attention.sliding_window_pattern", {"gemma3": 6, "olmo2": 4}.get(self.arch, 2))
        self.reset()

    def get(self, key, default=None):
        return self.fields.get(f"{self.arch}.{key}", default)

    def of_layer(self, value, layer):
        return value[layer] if isinstance(value, (list, tuple)) else value

    def local(self, layer):
        """Whether a layer attends to a window."""
        if not self.window:
            return False
        if isinstance(self.pattern, (list, tuple)):
            return bool(self.pattern[layer])
        return (layer + 1) % self.pattern != 0

    def shape(self, layer):
        """Heads, heads of keys, dimensions of a head."""
        dim = self.get("attention.key_length_swa", self.dim) if self.local(layer) else self.dim
        return self.of_layer(self.heads, layer), self.of_layer(self.kv_heads, layer), dim

    def reset(self):
        self.position = 0
        self.keys = [np.zeros((0, *self.shape(i)[1:]), np.float32) for i in range(self.layers)]
        self.values = [k.copy() for k in self.keys]
        self.states = [None] * self.layers  # of convolutions and recurrences

    def product(self, x, name):
        if self.quantised and not self.is_float[name]:
            x = quantise_activations(x)
        return x @ self.weights[name].T

    def yarn(self, frequency, base):
        """Stretched frequencies and the amplitude of YaRN."""
        factor, length = self.get("rope.scaling.factor"), self.get("rope.scaling.original_context_length")
        turns = [self.get("rope.scaling.yarn_beta_fast", 32.0), self.get("rope.scaling.yarn_beta_slow", 1.0)]
        fast, slow = (self.rope_dim * np.log(length / (t * 2 * np.pi)) / (2 * np.log(base)) for t in turns)
        if self.arch != "gpt-oss":  # whose ramp ends between dimensions
            fast, slow = np.floor(fast), np.ceil(slow)
        low, high = max(fast, 0), min(slow, self.rope_dim - 1)
        keep = 1 - np.clip((np.arange(self.rope_dim // 2) - low) / max(0.001, high - low), 0, 1)
        multiplier = self.get("rope.scaling.yarn_log_multiplier", 0.0)
        amplitude = (0.1 * np.log(factor) + 1) / (0.1 * multiplier * np.log(factor) + 1)
        return frequency * (keep + (1 - keep) / factor), amplitude

    def rope(self, x, positions, base, scale, local=False):
        """x: [rows, heads, dim], turned in the first rope_dim dimensions. Files of some families pair
        (2i, 2i+1), the others (i, i + rope_dim/2)."""
        n = x.shape[-1] if self.arch == "gemma4" else self.rope_dim
        half = n // 2
        amplitude = 1.0
        frequency = float(base) ** (-np.arange(half) * 2.0 / n) / scale
        plain = local and self.arch in ("gemma4", "olmo2")
        if "rope_freqs.weight" in self.weights and not plain:
            frequency = frequency / self.weights["rope_freqs.weight"]
        if self.get("rope.scaling.type") == "yarn" and not plain:
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
        cap = self.get("attn_logit_softcapping", 0)
        sinks = self.weights.get(f"blk.{layer}.attn_sinks.weight")
        group = q.shape[1] // keys.shape[1]
        for h in range(q.shape[1]):
            scores = q[:, h] @ keys[:, h // group].T * scale
            if cap:
                scores = cap * np.tanh(scores / cap)
            scores[hidden] = -np.inf
            if sinks is not None:
                top = np.maximum(scores.max(axis=1, keepdims=True), sinks[h])
                scores = np.exp(scores - top)
                total = scores.sum(axis=1, keepdims=True) + np.exp(sinks[h] - top)
                out[:, h] = scores / total @ values[:, h // group]
                continue
            scores = np.exp(scores - scores.max(axis=1, keepdims=True))
            out[:, h] = scores / scores.sum(axis=1, keepdims=True) @ values[:, h // group]
        return out

    def qkv(self, h, p):
        """Projections; V is None where keys are values, K too where another layer's are read."""
        if p + "attn_k.weight" not in self.weights and self.arch == "gemma4":
            return self.product(h, p + "attn_q.weight"), None, None
        if p + "attn_v.weight" not in self.weights and self.arch == "gemma4":
            k = self.product(h, p + "attn_k.weight")
            return self.product(h, p + "attn_q.weight"), k, k
        if p + "attn_qkv.weight" in self.weights:
            sizes = np.cumsum([self.heads * self.dim, self.kv_heads * self.dim])
            return np.split(self.product(h, p + "attn_qkv.weight"), sizes, axis=1)
        q, k, v = (self.product(h, p + f"attn_{n}.weight") for n in "qkv")
        if p + "attn_q.bias" in self.weights:
            q, k, v = (a + self.weights[p + f"attn_{n}.bias"] for a, n in zip((q, k, v), "qkv"))
        return q, k, v

    def gated(self, h, p, suffix=""):
        """The feed-forward part of three matrices, or of two if the first holds gate and up."""
        if self.nemotron:
            h = np.maximum(self.product(h, p + f"ffn_up{suffix}.weight"), 0) ** 2
            return self.product(h.astype(np.float32), p + f"ffn_down{suffix}.weight")
        if p + f"ffn_gate{suffix}.weight" in self.weights:
            gate, up = (self.product(h, p + f"ffn_{n}{suffix}.weight") for n in ("gate", "up"))
        else:
            gate, up = np.split(self.product(h, p + f"ffn_up{suffix}.weight"), 2, axis=1)
        h = ((gelu_tanh if self.gemma else silu)(gate) * up).astype(np.float32)
        return self.product(h, p + f"ffn_down{suffix}.weight")

    def experts(self, h, p, router=None):
        w = self.weights
        # Gemma 4's router has a norm of its own.
        seen = h if router is None else router
        logits = self.product(seen, p + "ffn_gate_inp.weight").astype(np.float64)
        logits += w.get(p + "ffn_gate_inp.bias", 0)
        if self.get("expert_gating_func", 1) == 2:
            weights = 1 / (1 + np.exp(-logits))
        else:
            weights = np.exp(logits - logits.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
        out = np.zeros_like(h)
        oss = self.arch == "gpt-oss"
        for r, row in enumerate(weights):
            chosen = np.argsort(-(row + w.get(p + "exp_probs_b.bias", 0)), kind="stable")[: self.experts_used]
            share = row[chosen] / (1 if self.arch == "qwen2moe" else row[chosen].sum())
            share = share * self.get("expert_weights_scale", 1.0)
            if p + "ffn_down_exps.scale" in w:
                share = share * w[p + "ffn_down_exps.scale"][chosen]
            for e, s in zip(chosen, share):
                if self.nemotron:
                    gate, up = None, np.maximum(self.expert_product(h[r], p + "ffn_up_exps.weight", e), 0)
                elif p + "ffn_gate_up_exps.weight" in w:
                    gate, up = np.split(self.expert_product(h[r], p + "ffn_gate_up_exps.weight", e), 2)
                else:
                    gate, up = (self.expert_product(h[r], p + f"ffn_{n}_exps.weight", e) for n in ("gate", "up"))
                if oss:
                    gate = np.minimum(gate + w[p + "ffn_gate_exps.bias"][e], 7)
                    up = np.clip(up + w[p + "ffn_up_exps.bias"][e], -7, 7)
                    x = (gate / (1 + np.exp(-1.702 * gate)) * (up + 1)).astype(np.float32)
                elif self.nemotron:
                    x = (up * up).astype(np.float32)
                else:
                    x = ((gelu_tanh if self.gemma else silu)(gate) * up).astype(np.float32)
                y = self.expert_product(x, p + "ffn_down_exps.weight", e)
                out[r] += np.float32(s) * (y + w[p + "ffn_down_exps.bias"][e] if oss else y)
        if p + "ffn_up_shexp.weight" in w:
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

    def convolve(self, x, taps, layer, bias=None):
        """A causal convolution of each channel; the last inputs are kept. taps: [channels, count]."""
        count = taps.shape[1]
        before = self.states[layer]["conv"] if self.states[layer] else np.zeros((count - 1, x.shape[1]), np.float32)
        both = np.concatenate([before, x])
        out = sum(taps[:, j] * both[j : j + len(x)] for j in range(count))
        self.states[layer] = (self.states[layer] or {}) | {"conv": both[len(both) - count + 1 :]}
        return (out if bias is None else out + bias).astype(np.float32)

    def recur(self, layer, heads, q, k, v, decay, rate, delta):
        """Token by token: q, k [rows, heads, keys], v [rows, heads, values], decay and rate [rows, heads]."""
        state = self.states[layer].get("matrix")
        state = np.zeros((heads, k.shape[2], v.shape[2]), np.float64) if state is None else state
        out = []
        for t in range(len(q)):
            state = state * decay[t][:, None, None]
            learnt = v[t] - (np.einsum("hk,hkv->hv", k[t], state) if delta else 0)
            state = state + np.einsum("hk,hv->hkv", k[t], learnt * rate[t][:, None])
            out.append(np.einsum("hk,hkv->hv", q[t], state))
        self.states[layer]["matrix"] = state
        return np.array(out).astype(np.float32)

    def delta_net(self, h, layer, p):
        w, get = self.weights, self.get
        n_k, n_v, d = get("ssm.group_count"), get("ssm.time_step_rank"), get("ssm.state_size")
        u = silu(self.convolve(self.product(h, p + "attn_qkv.weight"), w[p + "ssm_conv1d.weight"], layer))
        q, k, v = np.split(u.astype(np.float64), [n_k * d, 2 * n_k * d], axis=1)
        q, k, v = (a.reshape(len(h), -1, d) for a in (q, k, v))
        q, k = (a / np.sqrt((a * a).sum(axis=2, keepdims=True) + self.eps) for a in (q, k))
        if p + "ssm_ba.weight" in w:
            both = self.product(h, p + "ssm_ba.weight").reshape(len(h), n_k, 2, n_v // n_k)
            beta, alpha = both[:, :, 0].reshape(len(h), -1), both[:, :, 1].reshape(len(h), -1)
        else:
            beta, alpha = (self.product(h, p + f"ssm_{n}.weight") for n in ("beta", "alpha"))
        of_value = np.arange(n_v) // (n_v // n_k) if self.arch == "qwen3next" else np.arange(n_v) % n_k
        decay = np.exp(w[p + "ssm_a"] * np.log1p(np.exp(alpha.astype(np.float64) + w[p + "ssm_dt.bias"])))
        rate = 1 / (1 + np.exp(-beta))
        o = self.recur(layer, n_v, q[:, of_value] / np.sqrt(d), k[:, of_value], v, decay, rate, True)
        o = rms_norm(o, w[p + "ssm_norm.weight"], self.eps)
        z = self.product(h, p + "attn_gate.weight").reshape(o.shape)
        return self.product((o * silu(z)).reshape(len(h), -1).astype(np.float32), p + "ssm_out.weight")

    def mamba2(self, h, layer, p):
        w, get = self.weights, self.get
        inner, n = get("ssm.inner_size"), get("ssm.state_size")
        heads, groups = get("ssm.time_step_rank"), get("ssm.group_count")
        z, x, dt = np.split(self.product(h, p + "ssm_in.weight"), [inner, 2 * inner + 2 * groups * n], axis=1)
        x = silu(self.convolve(x, w[p + "ssm_conv1d.weight"], layer, w[p + "ssm_conv1d.bias"]))
        x, b, c = np.split(x, [inner, inner + groups * n], axis=1)
        x = x.reshape(len(h), heads, -1)
        b, c = (np.repeat(a.reshape(len(h), groups, n), heads // groups, axis=1) for a in (b, c))
        dt = np.log1p(np.exp(dt.astype(np.float64) + w[p + "ssm_dt.bias"]))
        y = self.recur(layer, heads, c, b, x, np.exp(dt * w[p + "ssm_a"][:, 0]), dt, False)
        y = (y + w[p + "ssm_d"] * x).reshape(len(h), -1) * silu(z)
        if p + "ssm_norm.weight" in w:
            y = rms_norm(y.reshape(len(h), groups, -1), w[p + "ssm_norm.weight"], self.eps)
        return self.product(y.reshape(len(h), -1).astype(np.float32), p + "ssm_out.weight")

    def short_conv(self, h, layer, p):
        b, c, x = np.split(self.product(h, p + "shortconv.in_proj.weight"), 3, axis=1)
        y = c * self.convolve(b * x, self.weights[p + "shortconv.conv.weight"], layer)
        return self.product(y.astype(np.float32), p + "shortconv.out_proj.weight")

    def attend(self, h, i, positions, growth):
        """The attention of layer i up to its output projection."""
        w, p, position = self.weights, f"blk.{i}.", self.position
        heads, kv_heads, dim = self.shape(i)
        local = self.local(i)
        gemma3 = self.arch == "gemma3" and local
        base = 10000.0 if gemma3 else self.rope_base
        base = self.get("rope.freq_base_swa", base) if local else base
        scale = 1.0 if gemma3 else self.rope_scale
        q, k, v = self.qkv(h, p)
        gate = None
        if self.delta:
            q, gate = np.split(q.reshape(-1, heads, 2 * dim), 2, axis=2)
        if self.arch == "olmo2":
            q = rms_norm(q, w[p + "attn_q_norm.weight"], self.eps)
            k = rms_norm(k, w[p + "attn_k_norm.weight"], self.eps)
        q = q.reshape(-1, heads, dim)
        if k is not None:
            k, v = k.reshape(-1, kv_heads, dim), v.reshape(-1, kv_heads, dim)
        if p + "attn_q_norm.weight" in w and self.arch != "olmo2":
            q = rms_norm(q, w[p + "attn_q_norm.weight"], self.eps)
            k = None if k is None else rms_norm(k, w[p + "attn_k_norm.weight"], self.eps)
        if self.arch == "gemma4" and v is not None:
            v = rms_norm(v, 1, self.eps)
        turns = not self.nemotron and not (self.arch == "smollm3" and (i + 1) % 4 == 0) and self.get("rope.scaling.finetuned", True)
        if turns:
            q = self.rope(q, positions, base, scale, local)
            k = None if k is None else self.rope(k, positions, base, scale, local)
        if growth:
            periods = np.floor(positions / self.get("rope.scaling.original_context_length"))
            q = q * (1 + growth * np.log(1 + periods))[:, None, None]
        source = i
        if k is None:  # the last layer of the same kind that has keys
            own = self.layers - self.get("attention.shared_kv_layers")
            source = max(s for s in range(own) if self.local(s) == local)
        else:
            k, v = (a.astype(np.float32) for a in (k, v))
            if self.quantised:
                k, v = (a.astype(np.float16).astype(np.float32) for a in (k, v))
            self.keys[i] = np.concatenate([self.keys[i], k])
            self.values[i] = np.concatenate([self.values[i], v])
        self.keys[i], self.values[i] = self.keys[source], self.values[source]
        a = self.attention(q.astype(np.float32), i, position, self.window if local else 0)
        if gate is not None:
            a = a / (1 + np.exp(-gate))
        a = self.product(a.reshape(len(h), -1).astype(np.float32), p + "attn_output.weight")
        return a + w.get(p + "attn_output.bias", 0)

    def mix(self, h, i, positions, growth):
        p = f"blk.{i}."
        if self.arch == "falcon-h1":
            return self.attend(h, i, positions, growth) + self.mamba2(h, i, p)
        if p + "ssm_in.weight" in self.weights:
            return self.mamba2(h, i, p)
        if p + "ssm_out.weight" in self.weights:
            return self.delta_net(h, i, p)
        if p + "shortconv.conv.weight" in self.weights:
            return self.short_conv(h, i, p)
        return self.attend(h, i, positions, growth)

    def feed_forward(self, x, p):
        w = self.weights
        norm = "post_attention_norm" if self.delta or self.arch == "gpt-oss" else "ffn_norm"
        norm = norm if self.arch == "falcon-h1" else f"{norm}.weight"
        h = rms_norm(x, w[p + norm], self.eps) if self.pre_norms else x
        if p + "ffn_gate_inp.weight" not in w:
            return self.gated(h, p)
        if self.arch != "gemma4":
            return self.experts(h, p)
        a = rms_norm(self.gated(h, p), w[p + "post_ffw_norm_1.weight"], self.eps)
        router = rms_norm(x, w[p + "ffn_gate_inp.scale"] / np.float32(np.sqrt(self.d)), self.eps)
        h = rms_norm(x, w[p + "pre_ffw_norm_2.weight"], self.eps)
        return a + rms_norm(self.experts(h, p, router), w[p + "post_ffw_norm_2.weight"], self.eps)

    def per_layer_inputs(self, x, tokens):
        """[rows, layers, width]: what the tokens alone say in each layer."""
        w, n = self.weights, self.get("embedding_length_per_layer_input")
        projected = self.product(x, "per_layer_model_proj.weight") / np.float32(np.sqrt(self.d))
        projected = rms_norm(projected.reshape(len(x), -1, n), w["per_layer_proj_norm.weight"], self.eps)
        looked = w["per_layer_token_embd.weight"][tokens].reshape(projected.shape) * np.float32(np.sqrt(n))
        return (projected + looked) / np.float32(np.sqrt(2))

    def forward(self, tokens):
        """Logits [len(tokens), vocabulary] of tokens that follow what the cache holds."""
        w = self.weights
        position = self.position
        positions = (position + np.arange(len(tokens))).astype(np.float64)
        x = w["token_embd.weight"][tokens].copy()
        x *= self.embedding_scale
        growth = self.get("attention.temperature_scale", 0.0)
        extra = self.per_layer_inputs(x, tokens) if "per_layer_model_proj.weight" in w else None
        for i in range(self.layers):
            p = f"blk.{i}."
            h = rms_norm(x, w[p + "attn_norm.weight"], self.eps) if self.pre_norms else x
            if self.nemotron:  # a layer is one thing
                if p + "ffn_gate_inp.weight" in w:
                    a = self.experts(h, p)
                else:
                    a = self.gated(h, p) if p + "ffn_up.weight" in w else self.mix(h, i, positions, growth)
                x = (x + a).astype(np.float32)
                continue
            a = self.mix(h, i, positions, growth)
            a = rms_norm(a, w[p + "post_attention_norm.weight"], self.eps) if self.post_norms else a
            x = x + a * self.residual_scale
            f = self.feed_forward(x, p)
            f = rms_norm(f, w[p + "post_ffw_norm.weight"], self.eps) if self.post_norms else f
            x = x + f * self.residual_scale
            if extra is not None:
                g = gelu_tanh(self.product(x, p + "inp_gate.weight")) * extra[:, i]
                g = self.product(g.astype(np.float32), p + "proj.weight")
                x = x + rms_norm(g, w[p + "post_norm.weight"], self.eps)
            x = (x * w.get(p + "layer_output_scale.weight", 1)).astype(np.float32)
        self.position += len(tokens)
        norm = "token_embd_norm.weight" if self.arch in ("lfm2", "lfm2moe") else "output_norm.weight"
        x = rms_norm(x, w[norm], self.eps)
        head = "output.weight" if "output.weight" in w else "token_embd.weight"
        logits = self.product(x, head) / self.logit_scale
        cap = self.get("final_logit_softcapping", 0)
        return cap * np.tanh(logits / cap) if cap else logits

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
