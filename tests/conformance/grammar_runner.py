"""Talks to `infe grammar` in JSON lines: one process, requests in, verdicts out, in order."""
import json
import os
import shlex
import subprocess
import sys
import threading


def command(args):
    """The program to run: --command, or `infe grammar --model M` from INFE_BIN and INFE_MODEL_DIR."""
    if args.command:
        return shlex.split(args.command)
    binary = os.environ.get("INFE_BIN", "infe")
    model = args.model or os.path.join(os.environ.get("INFE_MODEL_DIR", ""), "infe-pulse.gguf")
    return [binary, "grammar", "--model", model]


def run(argv, requests):
    """Yields (request, reply) for each request."""
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def feed():
        for request in requests:
            line = json.dumps({k: v for k, v in request.items() if k != "about"}, ensure_ascii=False)
            process.stdin.write(line.encode("utf-8", "surrogatepass") + b"\n")
        process.stdin.close()

    writer = threading.Thread(target=feed, daemon=True)
    writer.start()
    for request in requests:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"{argv[0]} ended early at {request.get('about')}")
        yield request, json.loads(line)
    writer.join()
    if process.wait() != 0:
        raise RuntimeError(f"{argv[0]} failed with {process.returncode}")


def quantiles(values):
    values = sorted(values)
    if not values:
        return "none"
    at = lambda q: values[min(len(values) - 1, int(q * len(values)))]
    return (f"avg {sum(values) / len(values):.1f}  p50 {at(.5):.1f}  p99 {at(.99):.1f}"
            f"  p99.9 {at(.999):.1f}  max {values[-1]:.1f}")


def data_folder(args, name):
    """The folder of others' data, or an exit that counts as skipped."""
    root = args.data or os.environ.get("INFE_SHARED_DATA") or os.path.join(
        os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "data")
    folder = os.path.join(root, name)
    if not os.path.isdir(folder):
        print(f"skipped: no data ({name})")
        sys.exit(77)
    return folder
