"""infe grammar against llguidance and xgrammar on the same vocabulary: the verdict on every instance,
and mask by mask along those that are taken. For developers, run on request in an environment of its
own (pip install llguidance xgrammar numpy gguf); never part of make test.

    python tests/conformance/differential_grammar.py verdicts --model infe-pulse.gguf
    python tests/conformance/differential_grammar.py verdicts --cases suite --model infe-pulse.gguf
    python tests/conformance/differential_grammar.py masks --model infe-pulse.gguf --limit 300

verdicts: byte by byte, so that the first refused byte can be compared; infe takes keys in any order,
as an instance has them. masks: whole tokens, keys in the order of `properties`, one blank behind comma
and colon; bits that differ are told apart by where in the JSON the token would stand and what it is
made of. Prints, per class of difference, how often it was seen and one example. docs/grammar.md
explains the classes.
"""
import argparse
import collections
import json
import os
import pathlib
import sys

import gguf
import llguidance
import llguidance.numpy
import numpy as np
import xgrammar

from grammar_runner import run


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
        self.texts = [bytes(table[c] for c in text) if kind != 3 and all(c in table for c in text) else text.encode()
                      for text, kind in zip(texts, kinds)]
        self.special_token_ids = [i for i, kind in enumerate(kinds) if kind == 3]
        self.tokens = [b"\xff" + text if kind == 3 else text for text, kind in zip(self.texts, kinds)]
        self.single = {token[0]: i for i, token in reversed(list(enumerate(self.tokens))) if len(token) == 1}
        self.words = (len(self.tokens) + 31) // 32
        # infe ends at any of them, the peers are told of one.
        self.other_ends = [i for i in self.special_token_ids if i != self.eos_token_id and texts[i] in ("<|endoftext|>", "<|im_end|>")]

    def __call__(self, text):
        """llguidance tokenises what is forced: any tokens of the text will do, here single bytes."""
        return [self.single[byte] for byte in (text if isinstance(text, bytes) else text.encode())]


class LlGuidance:
    """Compiled schemas and places in them, behind the same few methods as XGrammar below."""
    name = "llguidance"

    def __init__(self, vocabulary, exact):
        self.tokenizer = llguidance.LLTokenizer(llguidance.TokenizerWrapper(vocabulary))
        self.row = llguidance.numpy.allocate_token_bitmask(1, len(vocabulary.tokens))
        self.exact = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "} if exact else {}

    def compile(self, schema):
        """A matcher at the beginning, or the reason why there is none."""
        if self.exact and isinstance(schema, dict):
            schema = {**schema, "x-guidance": self.exact}
        # Without no_forcing a mask at forced text holds one way to cut it into tokens, not all.
        grammar = llguidance.LLMatcher.grammar_from_lark('%llguidance {"no_forcing": true}\nstart: %json ' + json.dumps(schema))
        matcher = llguidance.LLMatcher(self.tokenizer, grammar)
        return str(matcher.get_error()).splitlines()[0] if matcher.is_error() else matcher

    def again(self, matcher):
        matcher.reset()
        return matcher

    def mask(self, matcher):
        llguidance.numpy.fill_next_token_bitmask(matcher, self.row)
        return None if matcher.is_error() else self.row[0].view(np.uint32)

    def take(self, matcher, token):
        return matcher.consume_token(token)

    def ends(self, matcher):
        return matcher.is_accepting()


class XGrammar:
    name = "xgrammar"

    def __init__(self, vocabulary, exact):
        # A special token has no text to it, as for the others.
        special = set(vocabulary.special_token_ids)
        texts = [b"" if i in special else text for i, text in enumerate(vocabulary.texts)]
        info = xgrammar.TokenizerInfo(texts, xgrammar.VocabType.RAW, vocab_size=len(texts), stop_token_ids=[vocabulary.eos_token_id])
        self.compiler = xgrammar.GrammarCompiler(info, max_threads=2, cache_enabled=False)
        self.row = np.zeros((1, vocabulary.words), dtype=np.int32)
        self.options = {"strict_mode": False, "any_whitespace": not exact, "any_order": not exact}
        if exact:
            self.options["separators"] = (", ", ": ")

    def compile(self, schema):
        try:
            return xgrammar.GrammarMatcher(self.compiler.compile_json_schema(json.dumps(schema), **self.options))
        except Exception as error:  # noqa: BLE001
            return str(error).splitlines()[0]

    def again(self, matcher):
        matcher.reset()
        return matcher

    def mask(self, matcher):
        self.row[:] = -1
        matcher.fill_next_token_bitmask(self.row, 0)
        return self.row[0].view(np.uint32)

    def take(self, matcher, token):
        return matcher.accept_token(token)

    def ends(self, matcher):
        return matcher.is_completed()


PEERS = {"llguidance": LlGuidance, "xgrammar": XGrammar}


def cases(args):
    """(name, schema, [(value, valid)])"""
    if args.cases == "maskbench":
        for path in sorted((pathlib.Path(args.data) / "maskbench-dev/data").glob("*.json"))[args.skip:][:args.limit]:
            case = json.loads(path.read_text())
            yield path.stem, case["schema"], [(t["data"], t["valid"]) for t in case.get("tests", [])]
        return
    groups = []
    for path in sorted((pathlib.Path(args.data) / "json-schema-test-suite/tests/draft2020-12").glob("*.json")):
        groups += [(f"{path.stem}: {g['description']}", g["schema"], [(t["data"], t["valid"]) for t in g["tests"]])
                   for g in json.loads(path.read_text())]
    yield from groups[args.skip:][:args.limit]


def allowed(mask, token):
    return bool(int(mask[token // 32]) >> (token % 32) & 1)


def quiet(function, *arguments):
    """Peers write warnings of their own to the standard error."""
    saved, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        return function(*arguments)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(sink)


def follow(peer, matcher, tokens):
    """Tokens that the peer takes before it refuses one, and whether the text may end there."""
    for i, token in enumerate(tokens):
        mask = peer.mask(matcher)
        if mask is None or not allowed(mask, token) or not peer.take(matcher, token):
            return i, False
    return len(tokens), peer.ends(matcher)


class Classes:
    """Counts by class, with one example of each."""

    def __init__(self):
        self.counts, self.examples = collections.Counter(), {}

    def add(self, kind, example, count=1):
        self.counts[kind] += count
        self.examples.setdefault(kind, example)

    def report(self):
        for kind, count in self.counts.most_common():
            print(f"{count:8}  {kind}   e.g. {self.examples[kind]}")


def ask(args, vocabulary, table, options, tokens_of, **more):
    requests = [{"schema": schema, "instances": [tokens_of(value, schema) for value, _ in values], "options": options, "about": (name, values), **more}
                for name, schema, values in table]
    return run([args.infe, "grammar", "--model", args.model], requests)


def verdicts(args, vocabulary):
    table = list(cases(args))

    def text(value):
        return json.dumps(value, ensure_ascii=False)

    peers = [PEERS[name](vocabulary, exact=False) for name in args.peers]
    equal, classes = collections.Counter(), {peer.name: Classes() for peer in peers}
    right = {name: collections.Counter() for name in ["infe", *args.peers]}
    count = 0
    formats = args.cases == "maskbench"
    for request, mine in ask(args, vocabulary, table, {"key_order": "any", "formats": formats, "integers_with_fraction": not formats},
                             lambda v, _: vocabulary(text(v))):
        name, values = request["about"]
        count += len(values)
        refused = mine["status"] == "refused"
        for i, (_, valid) in enumerate(values):
            ours = None if refused else mine["details"][i]["accepted"]
            right["infe"]["refused" if refused else "right" if ours == valid else "valid rejected" if valid else "invalid accepted"] += 1
        for peer in peers:
            compiled = quiet(peer.compile, request["schema"])
            for i, (value, valid) in enumerate(values):
                example = f"{name}: {text(value)[:80]}"
                tokens = request["instances"][i]
                if isinstance(compiled, str):
                    right[peer.name]["refused"] += 1
                    classes[peer.name].add("both refuse the schema" if refused else f"{peer.name} refuses the schema: {compiled[:70]}", name)
                    continue
                taken, ends = follow(peer, peer.again(compiled), tokens)
                theirs = taken == len(tokens) and ends
                right[peer.name]["right" if theirs == valid else "valid rejected" if valid else "invalid accepted"] += 1
                if refused:
                    classes[peer.name].add(f"infe refuses the schema: {mine['reason'][:70]}", name)
                    continue
                detail = mine["details"][i]
                if detail["accepted"] == theirs:
                    same = theirs or detail.get("at") == taken
                    equal[peer.name] += same
                    if not same:
                        classes[peer.name].add("both refuse the instance, at different bytes", example)
                    continue
                classes[peer.name].add(f"{'infe' if theirs else peer.name} refuses {'a valid' if valid else 'an invalid'} instance that the other takes", example)
    for name, counter in right.items():
        print(f"{name}: {count} instances: " + ", ".join(f"{kind} {n}" for kind, n in counter.most_common()))
    for peer in peers:
        print(f"infe and {peer.name}: {equal[peer.name]} taken, or refused at the same byte, by both")
        classes[peer.name].report()


def place(text):
    """Where in a JSON text its end stands."""
    stack, state, at = [], "before a value", 0
    while at < len(text):
        c = text[at:at + 1]
        if state in ("in a key", "in a string"):
            if c == b"\\":
                at += 1
            elif c == b'"':
                state = "behind a key" if state == "in a key" else "behind a value"
        elif c in b"{[":
            stack.append(c)
            state = "before a key" if c == b"{" else "before a value"
        elif c in b"}]":
            stack.pop()
            state = "behind a value"
        elif c == b'"':
            state = "in a key" if state == "before a key" else "in a string"
        elif c == b":":
            state = "before a value"
        elif c == b",":
            state = "before a key" if stack and stack[-1] == b"{" else "before a value"
        elif not c.isspace():
            state = "in a number or word"
        at += 1
    return state


KINDS = ["tokens", "blanks", "tokens with an escape", "tokens with byte 7F", "tokens with half a character", "special tokens", "the end"]
END = len(KINDS) - 1


def made_of(token, special):
    if special:
        return 5
    if b"\\" in token:
        return 2
    if b"\x7f" in token:
        return 3
    try:
        text = token.decode()
    except UnicodeDecodeError:
        return 4
    return 1 if text and not text.strip(" \n\t\r") else 0


def masks(args, vocabulary):
    special = set(vocabulary.special_token_ids)
    kinds = np.array([END if i == vocabulary.eos_token_id else made_of(text, i in special) for i, text in enumerate(vocabulary.texts)])
    table = []
    for name, schema, values in cases(args):
        good = [(value, valid) for value, valid in values if valid]
        if good:
            table.append((name, schema if args.open else closed(schema), good))
    peers = [PEERS[name](vocabulary, exact=True) for name in args.peers]
    def text(value, schema):
        return json.dumps(ordered(value, schema, schema), ensure_ascii=False)

    ids = tokenize(args, {text(value, schema) for _, schema, values in table for value, _ in values})
    classes = {peer.name: Classes() for peer in peers}
    counts = {peer.name: collections.Counter() for peer in peers}
    options = {"key_order": "declared", "whitespace": "exact", "formats": args.cases == "maskbench"}
    for request, mine in ask(args, vocabulary, table, options, lambda v, schema: ids[text(v, schema)], masks=True):
        name, values = request["about"]
        for peer in peers:
            count, theirs = counts[peer.name], quiet(peer.compile, request["schema"])
            if mine["status"] == "refused" or isinstance(theirs, str):
                count["schemas that one refuses"] += 1
                continue
            count["schemas"] += 1
            for i, tokens in enumerate(request["instances"]):
                detail = mine["details"][i]
                matcher, text, same = peer.again(theirs), b"", True
                count["instances"] += 1
                for step, hexed in enumerate(detail["masks"]):
                    ours = np.frombuffer(bytes.fromhex(hexed), dtype=np.uint8)
                    ours = (ours >> 4 | ours << 4).view(np.uint32)[:vocabulary.words].copy()
                    mask = peer.mask(matcher)
                    if mask is None:
                        classes[peer.name].add("it gives up in mid-text", name)
                        break
                    count["masks"] += 1
                    for token in vocabulary.other_ends:
                        ours[token // 32] &= ~np.uint32(1 << token % 32)
                    odd = np.flatnonzero(np.unpackbits((ours ^ mask[:vocabulary.words]).view(np.uint8), bitorder="little")[:len(vocabulary.tokens)])
                    count["equal masks"] += len(odd) == 0
                    same = same and len(odd) == 0
                    if len(odd) > 0:
                        where, mine_only = place(text), np.array([allowed(ours, int(t)) for t in odd[:1000]])
                        for who, part in (("infe", odd[:1000][mine_only]), (peer.name, odd[:1000][~mine_only])):
                            for kind in np.unique(kinds[part]):
                                some = part[kinds[part] == kind]
                                label = f"only {who} may end here" if kind == END else f"{where}, only {who} takes {KINDS[kind]}"
                                classes[peer.name].add(label, f"{name}: {text[-50:]!r} then {vocabulary.texts[some[0]]!r} ({len(some)} of them)")
                    if step == len(tokens):
                        break
                    if not allowed(ours, tokens[step]) or not allowed(mask, tokens[step]) or not peer.take(matcher, tokens[step]):
                        count["instances that one leaves before their end"] += 1
                        same = False
                        break
                    text += vocabulary.texts[tokens[step]]
                count["instances equal from end to end"] += same
    for peer in peers:
        print(f"infe and {peer.name}: " + ", ".join(f"{kind} {n}" for kind, n in counts[peer.name].items()))
        classes[peer.name].report()


def closed(schema):
    """Objects that say nothing of further keys take none: with further keys infe lets declared ones come
    wherever they are unused, the peers only in their order, and nothing else would be seen."""
    if isinstance(schema, list):
        return [closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {k: v if k in ("enum", "const", "required") else closed(v) for k, v in schema.items()}
    shares = {"additionalProperties", "patternProperties", "unevaluatedProperties", "allOf", "anyOf", "oneOf", "if", "$ref", "minProperties"}
    if isinstance(schema.get("properties"), dict) and not shares & schema.keys() and "type" in schema:
        schema["additionalProperties"] = False
    return schema


def ordered(value, schema, root):
    """The value with the members of objects as `properties` lists them, where the schema says so in place."""
    for _ in range(20):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#"):
            break
        schema = root
        for step in reference[1:].split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            schema = schema[int(step)] if isinstance(schema, list) else schema.get(step, {}) if isinstance(schema, dict) else {}
    schema = schema if isinstance(schema, dict) else {}
    if isinstance(value, list):
        items = schema.get("items")
        return [ordered(v, items[i] if isinstance(items, list) and i < len(items) else items, root) for i, v in enumerate(value)]
    if not isinstance(value, dict):
        return value
    declared = schema.get("properties")
    declared = declared if isinstance(declared, dict) else {}
    keys = [k for k in declared if k in value] + [k for k in value if k not in declared]
    return {k: ordered(value[k], declared.get(k, schema.get("additionalProperties")), root) for k in keys}


def tokenize(args, texts):
    requests = [{"text": text} for text in texts]
    return {request["text"]: reply["ids"] for request, reply in
            run([args.infe, "tokenize", "--model", args.model, "--jsonl"], requests)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["verdicts", "masks"])
    parser.add_argument("--cases", choices=["maskbench", "suite"], default="maskbench")
    parser.add_argument("--model", required=True, help="GGUF file with byte-level BPE")
    parser.add_argument("--infe", default="build/release/infe")
    parser.add_argument("--data", default="../shared/data")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--open", action="store_true", help="masks: leave objects open that say nothing of further keys")
    parser.add_argument("--skip", type=int, default=0, help="schemas")
    parser.add_argument("--limit", type=int, default=10**9, help="schemas")
    args = parser.parse_args()
    vocabulary = Vocabulary(args.model)
    {"verdicts": verdicts, "masks": masks}[args.what](args, vocabulary)


if __name__ == "__main__":
    sys.exit(main())
