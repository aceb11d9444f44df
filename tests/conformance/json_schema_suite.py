#!/usr/bin/env python3
"""The JSON-Schema-Test-Suite, draft 2020-12: each schema compiled, each value written compact and fed
through the matcher, keys in any order. A group is refused as a whole or decided as a whole.

Refusing is allowed and counted; an invalid value accepted is a failure. Exit 77 without data."""
import argparse
import collections
import glob
import json
import os
import sys

from grammar_runner import command, data_folder, run

TESTS_MIN = 1200
PASSED_MIN = 0.75
# optional/format: only what is enforced counts.
FORMATS = {"date", "time", "date-time", "duration", "ipv4", "ipv6", "uuid", "hostname", "email", "uri",
           "uri-reference", "json-pointer", "relative-json-pointer", "iri", "iri-reference", "idn-email", "uri-template"}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", help="program to run in place of infe grammar")
    parser.add_argument("--model")
    parser.add_argument("--data")
    parser.add_argument("--optional", action="store_true", help="the optional tests as well")
    parser.add_argument("--lenient", action="store_true", help="name what is not enforced")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    root = os.path.join(data_folder(args, "json-schema-test-suite"), "tests", "draft2020-12")
    files = sorted(glob.glob(os.path.join(root, "*.json")))
    if args.optional:
        files += sorted(glob.glob(os.path.join(root, "optional", "*.json")))
        files += [f for f in sorted(glob.glob(os.path.join(root, "optional", "format", "*.json")))
                  if os.path.basename(f)[:-5] in FORMATS]
    requests, total = [], 0
    for file in files:
        with open(file, encoding="utf-8") as f:
            groups = json.load(f)
        area = os.path.relpath(file, root)[:-5]
        for group in groups:
            total += len(group["tests"])
            instances = [json.dumps(t["data"], ensure_ascii=False, separators=(",", ":"))
                         for t in group["tests"]]
            requests.append({"schema": group["schema"], "instances": instances,
                             "options": {"strict": not args.lenient, "key_order": "any",
                                         "formats": "format" in area and area != "format",
                                         "integers_with_fraction": True},
                             "about": (area, group)})
    if total < TESTS_MIN:
        sys.exit(f"only {total} tests in {root}")

    counts, areas, causes = collections.Counter(), collections.defaultdict(collections.Counter), collections.Counter()
    for request, reply in run(command(args), requests):
        area, group = request["about"]
        if reply["status"] == "refused":
            n = len(group["tests"])
            # "Nothing matches" is the right verdict on a schema that no value fits.
            if reply["reason"].startswith("no text matches") and not any(
                    t["valid"] for t in group["tests"]):
                counts["passed"] += n
                areas[area]["passed"] += n
                continue
            counts["refused"] += n
            areas[area]["refused"] += n
            causes[reply["reason"][:110]] += n
            if args.verbose:
                print("refused:", area, "/", group["description"], ":", reply["reason"])
            continue
        for test, result in zip(group["tests"], reply["results"]):
            if result == test["valid"]:
                kind = "passed"
            elif test["valid"]:
                kind = "valid rejected"
            else:
                kind = "invalid accepted" + (" named" if reply["status"] == "named" else "")
            counts[kind] += 1
            areas[area][kind] += 1
            if args.verbose and kind != "passed":
                print(f"{kind}: {area} / {group['description']} / {test['description']}: "
                      f"{json.dumps(test['data'])[:100]} {json.dumps(group['schema'])[:300]}")
    print(f"tests {total} ", "  ".join(f"{k} {v}" for k, v in counts.items()),
          f" = {100 * counts['passed'] / total:.1f}% passed")
    print("fully passed areas:", sum(set(c) == {"passed"} for c in areas.values()), "of", len(areas))
    for cause, n in causes.most_common(30):
        print(f"{n:5} {cause}")
    if counts["invalid accepted"] or counts["passed"] < PASSED_MIN * total:
        sys.exit("below the gates")


if __name__ == "__main__":
    main()
