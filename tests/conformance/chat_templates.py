#!/usr/bin/env python3
"""Renders others' chat templates with infe and with Python's jinja2 and compares the bytes.

Every template x every context x tools on and off x tool arguments as text and as an object, plus the
models' own templates where their GGUF files are at hand. What raises in one must raise in the other.
The trusted ranges are checked too: they never cover a byte of a message's content.

Usage: chat_templates.py --program "PROGRAM [ARGUMENTS]" [--data FOLDER] [--models FOLDER]
  --program  speaks the JSON lines of src/chat/render_line.h on stdin and stdout
  --data     default $INFE_SHARED_DATA, else ../shared/data beside the checkout; absent: skipped
  --models   default $INFE_MODEL_DIR; absent: skipped
"""
import argparse
import copy
import glob
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

TEMPLATES_MIN, CONTEXTS_MIN = 22, 3
# Private-use marks around every message's content: text from outside that no template contains.
MARK = "\ue000"


class Renderer:
    def __init__(self, command):
        self.process = subprocess.Popen(shlex.split(command), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, env={**os.environ, "TZ": "UTC"})

    def __call__(self, template, context, now):
        line = json.dumps({"template": template, "context": context, "now": now})
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit("the program ended in the middle of the run")
        return json.loads(answer)


def variants(context):
    """The context with tools on and off, with arguments as text and as an object."""
    for with_tools in (True, False):
        for as_object in (False, True):
            variant = copy.deepcopy(context)
            if not with_tools:
                variant.pop("tools", None)
            for message in variant["messages"]:
                for call in message.get("tool_calls") or []:
                    arguments = call["function"]["arguments"]
                    if as_object and isinstance(arguments, str):
                        call["function"]["arguments"] = json.loads(arguments)
            yield f"tools={with_tools},object={as_object}", variant


def marked(context):
    context = copy.deepcopy(context)
    for message in context["messages"]:
        if isinstance(message.get("content"), str):
            message["content"] = MARK + message["content"] + MARK
    return context


def model_templates(folder):
    import gguf

    for path in sorted(glob.glob(os.path.join(folder, "*.gguf"))):
        field = gguf.GGUFReader(path).fields.get("tokenizer.chat_template")
        if field is not None:
            yield os.path.basename(path), bytes(field.parts[field.data[0]]).decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", default=os.environ.get("INFE_SHARED_DATA", ROOT.parent / "shared/data"))
    parser.add_argument("--models", default=os.environ.get("INFE_MODEL_DIR"))
    options = parser.parse_args()
    folder = pathlib.Path(options.data) / "chat-templates"
    if not folder.is_dir():
        print("skipped: no data")
        return 0

    import jinja_reference as reference
    os.environ["TZ"] = "UTC"
    time.tzset()
    templates = [(p.name, p.read_bytes().decode())
                 for p in sorted(folder.glob("models/templates/*.jinja"))]
    contexts = [(p.stem, json.loads(p.read_text()))
                for p in sorted(folder.glob("minja-contexts/tests/contexts/*.json"))]
    if len(templates) < TEMPLATES_MIN or len(contexts) < CONTEXTS_MIN:
        print(f"chat-templates: found {len(templates)} templates and {len(contexts)} contexts, "
              f"expected {TEMPLATES_MIN} and {CONTEXTS_MIN}")
        return 1
    own = list(model_templates(options.models)) if options.models else []
    render = Renderer(options.program)
    env = reference.environment()
    cases = equal = raising = 0
    failures = []
    for template_name, template in templates + own:
        for context_name, context in contexts:
            for variant_name, variant in variants(context):
                cases += 1
                name = f"{template_name} x {context_name} {variant_name}"
                text, error = reference.render(env, template, variant)
                ours = render(template, variant, reference.NOW)
                if text != ours.get("text"):
                    failures.append(f"{name}: jinja2 {error or repr(text)[:200]}, "
                                    f"infe {ours.get('error') or repr(ours['text'])[:200]}")
                    continue
                equal += text is not None
                raising += text is None
                check = render(template, marked(variant), reference.NOW)
                for begin, end in check.get("trusted", []):
                    if MARK in check["text"].encode()[begin:end].decode(errors="replace"):
                        failures.append(f"{name}: a message's content counts as the template's")
    for failure in failures:
        print(failure)
    print(f"chat-templates: {cases} cases ({len(templates)} templates, {len(own)} of models, "
          f"{len(contexts)} contexts): {equal} equal, {raising} raise in both, "
          f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
