#!/usr/bin/env python3
"""Compares how infe and h11, a strict Python parser, read the same mutated bytes.

    http_differential.py --port 8080 [--rounds 3000] [--seed 1]

The server on that port must answer every request with 200 and the body "<method> <target> <body>":
http_test starts one. A request stream is made from sound pieces by a few random edits where
servers are known to differ. Whatever infe takes, h11 must have read as the same requests, with the
same bodies, in the same order; infe may stop earlier. Without h11 the run is skipped (exit code 77).
"""

import argparse
import random
import socket
import sys

try:
    import h11
except ImportError:
    print("http-differential: skipped: no h11")
    sys.exit(77)

PATIENCE_S = 30

SEEDS = [
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=b\r\nhello\r\n3\r\nabc\r\n0\r\nT: u\r\n\r\n",
    b"PUT /d?e=f HTTP/1.1\r\nHost: x:80\r\nAccept: */*\r\nContent-Length: 28\r\n\r\n"
    b"GET /g HTTP/1.1\r\nHost: y\r\n\r\n",
    b"GET /h HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]

SPICE = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b"\0", b"\x0b", b"\x80", b":", b",", b";", b"0",
    b"1", b"+", b"-", b"0x", b"ffffffffffffffff", b"\r\n ", b"chunked", b"identity", b"0\r\n\r\n",
    b"\r\nContent-Length: 0", b"\r\nContent-Length: 3", b"\r\nTransfer-Encoding: chunked",
    b"\r\nTransfer-Encoding: gzip, chunked", b"\r\nTransfer-Encoding:\x0bchunked",
    b"\r\ncontent-length : 1", b"\r\nHost: y", b"\r\nConnection: close", b"HTTP/1.0", b"HTTP/1.1",
    b"\r\n\r\nGET /s HTTP/1.1\r\nHost: x\r\n\r\n",
]  # fmt: skip


def make_stream(rng):
    data = bytearray(b"".join(rng.choice(SEEDS) for _ in range(rng.randint(1, 3))))
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(data) + 1)
        way = rng.randrange(3)
        if way == 0:
            data[at:at] = rng.choice(SPICE)
        elif way == 1:
            del data[at : at + rng.randint(1, 3)]
        else:
            spice = rng.choice(SPICE)
            data[at : at + len(spice)] = spice
    return bytes(data)


def read_by_h11(data):
    """Requests that h11 completes before an error or the end, as (method, target, body), and whether
    it stopped at an HTTP/1.0 request: h11 never goes on after one, infe does when it is asked to."""
    requests = []
    while True:
        # RFC 9112 2.2 lets a server skip an empty line before a request: infe does, h11 does not.
        data = data.removeprefix(b"\r\n")
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 16)
        connection.receive_data(data)
        body = b""
        try:
            while not isinstance(event := connection.next_event(), h11.EndOfMessage):
                if event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed):
                    return requests, False
                if isinstance(event, h11.Request):
                    head = event
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
        except h11.RemoteProtocolError:
            return requests, False
        requests.append((head.method, head.target, body))
        if connection.their_state is not h11.DONE:
            return requests, head.http_version == b"1.0"
        data = connection.trailing_data[0]


def read_by_server(port, data):
    """The bodies of the 200s, then the statuses of anything else."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
        try:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    bodies = []
    others = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status < 200:
            continue
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        if status == 200:
            bodies.append(answer[:length])
        else:
            others.append(status)
        answer = answer[length:]
    return bodies, others


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rounds", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    rng = random.Random(options.seed)
    failures = taken = stricter = 0
    for _ in range(options.rounds):
        data = make_stream(rng)
        requests, stopped = read_by_h11(data)
        expected = [b"%s %s %s" % request for request in requests]
        bodies, others = read_by_server(options.port, data)
        if stopped:
            bodies = bodies[: len(expected)]
        taken += len(bodies)
        stricter += len(bodies) < len(expected)
        if bodies != expected[: len(bodies)] or any(status >= 500 for status in others):
            failures += 1
            print(f"FAILED {data!r}\n  infe {bodies} {others}\n  h11  {expected}")
    print(
        f"http-differential: {options.rounds} streams, {taken} requests taken, "
        f"stricter in {stricter}, {failures} failed"
    )
    return 1 if failures or taken == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
