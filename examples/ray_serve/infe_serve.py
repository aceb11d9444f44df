"""infe under Ray Serve: each replica owns one infe process and passes requests through to it.

  pip install 'ray[serve]==2.60.0'
  INFE_API_KEY=... serve run infe_serve:app             # port 8000, every path of the API
  serve run infe_serve:build model=smollm2-135m max_replicas=8 cpus=4

Placed, scaled (by requests that run or wait) and replaced by Ray. A replica goes with its process: Ray sees
that at once, another takes its place, and requests go to the others meanwhile. When Ray takes a replica
away, no new requests reach it, those that run are finished, and the process gets SIGTERM, drains, and is
gone before the replica is. A client that leaves is gone from infe too.

Every node needs the binary (INFE_BINARY, else `infe` of its PATH) and the models (INFE_DATA_DIR). With
INFE_STORE_URL all replicas have one set of keys and limits; without, one that Ray makes must not ask for any.
"""
import asyncio
import contextlib
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import aiohttp
from ray import serve
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

# Of one hop; the answer's own come from infe.
HOP_BY_HOP = {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
START_TIMEOUT_S = 300
STOP_TIMEOUT_S = 75  # drain_timeout_s and some
PR_SET_PDEATHSIG = 1
# Ongoing are those that run and those that wait: 16 run together (--max-batch).
AUTOSCALING = {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 16, "upscale_delay_s": 10,
               "downscale_delay_s": 300}
SCALING = {"min_replicas": int, "max_replicas": int, "target_ongoing_requests": float, "upscale_delay_s": float,
           "downscale_delay_s": float}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def end_with_parent():
    """In the child: a replica that is killed leaves no infe behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def data_folder():
    """A folder of this replica's own, as SQLite has one server a folder, with the node's models in it."""
    if os.environ.get("INFE_STORE_URL"):
        return os.environ.get("INFE_DATA_DIR", str(pathlib.Path.home() / ".local/share/infe")), None
    models = pathlib.Path(os.environ.get("INFE_DATA_DIR", pathlib.Path.home() / ".local/share/infe")) / "models"
    folder = tempfile.mkdtemp(prefix="infe-replica-")
    os.symlink(models, pathlib.Path(folder) / "models")
    return folder, folder


@serve.deployment(
    max_ongoing_requests=80,  # infe queues better than Ray does: keys take turns there
    autoscaling_config=AUTOSCALING,
    health_check_period_s=0.5, health_check_timeout_s=5,
    graceful_shutdown_timeout_s=STOP_TIMEOUT_S, graceful_shutdown_wait_loop_s=0.5)
class Infe:
    async def __init__(self, model="infe-pulse", threads=0, arguments=()):
        binary = os.environ.get("INFE_BINARY") or shutil.which("infe")
        folder, self.made = data_folder()
        self.url = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            [binary, "serve", "--port", self.url.rpartition(":")[2], "--ops-port", "0", "--model", model,
             "--threads", str(threads), "--drain-grace", "0", *arguments],
            env={**os.environ, "INFE_DATA_DIR": folder}, preexec_fn=end_with_parent)
        self.stopping = False
        threading.Thread(target=self.end_with_process, daemon=True).start()
        self.session = aiohttp.ClientSession(
            auto_decompress=False, connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5))
        await self.ready()

    def end_with_process(self):
        """At once, so that Ray gives what comes next to the others: failed checks would take seconds, in which
        the one with nothing under way is the one that is asked most."""
        self.process.wait()
        if not self.stopping:
            os._exit(1)

    async def ready(self):
        for _ in range(START_TIMEOUT_S * 20):
            await self.check_health()
            with contextlib.suppress(aiohttp.ClientError):
                async with self.session.get(self.url + "/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
        raise RuntimeError("infe did not become ready")

    async def check_health(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"infe ended with {self.process.returncode}")

    async def __call__(self, request: Request):
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        headers["host"] = "localhost"
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        try:
            upstream = await self.session.request(request.method, self.url + path, headers=headers,
                                                  data=await request.body() or None)
        except ClientDisconnect:
            return Response(status_code=499)
        except aiohttp.ClientError:  # before anything was said
            return Response('{"error":{"message":"The model server is being replaced.","type":"server_error",'
                            '"param":null,"code":"server_is_overloaded"}}', 503,
                            {"content-type": "application/json", "retry-after": "1"})
        kept = {name: value for name, value in upstream.headers.items() if name.lower() not in HOP_BY_HOP}
        if "text/event-stream" in upstream.headers.get("content-type", ""):
            return StreamingResponse(self.events(upstream), upstream.status, kept)
        async with upstream:
            return Response(await upstream.read(), upstream.status, kept)

    @staticmethod
    async def events(upstream):
        # Ended early, when the client has left, it closes the connection, by which infe knows.
        try:
            async for piece in upstream.content.iter_any():
                yield piece
        finally:
            upstream.close()

    async def __del__(self):
        """Ray is done with this replica: SIGTERM, the drain, the end."""
        self.stopping = True
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self.process.wait, STOP_TIMEOUT_S)
            self.process.kill()
        await self.session.close()
        if self.made:
            shutil.rmtree(self.made, ignore_errors=True)


def build(arguments):
    """For `serve run infe_serve:build name=value ...`."""
    scaling = {name: number(arguments[name]) for name, number in SCALING.items() if name in arguments}
    return Infe.options(ray_actor_options={"num_cpus": float(arguments.get("cpus", 1))},
                        autoscaling_config={**AUTOSCALING, **scaling}).bind(
        model=arguments.get("model", "infe-pulse"), threads=int(arguments.get("threads", arguments.get("cpus", 0))),
        arguments=arguments.get("arguments", "").split())


app = Infe.bind()
