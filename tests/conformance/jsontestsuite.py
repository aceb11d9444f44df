#!/usr/bin/env python3
"""Sends every file of the public JSON test suite as a request body to a running server.

y_ must not be refused as JSON (the 400 is about the request), n_ must be a clear 400 about the JSON,
i_ may be either; no file may crash, hang or give a 5xx. The files are sent as they are, byte by byte.
DATA/jsontestsuite is read; without it the run is skipped. The key is taken from INFE_API_KEY.
"""

import argparse
import http.client
import json
import os
import pathlib
import sys
import urllib.parse

FILES_MIN = {"y": 95, "n": 188, "i": 35}
# What the body's 400 begins with when it is no JSON.
NOT_JSON = "We could not parse the JSON body"
# Files that the suite accepts and infe refuses as JSON, with the reason. One that is accepted again
# fails the run.
KNOWN_REFUSED = {
    "y_object_duplicated_key.json": "a body may not name a field twice",
    "y_object_duplicated_key_and_value.json": "a body may not name a field twice",
}


def send(url, body, key):
    """(status, error object) of one POST, on a connection of its own."""
    connection = http.client.HTTPConnection(url.hostname, url.port or 80, timeout=60)
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    connection.request("POST", url.path.rstrip("/") + "/chat/completions", body, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, json.loads(text)["error"]


def problem_with(name, status, error):
    if status != 400:
        return f"status {status}"
    if set(error) != {"message", "type", "param", "code"}:
        return f"error keys {sorted(error)}"
    not_json = error["message"].startswith(NOT_JSON)
    if name in KNOWN_REFUSED:
        return None if not_json else "accepted now; take it off KNOWN_REFUSED"
    if name.startswith("y_") and not_json:
        return "refused as JSON: " + error["message"]
    if name.startswith("n_") and (not not_json or error["param"] or error["code"]):
        return "taken for JSON: " + error["message"]
    return None


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    data = os.environ.get("INFE_SHARED_DATA", root / ".." / "shared" / "data")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path(data))
    parser.add_argument("--base-url", default="http://127.0.0.1:8080/v1")
    arguments = parser.parse_args()
    files = sorted(arguments.data.glob("jsontestsuite/**/*.json"))
    if not files:
        print("jsontestsuite: skipped: no data")
        return 0
    url = urllib.parse.urlsplit(arguments.base_url)
    counts = dict.fromkeys(FILES_MIN, 0)
    failures = []
    for path in files:
        if path.name[0] in counts:
            counts[path.name[0]] += 1
        try:
            problem = problem_with(path.name, *send(url, path.read_bytes(), os.environ.get("INFE_API_KEY")))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            problem = f"no answer: {error!r}"
        if problem:
            failures.append(f"{path.name}: {problem}")
    for kind, wanted in FILES_MIN.items():
        if counts[kind] < wanted:
            failures.append(f"only {counts[kind]} files {kind}_ found, {wanted} expected")
    for failure in failures:
        print("FAILED", failure)
    print(
        f"jsontestsuite: {counts['y']} y_, {counts['n']} n_, {counts['i']} i_ sent as bodies, "
        f"{len(failures)} failures"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
