"""The API in the file system, and on a socket that somebody else has opened."""
import http.client
import os
import socket
import subprocess
import sys
import time

from conftest import BINARY, SLOW

# Becomes the program with the socket as descriptor 3, as systemd would start it.
ACTIVATED = """
import os, socket, sys
listening = socket.socket(); listening.bind(("127.0.0.1", int(sys.argv[1]))); listening.listen()
if listening.fileno() != 3: os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="infe.socket")
os.execv(sys.argv[2], sys.argv[2:])
"""


class Local(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def status_of(connection):
    connection.request("GET", "/livez")
    return connection.getresponse().status


def wait(ask, process):
    for _ in range(int(300 * SLOW)):
        assert process.poll() is None, process.stdout.read()
        try:
            return ask()
        except OSError:
            time.sleep(0.1)
    raise AssertionError("it does not answer")


def start(command, tmp_path):
    environment = {**os.environ, "INFE_DATA_DIR": str(tmp_path / "data")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_path_is_listened_on_and_removed(tmp_path, server):
    path = str(tmp_path / "api.sock")
    (tmp_path / "data/models").mkdir(parents=True)
    os.symlink(os.path.realpath(server.data_dir / "models/smollm2-135m.gguf"), tmp_path / "data/models/smollm2-135m.gguf")
    process = start([BINARY, "serve", "--host", f"unix:{path}", "--ops-port", "0"], tmp_path)
    try:
        assert wait(lambda: status_of(Local(path)), process) == 200
    finally:
        process.terminate()
        process.wait(timeout=60 * SLOW)
    assert not os.path.exists(path)


def test_a_socket_of_the_service_manager_is_taken_over(tmp_path, server):
    (tmp_path / "data/models").mkdir(parents=True)
    os.symlink(os.path.realpath(server.data_dir / "models/smollm2-135m.gguf"), tmp_path / "data/models/smollm2-135m.gguf")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = start([sys.executable, "-c", ACTIVATED, str(port), BINARY, "serve", "--port", "1", "--ops-port", "0"], tmp_path)
    try:
        assert wait(lambda: status_of(http.client.HTTPConnection("127.0.0.1", port, timeout=30)), process) == 200
    finally:
        process.terminate()
        process.wait(timeout=60 * SLOW)
