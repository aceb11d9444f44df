#!/usr/bin/env python3
"""Makes the golden files of the tokenizer's unit tests: a tiny vocabulary and what an independent
library encodes with it.

Byte-level BPE is trained and encoded by Hugging Face's `tokenizers`, SentencePiece BPE by Google's
`sentencepiece`. The text they are trained on is in this file. Run it with both packages installed:

    python3 make_golden.py            # writes *.json beside this file

The output is the same on every run with the same package versions, so a change shows as a diff.
"""
import io
import json
import os
import random

import sentencepiece
from tokenizers import (AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers,
                        trainers)

HERE = os.path.dirname(os.path.abspath(__file__))
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)

# Written for this file: prose, code, and words of many scripts.
TRAINING = """
The server reads a request, and the engine answers it one token at a time. A token is a piece of
text that the model knows by number; most of the common words are one token, and rare words are two
or three. It's a simple idea, isn't it? We've tried it, they'll try it, I'd try it, and you're next.
Numbers such as 1, 12, 123, 1234 and 3.14159 are split in ways that differ between the families.
    for (int i = 0; i < count; ++i) {
        total += values[i] * 2;
    }
    return total == 0 ? "nothing" : "something";
def encode(self, text: str) -> list[int]:
    if not text:
        return []
    return [self.vocabulary[piece] for piece in self.split(text)]
{"name": "get_weather", "arguments": {"city": "Paris", "unit": "celsius"}}
https://example.org/path?query=1&other=two#fragment    user_name camelCase snake_case SHOUTING
Der Zug f\u00e4hrt \u00fcber die Br\u00fccke. \u00c7a va tr\u00e8s bien, merci. El ni\u00f1o come una manzana.
\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03ba\u03cc\u03c3\u03bc\u03b5. \u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645. \u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd.
\u4f60\u597d\uff0c\u4e16\u754c\u3002\u4eca\u65e5\u306f\u3001\u4e16\u754c\u3002\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4. \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01 \u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e
\U0001f600 \U0001f680 \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2192 \u2264 \u20ac \u00bd \u00b2
"""

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def cased(contraction, numbers, upper=UPPER, lower=LOWER, behind=r"[\r\n/]"):
    word = r"[^\r\n\p{L}\p{N}]?"
    return (f"{word}{upper}*{lower}+{contraction}|{word}{upper}+{lower}*{contraction}|{numbers}"
            rf"| ?[^\s\p{{L}}\p{{N}}]+{behind}*|\s*[\r\n]+|\s+(?!\S)|\s+")


CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
GPT4O = cased(CONTRACTION, r"\p{N}{1,3}")
TEKKEN = cased("", r"\p{N}")
KIMI_K2 = r"\p{Han}+|" + cased(CONTRACTION, r"\p{N}{1,3}", UPPER[:-1] + r"&&[^\p{Han}]]",
                              LOWER[:-1] + r"&&[^\p{Han}]]", r"[\r\n]")
SEED_CODER = QWEN2.replace(r"[^\s\p{L}\p{N}]+[\r\n]*", r"[^\s\p{L}\p{N}\r\n]+")
UFAKZEKA = QWEN2[QWEN2.index("[^"):]  # no contractions
DEEPSEEK_V3 = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
               r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def split(expression):
    return pre_tokenizers.Split(Regex(expression), "isolated")


PRE_TOKENIZERS = {
    "gpt-2": [split(GPT2), byte_level()],
    "smollm": [pre_tokenizers.Digits(individual_digits=True), split(GPT2), byte_level()],
    "qwen2": [split(QWEN2), byte_level()],
    "llama-bpe": [split(LLAMA3), byte_level()],
    "qwen35": [split(QWEN35), byte_level()],
    "gpt-4o": [split(GPT4O), byte_level()],
    "tekken": [split(TEKKEN), byte_level()],
    "kimi-k2": [split(KIMI_K2), byte_level()],
    "seed-coder": [split(SEED_CODER), byte_level()],
    "ufakzeka": [split(UFAKZEKA), byte_level()],
    "minicpm5": [split(r"\p{N}{1,3}"), split(QWEN2.replace(r"|\p{N}|", r"|\p{N}+|")), byte_level()],
    "deepseek-v3": [split(r"\p{N}{1,3}"), split("[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"),
                    split(DEEPSEEK_V3), byte_level()],
    "superbpe": [split(r"\p{N}+"), split(r"(?=(\d{3})+(?!\d))"), byte_level()],
}

SPACES = [" ", "  ", "    ", "\t", "\n", "\n\n", "\r\n", "\r", "\u00a0", "\u3000", "\u2003", "\x0b",
          "\x0c", "\x85", "\u2028", "\u1680", "\u200b", "\u180e", "\ufeff", "\x1c"]
ODDITIES = ["'s", "'S", "'t", "'Re", "'VE", "'m", "'ll", "'lL", "'D", "'\u017f", "''s", "\u2019s", "'x",
            "e\u0301", "\u0663\u0664", "\u2167", "\u00b2\u00b3", "\U0001d7d8", "\U0001f1e9\U0001f1ea",
            "\u16ee", "\U00013460", "\U00010d40", "\U000e0067", "\x00", "\x06", "<0x41>", "</s", "<|im_",
            "zebra", " zebra", "\U0002ebf0", "\ufffd", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]


def texts(count, specials):
    """Random joints of words, spaces and oddities; every part also alone."""
    rng = random.Random(20260101)
    words = TRAINING.split()
    out = ["", *SPACES, *ODDITIES, *specials]
    while len(out) < count:
        parts = []
        for _ in range(rng.randint(1, 14)):
            kind = rng.random()
            if kind < 0.35:
                parts.append(rng.choice(words))
            elif kind < 0.6:
                parts.append(rng.choice(SPACES))
            elif kind < 0.75:
                parts.append(rng.choice(ODDITIES))
            elif kind < 0.85:
                parts.append(str(rng.randint(0, 10 ** rng.randint(1, 7))))
            elif kind < 0.9 and specials:
                parts.append(rng.choice(specials))
            else:
                parts.append(chr(rng.choice([rng.randint(0x20, 0x7e), rng.randint(0xa0, 0x5ff),
                                             rng.randint(0x900, 0x2fff), rng.randint(0x1f300, 0x1faff)])))
        out.append("".join(parts))
    return out


def write(name, vocab, cases):
    path = os.path.join(HERE, name + ".json")
    with open(path, "w") as file:
        file.write('{"vocab": ' + json.dumps(vocab) + ',\n"cases": [\n')
        file.write(",\n".join(json.dumps(case) for case in cases))
        file.write("\n]}\n")
    print(path, len(vocab["tokens"]), "tokens,", len(cases), "cases")


def byte_level_golden(pre, missing_bytes):
    """missing_bytes: the vocabulary lacks bytes that the training text does not have."""
    alphabet = [] if missing_bytes else sorted(pre_tokenizers.ByteLevel.alphabet())
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Sequence(PRE_TOKENIZERS[pre])
    trained.train_from_iterator(
        TRAINING.splitlines(keepends=True),
        trainers.BpeTrainer(vocab_size=480, initial_alphabet=alphabet, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    # A word that no merge reaches: to be used only where the vocabulary comes first.
    tokens += ["\u0120zebra", "zebra"]
    special = {"<|im_start|>": CONTROL, "<|im_end|>": CONTROL, "<|im_end|>!": CONTROL,
               "<tool_call>": USER_DEFINED, "<tool_call>x": USER_DEFINED}
    types = [NORMAL] * len(tokens) + list(special.values())
    tokens += list(special)
    vocab = {token: i for i, token in enumerate(tokens)}
    merges = [tuple(merge) for merge in model["merges"]]

    def reference(with_control):
        tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges,
                                         ignore_merges=pre in ("llama-bpe", "tekken", "minicpm5")))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(PRE_TOKENIZERS[pre])
        tokenizer.decoder = decoders.ByteLevel()
        for token, kind in special.items():
            if kind == USER_DEFINED or with_control:
                tokenizer.add_tokens([AddedToken(token, normalized=False, special=False)])
        return tokenizer

    cases = []
    for mode in ("none", "all"):
        tokenizer = reference(mode == "all")
        for text in texts(150, list(special)):
            ids = tokenizer.encode(text, add_special_tokens=False).ids
            cases.append({"text": text, "special": mode, "ids": ids})
    write(pre.replace("-", "_"), {
        "model": "gpt2", "pre_tokenizer": pre, "tokens": tokens, "types": types, "scores": [],
        "merges": [" ".join(merge) for merge in merges],
    }, cases)


def character_golden():
    """Gemma 4's kind: BPE over characters, newlines apart, U+2581 for a space, bytes for the rest."""
    def new(**arguments):
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", **arguments))
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
        tokenizer.pre_tokenizer = split(r"[^\n]+|\n+")
        return tokenizer

    special = ["<unk>", "<bos>", "<turn|>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trained = new()
    trained.train_from_iterator(
        [TRAINING, "\n\n\n  x\n\n"],
        trainers.BpeTrainer(vocab_size=800, special_tokens=special, limit_alphabet=150, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    tokens = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    types = [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * (len(tokens) - len(special))
    merges = [tuple(merge) for merge in model["merges"]]
    reference = new(vocab={token: i for i, token in enumerate(tokens)}, merges=merges)
    cases = []
    for text in texts(220, []):
        # What looks like a byte's token is text here and a token there.
        if "<0x" not in text and "\u2581" not in text:
            ids = reference.encode(text, add_special_tokens=False).ids
            cases.append({"text": text, "special": "none", "ids": ids})
    write("gemma4", {
        "model": "gemma4", "pre_tokenizer": "default", "tokens": tokens, "types": types, "scores": [],
        "merges": [" ".join(merge) for merge in merges], "unknown": 0, "bos": 1, "eos": 2,
    }, cases)


def sentence_piece_golden(name, space_prefix):
    out = io.BytesIO()
    user_defined = ["<b>", "\n\n", "\n"]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TRAINING.splitlines()), model_writer=out, model_type="bpe",
        vocab_size=700, byte_fallback=True, add_dummy_prefix=space_prefix,
        remove_extra_whitespaces=False, normalization_rule_name="identity", character_coverage=0.98,
        control_symbols=["<turn>", "<end_of_turn>"], user_defined_symbols=user_defined,
        allow_whitespace_only_pieces=True, minloglevel=2)
    reference = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    tokens, types, scores = [], [], []
    for i in range(reference.get_piece_size()):
        piece = reference.id_to_piece(i)
        tokens.append(piece)
        scores.append(reference.get_score(i))
        types.append(UNKNOWN if reference.is_unknown(i) else
                     CONTROL if reference.is_control(i) else
                     BYTE if reference.is_byte(i) else
                     UNUSED if reference.is_unused(i) else
                     USER_DEFINED if piece in user_defined else NORMAL)
    # The library puts a prefix only at the beginning, we put one after each matched token too: with a
    # prefix, user-defined tokens are left to the other file.
    cases = []
    for text in texts(220, [] if space_prefix else ["<b>", "<turn>"]):
        if space_prefix and any(token in text for token in user_defined):
            continue
        if "\0" in text:
            continue
        cases.append({"text": text, "special": "none", "ids": reference.encode(text)})
    write(name, {
        "model": "llama", "pre_tokenizer": "default", "tokens": tokens, "types": types,
        "scores": scores, "merges": [], "unknown": reference.unk_id(), "bos": reference.bos_id(),
        "eos": reference.eos_id(), "add_space_prefix": space_prefix,
    }, cases)


if __name__ == "__main__":
    byte_level_golden("gpt-2", missing_bytes=False)
    byte_level_golden("smollm", missing_bytes=True)
    byte_level_golden("qwen2", missing_bytes=False)
    byte_level_golden("llama-bpe", missing_bytes=False)
    byte_level_golden("qwen35", missing_bytes=False)
    byte_level_golden("gpt-4o", missing_bytes=False)
    byte_level_golden("tekken", missing_bytes=False)
    for name in ("kimi-k2", "seed-coder", "ufakzeka", "minicpm5", "deepseek-v3", "superbpe"):
        byte_level_golden(name, missing_bytes=False)
    character_golden()
    sentence_piece_golden("sentencepiece", space_prefix=False)
    sentence_piece_golden("sentencepiece_prefix", space_prefix=True)
