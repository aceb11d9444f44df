#!/usr/bin/env python3
"""Sends the raw requests of llhttp's test suite to a running server and compares the verdicts.

    llhttp_requests.py --port 8080 [--data DIR]
    llhttp_requests.py --port 8080 -- ./infe serve --port 8080     starts the command, and ends it

The data is not part of this repository. It is looked for in --data, then in the environment
variable INFE_CONFORMANCE_DATA, then beside the checkout in ../shared/data; without it the run is
skipped (exit code 77).

Each case is sent in four ways: as it stands, with a Host field where its first request has none
(most have none, and would be refused for that alone), and both of these byte by byte. Rules:

- no answer is a 5xx, and the connection ends within the patience;
- never laxer: the server takes at most as many requests as llhttp completes, although another
  request follows wherever llhttp sees an error;
- what llhttp takes only with a lenient switch is refused;
- the way of sending does not change the answers.

Being stricter is allowed and counted.
"""

import argparse
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

FILES_MIN = 13
CASES_MIN = 166
PATIENCE_S = 30
SKIPPED = 77

# Statuses that refuse a request for its framing; anything else means that it was understood.
FRAMING_REFUSALS = {400, 408, 413, 414, 417, 431}

# Cases that break a rule above, by "file: heading", with the reason. One that passes is a failure.
KNOWN_FAILURES = {}

# Lenient cases whose first request is sound: the switch is about what follows a request that ends
# its connection, which a strict server never reads. One request may be taken, no second.
LENIENT_AFTER_THE_END = {
    "connection.md: Resetting flags when keep-alive is off (1.0, lenient)",
    "connection.md: CRLF between requests, explicit `close` (lenient)",
}

CANARY = b"GET /canary HTTP/1.1\r\nHost: infe.test\r\n\r\n"


class Case:
    def __init__(self, name, kind, data, log):
        self.name = name
        self.data = data
        self.lenient = kind.startswith("request-lenient")
        # Code 22 is no error: that parser stops for its caller after CONNECT or an Upgrade.
        self.error = re.search(r"^off=\S+ error code=(?!22 )", log, re.M) is not None
        self.completes = len(re.findall(r"^off=\d+ message complete", log, re.M))


def to_bytes(block):
    """The bytes of an `http` block, as the suite's own runner makes them."""
    text = block[:-1] if block.endswith("\n") else block
    text = text.replace("\\\n", "").replace("\n", "\r\n")
    simple = {"r": "\r", "n": "\n", "t": "\t", "f": "\f"}
    data = text.encode("utf-8").decode("latin-1")  # one character per byte from here on
    data = re.sub(r"\\([rntf])", lambda m: simple[m[1]], data)
    data = re.sub(r"\\x([0-9a-fA-F]{2})", lambda m: chr(int(m[1], 16)), data)
    data = re.sub(r"\\([0-7]{1,3})", lambda m: chr(int(m[1], 8) & 255), data)
    return data.encode("latin-1")


def read_cases(folder):
    cases = []
    files = sorted(folder.glob("*.md"))
    pattern = re.compile(
        r"^(?P<heading>#{1,6} [^\n]*)$"
        r"|<!-- meta=(?P<meta>\{.*?\}) -->[^`]*```http\n(?P<http>.*?)```[^`]*```log\n(?P<log>.*?)```",
        re.M | re.S,
    )
    for file in files:
        heading = ""
        for match in pattern.finditer(file.read_text(encoding="utf-8")):
            if match["heading"]:
                heading = match["heading"].strip("# ")
                continue
            kind = json.loads(match["meta"])["type"]
            name = f"{file.name}: {heading}"
            cases.append(Case(name, kind, to_bytes(match["http"]), match["log"]))
    return files, cases


def with_host(data):
    """Adds a Host after the first request line, or nothing where one is there or no line ends."""
    line_end = data.find(b"\r\n", 2)
    head = data.split(b"\r\n\r\n", 1)[0]
    if line_end < 0 or re.search(rb"(?i)[\r\n]host[ \t]*:", head):
        return None
    return data[: line_end + 2] + b"Host: infe.test\r\n" + data[line_end + 2 :]


def exchange(port, data, bytewise):
    """Sends, says "no more", reads to the end. None: the connection did not end in time."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answer = b""
        try:
            for at in range(len(data)) if bytewise else [0]:
                client.sendall(data[at : at + 1] if bytewise else data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # closed early, as it may; the answer still counts
        try:
            while piece := client.recv(65536):
                answer += piece
        except TimeoutError:
            return None
        except ConnectionResetError:
            pass
        return answer


def statuses(answer):
    """The statuses of a series of responses."""
    found = []
    while answer:
        head, blank, rest = answer.partition(b"\r\n\r\n")
        match = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        if not match or not blank:
            return found + [599]  # no response: counted as a failure of the server
        status = int(match[1])
        if status >= 200:
            found.append(status)
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        # A response to HEAD announces a body that it does not have.
        if length and not rest.startswith(b"HTTP/1.1 "):
            rest = rest[int(length[1]) :]
        answer = rest
    return found


def judge(case, seen):
    """What is wrong with these statuses, or None."""
    if seen is None:
        return "the connection hangs"
    if any(status >= 500 for status in seen):
        return f"a 5xx: {seen}"
    taken = sum(status not in FRAMING_REFUSALS for status in seen)
    if case.lenient:
        allowed = 1 if case.name in LENIENT_AFTER_THE_END else 0
        if len(seen) == taken and taken > allowed:
            return f"taken although llhttp needs leniency: {seen}"
        return None
    if taken > case.completes:
        return f"laxer: llhttp completes {case.completes}, the server took {taken}: {seen}"
    return None


def check(case, port):
    """Problems of one case, and whether the server was stricter than llhttp."""
    problems = []
    taken_most = 0
    tail = CANARY if case.error and not case.lenient else b""
    for label, data in (("as is", case.data), ("with Host", with_host(case.data))):
        if data is None:
            continue
        series = []
        for bytewise in (False, True):
            answer = exchange(port, data + tail, bytewise)
            seen = None if answer is None else statuses(answer)
            series.append(seen)
            if problem := judge(case, seen):
                problems.append(f"{label}{', byte by byte' if bytewise else ''}: {problem}")
            for status in seen or []:
                taken_most = max(taken_most, status not in FRAMING_REFUSALS)
        if series[0] != series[1]:
            problems.append(f"{label}: {series[0]} at once, {series[1]} byte by byte")
    stricter = case.completes > 0 and not case.error and taken_most == 0
    return problems, stricter


def wait_for(port):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nothing listens on port {port}")


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    default = os.environ.get("INFE_CONFORMANCE_DATA", root.parent / "shared" / "data")
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--data", type=pathlib.Path, default=default)
    parser.add_argument("--head-refusals", action="store_true",
                        help="401, 404, 405 and 415 are refusals too: the server under test gives them "
                             "before it reads a body, and takes no request")
    parser.add_argument("--verbose", action="store_true", help="name what is stricter")
    parser.add_argument("command", nargs="*", help="after --: starts a server on that port")
    options = parser.parse_args()
    if options.head_refusals:
        FRAMING_REFUSALS.update({401, 404, 405, 415})

    folder = pathlib.Path(options.data) / "llhttp-requests" / "test" / "request"
    if not folder.is_dir():
        print("llhttp-requests: skipped: no data")
        return SKIPPED
    files, cases = read_cases(folder)
    if len(files) < FILES_MIN or len(cases) < CASES_MIN:
        print(f"llhttp-requests: only {len(files)} files, {len(cases)} cases were found")
        return 1

    server = subprocess.Popen(options.command) if options.command else None
    failures = 0
    stricter = 0
    try:
        wait_for(options.port)
        for case in cases:
            problems, is_stricter = check(case, options.port)
            stricter += is_stricter
            if is_stricter and options.verbose:
                print(f"stricter: {case.name}")
            if case.name in KNOWN_FAILURES and not problems:
                problems = ["passes, but is listed as a known failure"]
            elif case.name in KNOWN_FAILURES:
                continue
            for problem in problems:
                print(f"FAILED {case.name}: {problem}")
            failures += bool(problems)
    finally:
        if server is not None:
            server.terminate()
            server.wait(60)
    lenient = sum(case.lenient for case in cases)
    print(
        f"llhttp-requests: {len(files)} files, {len(cases)} cases ({lenient} lenient), "
        f"{failures} failed, {len(KNOWN_FAILURES)} known failures, stricter in {stricter}"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
