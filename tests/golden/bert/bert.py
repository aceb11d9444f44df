"""BERT as an embedding model, a second time: numpy in float64, written from the paper and the published layout of its
checkpoints, and not from infe. And what tests need beside it: a tiny random model, and a GGUF file of either.

    python3 tests/golden/bert/bert.py convert FOLDER OUT.gguf [f32|f16|q8_0]   FOLDER: model.safetensors, config.json, and
                                                                               vocab.txt or XLM-RoBERTa's tokenizer.json
"""
import json
import math
import pathlib
import struct
import sys

import gguf
import numpy as np
import xlmr

SPECIAL = {"[PAD]": gguf.TokenType.CONTROL, "[UNK]": gguf.TokenType.UNKNOWN, "[CLS]": gguf.TokenType.CONTROL,
           "[SEP]": gguf.TokenType.CONTROL, "[MASK]": gguf.TokenType.CONTROL}
WORDS = ("the a of to in and cat dog sat on mat bird flew over house red blue green small large quick brown fox jumps "
         "##s ##ing ##ed ##er un ##happy play walk talk cafe naive 1 2 3 ##4 ##5 . , ! ? ' - ( ) $ + \u4e2d \u6587").split()


RANKS = 4  # as a kind of pooling: the head of a classifier behind the first row


def tiny(seed=7, ranks=False):
    """config, tensors (names as in checkpoints), vocabulary. ranks: with the head of a classifier of one label."""
    vocab = list(SPECIAL) + [f"[unused{i}]" for i in range(3)] + WORDS + [chr(c) for c in range(ord("a"), ord("z") + 1)
                                                                         if chr(c) != "a"]
    config = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128,
              "max_position_embeddings": 512, "layer_norm_eps": 1e-12, "type_vocab_size": 2, "vocab_size": len(vocab)}
    draw = np.random.default_rng(seed)
    d, ff = config["hidden_size"], config["intermediate_size"]
    tensors = {}

    def matrix(name, rows, cols):
        tensors[name] = (1.2 * draw.standard_normal((rows, cols)) / math.sqrt(cols)).astype(np.float32)

    def linear(name, rows, cols):
        matrix(name + ".weight", rows, cols)
        tensors[name + ".bias"] = (0.2 * draw.standard_normal(rows)).astype(np.float32)

    def norm(name):
        tensors[name + ".weight"] = (1 + 0.2 * draw.standard_normal(d)).astype(np.float32)
        tensors[name + ".bias"] = (0.2 * draw.standard_normal(d)).astype(np.float32)

    for name, rows in (("word", len(vocab)), ("position", 512), ("token_type", 2)):
        matrix(f"embeddings.{name}_embeddings.weight", rows, d)
    norm("embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        p = f"encoder.layer.{layer}."
        for name in ("query", "key", "value"):
            linear(p + "attention.self." + name, d, d)
        linear(p + "attention.output.dense", d, d)
        norm(p + "attention.output.LayerNorm")
        linear(p + "intermediate.dense", ff, d)
        linear(p + "output.dense", d, ff)
        norm(p + "output.LayerNorm")
    if ranks:
        linear("pooler.dense", d, d)
        linear("classifier", 1, d)
        tensors["classifier.weight"] *= 8  # scores that differ
    return config, tensors, vocab


def read_safetensors(path):
    data = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:8 + size])
    types = {"F32": np.float32, "F16": np.float16}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] not in types:
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name.removeprefix("bert.").removeprefix("roberta.")] = np.frombuffer(data[begin:end], types[entry["dtype"]]).reshape(
            entry["shape"]).astype(np.float32)
    return tensors


def load(folder):
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    tensors = read_safetensors(folder / "model.safetensors")
    if config.get("model_type") == "xlm-roberta":
        return xlmr.load(folder, config, tensors)
    return config, tensors, (folder / "vocab.txt").read_text().splitlines()


def pooling_of(folder):
    """The kind that sentence-transformers wrote down: the mean, or the first row."""
    path = pathlib.Path(folder) / "1_Pooling/config.json"
    written = json.loads(path.read_text()) if path.exists() else {}
    first = written.get("pooling_mode") == "cls" or written.get("pooling_mode_cls_token", False)
    return 2 if first else 1


def gguf_name(name, ranks):
    table = {"embeddings.word_embeddings.": "token_embd.", "embeddings.position_embeddings.": "position_embd.",
             "embeddings.token_type_embeddings.": "token_types.", "embeddings.LayerNorm.": "token_embd_norm."}
    if ranks:
        table |= {"pooler.dense.": "cls.", "classifier.": "cls.output."}
    for old, new in table.items():
        if name.startswith(old):
            return name.replace(old, new)
    if not name.startswith("encoder.layer."):
        return None
    _, _, layer, rest = name.split(".", 3)
    parts = {"attention.self.query.": "attn_q.", "attention.self.key.": "attn_k.", "attention.self.value.": "attn_v.",
             "attention.output.dense.": "attn_output.", "attention.output.LayerNorm.": "attn_output_norm.",
             "intermediate.dense.": "ffn_up.", "output.dense.": "ffn_down.", "output.LayerNorm.": "layer_output_norm."}
    for old, new in parts.items():
        if rest.startswith(old):
            return f"blk.{layer}.{rest.replace(old, new)}"
    return None


def token_type(token):
    if token in SPECIAL:
        return SPECIAL[token]
    return gguf.TokenType.UNUSED if token.startswith("[unused") else gguf.TokenType.NORMAL


def write_gguf(path, config, tensors, vocab, kind="f32", pooling=1):
    writer = gguf.GGUFWriter(str(path), "bert")
    writer.add_name("tiny bert" if config["hidden_size"] == 64 else "bert")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_layer_norm_eps(config["layer_norm_eps"])
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType(pooling))
    writer.add_file_type({"f32": 0, "f16": 1, "q8_0": 7}[kind])
    writer.add_token_type_count(config["type_vocab_size"])
    if isinstance(vocab, xlmr.Unigrams):
        vocab.write(writer)
    else:
        writer.add_tokenizer_model("bert")
        writer.add_token_list([t if token_type(t) != gguf.TokenType.NORMAL else
                               t[2:] if t.startswith("##") and len(t) > 2 else "\u2581" + t for t in vocab])
        writer.add_token_types([token_type(t) for t in vocab])
    for name, tensor in tensors.items():
        to = gguf_name(name, pooling == RANKS)
        if to is None:
            continue  # the pooler of the training task, position ids
        small = tensor.ndim == 1 or to.startswith(("position_embd", "token_types")) or kind == "f32"
        if small:
            writer.add_tensor(to, tensor)
        elif kind == "f16":
            writer.add_tensor(to, tensor.astype(np.float16))
        else:
            q8 = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(to, gguf.quants.quantize(tensor, q8), raw_dtype=q8)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def embed(config, tensors, ids, pooling=1):
    """One text's vector, of length 1."""
    x = rows(config, tensors, ids, len(ids))
    vector = {1: x.mean(0), 2: x[0], 3: x[-1]}[pooling]
    return vector / np.linalg.norm(vector)


def score(config, tensors, first, second, kept=np.float64):
    """How well the second text of a pair answers the first, in 0..1; both with the marks around them. Keys and values are
    kept as `kept`."""
    x = rows(config, tensors, first + second, len(first), kept)[0]
    pooled = np.tanh(tensors["pooler.dense.weight"].astype(np.float64) @ x + tensors["pooler.dense.bias"])
    return 1 / (1 + math.exp(-(tensors["classifier.weight"][0].astype(np.float64) @ pooled + tensors["classifier.bias"][0])))


def rows(config, tensors, ids, second_from, kept=np.float64):
    """The rows of a text behind the last layer, or of a pair whose second text begins there."""
    t = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
    heads = config["num_attention_heads"]
    dim = config["hidden_size"] // heads

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + config["layer_norm_eps"]) * t[
            name + ".weight"] + t[name + ".bias"]

    def linear(x, name):
        return x @ t[name + ".weight"].T + t[name + ".bias"]

    erf = np.vectorize(math.erf)
    types = [0] * second_from + [1] * (len(ids) - second_from)
    x = norm(t["embeddings.word_embeddings.weight"][ids] + t["embeddings.token_type_embeddings.weight"][types]
             + t["embeddings.position_embeddings.weight"][:len(ids)], "embeddings.LayerNorm")
    for layer in range(config["num_hidden_layers"]):
        p = f"encoder.layer.{layer}."
        q, k, v = (linear(x, p + "attention.self." + name).reshape(-1, heads, dim).transpose(1, 0, 2)
                   for name in ("query", "key", "value"))
        k, v = (kept_rows.astype(kept).astype(np.float64) for kept_rows in (k, v))
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(dim)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True)) @ v
        mixed = mixed.transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + linear(mixed, p + "attention.output.dense"), p + "attention.output.LayerNorm")
        up = linear(x, p + "intermediate.dense")
        x = norm(x + linear(up / 2 * (1 + erf(up / math.sqrt(2))), p + "output.dense"), p + "output.LayerNorm")
    return x


def tokenizer(vocab):
    """Hugging Face's WordPiece over the same vocabulary."""
    import tokenizers
    made = tokenizers.BertWordPieceTokenizer({word: i for i, word in enumerate(vocab)}, lowercase=True)
    return made


if __name__ == "__main__":
    if len(sys.argv) < 4 or sys.argv[1] != "convert":
        sys.exit(__doc__)
    write_gguf(sys.argv[3], *load(sys.argv[2]), kind=sys.argv[4] if len(sys.argv) > 4 else "f32")
