"""Guaranteed structure, proved from outside: requests in JSON mode and under fifty schemas, through the
official client, each answer parsed and validated by an independent validator (Python's jsonschema
with its format checker). An answer that ends with `stop` has to validate; one that ends with
`length` too, because the text is closed before the limit.

    python tests/conformance/structured_output.py --base-url http://127.0.0.1:8080/v1 --count 500

--kind open asks for everyday schemas that say nothing of further keys, as Pydantic, zod and people
write them, at default settings: only declared keys, every answer whole, and no more tokens (the median) than
under the same schema closed by hand.
"""
import argparse
import collections
import concurrent.futures
import datetime
import json
import os
import random
import re
import statistics
import sys
import time
import urllib.parse

import jsonschema

TOOL = {"type": "function", "function": {
    "name": "look_up", "description": "Look a word up in the dictionary",
    "parameters": {"type": "object", "properties": {"word": {"type": "string", "maxLength": 40}},
                   "required": ["word"], "additionalProperties": False}}}


def obj(properties, required=None, **more):
    """A closed object; every key is required unless `required` says which."""
    return {"type": "object", "properties": properties, "additionalProperties": False,
            "required": list(properties) if required is None else required, **more}


def text(**bounds):
    return {"type": "string", **bounds}


def schemas():
    """(name, schema, question) of fifty schemas; together they use every keyword that is enforced."""
    short = text(maxLength=40)
    number = {"type": "number", "minimum": -10, "maximum": 10}
    found = {
        "person": obj({"name": short, "age": {"type": "integer", "minimum": 0, "maximum": 130}}),
        "address": obj({"who": obj({"name": short, "home": obj({"street": short, "zip": text(pattern="^[0-9]{5}$")})})}),
        "colours": obj({"colours": {"type": "array", "minItems": 3, "maxItems": 3,
                                    "items": obj({"name": short, "hex": text(pattern="^#[0-9a-fA-F]{6}$")})}}),
        "enum": obj({"sentiment": {"enum": ["positive", "neutral", "negative"]}, "sure": {"type": "boolean"}}),
        "mixed enum": obj({"value": {"enum": [1, "one", None, True, [1, 2], {"a": 1}]}}),
        "date": obj({"day": text(format="date"), "at": text(format="time")}),
        "date-time": obj({"when": text(format="date-time")}),
        "email": obj({"mail": text(format="email", maxLength=60), "id": text(format="uuid")}),
        "addresses": obj({"v4": text(format="ipv4"), "v6": text(format="ipv6")}),
        "host": obj({"host": text(format="hostname", maxLength=60), "site": text(format="uri", maxLength=80)}),
        "integers": obj({"even": {"type": "integer", "multipleOf": 2, "minimum": 10, "maximum": 9000},
                         "below": {"type": "integer", "exclusiveMaximum": 0, "minimum": -500}}),
        "numbers": obj({"x": number, "y": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                        "price": {"type": "number", "multipleOf": 0.25, "minimum": 0, "maximum": 100}}),
        "anyOf": obj({"value": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 9}, text(maxLength=8), obj({"a": {"type": "null"}})]}}),
        "oneOf": {"oneOf": [obj({"kind": {"const": "circle"}, "r": number}), obj({"kind": {"const": "square"}, "side": number})]},
        "oneOf overlapping": obj({"n": {"type": "integer", "minimum": 0, "maximum": 40,
                                        "oneOf": [{"multipleOf": 2}, {"multipleOf": 3}]}}),
        "tree": {"$ref": "#/$defs/node", "$defs": {"node": obj(
            {"value": short, "children": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/node"}}}, ["value"])}},
        "list": {"$defs": {"cell": obj({"head": {"type": "integer", "minimum": 0, "maximum": 99},
                                        "tail": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/cell"}]}})}, "$ref": "#/$defs/cell"},
        "optional": obj({"a": short, "b": number, "c": {"type": "boolean"}, "d": {"type": "null"}}, []),
        "partly optional": obj({"id": {"type": "integer", "minimum": 1, "maximum": 99999}, "note": short, "tags": {"type": "array", "maxItems": 3, "items": short}}, ["id"]),
        "const": obj({"version": {"const": 3}, "kind": {"const": "report"}, "title": short}),
        "nullable": obj({"name": text(maxLength=30), "nick": {"type": ["string", "null"], "maxLength": 20}}),
        "tuple": obj({"point": {"type": "array", "prefixItems": [number, number, {"enum": ["cm", "mm"]}], "items": False, "minItems": 3}}),
        "tuple and rest": obj({"row": {"type": "array", "prefixItems": [short], "items": number, "minItems": 2, "maxItems": 5}}),
        "unique": obj({"days": {"type": "array", "uniqueItems": True, "minItems": 2, "maxItems": 5,
                                "items": {"enum": ["Mon", "Tue", "Wed", "Thu", "Fri"]}}}),
        "unique strings": obj({"words": {"type": "array", "uniqueItems": True, "maxItems": 4, "items": text(maxLength=12)}}),
        "counted": {"type": "object", "minProperties": 1, "maxProperties": 3, "additionalProperties": number,
                    "propertyNames": {"maxLength": 12, "pattern": "^[a-z_]+$"}},
        "patterned": {"type": "object", "patternProperties": {"^n_": {"type": "integer", "minimum": 0, "maximum": 99}, "^s_": short},
                      "additionalProperties": False, "maxProperties": 4, "propertyNames": {"maxLength": 10}},
        "dependent": obj({"card": text(pattern="^[0-9]{4}$"), "owner": short}, [], dependentRequired={"card": ["owner"]}),
        "allOf": {"allOf": [{"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}, "required": ["a"]},
                            {"properties": {"a": {"maximum": 50}, "b": short}, "required": ["b"]}], "maxProperties": 2},
        "not": obj({"name": {"type": "string", "maxLength": 20, "not": {"enum": ["root", "admin"]}}}),
        "not a type": obj({"value": {"not": {"type": ["object", "array", "string"]}}}),
        "if": {"type": "object", "properties": {"country": {"enum": ["US", "DE"]}, "zip": text(maxLength=10)},
               "required": ["country", "zip"], "additionalProperties": False,
               "if": {"properties": {"country": {"const": "US"}}}, "then": {"properties": {"zip": {"pattern": "^[0-9]{5}$"}}},
               "else": {"properties": {"zip": {"pattern": "^D-[0-9]{5}$"}}}},
        "contains": obj({"marks": {"type": "array", "maxItems": 5, "items": {"type": "integer", "minimum": 0, "maximum": 9},
                                   "contains": {"const": 7}, "maxContains": 2}}),
        "lengths": obj({"code": text(minLength=4, maxLength=8, pattern="^[A-Z0-9]+$"), "word": text(minLength=2, maxLength=6)}),
        "search": obj({"line": text(pattern="cat|dog", maxLength=30)}),
        "alternatives": obj({"version": text(pattern=r"^v?(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})(-(alpha|beta)\.?\d?)?$")}),
        "lookahead": obj({"word": text(pattern="^(?!cat)[a-z]{3,8}$")}),
        "root array": {"type": "array", "minItems": 1, "maxItems": 4, "items": short},
        "root string": text(maxLength=60),
        "root integer": {"type": "integer", "minimum": -1000, "maximum": 1000},
        "root anything": {"anyOf": [{"type": "boolean"}, {"type": "null"}, number, short]},
        "empty array": obj({"none": {"type": "array", "maxItems": 0}, "many": {"type": "array", "items": {"type": "boolean"}, "maxItems": 6}}),
        "unicode keys": obj({"größe": number, "名前": short, "emoji 😀": {"type": "boolean"}}),
        "awkward keys": obj({'quo"te': short, "back\\slash": {"type": "boolean"}, "new\nline": {"type": "null"}, "": number}),
        "open": {"type": "object", "properties": {"title": short}, "required": ["title"], "maxProperties": 4,
                 "additionalProperties": {"type": ["number", "boolean", "null"]}},
        "closed by default": {"type": "object", "properties": {"a": short, "b": number}, "required": ["a"], "unevaluatedProperties": False},
        "matrix": obj({"rows": {"type": "array", "minItems": 2, "maxItems": 3, "items": {
            "type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer", "minimum": 0, "maximum": 9}}}}),
    }
    deep = short
    for level in range(8):
        deep = obj({f"level_{level}": deep})
    found["deep"] = deep
    found["large enum"] = obj({"word": {"enum": [f"word-{i:03}" for i in range(300)]}})
    found["wide"] = obj({f"field_{i}": {"type": ["integer", "null"], "minimum": 0, "maximum": 9} for i in range(25)})
    return found


# Tokens that the shortest text of any of the schemas surely fits.
LEAST_TOKENS = {"wide": 320, "awkward keys": 120, "unicode keys": 120, "deep": 160, "matrix": 80, "address": 120,
                "list": 80, "colours": 160, "dependent": 64, "host": 64, "addresses": 80, "email": 120}
QUESTIONS = ["Fill this in as JSON for a made-up example.", "Invent a plausible JSON record.",
             "Give me JSON test data, please.", "What would a typical JSON entry look like?"]
OBJECT_QUESTIONS = ["List 3 colours with hex codes as JSON.", "Describe a house as JSON with many fields.",
                    "A JSON configuration of a web server.", "Write JSON about a cat called \"Tom\" \\ with notes.",
                    "Nested JSON of a file system, please.", "JSON with the numbers from 1 to 10 and their squares."]


FORMATS = jsonschema.FormatChecker()


@FORMATS.checks("date-time", raises=ValueError)
def is_date_time(value):
    """RFC 3339, which jsonschema checks only with further packages installed."""
    if not isinstance(value, str):
        return True
    if not re.fullmatch(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", value):
        return False
    day, clock = value[:10], value[11:19]
    datetime.date.fromisoformat(day)
    return clock.endswith(":60") or bool(datetime.time.fromisoformat(clock) or True)


@FORMATS.checks("time", raises=ValueError)
def is_time(value):
    """RFC 3339; jsonschema's own check of this name is that of draft 3."""
    return is_date_time("2020-01-01T" + value) if isinstance(value, str) else True


@FORMATS.checks("hostname")
def is_host_name(value):
    return not isinstance(value, str) or len(value) < 254 and all(
        re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", label) for label in value.split("."))


@FORMATS.checks("uri", raises=ValueError)
def is_uri(value):
    if not isinstance(value, str):
        return True
    return bool(re.fullmatch(r"[A-Za-z0-9:/?#\[\]@!$&'()*+,;=._~%-]+", value) and urllib.parse.urlsplit(value).scheme)


# Everyday schemas: what Pydantic makes of a class, what zod's converters make of an object, nested
# lists by hand, and a tool's parameters. None says a word about further keys.
PERSON = {"properties": {
    "name": {"title": "Name", "type": "string"}, "age": {"title": "Age", "type": "integer"},
    "email": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "title": "Email"},
    "address": {"$ref": "#/$defs/Address"}}, "required": ["name", "age", "address"], "title": "Person", "type": "object",
    "$defs": {"Address": {"properties": {"street": {"title": "Street", "type": "string"}, "city": {"title": "City", "type": "string"}},
                          "required": ["street", "city"], "title": "Address", "type": "object"}}}
REVIEW = {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "properties": {
    "sentiment": {"type": "string", "enum": ["positive", "neutral", "negative"]},
    "score": {"type": "number", "minimum": 0, "maximum": 1}, "summary": {"type": "string"}},
    "required": ["sentiment", "score", "summary"]}
ORDER = {"type": "object", "properties": {
    "items": {"type": "array", "items": {"type": "object", "properties": {
        "product": {"type": "string"}, "quantity": {"type": "integer"}}, "required": ["product", "quantity"]}},
    "note": {"type": "string"}}, "required": ["items"]}
WEATHER = {"type": "object", "properties": {
    "location": {"type": "string", "description": "City and country"},
    "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}, "required": ["location"]}
OPEN = {"pydantic": (PERSON, "Ada Lovelace, 36, lives at 12 St James Square in London. Extract the person."),
        "zod": (REVIEW, "Review: 'The battery lasts two days and the screen is lovely.' Analyse it."),
        "nested list": (ORDER, "I would like two red cups, a blue bowl and three spoons, please."),
        "tool": (WEATHER, "What is the weather like in Tokyo right now?")}


def closed(schema):
    """The same with additionalProperties false in every object that declares its keys."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(value) for key, value in schema.items()}
    return {**made, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else made


def ask_open(client, model, name, schema, question, seed):
    """(content or arguments, finish_reason, completion tokens) of one answer at default settings."""
    body = dict(model=model, messages=[{"role": "user", "content": question}], seed=seed)
    if name == "tool":
        body.update(tools=[{"type": "function", "function": {"name": "get_weather", "parameters": schema,
                                                             "description": "Get the current weather in a location"}}],
                    tool_choice="required")
    else:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    done = client.chat.completions.create(**body)
    choice = done.choices[0]
    texts = [call.function.arguments for call in choice.message.tool_calls or []] or [choice.message.content]
    return texts, choice.finish_reason, done.usage.completion_tokens


def run_open(client, model, seeds, threads=8, out=sys.stdout):
    """Returns the failures; prints a line of counts for each schema."""
    failures = []
    for name, (schema, question) in OPEN.items():
        tight = closed(schema)
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            got = list(pool.map(lambda seed: ask_open(client, model, name, schema, question, seed), range(seeds)))
            asked = list(pool.map(lambda seed: ask_open(client, model, name, tight, question, seed), range(seeds)))
        # Medians: now and then a small model writes one sentence again and again inside a string, under
        # either schema, and that one answer would be the mean.
        tokens, by_hand = (statistics.median(t for _, _, t in answers) for answers in (got, asked))
        bad = []
        for seed, (texts, reason, _) in enumerate(got):
            try:
                if reason != ("tool_calls" if name == "tool" else "stop"):
                    raise ValueError(f"ends with {reason}")
                for text in texts:
                    jsonschema.Draft202012Validator(tight).validate(parse(text))
            except (ValueError, jsonschema.ValidationError) as error:
                bad.append((name, f"seed {seed}", str(error).splitlines()[0] + " in " + repr(texts)[:300]))
        if tokens > 1.1 * by_hand:
            bad.append((name, f"{tokens} tokens, {by_hand} under the closed schema", ""))
        print(f"{model}, {name}: {seeds} answers, {len(bad)} failures; {tokens:.1f} tokens "
              f"(at most {max(t for _, _, t in got)}), {by_hand:.1f} (at most {max(t for _, _, t in asked)}) "
              f"closed by hand; such as {got[0][0][-1]!r}", file=out)
        failures += bad
    for failure in failures[:20]:
        print("  ", *failure, file=out)
    return failures


def parse(content):
    """Strict: no NaN, no duplicate keys, nothing around the value."""
    def refuse(constant):
        raise ValueError(f"{constant} is no JSON")

    def pairs(members):
        keys = [key for key, _ in members]
        if len(set(keys)) != len(keys):
            raise ValueError(f"a key twice in {keys}")
        return dict(members)

    if content != content.strip():
        raise ValueError("blanks around the value")
    return json.loads(content, parse_constant=refuse, object_pairs_hook=pairs)


def make_requests(kind, count, model, rng):
    table = list(schemas().items())
    for i in range(count):
        name, schema = table[i % len(table)] if kind == "schema" else ("json_object", {"type": "object"})
        question = rng.choice(QUESTIONS if kind == "schema" else OBJECT_QUESTIONS)
        body = dict(model=model, messages=[{"role": "user", "content": question}], temperature=1.0,
                    seed=rng.randrange(2**31))
        body["response_format"] = {"type": "json_object"} if kind == "object" else {
            "type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": rng.random() < 0.5 and name in STRICT_NAMES}}
        least = LEAST_TOKENS.get(name, 48)
        if rng.random() < 0.7:
            body["max_tokens"] = rng.choice([least, least + 16, least + rng.randrange(100), 250])
        if rng.random() < 0.15:
            body["n"] = rng.choice([2, 3])
        if rng.random() < 0.1:
            body.update(logprobs=True, top_logprobs=rng.choice([0, 3]))
        if rng.random() < 0.1:
            body["stop"] = ["\n\n\n", "<END>"]
        if rng.random() < 0.1:
            body.update(tools=[TOOL], tool_choice=rng.choice(["auto", "none"]))
        yield name, schema, body, rng.random() < 0.5


# Strict asks for closed objects with every key required where the server follows OpenAI's rules to the
# letter; these are so in any case.
STRICT_NAMES = {"person", "address", "colours", "enum", "date", "integers", "numbers", "anyOf", "const", "nullable",
                "deep", "matrix", "lengths", "large enum", "wide"}


def answers(client, body, stream):
    """[(content, calls, finish_reason)] per choice."""
    if not stream:
        done = client.chat.completions.create(**body)
        return [(c.message.content, [(t.function.name, t.function.arguments) for t in c.message.tool_calls or []], c.finish_reason)
                for c in done.choices]
    contents = collections.defaultdict(str)
    calls = collections.defaultdict(dict)
    reasons = {}
    for chunk in client.chat.completions.create(**body, stream=True):
        for choice in chunk.choices:
            contents[choice.index] += choice.delta.content or ""
            for call in choice.delta.tool_calls or []:
                name, arguments = calls[choice.index].get(call.index, ("", ""))
                calls[choice.index][call.index] = (name + (call.function.name or ""), arguments + (call.function.arguments or ""))
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    return [(contents[i], list(calls[i].values()), reasons[i]) for i in range(body.get("n", 1))]


def check(name, schema, content, calls, reason):
    """What is wrong with one choice, or None."""
    try:
        if calls:
            for called, arguments in calls:
                if called != "look_up":
                    return f"a call of {called}"
                if reason != "length":
                    jsonschema.validate(parse(arguments), TOOL["function"]["parameters"])
            return None
        value = parse(content)
        jsonschema.Draft202012Validator(schema, format_checker=FORMATS).validate(value)
    except (ValueError, jsonschema.ValidationError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    return None


def run(client, kind, count, model, seed, threads=8, out=sys.stdout):
    """Returns the failures; prints a line of counts."""
    rng = random.Random(seed)
    reasons, failures, slowest, choices = collections.Counter(), [], 0.0, 0

    def one(request):
        name, schema, body, stream = request
        begun = time.time()
        try:
            return request, answers(client, body, stream), time.time() - begun
        except Exception as error:  # noqa: BLE001  (an error of the request is a failure of the run)
            return request, error, time.time() - begun

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for (name, schema, body, stream), result, took in pool.map(one, make_requests(kind, count, model, rng)):
            slowest = max(slowest, took)
            if isinstance(result, Exception):
                failures.append((name, body["seed"], str(result)[:300]))
                continue
            for content, calls, reason in result:
                choices += 1
                reasons[reason if "max_tokens" in body else reason + " (no max_tokens)"] += 1
                problem = check(name, schema, content, calls, reason)
                if problem:
                    failures.append((name, f"seed {body['seed']} max_tokens {body.get('max_tokens')} n {body.get('n')} stream {stream} {reason}",
                                     problem + " in " + repr(content)[:300]))
    print(f"{kind}: {count} requests, {choices} answers, {len(failures)} failures; "
          f"{dict(sorted(reasons.items()))}; slowest {slowest:.1f} s", file=out)
    for failure in failures[:20]:
        print("  ", *failure, file=out)
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--model", default="infe-pulse")
    parser.add_argument("--count", type=int, default=500, help="requests of each kind")
    parser.add_argument("--kind", choices=["object", "schema", "open"], help="only one of them")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=8)
    args = parser.parse_args()
    from openai import OpenAI
    client = OpenAI(base_url=args.base_url, api_key=os.environ.get("INFE_API_KEY", "none"), max_retries=5, timeout=900)
    failures = run_open(client, args.model, min(args.count, 20), args.threads) if args.kind in (None, "open") else []
    for kind in [args.kind] if args.kind else ["object", "schema"]:
        if kind == "open":
            break
        failures += run(client, kind, args.count, args.model, args.seed, args.threads)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
