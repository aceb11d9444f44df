#!/usr/bin/env python3
"""Renders every template of cases.py with Python's jinja2 and writes cases.json, which
src/jinja/template_test.cc compares with infe's own rendering.

Usage: TZ=UTC make_cases.py   (needs jinja2 3.1.6; the version is kept in the file)
"""
import json
import os
import pathlib
import sys
import time
import warnings

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "conformance")]
import cases  # noqa: E402
import jinja2  # noqa: E402
import jinja_reference as reference  # noqa: E402


def main():
    os.environ["TZ"] = "UTC"
    time.tzset()
    warnings.simplefilter("ignore")
    env = reference.environment()
    out = []
    for name, template in cases.all_cases():
        text, error = reference.render(env, template, cases.CONTEXT)
        case = {"name": name, "template": template}
        case.update({"text": text} if error is None else {"raises": error})
        out.append(case)
    header = {"jinja2": jinja2.__version__, "now": reference.NOW, "context": cases.CONTEXT}
    lines = [json.dumps(case) for case in out]
    (HERE / "cases.json").write_text(
        json.dumps(header)[:-1] + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n")
    print(f"{len(out)} cases, {sum('raises' in c for c in out)} of them raise")


if __name__ == "__main__":
    main()
