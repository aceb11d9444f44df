#!/usr/bin/env python3
"""Real schemas with instances, fed token by token: what is passed, refused, wrongly taken.

Passed: the schema compiles and every instance gets its verdict, written compact and indented. A named
schema passes only if no verdict is wrong. Exit 1 below the gates, 77 without data."""
import argparse
import collections
import glob
import json
import os
import sys

from grammar_runner import command, data_folder, quantiles, run

SCHEMAS_MIN = 700
PASSED_MIN = 0.92
VALID_REJECTED_MAX = 0.001


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--command", help="program to run in place of infe grammar")
    parser.add_argument("--model")
    parser.add_argument("--data")
    # The instances were written without our order in mind; JSON's objects have none.
    parser.add_argument("--key-order", default="any", choices=("any", "declared"))
    parser.add_argument("--only", help="substring of file names")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    folder = os.path.join(data_folder(args, "maskbench-dev"), "data")
    files = sorted(glob.glob(os.path.join(folder, "*.json")))
    if len(files) < SCHEMAS_MIN:
        sys.exit(f"only {len(files)} schemas in {folder}")
    if args.only:
        files = [f for f in files if args.only in f]

    requests = []
    for file in files:
        with open(file, encoding="utf-8") as f:
            case = json.load(f)
        instances, verdicts = [], []
        for test in case["tests"]:
            for indent in (None, 2):
                instances.append(json.dumps(test["data"], ensure_ascii=False, indent=indent))
                verdicts.append(test["valid"])
        requests.append({"schema": case["schema"], "instances": instances, "times": True,
                         "options": {"key_order": args.key_order},
                         "about": (os.path.basename(file), verdicts)})

    counts = collections.Counter()
    causes = collections.Counter()
    mask_times, compile_times, valid_total = [], [], 0
    for request, reply in run(command(args), requests):
        name, verdicts = request["about"]
        counts["schemas"] += 1
        compile_times.append(reply["compile_us"])
        if reply["status"] == "refused":
            counts["refused"] += 1
            causes[f"refused: {reply['reason'][:100]}"] += 1
            if args.verbose:
                print(name, reply["reason"], reply["path"])
            continue
        mask_times += reply["mask_times"]
        good = True
        for verdict, result, detail, text in zip(verdicts, reply["results"], reply["details"], request["instances"]):
            valid_total += verdict
            if verdict and not result:
                counts["valid rejected"] += 1
                good = False
            elif not verdict and result:
                counts[f"invalid accepted {'named' if reply['status'] == 'named' else 'unnamed'}"] += 1
                good = False
            else:
                continue
            if args.verbose:
                print(name, "valid rejected at" if verdict else "INVALID ACCEPTED",
                      detail.get("at", ""), detail.get("error", ""), text[:300])
        for entry in reply["named"]:
            causes[f"named: {entry['keyword']}: {entry['reason'][:80]}"] += 1
        counts["passed"] += good
    print("  ".join(f"{k} {v}" for k, v in counts.items()), f"  valid instances {valid_total}")
    print("mask us     ", quantiles(mask_times), f" n {len(mask_times)}")
    print("compile us  ", quantiles(compile_times))
    for cause, n in causes.most_common(25):
        print(f"{n:5} {cause}")
    if args.only:
        return
    if (counts["passed"] < PASSED_MIN * len(files) or counts["invalid accepted unnamed"] > 0
            or counts["valid rejected"] > VALID_REJECTED_MAX * valid_total):
        sys.exit("below the gates")


if __name__ == "__main__":
    main()
