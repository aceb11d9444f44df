#!/usr/bin/env bash
# vllm-router 0.1.17 and sglang-router 0.3.2 have one origin, and both ask a worker's GET /get_load how
# busy it is; but each reads only its own shape of the answer. vllm-router wants an object with `load`;
# sglang-router wants a list with an object for each rank, and takes `num_tokens` of it, not the number
# of requests. The other's shape is no error: the load is -1 for all workers, so that policies which
# go by load choose without one. Each router's own GET /get_loads shows what it understood.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q --disable-pip-version-check vllm-router==0.1.17 sglang-router==0.3.2
cd "$folder"
"$folder/v/bin/python" - "$folder/v/bin" <<'PYTHON'
import contextlib
import http.server
import json
import socket
import subprocess
import sys
import threading
import time
import urllib.request

BIN = sys.argv[1]
ROUTERS = {"vllm-router": [f"{BIN}/vllm-router"],
           "sglang-router": [f"{BIN}/python", "-m", "sglang_router.launch_router"]}
SHAPES = {"object": {"load": 7}, "list": [{"dp_rank": 0, "num_reqs": 7, "num_waiting_reqs": 2, "num_tokens": 70}]}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_worker(load):
    class Worker(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = json.dumps(load if self.path == "/get_load" else {"status": "ok", "model_path": "m"}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Worker)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def loads(command, shape):
    port = free_port()
    with open("router.log", "wb") as log:
        router = subprocess.Popen(
            [*command, "--worker-urls", start_worker(SHAPES[shape]), start_worker(SHAPES[shape]), "--policy", "power_of_two",
             "--host", "127.0.0.1", "--port", str(port), "--prometheus-port", str(free_port())], stdout=log, stderr=log)
    try:
        for _ in range(120):
            time.sleep(0.5)
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/get_loads", timeout=5) as answer:
                    workers = json.load(answer)["workers"]
                    if len(workers) == 2:
                        return [worker["load"] for worker in workers]
        sys.exit(open("router.log", encoding="utf-8").read()[-2000:])
    finally:
        router.terminate()
        router.wait()


seen = {(name, shape): loads(command, shape) for name, command in ROUTERS.items() for shape in SHAPES}
print(seen)
sys.exit(0 if seen == {("vllm-router", "object"): [7, 7], ("vllm-router", "list"): [-1, -1],
                       ("sglang-router", "object"): [-1, -1], ("sglang-router", "list"): [70, 70]} else 1)
PYTHON
