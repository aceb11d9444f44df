"""Rows of the error table that need a server of their own settings, or a body of their own shape."""
import http.client
import json
import pathlib
import signal
import socket
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import SLOW, Server  # noqa: E402
from test_errors import OK, check  # noqa: E402
from test_parameters import HELLO, post  # noqa: E402

CHAT = "/v1/chat/completions"
LONG = {**OK, "max_tokens": 4000, "ignore_eos": True}
FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


def schema(body, name="answer", strict=True):
    return {"type": "json_schema", "json_schema": {"name": name, "schema": body, "strict": strict}}


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """The switches of the configuration file that make more errors."""
    folder = tmp_path_factory.mktemp("strict")
    (folder / "infe.toml").write_text('strict_params = true\njson_word_check = true\nstrict_schema = "openai"\n'
                                      "n_max = 2\n")
    running = Server(folder, args=("--config", str(folder / "infe.toml")))
    yield running
    assert running.stop() == 0, running.log_text()


@pytest.fixture()
def narrow(tmp_path):
    """One sequence at a time, and a queue of one."""
    running = Server(tmp_path, args=("--max-batch", "1", "--queue-requests", "1"))
    yield running
    running.stop()


def test_unknown_field_where_parameters_are_strict(strict):
    check(post(strict, CHAT, {**OK, "mood": True}), 400, param="mood", code="unknown_parameter")
    nested = {**OK, "tools": [{**FUNCTION, "cache_control": {}}]}
    _, error = check(post(strict, CHAT, nested), 400, param="tools[0].cache_control", code="unknown_parameter")
    assert "cache_control" in error["message"]


def test_json_mode_without_the_word_where_it_is_checked(strict):
    asked = {**OK, "response_format": {"type": "json_object"}}
    check(post(strict, CHAT, asked), 400, param="messages")
    named = [{"role": "user", "content": "Three colours as JSON."}]
    assert post(strict, CHAT, {**asked, "messages": named, "max_tokens": 40})[0] == 200


def test_the_cap_on_n_is_the_configured_one(strict):
    _, error = check(post(strict, CHAT, {**OK, "n": 3}), 400, param="n", code="integer_above_max_value")
    assert "2" in error["message"]


def test_the_stricter_schema_dialect_refuses_what_openai_refuses(strict):
    open_object = {"type": "object", "properties": {"a": {"type": "integer"}}}
    body = {**OK, "messages": [{"role": "user", "content": "JSON"}], "response_format": schema(open_object)}
    _, error = check(post(strict, CHAT, body), 400, param="response_format")
    assert "additionalProperties" in error["message"]
    closed = {**open_object, "additionalProperties": False}
    for parameters, status in ((open_object, 400), (closed, 400), ({**closed, "required": ["a"]}, 200)):
        tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": parameters}}
        answer = post(strict, CHAT, {**OK, "tools": [tool]})
        assert answer[0] == status, answer[2]
        if status == 400:
            check(answer, 400, param="tools[0].function.parameters", code="invalid_function_parameters")


@pytest.mark.parametrize("change, param, code", [
    ({"tools": [FUNCTION] * 129}, "tools", "array_above_max_length"),
    ({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "nonsense"}}}]},
     "tools[0].function.parameters", "invalid_function_parameters"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]},
     "tools[0].function.name", "invalid_value"),
    ({"response_format": schema({"type": "nonsense"})}, "response_format", None),
    ({"response_format": schema({"type": "object"}, name="a b")}, "response_format", None),
    ({"response_format": schema({"$ref": "https://example.com/elsewhere.json"})}, "response_format", None),
    ({"messages": HELLO + [{"role": "assistant", "content": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}] + HELLO},
     "messages.[2].role", None),
    ({"messages": HELLO + [{"role": "assistant", "content": None, "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]},
     "messages.[1].role", None),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
     "messages[0].content[0].type", "unsupported_value"),
    ({"moderation": {}}, "moderation", "unsupported_parameter"),
    ({"verbosity": "loud"}, "verbosity", "invalid_value"),
    ({"temperature": None, "top_p": 1.5}, "top_p", "decimal_above_max_value"),
    ({"min_p": -1}, "min_p", "decimal_below_min_value"),
    ({"repetition_penalty": 0}, "repetition_penalty", "decimal_below_min_value"),
    ({"presence_penalty": 3}, "presence_penalty", "decimal_above_max_value"),
    ({"frequency_penalty": -3}, "frequency_penalty", "decimal_below_min_value"),
    ({"logit_bias": {"5": 101}}, "logit_bias", "decimal_above_max_value"),
    ({"stop": [""]}, "stop[0]", "empty_string"),
    ({"metadata": {str(i): "x" for i in range(17)}}, "metadata", "object_above_max_properties"),
    ({"safety_identifier": "x" * 65}, "safety_identifier", "string_above_max_length"),
    ({"truncation": "some"}, "truncation", "invalid_value"),
    ({"grammar": 'root ::= "a"', "response_format": {"type": "json_object"}}, "grammar", None),
    ({"structured_outputs": {"json": {}, "regex": "a"}}, "structured_outputs", None),
    ({"guided_json": {}}, "guided_json", "unsupported_parameter"),
])
def test_more_bad_fields(server, change, param, code):
    status, _, body = answer = post(server, CHAT, {**OK, **change})
    assert status == 400, body
    assert body["error"]["param"] == param, body
    if code is not None:
        check(answer, 400, param=param, code=code)


def test_headers_too_large(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n" + b"X-Filler: " + b"a" * 40000 + b"\r\n\r\n")
        answer = http.client.HTTPResponse(s)
        answer.begin()
        body = json.loads(answer.read())
    assert answer.status == 431
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (body["error"]["type"], body["error"]["code"]) == ("invalid_request_error", None)


class Stream:
    """A streamed answer in its own thread; `first` is set with the first byte of its body."""

    def __init__(self, server, body):
        self.first = threading.Event()
        self.text = ""
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120 * SLOW)
        self.connection.request("POST", CHAT, json.dumps({**body, "stream": True}), {
            "Content-Type": "application/json", "Authorization": f"Bearer {server.key}"})
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            answer = self.connection.getresponse()
            while piece := answer.read1(4096):
                self.text += piece.decode(errors="replace")
                self.first.set()
        except (OSError, http.client.HTTPException, AttributeError):
            pass  # it was left
        self.first.set()

    def leave(self):
        self.connection.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join(60)

    def wait(self):
        self.thread.join(120 * SLOW)
        assert not self.thread.is_alive()
        return self.text


def test_overload_is_refused_before_work_starts(narrow):
    running = Stream(narrow, LONG)
    assert running.first.wait(60 * SLOW)
    waiting = Stream(narrow, OK)
    deadline = time.time() + 30 * SLOW
    refused = None
    while refused is None and time.time() < deadline:  # until the second one lies in the queue
        answer = post(narrow, CHAT, OK) if not waiting.first.is_set() else None
        if answer and answer[0] != 200:
            refused = answer
    headers, error = check(refused, 503, code="server_is_overloaded", type_="service_unavailable_error")
    assert 1 <= int(headers["Retry-After"]) <= 5
    running.leave()
    assert "[DONE]" in waiting.wait()
    assert post(narrow, CHAT, OK)[0] == 200


def test_a_deadline_that_passes_in_the_queue(narrow):
    running = Stream(narrow, LONG)
    assert running.first.wait(60 * SLOW)
    answer = post(narrow, CHAT, OK, headers={"x-request-timeout-ms": "50"})
    headers, _ = check(answer, 504, code="timeout", type_="server_error")
    assert headers["x-should-retry"] == "true"
    running.leave()


def test_draining_refuses_newcomers_and_finishes_what_runs(tmp_path):
    server = Server(tmp_path)
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60 * SLOW)
    kept.request("GET", "/v1/models", headers={"Authorization": f"Bearer {server.key}"})
    kept.getresponse().read()
    running = Stream(server, {**LONG, "max_tokens": 100})
    assert running.first.wait(60 * SLOW)
    server.process.send_signal(signal.SIGTERM)
    deadline = time.time() + 20 * SLOW
    status = None
    while status != 503 and time.time() < deadline:
        try:  # a connection that was open may ask once more, and is told
            kept.request("POST", CHAT, json.dumps(OK), {
                "Content-Type": "application/json", "Authorization": f"Bearer {server.key}"})
            answer = kept.getresponse()
            status, body = answer.status, json.loads(answer.read())
        except (OSError, http.client.HTTPException):
            break
    if status == 503:
        assert body["error"]["code"] == "shutting_down" and body["error"]["type"] == "service_unavailable_error"
        assert int(answer.headers["Retry-After"]) >= 1
    assert "[DONE]" in running.wait()
    assert server.process.wait(60 * SLOW) == 0
    server.stop()  # lets go of its log
