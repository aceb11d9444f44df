#!/usr/bin/env python3
"""N clients stream chat completions from a running server at once: what HTTP and the scheduler leave
of the engine's speed. Compare with `infe bench --work batched --streams N` on the same machine.

  python3 tests/load/http_streams.py --model smollm2-135m --streams 8 --tokens 64 --key sk-...

Tokens are counted by the server's own usage; time to the first token and gaps are what a client
sees between chunks with content. Standard library only. Talks to the loopback interface unless
another --host is given, and ends within --seconds in any case.
"""

import argparse
import http.client
import json
import os
import re
import socket
import statistics
import sys
import threading
import time

WORDS = ("river stone garden window morning bridge letter market silver forest island engine "
         "harbour winter candle orange").split()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--key", default=os.environ.get("INFE_API_KEY", ""))
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--requests", type=int, default=1, help="of each stream, one after another")
    parser.add_argument("--tokens", type=int, default=64, help="max_completion_tokens")
    parser.add_argument("--prompt-words", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=120, help="limit of the whole run")
    parser.add_argument("--pid", type=int, help="the server's process: also tell its CPU time")
    parser.add_argument("--light", action="store_true",
                        help="look every 20 ms and read usage at the end: the client costs next to "
                             "nothing, and tells only tokens a second from first tokens to the end")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def body_of(a, number, request):
    # Every prompt begins differently, so that none is served from another one's prefix.
    words = [str(number * 1000 + request)]
    words += [WORDS[(number + 7 * i) % len(WORDS)] for i in range(a.prompt_words)]
    return {"model": a.model, "stream": True, "temperature": 0, "ignore_eos": True,
            "stream_options": {"include_usage": True}, "max_completion_tokens": a.tokens,
            "messages": [{"role": "user", "content": "Tell a long story about " + " ".join(words)}]}


def light(a) -> int:
    """One request of each stream by one thread, on raw sockets."""
    sockets, texts = [], [b""] * a.streams
    for number in range(a.streams):
        data = json.dumps(body_of(a, number, 0)).encode()
        sockets.append(socket.create_connection((a.host, a.port), timeout=a.seconds))
        sockets[-1].sendall((f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                             f"Authorization: Bearer {a.key}\r\nContent-Type: application/json\r\n"
                             f"Content-Length: {len(data)}\r\n\r\n").encode() + data)
        sockets[-1].setblocking(False)
    running, began, before = set(range(a.streams)), None, 0
    deadline = time.monotonic() + a.seconds
    while running and time.monotonic() < deadline:
        time.sleep(0.02)
        for i in list(running):
            try:
                while data := sockets[i].recv(1 << 20):
                    texts[i] += data
                running.discard(i)
            except BlockingIOError:
                pass
        if began is None and all(b'"content":"' in text.partition(b'"role"')[2].partition(b"data:")[2] for text in texts):
            began, before = time.perf_counter(), sum(text.count(b"data:") - 1 for text in texts)
    seconds = time.perf_counter() - began if began else 0.0
    usages = [re.findall(rb'"completion_tokens":(\d+)', text) for text in texts]
    tokens = sum(int(found[-1]) for found in usages if found) - before
    ok = not running and all(usages) and seconds > 0
    print(json.dumps({"streams": a.streams, "tokens": tokens, "seconds": round(seconds, 3),
                      "tok_s": round(tokens / seconds, 1) if ok else 0.0, "ok": ok}))
    return 0 if ok else 1


class Client(threading.Thread):
    """One stream: its requests one after another, and what it saw."""

    def __init__(self, number, a, start):
        super().__init__(daemon=True)
        self.number, self.a, self.start_together = number, a, start
        self.first, self.gaps, self.errors = [], [], []
        self.tokens = self.prompt_tokens = self.cached_tokens = 0
        self.began = self.ended = 0.0

    def run(self):
        self.start_together.wait()
        self.began = time.perf_counter()
        for request in range(self.a.requests):
            try:
                self.one(request)
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
        self.ended = time.perf_counter()

    def one(self, request):
        body = body_of(self.a, self.number, request)
        headers = {"Content-Type": "application/json"}
        if self.a.key:
            headers["Authorization"] = f"Bearer {self.a.key}"
        connection = http.client.HTTPConnection(self.a.host, self.a.port, timeout=self.a.seconds)
        sent = last = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise ValueError(f"status {answer.status}: {answer.read(300).decode(errors='replace')}")
        seen = 0
        for line in answer:
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            now = time.perf_counter()
            chunk = json.loads(line[6:])
            if chunk.get("usage"):
                usage = chunk["usage"]
                self.tokens += usage["completion_tokens"]
                self.prompt_tokens += usage["prompt_tokens"]
                details = usage.get("prompt_tokens_details") or {}
                self.cached_tokens += details.get("cached_tokens") or 0
            if any(c["delta"].get("content") for c in chunk.get("choices", [])):
                (self.gaps if seen else self.first).append(now - (last if seen else sent))
                last = now
                seen += 1
        connection.close()


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def cpu_seconds(pid) -> float:
    """User and system time of a process so far; 0 without a pid."""
    if not pid:
        return 0.0
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    a = arguments()
    if a.light:
        return light(a)
    start = threading.Event()
    clients = [Client(i, a, start) for i in range(a.streams)]
    for client in clients:
        client.start()
    cpu = cpu_seconds(a.pid)
    start.set()
    deadline = time.monotonic() + a.seconds
    for client in clients:
        client.join(max(0.0, deadline - time.monotonic()))
    cpu = cpu_seconds(a.pid) - cpu
    unfinished = sum(c.is_alive() for c in clients)
    done = [c for c in clients if not c.is_alive()]
    errors = [e for c in clients for e in c.errors]
    first = [t for c in clients for t in c.first]
    gaps = [t for c in clients for t in c.gaps]
    tokens = sum(c.tokens for c in done)
    seconds = max((c.ended for c in done), default=0) - min((c.began for c in done), default=0)
    result = {
        "streams": a.streams, "requests": a.streams * a.requests, "tokens": tokens,
        "prompt_tokens": sum(c.prompt_tokens for c in done),
        "cached_tokens": sum(c.cached_tokens for c in done),
        "seconds": round(seconds, 3),
        "tok_s": round(tokens / seconds, 1) if seconds > 0 else 0.0,
        "ttft_ms": {"p50": round(1e3 * percentile(first, 0.5), 1),
                    "p95": round(1e3 * percentile(first, 0.95), 1)},
        "gap_ms": {"p50": round(1e3 * statistics.median(gaps), 1) if gaps else 0.0,
                   "worst": round(1e3 * max(gaps, default=0.0), 1)},
        "server_cpu_s": round(cpu, 2),
        "errors": len(errors), "unfinished": unfinished,
    }
    if a.json:
        print(json.dumps(result))
    else:
        print(f"{a.streams} streams, {result['requests']} requests: {tokens} tokens in "
              f"{seconds:.2f} s, {result['tok_s']} tok/s together (prompts included: "
              f"{result['prompt_tokens']} tokens, {result['cached_tokens']} from the cache)\n"
              f"  first token p50 {result['ttft_ms']['p50']} ms, p95 {result['ttft_ms']['p95']} ms"
              f"; gap p50 {result['gap_ms']['p50']} ms, worst {result['gap_ms']['worst']} ms")
        if a.pid:
            print(f"  the server took {cpu:.2f} s of CPU, {tokens / max(cpu, 0.01):.1f} tokens a "
                  "CPU second")
        for error in errors[:3]:
            print(f"  failed: {error}")
        if unfinished:
            print(f"  {unfinished} streams had not finished after {a.seconds} s")
    return 1 if errors or unfinished else 0


sys.exit(main())
