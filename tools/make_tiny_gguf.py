#!/usr/bin/env python3
"""Writes tiny GGUF models with random weights: every architecture, every quant type, and the shapes
that go wrong easily (odd head sizes, a vocabulary that is no multiple of 32, an untied head, windows,
frequency factors, mixed types). They are made when the tests run and are never committed.

    make_tiny_gguf.py OUT_DIR            all of them
    make_tiny_gguf.py OUT_DIR NAME...    some, by name
"""

import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as T

TYPES = ["F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K", "MXFP4"]


@dataclass
class Tiny:
    name: str
    arch: str
    type: str = "Q8_0"
    layers: int = 2
    embedding: int = 256
    feed_forward: int = 512
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    vocabulary: int = 323
    context: int = 2048
    tied: bool = True
    window: int = 0
    rope_factors: bool = False
    rope_linear: float = 0.0
    mixed: bool = False  # types differ between the matrices of a layer
    experts: int = 0
    used: int = 2
    expert_width: int = 0
    shared_width: int = 0
    fused_experts: bool = False  # gate and up in one tensor
    rope_dim: int = 0  # 0: all of a head
    per_layer: int = 0  # gemma4: dimensions of per-layer embeddings
    shared_kv: int = 0  # gemma4: layers without keys of their own
    keys_only: bool = False  # gemma4: keys are values where attention is global
    pattern: str = ""  # nemotron_h: Mamba 2, attention (*), feed-forward part (-)
    group_norm: bool = True  # of Mamba 2


MOE = {"qwen2moe", "qwen3moe", "granitemoe", "gpt-oss", "qwen35moe", "qwen3next", "lfm2moe", "granitehybrid",
       "nemotron_h_moe"}  # fmt: skip
POST_ONLY = {"exaone4", "olmo2"}
DELTA = {"qwen35", "qwen35moe", "qwen3next"}
NEMOTRON = {"nemotron_h", "nemotron_h_moe"}


def variants():
    out = [Tiny(f"llama-{t.lower()}", "llama", t) for t in TYPES]
    for arch in ("qwen2", "qwen3", "gemma3"):
        extra = {"window": 40, "layers": 3} if arch == "gemma3" else {}
        out += [Tiny(f"{arch}-{t.lower()}", arch, t, **extra) for t in ("F32", "Q4_1", "Q6_K")]
    out += [
        Tiny("llama-mixed", "llama", mixed=True, tied=False),
        Tiny("qwen2-untied", "qwen2", "Q5_0", tied=False, vocabulary=352),
        Tiny("llama-factors", "llama", "Q8_0", rope_factors=True),
        Tiny("qwen3-linear", "qwen3", "Q8_0", rope_linear=4.0, head_dim=128, heads=2, kv_heads=1),
        # Heads that end neither on stripes nor on activation blocks.
        Tiny("llama-heads80", "llama", "Q8_0", embedding=320, heads=4, kv_heads=2, head_dim=80),
        Tiny("qwen2-heads48", "qwen2", "Q4_0", embedding=96, heads=2, kv_heads=1, head_dim=48),
        Tiny("gemma3-mixed", "gemma3", mixed=True, window=33, layers=4, head_dim=256, kv_heads=1),
    ]
    small = {"layers": 4, "embedding": 64, "feed_forward": 96, "head_dim": 16, "vocabulary": 320}
    moe = small | {"experts": 8, "expert_width": 32}
    out += [
        Tiny("qwen3moe-f32", "qwen3moe", "F32", **moe),
        Tiny("qwen3moe-q8_0", "qwen3moe", "Q8_0", **moe | {"fused_experts": True}),
        Tiny("qwen3moe-q4_k", "qwen3moe", "Q4_K", layers=2, experts=5, used=3, expert_width=256),
        Tiny("qwen2moe-f32", "qwen2moe", "F32", tied=False, **moe | {"shared_width": 64}),
        Tiny("qwen2moe-q5_0", "qwen2moe", "Q5_0", tied=False, **moe | {"shared_width": 64}),
        Tiny("granitemoe-f32", "granitemoe", "F32", **moe | {"feed_forward": 32}),
        Tiny("granitemoe-shared", "granitemoe", "Q8_0", **moe | {"feed_forward": 32, "shared_width": 64}),
        Tiny("granite-f32", "granite", "F32", **small),
        Tiny("granite-q8_0", "granite", "Q8_0", **small),
        Tiny("smollm3-f32", "smollm3", "F32", **small),
        Tiny("phi3-f32", "phi3", "F32", **small | {"rope_dim": 12}),
        Tiny("phi3-q4_0", "phi3", "Q4_0", **small | {"rope_dim": 12}),
        Tiny("mistral3-f32", "mistral3", "F32", **small | {"head_dim": 32}),
        Tiny("exaone4-f32", "exaone4", "F32", **small),
        Tiny("gpt-oss-f32", "gpt-oss", "F32", tied=False, **moe | {"window": 8, "head_dim": 32}),
        Tiny("gpt-oss-mxfp4", "gpt-oss", "MXFP4", tied=False, **moe | {"window": 33, "head_dim": 32}),
        Tiny("olmo2-f32", "olmo2", "F32", tied=False, **small | {"window": 8}),
        Tiny("gemma2-f32", "gemma2", "F32", **small | {"window": 8}),
        Tiny("gemma4-f32", "gemma4", "F32", **small | {"layers": 6, "window": 8, "per_layer": 32, "shared_kv": 3}),
        Tiny("gemma4-q8_0", "gemma4", "Q8_0", **small | {"layers": 6, "window": 33, "per_layer": 32, "shared_kv": 3}),
        Tiny("gemma4-keys", "gemma4", "F32", **small | {"layers": 3, "window": 8, "keys_only": True}),
        Tiny("gemma4-moe", "gemma4", "F32", **moe | {"layers": 3, "window": 8, "keys_only": True, "fused_experts": True}),
        Tiny("qwen35-f32", "qwen35", "F32", tied=False, **small | {"head_dim": 32, "rope_dim": 8}),
        Tiny("qwen35-q8_0", "qwen35", "Q8_0", **small | {"head_dim": 32, "rope_dim": 8}),
        Tiny("qwen35moe-f32", "qwen35moe", "F32", **moe | {"head_dim": 32, "rope_dim": 8, "shared_width": 64}),
        Tiny("qwen3next-f32", "qwen3next", "F32", **moe | {"head_dim": 32, "rope_dim": 8, "shared_width": 64}),
        Tiny("lfm2-f32", "lfm2", "F32", **small),
        Tiny("lfm2-q4_0", "lfm2", "Q4_0", **small),
        Tiny("lfm2moe-f32", "lfm2moe", "F32", **moe),
        Tiny("granitehybrid-f32", "granitehybrid", "F32", **moe | {"feed_forward": 32, "shared_width": 64}),
        Tiny("falcon-h1-f32", "falcon-h1", "F32", tied=False, group_norm=False, **small),
        Tiny("falcon-h1-q8_0", "falcon-h1", "Q8_0", **small | {"layers": 2}),
        Tiny("nemotron_h-f32", "nemotron_h", "F32", tied=False, pattern="M-*-M-", **small | {"layers": 6}),
        Tiny("nemotron_h-q8_0", "nemotron_h", "Q8_0", tied=False, pattern="-M-*", **small),
        Tiny("nemotron_h_moe-f32", "nemotron_h_moe", "F32", tied=False, pattern="M-*-M",
             **moe | {"layers": 5, "shared_width": 64}),
        Tiny("nemotron_h_moe-q8_0", "nemotron_h_moe", "Q8_0", tied=False, pattern="M*-",
             **moe | {"layers": 3, "shared_width": 64}),
    ]
    return out


def random_k_blocks(rng, kind, rows, cols):
    """Random blocks of a k-quant, scaled to a standard deviation of about 1 / sqrt(cols)."""
    blocks = rows * cols // 256
    sigma = 1.0 / np.sqrt(cols)

    def f16(x):
        return x.astype(np.float16).view(np.uint8).reshape(blocks, 2)

    jitter = 0.5 + rng.random(blocks)
    if kind == "Q6_K":
        low = rng.integers(0, 256, (blocks, 192), dtype=np.uint8)
        scales = rng.integers(-128, 128, (blocks, 16)).astype(np.int8).view(np.uint8)
        d = f16(sigma * jitter / (73 * 18.5))
        return np.concatenate([low, scales, d], axis=1).reshape(rows, -1)
    levels = 16 if kind == "Q4_K" else 32
    d = sigma * jitter / (36 * levels / 3.5)
    head = np.concatenate([f16(d), f16(d * levels / 2)], axis=1)
    scales = rng.integers(0, 256, (blocks, 12), dtype=np.uint8)
    body = rng.integers(0, 256, (blocks, 128 if kind == "Q4_K" else 160), dtype=np.uint8)
    return np.concatenate([head, scales, body], axis=1).reshape(rows, -1)


class Maker:
    def __init__(self, tiny, path):
        self.t = tiny
        self.rng = np.random.default_rng(zlib.crc32(tiny.name.encode()))
        self.w = gguf.GGUFWriter(path, tiny.arch)

    def matrix(self, name, rows, cols, kind=None):
        kind = kind or self.t.type
        if kind.endswith("_K"):
            assert cols % 256 == 0, (name, cols)
            self.w.add_tensor(name, random_k_blocks(self.rng, kind, rows, cols), raw_dtype=T[kind])
            return
        data = (self.rng.standard_normal((rows, cols)) / np.sqrt(cols)).astype(np.float32)
        if kind == "F32":
            self.w.add_tensor(name, data)
        elif kind == "F16":
            self.w.add_tensor(name, data.astype(np.float16))
        else:
            self.w.add_tensor(name, gguf.quants.quantize(data, T[kind]), raw_dtype=T[kind])

    def planes(self, name, planes, rows, cols):
        """A matrix for each expert."""
        kind = self.t.type
        if kind.endswith("_K"):
            data = np.stack([random_k_blocks(self.rng, kind, rows, cols) for _ in range(planes)])
            self.w.add_tensor(name, data, raw_dtype=T[kind])
            return
        data = (self.rng.standard_normal((planes, rows, cols)) / np.sqrt(cols)).astype(np.float32)
        if kind == "F32":
            self.w.add_tensor(name, data)
        else:
            self.w.add_tensor(name, gguf.quants.quantize(data, T[kind]), raw_dtype=T[kind])

    def vector(self, name, size, mean=1.0, spread=0.2):
        data = mean + spread * self.rng.standard_normal(size)
        self.w.add_tensor(name, data.astype(np.float32))

    def tokenizer(self):
        byte_tokens = list(gguf_byte_alphabet())
        special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
        merged = ["th", "the"]
        tokens = byte_tokens + special + merged
        kinds = [1] * len(byte_tokens) + [3] * len(special) + [1] * len(merged)
        while len(tokens) < self.t.vocabulary:
            tokens.append(f"<unused{len(tokens)}>")
            kinds.append(5)
        self.w.add_tokenizer_model("gpt2")
        self.w.add_tokenizer_pre("gpt-2")
        self.w.add_token_list(tokens)
        self.w.add_token_types(kinds)
        self.w.add_token_merges(["t h", "th e"])
        self.w.add_eos_token_id(258)
        self.w.add_bos_token_id(256)
        self.w.add_add_bos_token(False)
        self.w.add_chat_template(
            "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
        )

    def family_keys(self):
        t, w = self.t, self.w
        if t.arch in MOE:
            w.add_expert_count(t.experts)
            w.add_expert_used_count(t.used)
            w.add_expert_feed_forward_length(t.expert_width)
            if t.shared_width:
                w.add_expert_shared_feed_forward_length(t.shared_width)
        if t.arch in ("granite", "granitemoe"):
            w.add_embedding_scale(6.0)
            w.add_residual_scale(0.44)
            w.add_attention_scale(0.3)
            w.add_logit_scale(3.0)
        if t.arch == "mistral3":
            w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
            w.add_rope_scaling_factor(8.0)
            w.add_rope_scaling_orig_ctx_len(16)
            w.add_rope_scaling_yarn_beta_fast(4.0)
            w.add_rope_scaling_yarn_beta_slow(0.25)
            w.add_float32("mistral3.rope.scaling.yarn_log_multiplier", 0.6)
            w.add_float32("mistral3.attention.temperature_scale", 0.3)
        if t.arch in NEW_KEYS:
            NEW_KEYS[t.arch](self)
        if t.arch == "phi3":
            w.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
            w.add_rope_scaling_orig_ctx_len(64)
            w.add_rope_scaling_attn_factors(1.19)
            factors = 1.0 + 3.0 * self.rng.random((2, t.rope_dim // 2))
            w.add_tensor("rope_factors_long.weight", factors[0].astype(np.float32))
            w.add_tensor("rope_factors_short.weight", factors[1].astype(np.float32))

    def gpt_oss_keys(self):
        w = self.w
        w.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        w.add_rope_scaling_factor(8.0)
        # With these the ramp ends near whole dimensions (1.002 and 6.992): engines that round them
        # outwards agree.
        w.add_rope_scaling_orig_ctx_len(359)
        w.add_rope_freq_base(10481.0)

    def gemma2_keys(self):
        self.w.add_attn_logit_softcapping(5.0)
        self.w.add_final_logit_softcapping(3.0)

    def gemma4_keys(self):
        t, w = self.t, self.w
        w.add_array("gemma4.attention.sliding_window_pattern", self.windowed())
        w.add_uint32("gemma4.attention.key_length_swa", t.head_dim)
        w.add_uint32("gemma4.attention.value_length_swa", t.head_dim)
        w.add_uint32("gemma4.rope.dimension_count_swa", t.head_dim)
        w.add_uint32("gemma4.attention.shared_kv_layers", t.shared_kv)
        w.add_uint32("gemma4.embedding_length_per_layer_input", t.per_layer)
        w.add_float32("gemma4.rope.freq_base_swa", 5000.0)
        w.add_final_logit_softcapping(3.0)
        if t.experts:
            w.add_expert_count(t.experts)
            w.add_expert_used_count(t.used)
            w.add_expert_feed_forward_length(t.expert_width)
        factors = np.array([1.0] * (t.head_dim // 4) + [1e30] * (t.head_dim - t.head_dim // 4))
        w.add_tensor("rope_freqs.weight", factors.astype(np.float32))

    def delta_keys(self):
        t, w = self.t, self.w
        w.add_uint32(f"{t.arch}.ssm.conv_kernel", 4)
        w.add_uint32(f"{t.arch}.ssm.state_size", 16)
        w.add_uint32(f"{t.arch}.ssm.group_count", 2)
        w.add_uint32(f"{t.arch}.ssm.time_step_rank", 4)
        w.add_uint32(f"{t.arch}.ssm.inner_size", 64)
        w.add_uint32(f"{t.arch}.full_attention_interval", 4)
        if t.arch != "qwen3next":
            w.add_array(f"{t.arch}.rope.dimension_sections", [2, 1, 1, 0])

    def lfm2_keys(self):
        t, w = self.t, self.w
        w.add_uint32(f"{t.arch}.shortconv.l_cache", 3)
        if t.arch == "lfm2moe":
            w.add_uint32("lfm2moe.leading_dense_block_count", 1)
            w.add_uint32("lfm2moe.expert_gating_func", 2)

    def granitehybrid_keys(self):
        w = self.w
        w.add_embedding_scale(6.0)
        w.add_residual_scale(0.44)
        w.add_attention_scale(0.3)
        w.add_logit_scale(3.0)
        w.add_bool("granitehybrid.rope.scaling.finetuned", False)
        for key, value in (("conv_kernel", 4), ("state_size", 16), ("group_count", 2), ("time_step_rank", 8),
                           ("inner_size", 128)):  # fmt: skip
            w.add_uint32(f"granitehybrid.ssm.{key}", value)

    def mamba2_keys(self):
        for key, value in (("conv_kernel", 4), ("state_size", 16), ("group_count", 2), ("time_step_rank", 8),
                           ("inner_size", 128)):  # fmt: skip
            self.w.add_uint32(f"{self.t.arch}.ssm.{key}", value)
        if self.t.arch == "nemotron_h_moe":
            self.w.add_expert_weights_norm(True)
            self.w.add_expert_weights_scale(2.5)
            self.w.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)

    def windowed(self):
        return [i % 3 != 2 for i in range(self.t.layers)]

    def kv_heads(self):
        t = self.t
        if t.arch in ("lfm2", "lfm2moe"):
            return [t.kv_heads if i % 2 else 0 for i in range(t.layers)]
        if t.arch == "granitehybrid":
            return [t.kv_heads if i == 2 else 0 for i in range(t.layers)]
        if t.pattern:
            return [t.kv_heads if kind == "*" else 0 for kind in t.pattern]
        if t.keys_only:
            return [t.kv_heads if swa else 1 for swa in self.windowed()]
        return t.kv_heads

    def widths(self):
        t = self.t
        if t.pattern:
            return [t.feed_forward if kind == "-" else 0 for kind in t.pattern]
        if t.shared_kv:
            return [t.feed_forward * (2 if i >= t.layers - t.shared_kv else 1) for i in range(t.layers)]
        return t.feed_forward

    def delta(self, p):
        t, d = self.t, self.t.embedding
        self.matrix(p + "attn_qkv.weight", 2 * 2 * 16 + 64, d)
        self.matrix(p + "attn_gate.weight", 64, d)
        if t.arch == "qwen3next":
            self.matrix(p + "ssm_ba.weight", 8, d)
        else:
            self.matrix(p + "ssm_beta.weight", 4, d)
            self.matrix(p + "ssm_alpha.weight", 4, d)
        self.matrix(p + "ssm_conv1d.weight", 128, 4, "F32")
        self.vector(p + "ssm_dt.bias", 4, 0.0, 1.0)
        self.w.add_tensor(p + "ssm_a", (-np.exp(self.rng.standard_normal(4))).astype(np.float32))
        self.vector(p + "ssm_norm.weight", 16)
        self.matrix(p + "ssm_out.weight", d, 64)

    def mamba2(self, p):
        d = self.t.embedding
        inner, state, groups, heads = 128, 16, 2, 8
        channels = inner + 2 * groups * state
        self.matrix(p + "ssm_in.weight", inner + channels + heads, d)
        self.matrix(p + "ssm_conv1d.weight", channels, 4, "F32")
        self.vector(p + "ssm_conv1d.bias", channels, 0.0, 0.3)
        self.vector(p + "ssm_dt.bias", heads, 0.0, 1.0)
        self.w.add_tensor(p + "ssm_a", (-np.exp(self.rng.standard_normal((heads, 1)))).astype(np.float32))
        self.w.add_tensor(p + "ssm_d", self.rng.standard_normal((heads, 1)).astype(np.float32))
        if self.t.group_norm:
            norm = 1 + 0.2 * self.rng.standard_normal((groups, inner // groups))
            self.w.add_tensor(p + "ssm_norm.weight", norm.astype(np.float32))
        self.matrix(p + "ssm_out.weight", d, inner)

    def short_conv(self, p):
        d = self.t.embedding
        self.matrix(p + "shortconv.in_proj.weight", 3 * d, d)
        self.matrix(p + "shortconv.conv.weight", d, 3, "F32")
        self.matrix(p + "shortconv.out_proj.weight", d, d)

    def attention(self, p):
        t, d = self.t, self.t.embedding
        self.matrix(p + "attn_q.weight", t.heads * t.head_dim, d)
        self.matrix(p + "attn_k.weight", t.kv_heads * t.head_dim, d)
        self.matrix(p + "attn_v.weight", t.kv_heads * t.head_dim, d)
        self.matrix(p + "attn_output.weight", d, t.heads * t.head_dim)

    def only_layer(self, i):
        """A layer of one thing behind one norm."""
        t, d, p = self.t, self.t.embedding, f"blk.{i}."
        self.vector(p + "attn_norm.weight", d)
        if t.pattern[i] == "M":
            self.mamba2(p)
        elif t.pattern[i] == "*":
            self.attention(p)
        elif t.experts:
            self.matrix(p + "ffn_gate_inp.weight", t.experts, d, "F32")
            self.vector(p + "exp_probs_b.bias", t.experts, 0.0, 0.1)
            self.planes(p + "ffn_up_exps.weight", t.experts, t.expert_width, d)
            self.planes(p + "ffn_down_exps.weight", t.experts, d, t.expert_width)
            self.matrix(p + "ffn_up_shexp.weight", t.shared_width, d)
            self.matrix(p + "ffn_down_shexp.weight", d, t.shared_width)
        else:
            self.matrix(p + "ffn_up.weight", t.feed_forward, d)
            self.matrix(p + "ffn_down.weight", d, t.feed_forward)

    def layer(self, i):
        """A layer of the families that came later."""
        if self.t.pattern:
            self.only_layer(i)
            return
        t, d, p = self.t, self.t.embedding, f"blk.{i}."
        kv = self.kv_heads()
        kv = kv[i] if isinstance(kv, list) else kv
        widths = self.widths()
        width = widths[i] if isinstance(widths, list) else widths
        swa = t.arch == "gemma4" and self.windowed()[i]
        dim = 2 * t.head_dim if t.arch == "gemma4" and not swa else t.head_dim
        shares = i >= t.layers - t.shared_kv
        if t.arch not in POST_ONLY:
            self.vector(p + "attn_norm.weight", d)
        if t.arch in DELTA and (i + 1) % 4:
            self.delta(p)
        elif t.arch == "granitehybrid" and not kv:
            self.mamba2(p)
        elif t.arch in ("lfm2", "lfm2moe") and not kv:
            self.short_conv(p)
        elif t.arch == "falcon-h1":
            self.attention(p)
            self.mamba2(p)
        else:
            self.matrix(p + "attn_q.weight", t.heads * dim * (2 if t.arch in DELTA else 1), d)
            if not shares:
                self.matrix(p + "attn_k.weight", kv * dim, d)
                if not t.keys_only or swa:
                    self.matrix(p + "attn_v.weight", kv * dim, d)
            self.matrix(p + "attn_output.weight", d, t.heads * dim)
            if t.arch == "gpt-oss":
                for name, size in (("q", t.heads * dim), ("k", kv * dim), ("v", kv * dim), ("output", d)):
                    self.vector(p + f"attn_{name}.bias", size, 0.0, 0.5)
                self.vector(p + "attn_sinks.weight", t.heads, 0.0, 1.0)
            if t.arch == "olmo2":
                self.vector(p + "attn_q_norm.weight", t.heads * dim)
                self.vector(p + "attn_k_norm.weight", kv * dim)
            if t.arch in DELTA | {"gemma4", "lfm2", "lfm2moe"}:
                # Gemma 4 does not scale its scores.
                mean = 0.4 if t.arch == "gemma4" else 1.0
                self.vector(p + "attn_q_norm.weight", dim, mean)
                if not shares:
                    self.vector(p + "attn_k_norm.weight", dim, mean)
        if t.arch in POST_ONLY | DELTA | {"gemma2", "gemma4", "gpt-oss"}:
            self.vector(p + "post_attention_norm.weight", d)
        if t.arch in POST_ONLY | {"gemma2", "gemma4"}:
            self.vector(p + "post_ffw_norm.weight", d)
        if t.arch not in POST_ONLY | DELTA | {"gpt-oss"}:
            self.vector(p + ("ffn_norm" if t.arch == "falcon-h1" else "ffn_norm.weight"), d)
        dense = t.arch == "lfm2moe" and i == 0
        if t.experts and not dense:
            self.experts(p)
            if t.arch == "lfm2moe":
                self.vector(p + "exp_probs_b.bias", t.experts, 0.0, 0.1)
        if t.arch == "gpt-oss":
            self.vector(p + "ffn_gate_inp.bias", t.experts, 0.0, 0.3)
            for name, size in (("gate", t.expert_width), ("up", t.expert_width), ("down", d)):
                bias = 0.5 * self.rng.standard_normal((t.experts, size))
                self.w.add_tensor(p + f"ffn_{name}_exps.bias", bias.astype(np.float32))
        if not t.experts or dense or t.arch == "gemma4":
            self.matrix(p + "ffn_gate.weight", width, d)
            self.matrix(p + "ffn_up.weight", width, d)
            self.matrix(p + "ffn_down.weight", d, width)
        if t.arch == "gemma4" and t.experts:
            for name in ("post_ffw_norm_1", "pre_ffw_norm_2", "post_ffw_norm_2"):
                self.vector(p + f"{name}.weight", d)
            self.vector(p + "ffn_gate_inp.scale", d)
            self.vector(p + "ffn_down_exps.scale", t.experts)
        if t.arch == "gemma4":
            self.vector(p + "layer_output_scale.weight", 1)
        if t.per_layer:
            self.matrix(p + "inp_gate.weight", t.per_layer, d)
            self.matrix(p + "proj.weight", d, t.per_layer)
            self.vector(p + "post_norm.weight", d)

    def experts(self, p):
        t, d = self.t, self.t.embedding
        # Never quantised: which experts a row goes to hangs on it.
        self.matrix(p + "ffn_gate_inp.weight", t.experts, d, "F32")
        if t.fused_experts:
            self.planes(p + "ffn_gate_up_exps.weight", t.experts, 2 * t.expert_width, d)
        else:
            self.planes(p + "ffn_gate_exps.weight", t.experts, t.expert_width, d)
            self.planes(p + "ffn_up_exps.weight", t.experts, t.expert_width, d)
        self.planes(p + "ffn_down_exps.weight", t.experts, d, t.expert_width)
        if t.shared_width:
            self.matrix(p + "ffn_gate_shexp.weight", t.shared_width, d)
            self.matrix(p + "ffn_up_shexp.weight", t.shared_width, d)
            self.matrix(p + "ffn_down_shexp.weight", d, t.shared_width)
            if t.arch in DELTA | {"qwen2moe"}:
                self.vector(p + "ffn_gate_inp_shexp.weight", d, 0.0, 0.3)

    def write(self):
        t, w = self.t, self.w
        # Another engine gives files that call themselves phi3 tokens of their own.
        w.add_name(f"Tiny {t.name.replace('phi3', 'phi')}")
        w.add_file_type(7)
        w.add_block_count(t.layers)
        w.add_context_length(t.context)
        w.add_embedding_length(t.embedding)
        w.add_feed_forward_length(self.widths())
        w.add_head_count(t.heads)
        w.add_head_count_kv(self.kv_heads())
        head_dim = 2 * t.head_dim if t.arch == "gemma4" else t.head_dim
        w.add_key_length(head_dim)
        w.add_value_length(head_dim)
        if t.arch in NEMOTRON:
            w.add_layer_norm_eps(1e-5)
        else:
            w.add_layer_norm_rms_eps(1e-5)
        if t.arch != "gpt-oss":
            w.add_rope_freq_base(20000.0)
        if t.rope_linear:
            w.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            w.add_rope_scaling_factor(t.rope_linear)
        if t.arch in ("llama", "granite", "granitemoe", "smollm3", "phi3", "mistral3") or t.arch in NEW_KEYS:
            w.add_rope_dimension_count(t.rope_dim or head_dim)
        if t.window:
            w.add_sliding_window(t.window)
            if t.arch == "gemma3":
                w.add_uint32(f"{t.arch}.attention.sliding_window_pattern", 2)
        self.family_keys()
        self.tokenizer()
        q, kv, d = t.heads * t.head_dim, t.kv_heads * t.head_dim, t.embedding
        self.matrix("token_embd.weight", t.vocabulary, d, "Q5_0" if t.mixed else None)
        if t.per_layer:
            self.matrix("per_layer_token_embd.weight", t.vocabulary, t.per_layer * t.layers)
            self.matrix("per_layer_model_proj.weight", t.per_layer * t.layers, d, "F32")
            self.vector("per_layer_proj_norm.weight", t.per_layer)
        for i in range(t.layers):
            p = f"blk.{i}."
            if t.arch in NEW_KEYS:
                self.layer(i)
                continue
            mixed = iter(["Q5_0", "Q4_1", "Q8_0", "Q4_K", "Q4_0", "Q5_1", "Q6_K"]) if t.mixed else iter([None] * 7)
            if t.arch != "exaone4":
                self.vector(p + "attn_norm.weight", d)
            if t.arch == "phi3":
                self.matrix(p + "attn_qkv.weight", q + 2 * kv, d)
            else:
                self.matrix(p + "attn_q.weight", q, d, next(mixed))
                self.matrix(p + "attn_k.weight", kv, d, next(mixed))
                self.matrix(p + "attn_v.weight", kv, d, next(mixed))
            if t.arch in ("qwen2", "qwen2moe"):
                self.vector(p + "attn_q.bias", q, 0.0, 0.5)
                self.vector(p + "attn_k.bias", kv, 0.0, 0.5)
                self.vector(p + "attn_v.bias", kv, 0.0, 0.5)
            if t.arch in ("qwen3", "qwen3moe", "gemma3", "exaone4"):
                self.vector(p + "attn_q_norm.weight", t.head_dim)
                self.vector(p + "attn_k_norm.weight", t.head_dim)
            self.matrix(p + "attn_output.weight", d, q, next(mixed))
            if t.arch in ("gemma3", "exaone4"):
                self.vector(p + "post_attention_norm.weight", d)
                self.vector(p + "post_ffw_norm.weight", d)
            if t.arch != "exaone4":
                self.vector(p + "ffn_norm.weight", d)
            if t.arch in MOE:
                self.experts(p)
            elif t.arch == "phi3":
                self.matrix(p + "ffn_up.weight", 2 * t.feed_forward, d)
                self.matrix(p + "ffn_down.weight", d, t.feed_forward)
            else:
                self.matrix(p + "ffn_gate.weight", t.feed_forward, d, next(mixed))
                self.matrix(p + "ffn_up.weight", t.feed_forward, d, next(mixed))
                self.matrix(p + "ffn_down.weight", d, t.feed_forward, next(mixed))
        self.vector("token_embd_norm.weight" if t.arch in ("lfm2", "lfm2moe") else "output_norm.weight", d)
        if not t.tied:
            self.matrix("output.weight", t.vocabulary, d, "Q6_K" if t.mixed else None)
        if t.rope_factors:
            data = 1.0 + 7.0 * self.rng.random(t.head_dim // 2)
            w.add_tensor("rope_freqs.weight", data.astype(np.float32))
        w.write_header_to_file()
        w.write_kv_data_to_file()
        w.write_tensors_to_file()
        w.close()


NEW_KEYS = {
    "gpt-oss": Maker.gpt_oss_keys,
    "olmo2": lambda maker: None,
    "gemma2": Maker.gemma2_keys,
    "gemma4": Maker.gemma4_keys,
    "qwen35": Maker.delta_keys,
    "qwen35moe": Maker.delta_keys,
    "qwen3next": Maker.delta_keys,
    "lfm2": Maker.lfm2_keys,
    "lfm2moe": Maker.lfm2_keys,
    "granitehybrid": Maker.granitehybrid_keys,
    "falcon-h1": Maker.mamba2_keys,
    "nemotron_h": Maker.mamba2_keys,
    "nemotron_h_moe": Maker.mamba2_keys,
}


def gguf_byte_alphabet():
    """GPT-2's printable stand-ins for the 256 bytes, in byte order."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    shifted = iter(range(256, 512))
    return [chr(b if b in printable else next(shifted)) for b in range(256)]


def main():
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for tiny in variants():
        if len(sys.argv) > 2 and tiny.name not in sys.argv[2:]:
            continue
        Maker(tiny, out / f"{tiny.name}.gguf").write()


if __name__ == "__main__":
    main()
