"""Compares `infe tokenize` with Hugging Face's tokenizers on the real models' vocabularies.

The reference is built here from the same GGUF file: its tokens and merges with the family's regular
expression, or its scores as ranks for SentencePiece. Texts are random joints of scripts, spaces,
digits, contractions, code and special tokens, from a fixed seed. Needs INFE_MODEL_DIR, the binary
(INFE_BINARY) and the Python package tokenizers; skipped without.
"""
import functools
import json
import os
import pathlib
import random
import subprocess

import pytest

gguf = pytest.importorskip("gguf")
hf = pytest.importorskip("tokenizers")

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("INFE_BINARY", str(ROOT / "build/release/infe"))
MODEL_DIR = os.environ.get("INFE_MODEL_DIR", "")
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
TEXTS = int(os.environ.get("INFE_TOKENIZER_TEXTS", "1500"))

QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")


class Vocabulary:
    def __init__(self, path):
        fields = gguf.GGUFReader(path).fields

        def get(key, default=None):
            field = fields.get("tokenizer.ggml." + key)
            return default if field is None else field.contents()

        self.model, self.pre = get("model"), get("pre", "default")
        self.tokens, self.types = get("tokens"), get("token_type")
        self.scores, self.merges = get("scores", []), get("merges", [])
        self.unknown = get("unknown_token_id")
        assert not get("add_space_prefix", False), "the reference knows no prefix"

    def of_type(self, *types):
        return [(i, t) for i, (t, kind) in enumerate(zip(self.tokens, self.types)) if kind in types]


def byte_level_model(v):
    vocab = {token: i for i, token in v.of_type(NORMAL, CONTROL, USER_DEFINED)}
    merges = [tuple(merge.split(" ")) for merge in v.merges]
    tokenizer = hf.Tokenizer(hf.models.BPE(vocab=vocab, merges=merges))
    last = hf.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=v.pre == "smollm")
    first = {
        "smollm": lambda: hf.pre_tokenizers.Digits(individual_digits=True),
        "qwen2": lambda: hf.pre_tokenizers.Split(hf.Regex(QWEN2), "isolated"),
    }[v.pre]()
    tokenizer.pre_tokenizer = hf.pre_tokenizers.Sequence([first, last])
    return tokenizer


def sentence_piece_model(v):
    vocab = {token: i for i, token in v.of_type(NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE)}
    normal = {token for _, token in v.of_type(NORMAL)}
    merges = []
    for i, token in v.of_type(NORMAL):
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in normal and right in normal:
                merges.append((-v.scores[i], vocab[left], vocab[right], left, right))
    merges.sort()
    tokenizer = hf.Tokenizer(hf.models.BPE(
        vocab=vocab, merges=[(left, right) for *_, left, right in merges],
        unk_token=v.tokens[v.unknown], fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = hf.normalizers.Replace(" ", "\u2581")
    return tokenizer


@functools.lru_cache(maxsize=1)  # the tests of one model run one after the other
def load(path):
    """(vocabulary, description of its model in the library's JSON)"""
    v = Vocabulary(path)
    made = byte_level_model(v) if v.model == "gpt2" else sentence_piece_model(v)
    return v, made.to_str()


def reference(v, model, with_control):
    description = json.loads(model)
    for i, token in v.of_type(*([CONTROL, USER_DEFINED] if with_control else [USER_DEFINED])):
        description["added_tokens"].append(dict(
            id=i, content=token, single_word=False, lstrip=False, rstrip=False, normalized=False,
            special=False))
    return hf.Tokenizer.from_str(json.dumps(description))


SPACES = [" ", "  ", "\t", "\n", "\r\n", "\r", "\u00a0", "\u3000", "\u2003", "\x0b", "\x0c", "\x85",
          "\u2028", "\u1680", "\u200b", "\u180e", "\ufeff", "\x1c"]
CONTRACTIONS = ["'s", "'S", "'t", "'T", "'re", "'RE", "'Ve", "'m", "'LL", "'d", "'\u017f", "'x",
                "\u2019s", "''s", "'"]
WORDS = ["the", "Hello", "world", "na\u00efve", "\u0645\u0631\u062d\u0628\u0627", "\u4f60\u597d",
         "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301",
         "\u00bd", "\u0663\u0664", "3.14159", "0x1F", "foo_bar", "camelCase", "don", "<|im_end", "</td>"]
RANGES = [(0x20, 0x7e), (0xa0, 0x24f), (0x370, 0x4ff), (0x590, 0x6ff), (0x900, 0x97f), (0xe00, 0xe7f),
          (0x2000, 0x218b), (0x2190, 0x24ff), (0x3040, 0x30ff), (0x4e00, 0x9fff), (0xac00, 0xd7a3),
          (0xfb00, 0xfdff), (0x1f300, 0x1faff), (0x1d400, 0x1d7ff), (0x10000, 0x10fff), (0, 0x1f)]


def texts(specials):
    rng = random.Random(20260101)
    source = pathlib.Path(__file__).read_text() + (ROOT / "README.md").read_text()
    out = ["", " ", "a"]
    while len(out) < TEXTS:
        parts = []
        for _ in range(rng.randint(1, 20)):
            kind = rng.random()
            if kind < 0.25:
                parts.append(rng.choice(SPACES) * rng.choice([1, 1, 1, 2, 3, 7, 33]))
            elif kind < 0.35:
                parts.append(rng.choice(CONTRACTIONS))
            elif kind < 0.45:
                parts.append(str(rng.randint(0, 10 ** rng.randint(1, 9))))
            elif kind < 0.55:
                at = rng.randrange(len(source))
                parts.append(source[at:at + rng.randint(1, 80)])
            elif kind < 0.75:
                parts.append(chr(rng.randint(*rng.choice(RANGES))))
            elif kind < 0.8:
                code = rng.choice([rng.randint(0, 0xd7ff), rng.randint(0xe000, 0x10ffff)])
                parts.append(chr(code))
            elif kind < 0.85:
                parts.append(rng.choice("aehs") * rng.randint(2, 90))
            elif kind < 0.9 and specials:
                parts.append(rng.choice(specials))
            else:
                parts.append(rng.choice(WORDS))
        out.append("".join(parts))
    return out


def run(path, lines, *options):
    done = subprocess.run([BINARY, "tokenize", "--model", str(path), "--jsonl", *options], check=True,
                          input="".join(json.dumps(line) + "\n" for line in lines).encode(),
                          stdout=subprocess.PIPE)
    return [json.loads(line) for line in done.stdout.split(b"\n") if line]


@pytest.mark.parametrize("special", [False, True], ids=["as-text", "special"])
@pytest.mark.parametrize("name", ["smollm2-135m", "infe-pulse", "gemma-3-270m"], scope="module")
def test_ids_equal_hugging_face(name, special):
    path = pathlib.Path(MODEL_DIR) / f"{name}.gguf"
    if not MODEL_DIR or not path.exists():
        pytest.skip(f"{name} is not pulled: set INFE_MODEL_DIR")
    if not pathlib.Path(BINARY).exists():
        pytest.skip("no binary: set INFE_BINARY")
    v, model = load(path)
    tokenizer = reference(v, model, special)
    specials = [token for _, token in v.of_type(CONTROL, USER_DEFINED)][:80]
    samples = texts(specials)
    answers = run(path, [{"text": text} for text in samples], *(["--special"] if special else []))
    assert len(answers) == len(samples)
    different = [(ascii(text), answer["ids"]) for text, answer in zip(samples, answers)
                 if answer["ids"] != tokenizer.encode(text, add_special_tokens=False).ids]
    assert not different, f"{len(different)} of {len(samples)}, first {different[0]}"


@pytest.mark.parametrize("name", ["infe-pulse", "gemma-3-270m"])
def test_decoding_gives_the_text_back(name):
    path = pathlib.Path(MODEL_DIR) / f"{name}.gguf"
    if not MODEL_DIR or not path.exists():
        pytest.skip(f"{name} is not pulled: set INFE_MODEL_DIR")
    if not pathlib.Path(BINARY).exists():
        pytest.skip("no binary: set INFE_BINARY")
    samples = [text for text in texts([]) if "\u2581" not in text]
    ids = run(path, [{"text": text} for text in samples])
    back = run(path, ids, "--decode")
    assert [answer["text"] for answer in back] == samples
