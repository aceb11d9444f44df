"""nginx and HAProxy from Debian's packages, in front of infe: started on a free loopback port from a
configuration in a temporary folder, stopped by process id, with a log that tells what they passed on.
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

from harness import free_port

# HAProxy's programs lie in sbin, which is not on everybody's path.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"

# One line per request that was sent on: the server's address ("-" for none) and its status. No
# buffering, so that an answer streams. nginx has no active checks: a request whose connection is
# refused goes to the other server, and none is left alone for it (max_fails=0): a refusal costs
# nothing, and two that are mistrusted at once would be a 502. So does one that is told 503: infe
# says that before it does any work. No idle connections are kept, as one
# could close while a request is put on it.
NGINX = """
daemon off;
{user}
worker_processes 1;
error_log {folder}/error.log warn;
pid {folder}/nginx.pid;
events {{ worker_connections 2048; }}
http {{
  log_format passed '$upstream_addr $upstream_status $status';
  access_log {folder}/access.log passed;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream infe {{ {servers} }}
  server {{
    listen 127.0.0.1:{port};
    client_max_body_size 32m;
    location / {{
      proxy_pass http://infe;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 600s;
      proxy_next_upstream error http_503 non_idempotent;
    }}
  }}
}}
"""

# Checks /readyz on the operations port twice a second; one failure takes a server out for new
# requests, requests in flight go on. A connection that fails is tried on the other server.
HAPROXY = """
global
  log stdout format raw local0
  maxconn 4000
defaults
  mode http
  log global
  log-format "%s %ST %ts"
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-request 10s
  retries 3
  option redispatch
  retry-on conn-failure
  option httpchk GET /readyz
frontend public
  bind 127.0.0.1:{port}
  default_backend infe
backend infe
  balance leastconn
{servers}
"""


class Proxy:
    """A running proxy on `port`. passed(): requests that it sent to a server so far."""

    def __init__(self, folder, command, port, log):
        self.folder, self.port, self.log = folder, port, log
        self.output = open(folder / "output.log", "ab")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=self.output, env={**os.environ, "PATH": PATH})
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (folder / "output.log").read_text(errors="replace")
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            time.sleep(0.02)
        raise AssertionError("the proxy does not listen")

    def lines(self):
        return self.log.read_text(errors="replace").splitlines() if self.log.exists() else []

    def passed(self):
        # "-": refused by the proxy itself; nginx names several servers when it tried several.
        return sum(line[:9] == "127.0.0.1" or line[:5] == "infe-" for line in self.lines())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.output.close()


def has(program):
    return shutil.which(program, path=PATH) is not None


def nginx(folder, servers):
    """nginx in front of these harness.Servers; folder is made."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    port = free_port()
    upstream = " ".join(f"server 127.0.0.1:{s.port} max_fails=0;" for s in servers)
    # As root the workers would become another user, who may not enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, servers=upstream, port=port, user=user))
    return Proxy(folder, ["nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")], port,
                 folder / "access.log")


def haproxy(folder, servers):
    """HAProxy in front of these harness.Servers; folder is made."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    port = free_port()
    backend = "\n".join(f"  server infe-{i} 127.0.0.1:{s.port} check port {s.ops_port} inter 500ms fall 1 rise 1"
                        for i, s in enumerate(servers))
    (folder / "haproxy.cfg").write_text(HAPROXY.format(servers=backend, port=port))
    return Proxy(folder, ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], port, folder / "output.log")
