"""Schemas, patterns and grammars made to hurt: each is a 400 that names its limit, soon, and another
client's stream goes on as before."""
import threading
import time

import openai
import pytest
from conftest import SLOW


def schema(value):
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": value}}}


def extra(**fields):
    return {"extra_body": fields}


def nested(levels):
    value = {"type": "string"}
    for _ in range(levels):
        value = {"type": "object", "properties": {"a": value}}
    return value


def lark_tool(definition):
    return {"tools": [{"type": "custom", "custom": {"name": "t", "format": {
        "type": "grammar", "grammar": {"syntax": "lark", "definition": definition}}}}]}


def function(parameters):
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": parameters}}]}


# Request fields, and what the message has to name.
HOSTILE = {
    "deep schema": (schema(nested(120)), "levels"),
    "deep array schema": (schema({"allOf": [nested(90), {"not": nested(49)}]}), "levels"),
    "parentheses in a pattern": (extra(structured_outputs={"regex": "(" * 60000 + ")" * 60000}), "kRegexBytesMax"),
    "groups in a pattern": (extra(structured_outputs={"regex": "(" * 5000 + "a" + ")" * 5000}), "kRegexDepthMax"),
    "parentheses in a grammar": (extra(grammar="root ::= " + "(" * 60000 + "\"a\"" + ")" * 60000), "kGrammarDepthMax"),
    "parentheses in a Lark grammar": (lark_tool("start: " + "(" * 60000 + "\"a\"" + ")" * 60000), "kGrammarDepthMax"),
    "large enum": (schema({"enum": [f"value {i}" for i in range(20001)]}), "kEnumValuesMax"),
    "large choice": (extra(structured_outputs={"choice": [f"value {i}" for i in range(20001)]}), "kEnumValuesMax"),
    "many properties": (schema({"type": "object", "properties": {f"p{i}": {} for i in range(5001)}}), "kPropertiesMax"),
    "large repeat": (extra(structured_outputs={"regex": "a{1,1000001}"}), "kRepeatMax"),
    "large repeat in a grammar": (extra(grammar="root ::= \"a\"{2000000}"), "kRepeatMax"),
    "large schema": (schema({"description": "x" * (1 << 20)}), "1048576"),
    "large grammar": (extra(grammar="root ::= \"a\"\n" + "# comment\n" * 120000), "kGrammarBytesMax"),
    "a schema that is itself": (schema({"$ref": "#"}), "leads back to itself"),
    "two schemas that are each other": (schema({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}), "leads back to itself"),
    "endless required": (schema({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"], "additionalProperties": False}), "no text matches"),
    "exploding choices": (schema({"allOf": [{"anyOf": [{"properties": {f"k{i}_{j}": {"const": j}}, "required": [f"k{i}_{j}"]} for j in range(8)]}
                                            for i in range(8)], "type": "object"}), "bytes of memory"),
    "exploding pattern": (schema({"type": "string", "allOf": [{"pattern": f"^(a|b)*{c}(a|b){{{n}}}$"} for n, c in ((14, "a"), (15, "b"), (17, "a"))]}), "kEmptinessStatesMax"),
    # Not strict, so one function that cannot be compiled in time takes any object, and it is said.
    "exploding function": (function({"type": "object", "properties": {"a": {"type": "string", "not": {"pattern": "(a|b)*a(a|b){18}c"}, "pattern": "^(a|b)*b(a|b){17}c$"}}}), None),
}


class Watched:
    """A stream that notes the times between its chunks."""

    def __init__(self, server):
        self.gaps, self.stopped = [], False
        self.thread = threading.Thread(target=self.read, args=(server.client(),))
        self.thread.start()

    def read(self, client):
        while not self.stopped:
            last = None
            for _ in client.chat.completions.create(model="smollm2-135m", messages=[{"role": "user", "content": "Tell a long story."}],
                                                    stream=True, max_tokens=400, extra_body={"ignore_eos": True}):
                now = time.monotonic()
                if last is not None:
                    self.gaps.append(now - last)
                last = now
                if self.stopped:
                    break

    def stop(self):
        self.stopped = True
        self.thread.join()
        return self.gaps


def test_limits_are_named_soon_and_hurt_nobody_else(server):
    client = server.client()
    watched = Watched(server)
    time.sleep(0.5)
    problems = []
    try:
        for name, (fields, says) in HOSTILE.items():
            begun = time.monotonic()
            try:
                client.chat.completions.create(model="smollm2-135m", messages=[{"role": "user", "content": "Hi"}], max_tokens=8, **fields)
                outcome = "accepted"
            except openai.BadRequestError as error:
                outcome = error.body["message"]
            except openai.APIError as error:
                problems.append(f"{name}: {error!r}")
                continue
            took = time.monotonic() - begun
            if took > 4 * SLOW:
                problems.append(f"{name}: {took:.1f} s")
            if says is not None and (outcome == "accepted" or says not in outcome):
                problems.append(f"{name}: {outcome[:200]}")
            print(f"{name}: {took:.2f} s {outcome[:140]}")
    finally:
        gaps = watched.stop()
    assert not problems, "\n".join(problems)
    assert len(gaps) > 20 and max(gaps) < 2 * SLOW, max(gaps)
    assert server.process.poll() is None


@pytest.mark.parametrize("pattern", [r"^(([a-z]+)+)+$", r"^(a?){200}a{200}$", r"(x+x+)+y", r"^(?=.*\d)(?=.*[a-z]).{8,64}$"])
def test_patterns_that_stall_others_are_ordinary(server, pattern):
    """Backtracking engines die of these; here they are automata."""
    done = server.client().chat.completions.create(
        model="smollm2-135m", messages=[{"role": "user", "content": "Hi"}], max_tokens=300, seed=1,
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": {
            "type": "object", "properties": {"a": {"type": "string", "pattern": pattern, "maxLength": 420}}, "required": ["a"], "additionalProperties": False}}})
    assert done.choices[0].message.content.startswith("{")
