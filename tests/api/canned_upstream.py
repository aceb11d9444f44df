"""A server that answers by a script, for tests of the gateway: it streams, cuts, stalls and errs as
told, and keeps what it was asked. Not a mock of one product: each script is a habit seen in some."""
import json
import select
import socket
import struct
import threading
import time


def delta(content=None, index=0, finish=None, model="canned-model", usage=None, **more):
    """A chunk with one choice."""
    body = dict(more)
    if content is not None:
        body["content"] = content
    chunk = {"id": "chatcmpl-theirs", "object": "chat.completion.chunk", "created": 1, "model": model,
             "choices": [{"index": index, "delta": body, "finish_reason": finish}]}
    if usage is not None:
        chunk["usage"] = usage
    return chunk


def usage(prompt=11, completion=3, **more):
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion, **more}


def usage_chunk(*args, **kwargs):
    return {"id": "chatcmpl-theirs", "object": "chat.completion.chunk", "choices": [], "model": "canned-model",
            "usage": usage(*args, **kwargs)}


class Exchange:
    """One request, and what is sent for it."""

    def __init__(self, connection, method, path, headers, body):
        self.connection, self.method, self.path, self.headers = connection, method, path, headers
        self.raw, self.json = body, json.loads(body) if body else None
        self.closed_s = None
        self.chunked = False

    def send(self, data):
        self.connection.sendall(data if isinstance(data, bytes) else data.encode())

    def head(self, status=200, content_type="text/event-stream", length=None, **headers):
        lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.chunked = length is None
        lines.append("Transfer-Encoding: chunked" if self.chunked else f"Content-Length: {length}")
        self.send("\r\n".join(lines) + "\r\n\r\n")

    def raw_piece(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n" if self.chunked else data)

    def event(self, payload):
        self.raw_piece(f"data: {payload if isinstance(payload, str) else json.dumps(payload)}\n\n")

    def end(self, done=True):
        if done:
            self.event("[DONE]")
        if self.chunked:
            self.send("0\r\n\r\n")

    def answer(self, status, body, content_type="application/json", **headers):
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.head(status, content_type, length=len(data), **headers)
        self.send(data)

    def stream(self, *texts, finish="stop", counts=None):
        """A usual answer."""
        self.head()
        self.event(delta("", role="assistant"))
        for text in texts:
            self.event(delta(text))
        self.event(delta(finish=finish))
        self.event(usage_chunk(**(counts or {})))
        self.end()

    def cut(self):
        """A reset, as a process that dies sends it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def wait_closed(self, patience_s=20):
        """Until the other side closes: when that was, on time.monotonic's clock; None if it did not."""
        if select.select([self.connection], [], [], patience_s)[0]:
            self.closed_s = time.monotonic()
        return self.closed_s


class CannedUpstream:
    """Listens on a free loopback port. `script(exchange)` answers; the requests are in `asked`."""

    def __init__(self, script=None, tls=None):
        self.script = script or (lambda exchange: exchange.stream("Hello", " there"))
        self.asked, self.lock = [], threading.Lock()
        self.tls = tls
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/v1"
        self.closing = False
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.closing:
            return
        self.closing = True
        # Ends the accept that waits, which would keep the port open.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    @property
    def chats(self):
        with self.lock:
            return [e for e in self.asked if e.method == "POST"]

    def accept(self):
        while not self.closing:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            while self.serve_one(connection):
                pass
        except OSError:
            pass
        finally:
            connection.close()

    def serve_one(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return False
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
        while len(body) < int(headers.get("content-length", 0)):
            body += connection.recv(65536)
        method, path, _ = lines[0].split(" ")
        exchange = Exchange(connection, method, path, headers, body)
        with self.lock:
            self.asked.append(exchange)
        self.script(exchange)
        return connection.fileno() >= 0 and exchange.closed_s is None
