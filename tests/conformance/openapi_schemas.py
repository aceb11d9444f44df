#!/usr/bin/env python3
"""Checks infe's wire types against OpenAI's published OpenAPI description.

Two sources of bodies, either or both:
  --program build/release/src/api_test   what the writers of src/api make, and what its parsers take
  --base-url http://localhost:8080/v1    what a running server answers (key in INFE_API_KEY)

Answers, chunks and errors are validated against components/schemas. Request properties of the
description are sent one by one, nested ones included, and those that infe does not know are listed.
The description is read from DATA/openai-openapi/openapi.json; without it the run is skipped.
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

import jsonschema

# Cases that do not fit the description, with the reason. One that starts to fit fails the run.
KNOWN_MISFITS = {
    "chunk_custom_call": "the description has custom tools in whole answers, but not in chunks",
    "completion_echo": "the first token of a prompt has no probability; OpenAI sends null too",
    "completion_chunk_text": "one schema for whole and chunk: finish_reason null is in its example only",
    "completion_chunk_finish": "the same: usage null before the last chunk",
}
# Request properties that infe lists as ignored, with the reason.
KNOWN_IGNORED = {
    "verbosity": "no model here takes it; docs/api.md says that it changes nothing",
    "prompt_cache_retention": "a hint without effect",
    "prompt_cache_options": "a hint without effect",
    "messages[].content[].prompt_cache_breakpoint": "a hint: prefixes are shared without marks",
    "prediction.content[].prompt_cache_breakpoint": "a hint: prefixes are shared without marks",
}
# Examples of the description that infe refuses, with the reason.
REFUSED_EXAMPLES = {"Image input": "images are a 400"}
SCHEMAS_MIN = 1000
DEPTH_MAX = 8


def load(data):
    path = data / "openai-openapi" / "openapi.json"
    if not path.is_file():
        return None
    document = json.loads(path.read_text(encoding="utf-8"))
    if len(document["components"]["schemas"]) < SCHEMAS_MIN:
        sys.exit("openapi.json holds fewer schemas than expected")
    return document


def with_nulls(node):
    """OpenAPI 3.0's `nullable` as JSON Schema says it."""
    if isinstance(node, list):
        return [with_nulls(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: with_nulls(value) for key, value in node.items()}
    if out.pop("nullable", False) is True:
        return {"anyOf": [out, {"type": "null"}]}
    return out


class Schemas:
    def __init__(self, document):
        self.components = document["components"]["schemas"]
        self.root = {"components": {"schemas": with_nulls(self.components)}}
        self.validators = {}

    def errors(self, name, body):
        if name not in self.validators:
            schema = dict(self.root, **{"$ref": f"#/components/schemas/{name}"})
            self.validators[name] = jsonschema.Draft202012Validator(schema)
        return [
            f"{error.json_path}: {error.message[:160]}"
            for error in self.validators[name].iter_errors(body)
        ]

    def resolve(self, schema):
        while "$ref" in schema:
            schema = self.components[schema["$ref"].rsplit("/", 1)[1]]
        return schema

    def properties(self, name):
        schema = self.resolve(self.components[name])
        out = {}
        for part in schema.get("allOf", []):
            resolved = self.resolve(part)
            out.update(resolved.get("properties", {}))
            for inner in resolved.get("allOf", []):
                out.update(self.resolve(inner).get("properties", {}))
        out.update(schema.get("properties", {}))
        return out

    def samples(self, schema, depth=0):
        """Values of every alternative, objects with all of their properties."""
        schema = self.resolve(schema)
        if depth > DEPTH_MAX:
            return []
        for key in ("oneOf", "anyOf"):
            if key in schema:
                return [s for branch in schema[key] for s in self.samples(branch, depth + 1)]
        if "const" in schema:
            return [schema["const"]]
        if "enum" in schema:
            return schema["enum"][:1]
        kind = schema.get("type", "object" if "properties" in schema or "allOf" in schema else None)
        if kind == "object":
            return self.objects(schema, depth)
        if kind == "array":
            return [[item] for item in self.samples(schema.get("items", {}), depth + 1)]
        if kind == "integer":
            return [max(1, schema.get("minimum", 1))]
        return {"string": ["x"], "number": [1], "boolean": [True]}.get(kind, [])

    def objects(self, schema, depth):
        properties = {}
        for part in schema.get("allOf", []):
            properties.update(self.resolve(part).get("properties", {}))
        properties.update(schema.get("properties", {}))
        alternatives = {n: self.samples(p, depth + 1) for n, p in properties.items()}
        alternatives = {n: values for n, values in alternatives.items() if values}
        count = max([len(values) for values in alternatives.values()] or [1])
        return [
            {n: values[min(i, len(values) - 1)] for n, values in alternatives.items()}
            for i in range(count)
        ]


def request_bodies(schemas):
    """(endpoint, property, body) for every property and alternative of both endpoints."""
    user = {"role": "user", "content": "Hi"}
    endpoints = {
        "/chat/completions": ("CreateChatCompletionRequest", {"model": "m", "messages": [user]}),
        "/completions": ("CreateCompletionRequest", {"model": "m", "prompt": "p"}),
    }
    for endpoint, (name, base) in endpoints.items():
        for prop, schema in schemas.properties(name).items():
            for value in schemas.samples(schema):
                if prop == "messages":
                    value = with_call_before(value[0])
                body = dict(base, **{prop: value})
                if prop == "stream_options":
                    body["stream"] = True
                if prop == "top_logprobs":
                    body["logprobs"] = True
                if prop in ("tool_choice", "parallel_tool_calls"):
                    body["tools"] = tools_for(value)
                if prop == "function_call":
                    body["functions"] = [{"name": "x"}]
                yield endpoint, prop, body


def with_call_before(message):
    """A message in a history that is legal for it."""
    message = {key: value for key, value in message.items() if key != "audio"}
    if message["role"] == "tool":
        call = {"id": message["tool_call_id"], "type": "function"}
        call["function"] = {"name": "x", "arguments": "{}"}
        return [{"role": "assistant", "content": None, "tool_calls": [call]}, message]
    if message["role"] == "function":
        call = {"name": message["name"], "arguments": "{}"}
        return [{"role": "assistant", "content": None, "function_call": call}, message]
    if message["role"] == "assistant":
        message.pop("function_call", None)
        answers = [
            {"role": "tool", "tool_call_id": call["id"], "content": "x"}
            for call in message.get("tool_calls", [])
        ]
        return [message, *answers]
    return [message]


def tools_for(choice):
    kind = "custom" if isinstance(choice, dict) and choice.get("type") == "custom" else "function"
    tools = [{"type": kind, kind: {"name": "x"}}]
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        # The description leaves the entries open; this is the form of its text.
        choice["allowed_tools"]["tools"] = [{"type": "function", "function": {"name": "x"}}]
    return tools


def example_bodies(document):
    for endpoint in ("/chat/completions", "/completions"):
        for example in document["paths"][endpoint]["post"]["x-oaiMeta"]["examples"]:
            found = re.search(r"-d '(.*)'", example["request"]["curl"], re.S)
            if found:
                yield endpoint, example["title"], json.loads(found.group(1))


def run_program(program, probes):
    """Bodies that the writers make, and the parsers' verdicts on the probes."""
    with tempfile.TemporaryDirectory() as folder:
        files = {name: pathlib.Path(folder) / name for name in ("produced", "probes", "results")}
        lines = [json.dumps({"endpoint": endpoint, "body": body}) for endpoint, _, body in probes]
        files["probes"].write_text("\n".join(lines) + "\n", encoding="utf-8")
        env = dict(
            os.environ,
            INFE_PRODUCED_BODIES=str(files["produced"]),
            INFE_PROBE_BODIES=str(files["probes"]),
            INFE_PROBE_RESULTS=str(files["results"]),
        )
        command = [program, "--gtest_filter=ProducedBodies.*:ProbedBodies.*"]
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        read = lambda name: [
            json.loads(line) for line in files[name].read_text(encoding="utf-8").splitlines()
        ]
        return read("produced"), read("results")


class Server:
    def __init__(self, base_url):
        self.base_url = base_url.rstrip("/")
        self.headers = {"Content-Type": "application/json"}
        if os.environ.get("INFE_API_KEY"):
            self.headers["Authorization"] = f"Bearer {os.environ['INFE_API_KEY']}"

    def send(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base_url + path, data, self.headers)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def events(self, path, body):
        text = self.send(path, dict(body, stream=True))
        payloads = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        return [json.loads(payload) for payload in payloads if payload != "[DONE]"]

    def produced(self):
        models = json.loads(self.send("/models"))
        yield {"case": "live_models", "schema": "ListModelsResponse", "body": models}
        model = models["data"][0]["id"]
        one = json.loads(self.send(f"/models/{model}"))
        yield {"case": "live_model", "schema": "Model", "body": one}
        chat = {"model": model, "max_tokens": 12, "seed": 7}
        chat["messages"] = [{"role": "user", "content": "Name three colours."}]
        tool = {"name": "f", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}
        variants = {
            "plain": {},
            "logprobs": {"logprobs": True, "top_logprobs": 3},
            "n": {"n": 2},
            "json": {"response_format": {"type": "json_object"}, "max_tokens": 40},
            "tools": {
                "tools": [{"type": "function", "function": tool}],
                "tool_choice": "required",
                "max_tokens": 60,
            },
        }
        for name, extra in variants.items():
            body = dict(chat, **extra)
            answer = json.loads(self.send("/chat/completions", body))
            yield {"case": f"live_{name}", "schema": "CreateChatCompletionResponse", "body": answer}
            body["stream_options"] = {"include_usage": True}
            for chunk in self.events("/chat/completions", body):
                schema = "CreateChatCompletionStreamResponse"
                yield {"case": f"live_chunk_{name}", "schema": schema, "body": chunk}
        text = {"model": model, "prompt": "One, two,", "max_tokens": 4, "logprobs": 2}
        answer = json.loads(self.send("/completions", text))
        yield {"case": "live_completion", "schema": "CreateCompletionResponse", "body": answer}
        for path, body in (
            ("/chat/completions", {"model": model}),
            ("/chat/completions", dict(chat, model="no-such-model")),
            ("/completions", {}),
            ("/no-such-route", {}),
        ):
            answer = json.loads(self.send(path, body))
            yield {"case": "live_error", "schema": "ErrorResponse", "body": answer}


def check_answers(schemas, produced, failures):
    extras = set()
    for item in produced:
        errors = schemas.errors(item["schema"], item["body"])
        case = item["case"]
        if case in KNOWN_MISFITS:
            if not errors:
                failures.append(f"{case}: fits now; take it off KNOWN_MISFITS")
        elif errors:
            failures.append(f"{case} against {item['schema']}: {errors[0]}")
        extras.update(set(item["body"]) - set(schemas.properties(item["schema"])))
    return extras


def check_requests(probes, verdicts, failures):
    unknown = set()
    for (endpoint, prop, body), verdict in zip(probes, verdicts):
        if verdict["ok"]:
            unknown.update(path for path in verdict["ignored"])
            continue
        param = verdict["param"] or ""
        if not param.startswith(prop) and not (prop in ("tool_choice",) and param == "tools"):
            failures.append(f"{endpoint} {prop}: {verdict['message']} for {json.dumps(body)[:300]}")
    for path in sorted(unknown - set(KNOWN_IGNORED)):
        failures.append(f"request property not known: {path}")
    for path in sorted(set(KNOWN_IGNORED) - unknown):
        failures.append(f"{path} is known now; take it off KNOWN_IGNORED")
    return unknown


def check_examples(examples, verdicts, failures):
    for (endpoint, title, _), verdict in zip(examples, verdicts):
        refused = title in REFUSED_EXAMPLES
        if verdict["ok"] == refused:
            failures.append(f"{endpoint} example '{title}': {verdict.get('message', 'accepted')}")


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    data = os.environ.get("INFE_SHARED_DATA", root / ".." / "shared" / "data")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(data))
    parser.add_argument("--program", help="the api_test binary")
    parser.add_argument("--base-url", help="a running server, with /v1")
    arguments = parser.parse_args()
    document = load(arguments.data)
    if document is None:
        print("openai-openapi: skipped: no data")
        return 0
    if not arguments.program and not arguments.base_url:
        parser.error("--program or --base-url is needed")
    schemas = Schemas(document)
    failures, produced, known = [], [], ""
    if arguments.program:
        probes = list(request_bodies(schemas))
        examples = list(example_bodies(document))
        if len(probes) < 60 or len(examples) < 6:
            failures.append(f"only {len(probes)} probes and {len(examples)} examples were found")
        produced, verdicts = run_program(arguments.program, probes + examples)
        unknown = check_requests(probes, verdicts[: len(probes)], failures)
        check_examples(examples, verdicts[len(probes) :], failures)
        known = f", {len(probes)} request probes ({len(unknown)} ignored), {len(examples)} examples"
    if arguments.base_url:
        produced += list(Server(arguments.base_url).produced())
    extras = check_answers(schemas, produced, failures)
    for failure in failures:
        print("FAILED", failure)
    print(
        f"openai-openapi: {len(produced)} answers against their schemas{known}, "
        f"{len(failures)} failures; members of ours: {', '.join(sorted(extras))}"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
