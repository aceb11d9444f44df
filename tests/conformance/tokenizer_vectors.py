#!/usr/bin/env python3
"""Encodes and decodes the public tokenizer vectors with `infe tokenize`.

DATA/tokenizer-vectors holds vocabulary-only GGUF files, each with texts (.inp, parted by a line
__ggml_vocab_test__) and a line of ids per text (.out, no BOS or EOS). Ids must be equal, and decoding
them must give the text back. Without the folder the run is skipped.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys

CASES_MIN = {"gpt-2": 46, "phi-3": 46}
SEPARATOR = "\n__ggml_vocab_test__\n"


def read_cases(vocabulary):
    texts = open(f"{vocabulary}.inp", newline="", encoding="utf-8").read().split(SEPARATOR)
    ids = open(f"{vocabulary}.out", encoding="utf-8").read().split("\n")
    # Both files end with their separator.
    assert texts.pop() == "" and ids.pop() == "", f"{vocabulary}: not the expected form"
    assert len(texts) == len(ids), f"{vocabulary}: {len(texts)} texts, {len(ids)} lines of ids"
    return texts, [[int(word) for word in line.split()] for line in ids]


def tokenize(infe, vocabulary, lines, *options):
    """One answer per line, as the command's JSON lines mode gives it."""
    done = subprocess.run(
        [infe, "tokenize", "--model", str(vocabulary), "--jsonl", *options], check=True,
        input="".join(json.dumps(line) + "\n" for line in lines).encode(), stdout=subprocess.PIPE)
    answers = [json.loads(line) for line in done.stdout.split(b"\n") if line]
    assert len(answers) == len(lines), f"{len(answers)} answers to {len(lines)} lines"
    return answers


def failures(infe, vocabulary):
    """(number of cases, descriptions of what differs)"""
    texts, wanted = read_cases(vocabulary)
    found = []
    encoded = tokenize(infe, vocabulary, [{"text": text} for text in texts])
    for text, ids, answer in zip(texts, wanted, encoded):
        if answer["ids"] != ids:
            found.append(f"{text!a}: {answer['ids']} instead of {ids}")
    decoded = tokenize(infe, vocabulary, [{"ids": ids} for ids in wanted], "--decode")
    for text, ids, answer in zip(texts, wanted, decoded):
        if answer["text"] != text:
            found.append(f"{ids}: {answer['text']!a} instead of {text!a}")
    return len(texts), found


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    data = os.environ.get("INFE_SHARED_DATA", root / ".." / "shared" / "data")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(data))
    parser.add_argument("--infe", default=os.environ.get("INFE_BINARY", root / "build/release/infe"))
    arguments = parser.parse_args()
    folder = arguments.data / "tokenizer-vectors" / "models"
    if not folder.is_dir():
        print("tokenizer-vectors: skipped: no data")
        return 0
    total, bad = 0, 0
    for name, cases_min in CASES_MIN.items():
        count, found = failures(str(arguments.infe), folder / f"ggml-vocab-{name}.gguf")
        for line in found:
            print(f"{name}: {line}")
        if count < cases_min:
            print(f"{name}: only {count} cases, {cases_min} were expected")
            bad += 1
        total += count
        bad += len(found)
    print(f"tokenizer-vectors: {total} cases in {len(CASES_MIN)} vocabularies, {bad} failures")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
