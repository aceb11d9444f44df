"""infe grammar against llguidance on the same vocabulary: the verdict on every instance of
maskbench-dev, and step by step whether the two take the same tokens. For developers, run on request
in an environment of its own (pip install llguidance numpy gguf); never part of make test.

    python tests/conformance/differential_grammar.py --model infe-titan.gguf --infe build/release/infe \\
        --data ../shared/data --limit 200

Prints, per class of difference, how many instances are in it and one of them. docs/grammar.md
explains the classes.
"""
import argparse
import collections
import json
import pathlib
import subprocess

import gguf
import llguidance
import llguidance.numpy as masks
import numpy as np


class Vocabulary:
    """The tokens of a GGUF file with byte-level BPE, as llguidance wants them."""

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        field = reader.fields["tokenizer.ggml.tokens"]
        texts = [bytes(field.parts[i]).decode() for i in field.data]
        kinds = [int(reader.fields["tokenizer.ggml.token_type"].parts[i][0]) for i in reader.fields["tokenizer.ggml.token_type"].data]
        self.eos_token_id = int(reader.fields["tokenizer.ggml.eos_token_id"].parts[-1][0])
        self.bos_token_id = None
        # GPT-2's table of printable characters for bytes.
        plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
        table, extra = {chr(b): b for b in plain}, 0
        for byte in range(256):
            if byte not in plain:
                table[chr(256 + extra)] = byte
                extra += 1
        self.tokens = [b"\xff" + text.encode() if kind == 3 else bytes(table[c] for c in text) if all(c in table for c in text) else text.encode()
                       for text, kind in zip(texts, kinds)]
        self.single = {token[0]: i for i, token in reversed(list(enumerate(self.tokens))) if len(token) == 1}
        self.special_token_ids = [i for i, kind in enumerate(kinds) if kind == 3]

    def __call__(self, text):
        """llguidance tokenises what is forced: any tokens of the text will do, here single bytes."""
        return [self.single[byte] for byte in (text if isinstance(text, bytes) else text.encode())]


def instances(folder, limit):
    for path in sorted((pathlib.Path(folder) / "maskbench-dev/data").glob("*.json"))[:limit]:
        case = json.loads(path.read_text())
        for test in case.get("tests", []):
            yield path.stem, case["schema"], json.dumps(test["data"], ensure_ascii=False), test["valid"]


def infe_lines(args, command, requests):
    feed = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in requests)
    done = subprocess.run([args.infe, command, "--model", args.model], input=feed.encode(), stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def follow(tokenizer, grammar, tokens):
    """Tokens that llguidance takes before it refuses one, and whether the text may end there."""
    matcher = llguidance.LLMatcher(tokenizer, grammar)
    if matcher.is_error():
        return None, matcher.get_error()
    row = masks.allocate_token_bitmask(1, tokenizer.vocab_size)
    for i, token in enumerate(tokens):
        masks.fill_next_token_bitmask(matcher, row)
        if matcher.is_error() or not (np.uint32(row[0, token // 32]) >> np.uint32(token % 32)) & 1:
            return i, False
        if not matcher.consume_token(token):
            return i, False
    return len(tokens), matcher.is_accepting()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="GGUF file with byte-level BPE")
    parser.add_argument("--infe", default="build/release/infe")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--limit", type=int, default=10**9, help="schemas")
    args = parser.parse_args()
    vocabulary = Vocabulary(args.model)
    tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(vocabulary))
    cases = list(instances(args.data, args.limit))
    # Byte by byte, so that both see the same tokens and the first refused byte can be compared.
    ids = [vocabulary(text) for _, _, text, _ in cases]
    ours = infe_lines(args, "grammar", [{"schema": schema, "instances": [tokens], "options": {"key_order": "any"}}
                                        for (_, schema, _, _), tokens in zip(cases, ids)])
    classes, examples, equal = collections.Counter(), {}, 0
    for (name, schema, text, valid), tokens, mine in zip(cases, ids, ours):
        taken, ends = follow(tokenizer, llguidance.LLMatcher.grammar_from_json_schema(json.dumps(schema)), tokens)
        if mine["status"] == "refused" or taken is None:
            kind = ("both refuse the schema" if mine["status"] == "refused" and taken is None else
                    "infe refuses the schema" if taken is not None else "llguidance refuses: " + str(ends).splitlines()[0][:70])
        else:
            detail = mine["details"][0]
            theirs = taken == len(tokens) and ends
            if detail["accepted"] == theirs and (theirs or detail.get("at") == len(b"".join(vocabulary.tokens[t] for t in tokens[:taken]))):
                equal += 1
                continue
            if detail["accepted"] == theirs:
                kind = "both refuse the instance, at different bytes"
            else:
                kind = f"{'infe' if theirs else 'llguidance'} refuses {'a valid' if valid else 'an invalid'} instance that the other takes"
        classes[kind] += 1
        examples.setdefault(kind, (name, text[:100]))
    print(f"{len(cases)} instances, {equal} taken or refused at the same byte by both")
    for kind, count in classes.most_common():
        print(f"{count:6}  {kind}   e.g. {examples[kind][0]}: {examples[kind][1]}")


if __name__ == "__main__":
    main()
