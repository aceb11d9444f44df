"""A hub of models and the other host that keeps its files, as Hugging Face answers: its API, redirects with
X-Linked-Etag, ranges, If-Range, gated repositories."""
import hashlib
import http.server
import json
import re
import threading
import urllib.parse


class Served(http.server.ThreadingHTTPServer):
    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.seen = []  # (method, path, headers)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def paths(self, method="GET"):
        return [path for seen, path, _ in self.seen if seen == method]


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def note(self):
        self.server.seen.append((self.command, self.path, dict(self.headers)))


class StoreHandler(Quiet):
    """The host that keeps the files. `cut`: bytes after which the next answer breaks off."""

    def do_HEAD(self):
        self.note()
        self.answer(403)  # as addresses that are signed for GET say

    def do_GET(self):
        self.note()
        store = self.server
        body = store.files[self.path]
        etag = f'"{hashlib.md5(body).hexdigest()}"'
        wanted = self.headers.get("Range")
        begin, end = 0, len(body)
        if wanted and self.headers.get("If-Range", etag) == etag:
            first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted).groups()
            begin, end = int(first), min(int(last) + 1, len(body)) if last else len(body)
            if begin >= len(body):
                return self.answer(416, Content_Range=f"bytes */{len(body)}")
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(body)}")
        else:
            self.send_response(200)
        if store.etags:
            self.send_header("ETag", etag)
        if store.lengths:
            self.send_header("Content-Length", str(end - begin))
        self.send_header("Connection", "close")
        self.close_connection = True
        self.end_headers()
        # A beginning that is only looked at is not cut.
        if store.cut is not None and end == len(body):
            end, store.cut = store.cut, None
        try:
            self.wfile.write(body[begin:end])
        except OSError:
            pass


class HubHandler(Quiet):
    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.note()
        hub = self.server
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        if hub.token and self.headers.get("Authorization") != f"Bearer {hub.token}":
            return self.answer(hub.refusal, b"Access to this model is restricted.", X_Error_Code=hub.error_code)
        if path in hub.moved:
            return self.answer(307, Location=hub.moved[path])
        if found := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path):
            return self.info(*found.groups())
        if found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.file(*found.groups())
        self.answer(404)

    def info(self, repository, revision):
        hub = self.server
        files = hub.repositories.get(repository)
        if files is None:
            return self.answer(401 if hub.hides else 404, X_Error_Code="RepoNotFound")
        if revision not in ("main", "v1", hub.commit):
            return self.answer(404, X_Error_Code="RevisionNotFound")
        siblings = [{"rfilename": "README.md", "size": 7}]
        for name, body in files.items():
            entry = {"rfilename": name, "size": len(body)}
            if hub.digests:
                entry["lfs"] = {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 135}
            siblings.append(entry)
        answer = {"id": repository, "sha": hub.commit, "siblings": siblings, "tags": ["gguf", "license:mit"], **hub.info}
        self.answer(200, json.dumps(answer).encode())

    def file(self, repository, revision, name):
        hub = self.server
        body = hub.repositories.get(repository, {}).get(name)
        if body is None or revision not in ("main", "v1", hub.commit):
            return self.answer(404, X_Error_Code="EntryNotFound")
        place = "/" + hashlib.sha256(f"{repository}/{name}".encode()).hexdigest()
        hub.store.files[place] = hub.delivered.get(name, body)
        self.answer(302, Location=hub.store.url + place, X_Repo_Commit=hub.commit, X_Linked_Size=str(len(body)),
                    X_Linked_Etag=f'"{hashlib.sha256(body).hexdigest()}"')


class StubHub(Served):
    def __init__(self):
        self.store = Served(StoreHandler)
        self.store.files, self.store.cut, self.store.etags, self.store.lengths = {}, None, True, True
        self.repositories = {}      # {"org/repo": {"file.gguf": bytes}}
        self.delivered = {}         # {"file.gguf": other bytes than the hub says}
        self.commit = "c0ffee" * 6 + "c0ff"
        self.info = {}              # what the API says besides
        self.digests = True         # whether the API says them
        self.hides = False          # whether what is not there is a 401, as to somebody without a token
        self.token, self.refusal, self.error_code = None, 401, "GatedRepo"
        self.moved = {}
        super().__init__(HubHandler)

    def stop(self):
        self.store.shutdown()
        self.shutdown()
