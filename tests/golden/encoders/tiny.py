"""Tiny random models of embeddings, one of each architecture, as GGUF files: a few thousand numbers drawn from a seed.
BERT itself has its own file (../bert/bert.py), with a second implementation in numpy."""
import math

import gguf
import numpy as np

VOCABULARY = 320
WIDTH, HIDDEN, HEADS, CONTEXT = 64, 96, 4, 256


def unigram_vocabulary():
    """Of SentencePiece's other kind, as in XLM-RoBERTa: marks, letters, letters behind a space, pairs; with their scores."""
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    tokens = ["\u2581", *letters] + ["\u2581" + c for c in letters]
    scores = [-8 - i / 64 for i in range(len(tokens))]
    pairs = ["th", "he", "\u2581the", "an", "ing"]
    return (["<s>", "<pad>", "</s>", "<unk>"] + tokens + pairs,
            [0.0] * 4 + scores + [-4 - i / 3 for i in range(len(pairs))])


class Maker:
    def __init__(self, path, architecture, seed):
        self.writer = gguf.GGUFWriter(str(path), architecture)
        self.architecture = architecture
        self.draw = np.random.default_rng(seed)

    def matrix(self, name, rows, cols):
        data = 1.2 * self.draw.standard_normal((rows, cols)) / math.sqrt(cols)
        self.writer.add_tensor(name + ".weight", data.astype(np.float32))

    def vector(self, name, size, mean=1.0):
        self.writer.add_tensor(name, (mean + 0.2 * self.draw.standard_normal(size)).astype(np.float32))

    def norm(self, name, size=WIDTH, bias=False):
        self.vector(name + ".weight", size)
        if bias:
            self.vector(name + ".bias", size, 0.0)

    def shapes(self, pooling, layers, epsilon):
        w = self.writer
        self.layers = layers
        w.add_name(f"tiny {self.architecture}")
        w.add_context_length(CONTEXT)
        w.add_embedding_length(WIDTH)
        w.add_block_count(layers)
        w.add_feed_forward_length(HIDDEN)
        w.add_head_count(HEADS)
        w.add_file_type(0)
        w.add_pooling_type(gguf.PoolingType(pooling))
        epsilon(1e-6)

    def byte_tokens(self):
        """256 bytes as letters of their own, one word, and others that no text has."""
        printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        others = iter(range(256, 512))
        tokens = [chr(b if b in printable else next(others)) for b in range(256)] + ["<|end|>", "th", "the"]
        kinds = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * 2
        tokens += [f"<unused{i}>" for i in range(len(tokens), VOCABULARY)]
        kinds += [gguf.TokenType.UNUSED] * (VOCABULARY - len(kinds))
        w = self.writer
        w.add_tokenizer_model("gpt2")
        w.add_tokenizer_pre("gpt-2")
        w.add_token_list(tokens)
        w.add_token_types(kinds)
        w.add_token_merges(["t h", "th e"])
        w.add_eos_token_id(256)
        w.add_add_bos_token(False)
        w.add_add_eos_token(True)

    def words(self):
        """A WordPiece vocabulary: marks, letters that begin a word, letters that go on with one."""
        marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
        tokens = marks + ["\u2581" + c for c in letters] + letters
        kinds = [gguf.TokenType.CONTROL] * 5 + [gguf.TokenType.NORMAL] * 52
        kinds[1] = gguf.TokenType.UNKNOWN
        tokens += [f"[unused{i}]" for i in range(len(tokens), VOCABULARY)]
        kinds += [gguf.TokenType.UNUSED] * (VOCABULARY - len(kinds))
        w = self.writer
        w.add_tokenizer_model("bert")
        w.add_token_list(tokens)
        w.add_token_types(kinds)
        w.add_unk_token_id(1)
        w.add_bos_token_id(2)
        w.add_sep_token_id(3)
        w.add_pad_token_id(0)
        w.add_mask_token_id(4)

    def unigrams(self):
        tokens, scores = unigram_vocabulary()
        kinds = [gguf.TokenType.CONTROL] * 3 + [gguf.TokenType.UNKNOWN] + [gguf.TokenType.NORMAL] * (len(tokens) - 4)
        tokens += [f"<unused{i}>" for i in range(len(tokens), VOCABULARY)]
        scores += [-20.0] * (VOCABULARY - len(scores))
        kinds += [gguf.TokenType.UNUSED] * (VOCABULARY - len(kinds))
        w = self.writer
        w.add_tokenizer_model("t5")
        w.add_tokenizer_pre("default")
        w.add_token_list(tokens)
        w.add_token_scores(scores)
        w.add_token_types(kinds)
        w.add_bos_token_id(0)
        w.add_eos_token_id(2)
        w.add_sep_token_id(2)
        w.add_unk_token_id(3)
        w.add_pad_token_id(1)
        w.add_add_bos_token(True)
        w.add_add_eos_token(True)
        w.add_add_space_prefix(True)
        w.add_remove_extra_whitespaces(True)

    def linear(self, name, rows, cols):
        self.matrix(name, rows, cols)
        self.vector(name + ".bias", rows, 0.0)

    def finish(self):
        self.writer.write_header_to_file()
        self.writer.write_kv_data_to_file()
        self.writer.write_tensors_to_file()
        self.writer.close()


def nomic_bert(path):
    m = Maker(path, "nomic-bert", 11)
    m.shapes(1, 3, m.writer.add_layer_norm_eps)
    m.writer.add_causal_attention(False)
    m.writer.add_rope_freq_base(1000.0)
    m.writer.add_token_type_count(2)
    m.words()
    m.matrix("token_embd", VOCABULARY, WIDTH)
    m.matrix("token_types", 2, WIDTH)
    m.norm("token_embd_norm", bias=True)
    for layer in range(m.layers):
        p = f"blk.{layer}."
        m.matrix(p + "attn_qkv", 3 * WIDTH, WIDTH)
        m.matrix(p + "attn_output", WIDTH, WIDTH)
        m.norm(p + "attn_output_norm", bias=True)
        for name in ("ffn_gate", "ffn_up"):
            m.matrix(p + name, HIDDEN, WIDTH)
        m.matrix(p + "ffn_down", WIDTH, HIDDEN)
        m.norm(p + "layer_output_norm", bias=True)
    m.finish()


def xlm_roberta(path):
    """As BGE-M3: of the first row, one type of tokens, no positions of padding (converters leave them out)."""
    m = Maker(path, "bert", 14)
    m.shapes(2, 3, m.writer.add_layer_norm_eps)
    m.writer.add_causal_attention(False)
    m.writer.add_token_type_count(1)
    m.unigrams()
    m.matrix("token_embd", VOCABULARY, WIDTH)
    m.matrix("position_embd", CONTEXT, WIDTH)
    m.matrix("token_types", 1, WIDTH)
    m.norm("token_embd_norm", bias=True)
    for layer in range(m.layers):
        p = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            m.linear(p + name, WIDTH, WIDTH)
        m.norm(p + "attn_output_norm", bias=True)
        m.linear(p + "ffn_up", HIDDEN, WIDTH)
        m.linear(p + "ffn_down", WIDTH, HIDDEN)
        m.norm(p + "layer_output_norm", bias=True)
    m.finish()


def causal_or_not(m, kv_heads, post_norms):
    """The layers that Qwen3 and Gemma 3 have in common."""
    dim = WIDTH // HEADS
    m.matrix("token_embd", VOCABULARY, WIDTH)
    m.norm("output_norm")
    for layer in range(m.layers):
        p = f"blk.{layer}."
        m.norm(p + "attn_norm")
        m.matrix(p + "attn_q", WIDTH, WIDTH)
        m.matrix(p + "attn_k", kv_heads * dim, WIDTH)
        m.matrix(p + "attn_v", kv_heads * dim, WIDTH)
        m.matrix(p + "attn_output", WIDTH, WIDTH)
        m.norm(p + "attn_q_norm", dim)
        m.norm(p + "attn_k_norm", dim)
        m.norm(p + "ffn_norm")
        if post_norms:
            m.norm(p + "post_attention_norm")
            m.norm(p + "post_ffw_norm")
        for name in ("ffn_gate", "ffn_up"):
            m.matrix(p + name, HIDDEN, WIDTH)
        m.matrix(p + "ffn_down", WIDTH, HIDDEN)


def gemma_embedding(path):
    m = Maker(path, "gemma-embedding", 12)
    # Every sixth layer sees the whole text.
    m.shapes(1, 7, m.writer.add_layer_norm_rms_eps)
    m.writer.add_head_count_kv(1)
    m.writer.add_key_length(WIDTH // HEADS)
    m.writer.add_value_length(WIDTH // HEADS)
    m.writer.add_rope_freq_base(1e6)
    m.writer.add_sliding_window(8)
    m.writer.add_uint32("gemma-embedding.dense_2_feat_in", WIDTH)
    m.writer.add_uint32("gemma-embedding.dense_2_feat_out", 4 * WIDTH)
    m.writer.add_uint32("gemma-embedding.dense_3_feat_in", 4 * WIDTH)
    m.writer.add_uint32("gemma-embedding.dense_3_feat_out", WIDTH)
    m.byte_tokens()
    causal_or_not(m, 1, True)
    m.matrix("dense_2", 4 * WIDTH, WIDTH)
    m.matrix("dense_3", WIDTH, 4 * WIDTH)
    m.finish()


def qwen3(path):
    m = Maker(path, "qwen3", 13)
    m.shapes(3, 3, m.writer.add_layer_norm_rms_eps)
    m.writer.add_head_count_kv(2)
    m.writer.add_key_length(WIDTH // HEADS)
    m.writer.add_value_length(WIDTH // HEADS)
    m.writer.add_rope_freq_base(1e6)
    m.byte_tokens()
    causal_or_not(m, 2, False)
    m.finish()


FAMILIES = {"nomic-bert": nomic_bert, "gemma-embedding": gemma_embedding, "qwen3": qwen3, "xlm-roberta": xlm_roberta}


def texts():
    """Token ids, of lengths within and beyond windows and blocks."""
    draw = np.random.default_rng(7)
    return [[int(t) for t in draw.integers(5, 57, size)] for size in (1, 2, 7, 24, 33, 70, 200)]
