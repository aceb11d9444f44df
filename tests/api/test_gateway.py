"""The gateway against canned upstreams: what it promises whatever the server behind it does, one
test or more a promise (docs/gateway.md lists them)."""
import http.client
import json
import socket
import sqlite3
import threading
import time

import openai
import pytest

from canned_upstream import CannedUpstream, delta, usage, usage_chunk
from conftest import Server

ASK = [{"role": "user", "content": "Say hello."}]
KEY = "sk-upstream-0123456789abcdef"


def config_text(upstreams, top=""):
    text = f"local_models = false\n{top}\n"
    for name, canned, *more in upstreams:
        url = canned if isinstance(canned, str) else canned.url
        lines = {"name": json.dumps(name), "url": json.dumps(url), "models": '["m"]'}
        for extra in more:
            lines.update(extra)
        text += "[[upstream]]\n" + "".join(f"{k} = {v}\n" for k, v in lines.items())
    return text


@pytest.fixture
def gateway(tmp_path):
    """Starts a server over the upstreams given; none but their models."""
    started = []

    def start(*upstreams, top="", models=(), **kwargs):
        path = tmp_path / "infe.toml"
        path.write_text(config_text(upstreams, top))
        server = Server(tmp_path, models=models,
                        args=["--config", str(path), "--access-log", "-", *kwargs.pop("args", [])], **kwargs)
        started.append(server)
        return server
    yield start
    for server in started:
        assert server.process.poll() is None, f"the server died:\n{server.log_text()}"
        assert server.stop() == 0, server.log_text()
        assert KEY not in server.log_text()


@pytest.fixture
def canned():
    made = []

    def make(script=None, **kwargs):
        made.append(CannedUpstream(script, **kwargs))
        return made[-1]
    yield make
    for server in made:
        server.close()


def ask(server, body=None, path="/v1/chat/completions", headers=None, **fields):
    """Status, headers, body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    body = body or {"model": "m", "messages": ASK, **fields}
    connection.request("POST", path, json.dumps(body),
                       {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}", **(headers or {})})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()


def events(text):
    return [e[6:] for e in text.split("\n\n") if e.startswith("data: ")]


def chunks(text):
    return [json.loads(e) for e in events(text) if e != "[DONE]"]


def content(text):
    return "".join(c["delta"].get("content") or "" for chunk in chunks(text) if "choices" in chunk
                   for c in chunk["choices"])


def is_whole(text):
    """It ended as a whole answer ends: a finish reason, or the last word."""
    ends = [c["finish_reason"] for chunk in chunks(text) for c in chunk.get("choices", [])]
    return "[DONE]" in events(text) or any(ends)


def ledger(server, count=1, patience_s=20):
    """The newest settled rows, once there are so many."""
    deadline = time.monotonic() + patience_s
    while True:
        with sqlite3.connect(f"file:{server.data_dir}/infe.db?mode=ro", uri=True) as base:
            base.row_factory = sqlite3.Row
            rows = [dict(r) for r in base.execute("SELECT * FROM usage WHERE state = 1 ORDER BY number DESC")]
        if len(rows) >= count or time.monotonic() > deadline:
            return rows
        time.sleep(0.05)


def leave_after(server, events_seen, **fields):
    """Opens a stream, reads so many events of content, closes; when it closed."""
    body = json.dumps({"model": "m", "messages": ASK, "stream": True, **fields}).encode()
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                 + f"Authorization: Bearer {server.key}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    seen = b""
    while seen.count(b'"content":"') < events_seen:
        seen += sock.recv(65536)
    return sock


# ---- The straight way


def test_a_stream_of_an_upstream_is_a_stream_of_ours(gateway, canned):
    upstream = canned()
    server = gateway(("gpu-a", upstream))
    status, headers, text = ask(server, stream=True, stream_options={"include_usage": True})
    assert status == 200 and headers["Content-Type"].startswith("text/event-stream")
    assert "x-infe-seed" not in headers
    assert content(text) == "Hello there" and is_whole(text)
    assert chunks(text)[-1]["usage"]["prompt_tokens"] == 11
    asked = upstream.chats[0]
    assert asked.path == "/v1/chat/completions" and asked.json["stream"] is True
    assert asked.json["messages"] == ASK and asked.json["model"] == "m"


def test_a_whole_answer_is_collected(gateway, canned):
    server = gateway(("gpu-a", canned()))
    made = server.client().chat.completions.create(model="m", messages=ASK)
    assert made.choices[0].message.content == "Hello there"
    assert made.choices[0].finish_reason == "stop" and made.usage.completion_tokens == 3


def test_upstreams_models_are_listed_beside_local_ones(gateway, canned):
    server = gateway(("gpu-a", canned(), {"models": '["big=org/Big-70B", "m"]'}), top="", models=())
    assert [m.id for m in server.client().models.list()] == ["big", "m"]


# ---- 1. A cut stream never ends as if whole


@pytest.mark.parametrize("how", ["reset", "closed", "no finish", "done without finish", "after finish"])
def test_a_cut_stream_is_not_whole(gateway, canned, how):
    def script(exchange):
        exchange.head()
        exchange.event(delta("Hel", role="assistant"))
        exchange.event(delta("lo"))
        time.sleep(0.2)
        if how == "reset":
            exchange.cut()
        elif how == "closed":
            exchange.connection.shutdown(socket.SHUT_RDWR)
        elif how == "no finish":
            exchange.end(done=False)
        elif how == "done without finish":
            exchange.end()
        elif how == "after finish":
            exchange.event(delta(finish="stop"))
            time.sleep(0.1)
            exchange.connection.shutdown(socket.SHUT_RDWR)
    server = gateway(("gpu-a", canned(script)))
    status, _, text = ask(server, stream=True)
    assert status == 200 and content(text) == "Hello" and not is_whole(text)
    assert json.loads(events(text)[-1])["error"]["code"] == "upstream_cut"
    status, _, text = ask(server)
    assert status == 502 and json.loads(text)["error"]["code"] == "upstream_cut"
    assert {row["finish"] for row in ledger(server, 2)} == {"error"}


def test_a_stream_without_the_last_word_that_says_why_it_ended_is_whole(gateway, canned):
    def script(exchange):
        exchange.head()
        exchange.event(delta("Hello", role="assistant"))
        exchange.event(delta(finish="length", usage=usage()))
        exchange.end(done=False)
    status, _, text = ask(gateway(("gpu-a", canned(script))), stream=True)
    assert status == 200 and is_whole(text)


# ---- 2. A client that leaves stops the upstream


@pytest.mark.parametrize("events_seen", [0, 1])
def test_a_client_that_leaves_stops_the_upstream(gateway, canned, events_seen):
    arrived = threading.Event()

    def script(exchange):
        if events_seen:
            exchange.head()
            exchange.event(delta("Hello", role="assistant"))
        arrived.set()
        exchange.wait_closed()
    upstream = canned(script)
    server = gateway(("gpu-a", upstream))
    waits = []
    for _ in range(5):
        arrived.clear()
        sock = leave_after(server, events_seen)
        assert arrived.wait(20)
        left = time.monotonic()
        sock.close()
        exchange = upstream.chats[-1]
        while exchange.closed_s is None and time.monotonic() < left + 15:
            time.sleep(0.001)
        waits.append(exchange.closed_s - left)
    # The promise is 100 ms; the median, as a busy machine may hold up any one.
    assert sorted(waits)[2] < 0.1, waits


# ---- 3. Nothing is retried after content; a role alone is no content


def dies_after(*deltas):
    def script(exchange):
        exchange.head()
        for one in deltas:
            exchange.event(one)
        time.sleep(0.1)
        exchange.cut()
    return script


@pytest.mark.parametrize("before", [(), (delta(role="assistant"),), (delta("", role="assistant"), delta(""))])
def test_what_dies_before_content_is_asked_elsewhere(gateway, canned, before):
    dying, well = canned(dies_after(*before)), canned()
    # The weight makes the dying one the first choice.
    server = gateway(("dying", dying, {"weight": 100}), ("well", well))
    status, _, text = ask(server, stream=True)
    assert status == 200 and content(text) == "Hello there" and is_whole(text)
    assert len(dying.chats) == 1 and len(well.chats) == 1
    assert ledger(server)[0]["upstream"] == "well"


@pytest.mark.parametrize("said", [delta("Hel"), delta(reasoning_content="Hm"), delta(tool_calls=[
    {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}])])
def test_what_dies_after_content_is_asked_once(gateway, canned, said):
    dying, well = canned(dies_after(said)), canned()
    server = gateway(("dying", dying, {"weight": 100}), ("well", well))
    status, _, text = ask(server, stream=True, tools=[{"type": "function", "function": {"name": "f"}}])
    assert status == 200 and not is_whole(text)
    assert len(dying.chats) == 1 and not well.chats
    assert ledger(server)[0]["upstream"] == "dying"


def test_attempts_are_bounded(gateway, canned):
    dying = [canned(dies_after()) for _ in range(5)]
    server = gateway(*((f"u{i}", u) for i, u in enumerate(dying)), top="upstream_retries = 2")
    assert ask(server, stream=True)[0] == 502
    assert sum(len(u.chats) for u in dying) == 3


# ---- 4. An error inside a 200, before content, becomes its status


@pytest.mark.parametrize("error, status, code", [
    ({"error": {"message": "no", "type": "BadRequestError", "code": 400}}, 400, None),
    ({"error": {"message": "slow down", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}, 429,
     "rate_limit_exceeded"),
    ({"object": "error", "message": "too long", "type": "invalid_request_error", "code": "400"}, 400, None),
    ({"error": {"message": "overloaded", "type": "overloaded_error"}}, 503, None),
    ({"error": "something"}, 502, None),
    ({"error": {"message": "broke", "code": 500}, "choices": [{"index": 0, "delta": {}, "finish_reason": "error"}]},
     500, None),
])
@pytest.mark.parametrize("stream", [True, False])
def test_an_error_inside_a_200_becomes_its_status(gateway, canned, error, status, code, stream):
    def script(exchange):
        exchange.head()
        exchange.event(delta("", role="assistant"))
        exchange.event(error)
        exchange.end()
    got, _, text = ask(gateway(("gpu-a", canned(script))), stream=stream)
    assert got == status
    told = json.loads(text)["error"]
    inner = error.get("error", error)
    assert told["message"] == (inner if isinstance(inner, str) else inner["message"]) and told["code"] == code


def test_an_old_spelling_of_an_error_and_a_plain_body_are_understood(gateway, canned):
    def script(exchange):
        if exchange.json["messages"][0]["content"] == "plain":
            return exchange.answer(200, {"error": {"message": "no", "code": 422}})
        exchange.head()
        exchange.raw_piece('error: {"code":400,"message":"too long","type":"invalid_request_error"}\n\n')
        exchange.end()
    server = gateway(("gpu-a", canned(script)))
    assert ask(server, stream=True)[0] == 400
    assert ask(server, messages=[{"role": "user", "content": "plain"}])[0] == 422


def test_an_error_after_content_ends_the_stream(gateway, canned):
    def script(exchange):
        exchange.head()
        exchange.event(delta("Hel"))
        exchange.event({"error": {"message": "out of memory", "code": 500}})
        exchange.end()
    status, _, text = ask(gateway(("gpu-a", canned(script))), stream=True)
    assert status == 200 and not is_whole(text)
    assert json.loads(events(text)[-1])["error"]["message"] == "out of memory"


# ---- 5. Status, code and Retry-After survive


@pytest.mark.parametrize("status, headers", [(400, {}), (404, {}), (409, {}), (413, {}), (422, {}),
                                             (429, {"Retry_After": 7}), (500, {}), (503, {"Retry_After": 3})])
@pytest.mark.parametrize("stream", [True, False])
def test_a_refusal_survives(gateway, canned, status, headers, stream):
    body = {"error": {"message": f"said {status}", "type": "their_type", "code": "their_code", "param": "messages"}}
    got, their, text = ask(gateway(("gpu-a", canned(lambda e: e.answer(status, body, **headers)))), stream=stream)
    assert got == status and json.loads(text)["error"] == body["error"]
    assert their.get("Retry-After") == (str(headers["Retry_After"]) if headers else None)


def test_a_body_that_is_no_json_keeps_its_status(gateway, canned):
    upstream = canned(lambda e: e.answer(503, "<html>busy</html>", "text/html"))
    status, _, text = ask(gateway(("gpu-a", upstream)))
    assert status == 503 and "html" not in text


def test_a_429_is_told_though_the_other_server_is_gone(gateway, canned):
    busy = canned(lambda e: e.answer(429, {"error": {"message": "slow", "code": "rate_limit_exceeded"}},
                                     Retry_After=9))
    gone = canned()
    gone.close()
    server = gateway(("busy", busy), ("gone", gone))
    for _ in range(8):
        status, headers, _ = ask(server)
        assert status == 429 and int(headers["Retry-After"]) == 9


def test_one_404_cools_nothing_down(gateway, canned):
    def script(exchange):
        if exchange.json["messages"][0]["content"] == "missing":
            return exchange.answer(404, {"error": {"message": "no such route"}})
        exchange.stream("Hello")
    server = gateway(("gpu-a", canned(script)))
    for _ in range(10):
        assert ask(server, messages=[{"role": "user", "content": "missing"}])[0] == 404
        assert ask(server)[0] == 200


def test_an_upstream_that_keeps_failing_rests_and_comes_back(gateway, canned):
    ill = threading.Event()
    ill.set()
    upstream = canned(lambda e: e.cut() if ill.is_set() else e.stream("Hello"))
    server = gateway(("gpu-a", upstream))
    assert [ask(server)[0] for _ in range(3)] == [502] * 3
    status, headers, text = ask(server)
    assert status == 503 and json.loads(text)["error"]["code"] == "upstream_unavailable"
    assert int(headers["Retry-After"]) >= 1 and len(upstream.chats) == 3
    ill.clear()
    deadline = time.monotonic() + 30
    while ask(server)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [ask(server)[0] for _ in range(5)] == [200] * 5


# ---- 6. Usage, from whichever chunk has it, once


def with_usage(where):
    def script(exchange):
        exchange.head()
        exchange.event(delta("Hello", role="assistant", usage=usage(11, 1) if where == "every chunk" else None))
        exchange.event(delta(" there", usage=usage(11, 2) if where == "every chunk" else None))
        last = delta(finish="stop", usage=usage(11, 3) if where in ("every chunk", "last choice") else None)
        if where == "in the choice":
            last["choices"][0]["usage"] = usage(11, 3)
        if where == "groq":
            last["x_groq"] = {"usage": usage(11, 3)}
        exchange.event(last)
        if where in ("own chunk", "twice"):
            exchange.event(usage_chunk(11, 3))
        if where == "twice":
            exchange.event(usage_chunk(11, 3))
        exchange.end()
    return script


@pytest.mark.parametrize("where", ["every chunk", "last choice", "in the choice", "groq", "own chunk", "twice"])
def test_usage_is_found_and_counted_once(gateway, canned, where):
    upstream = canned(with_usage(where))
    server = gateway(("gpu-a", upstream))
    status, _, text = ask(server, stream=True, stream_options={"include_usage": True})
    assert status == 200
    told = [c["usage"] for c in chunks(text) if c.get("usage")]
    assert len(told) == 1 and (told[0]["prompt_tokens"], told[0]["completion_tokens"]) == (11, 3)
    assert upstream.chats[0].json["stream_options"] == {"include_usage": True}
    row = ledger(server)[0]
    assert (row["prompt_tokens"], row["completion_tokens"], row["upstream"]) == (11, 3, "gpu-a")


# ---- 7. Who leaves before the last chunk is billed


@pytest.mark.parametrize("counts", [False, True])
def test_who_leaves_is_billed(gateway, canned, counts):
    def script(exchange):
        exchange.head()
        for i in range(5):
            exchange.event(delta(f"word{i} ", usage=usage(40, 3 * (i + 1)) if counts else None))
        exchange.wait_closed()
    server = gateway(("gpu-a", canned(script)))
    sock = leave_after(server, 5)
    time.sleep(0.3)
    sock.close()
    row = ledger(server)[0]
    assert row["status"] == 499 and row["finish"] == "abort" and row["upstream"] == "gpu-a"
    assert row["completion_tokens"] == (15 if counts else 5) and row["prompt_tokens"] > 0


# ---- 8. Keys


def test_keys_stay_where_they_belong(gateway, canned, tmp_path):
    (tmp_path / "upstream.key").write_text(KEY + "\n")
    (tmp_path / "upstream.key").chmod(0o600)

    def script(exchange):
        said = exchange.json["messages"][0]["content"]
        if said == "denied":
            return exchange.answer(401, {"error": {"message": f"Incorrect API key provided: {KEY}."}})
        if said == "quoted":
            return exchange.answer(400, {"error": {"message": f"bad {KEY}", "code": KEY, "type": KEY}}, X_Key=KEY)
        if said == "inside":
            exchange.head()
            exchange.event({"error": {"message": f"bad {KEY}", "code": 400}})
            return exchange.end()
        exchange.stream("Hello")
    upstream = canned(script)
    server = gateway(("gpu-a", upstream, {"key_file": json.dumps(str(tmp_path / "upstream.key"))}))
    for said, expected in (("hi", 200), ("denied", 502), ("quoted", 400), ("inside", 400)):
        for stream in (False, True):
            status, headers, text = ask(server, messages=[{"role": "user", "content": said}], stream=stream)
            assert status == expected and KEY not in text and KEY not in str(headers)
    for exchange in upstream.chats:
        assert exchange.headers["authorization"] == f"Bearer {KEY}"
        assert server.key not in str(exchange.headers) and server.key.encode() not in exchange.raw
    assert KEY not in str(server.metrics()) and KEY not in server.command("config", "check", str(tmp_path / "infe.toml"))


# ---- 9. The model is the one that was asked for


def test_the_model_is_the_one_asked_for(gateway, canned):
    upstream = canned()
    server = gateway(("gpu-a", upstream, {"models": '["ours=theirs/Model-70B"]'}))
    status, _, text = ask(server, model="ours", stream=True)
    assert status == 200 and {c["model"] for c in chunks(text)} == {"ours"}
    assert json.loads(ask(server, model="ours")[2])["model"] == "ours"
    assert [e.json["model"] for e in upstream.chats] == ["theirs/Model-70B"] * 2
    assert {row["model"] for row in ledger(server, 2)} == {"ours"}


# ---- 10. Every field passes, or is a 400; silences pass


FIELDS = {
    "temperature": 0.25, "top_p": 0.5, "presence_penalty": 0.5, "frequency_penalty": -0.5, "seed": 77,
    "stop": ["END"], "logit_bias": {"5": -10}, "logprobs": True, "top_logprobs": 2, "reasoning_effort": "low",
    "max_tokens": 12, "n": 2, "prediction": {"type": "content", "content": "Hello"},
    "tools": [{"type": "function", "function": {"name": "f", "description": "d", "strict": True,
                                                "parameters": {"type": "object", "properties": {},
                                                               "additionalProperties": False}}}],
    "tool_choice": "required", "parallel_tool_calls": False,
}
EXTENDED = {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "ignore_eos": True,
            "chat_template_kwargs": {"a": 1}}


def two_choices(exchange):
    exchange.head()
    for i in range(exchange.json.get("n", 1)):
        exchange.event(delta("Hello", index=i, role="assistant"))
        exchange.event(delta(index=i, finish="stop"))
    exchange.event(usage_chunk())
    exchange.end()


def test_fields_pass(gateway, canned):
    upstream = canned(two_choices)
    server = gateway(("gpu-a", upstream))
    status, _, text = ask(server, **FIELDS, **EXTENDED)
    assert status == 200, text
    sent = upstream.chats[0].json
    for name, value in {**FIELDS, **EXTENDED}.items():
        assert sent[name] == value, name


@pytest.mark.parametrize("name", EXTENDED)
def test_what_a_server_does_not_take_is_a_400(gateway, canned, name):
    upstream = canned()
    status, _, text = ask(gateway(("gpu-a", upstream, {"extended": "false"})), **{name: EXTENDED[name]})
    assert status == 400 and json.loads(text)["error"]["param"] == name and not upstream.chats


def test_formats_pass(gateway, canned):
    upstream = canned()
    server = gateway(("gpu-a", upstream))
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"],
              "additionalProperties": False}
    json_schema = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    assert ask(server, response_format=json_schema)[0] == 200
    assert ask(server, response_format={"type": "json_object"})[0] == 200
    assert ask(server, structured_outputs={"regex": "a+"})[0] == 200
    sent = [e.json for e in upstream.chats]
    assert sent[0]["response_format"] == json_schema and sent[1]["response_format"] == {"type": "json_object"}
    assert sent[2]["structured_outputs"] == {"regex": "a+"}


def test_a_long_silence_passes_and_a_longer_one_ends(gateway, canned):
    def script(exchange):
        pause = float(exchange.json["messages"][0]["content"])
        exchange.head()
        exchange.event(delta("Hel", role="assistant"))
        time.sleep(pause)
        exchange.event(delta("lo"))
        exchange.event(delta(finish="stop"))
        exchange.end()
    server = gateway(("gpu-a", canned(script), {"silence_timeout_s": 6, "first_token_timeout_s": 6}))
    status, _, text = ask(server, stream=True, messages=[{"role": "user", "content": "3"}])
    assert status == 200 and content(text) == "Hello" and is_whole(text)
    status, _, text = ask(server, stream=True, messages=[{"role": "user", "content": "15"}])
    assert not is_whole(text) and json.loads(events(text)[-1])["error"]["code"] == "upstream_timeout"


def test_a_first_token_that_does_not_come_is_asked_for_elsewhere(gateway, canned):
    silent, well = canned(lambda e: e.wait_closed()), canned()
    server = gateway(("silent", silent, {"weight": 100, "first_token_timeout_s": 1}), ("well", well))
    status, _, text = ask(server, stream=True)
    assert status == 200 and content(text) == "Hello there" and len(silent.chats) == 1


def test_the_deadline_of_a_request_counts_elsewhere_too(gateway, canned):
    server = gateway(("gpu-a", canned(lambda e: e.wait_closed())))
    status, _, text = ask(server, headers={"x-request-timeout-ms": "1000"})
    assert status == 504 and json.loads(text)["error"]["code"] == "timeout"


# ---- Calls


def test_calls_in_pieces_are_whole_calls(gateway, canned):
    def script(exchange):
        exchange.head()
        exchange.event(delta(role="assistant", tool_calls=[
            {"index": 0, "id": "x1", "type": "function", "function": {"name": "weather", "arguments": ""}}]))
        exchange.event(delta(tool_calls=[{"index": 0, "function": {"arguments": '{"city":'}}]))
        exchange.event(delta(tool_calls=[{"index": 0, "function": {"arguments": '"Rome"}'}}]))
        exchange.event(delta(tool_calls=[
            {"index": 1, "id": "x2", "type": "function", "function": {"name": "time", "arguments": "{}"}}]))
        exchange.event(delta(finish="tool_calls"))
        exchange.end()
    server = gateway(("gpu-a", canned(script)))
    tools = [{"type": "function", "function": {"name": n}} for n in ("weather", "time")]
    made = server.client().chat.completions.create(model="m", messages=ASK, tools=tools)
    calls = made.choices[0].message.tool_calls
    assert [(c.function.name, c.function.arguments) for c in calls] == [("weather", '{"city":"Rome"}'), ("time", "{}")]
    assert made.choices[0].finish_reason == "tool_calls" and len({c.id for c in calls}) == 2


def test_a_server_that_does_not_stream_is_read_whole(gateway, canned):
    upstream = canned(lambda e: e.answer(200, {
        "id": "x", "object": "chat.completion", "model": "y", "usage": usage(),
        "choices": [{"index": 0, "finish_reason": "stop",
                     "message": {"role": "assistant", "content": "Hello", "reasoning_content": "Hm"}}]}))
    status, _, text = ask(gateway(("gpu-a", upstream)), stream=True)
    assert status == 200 and content(text) == "Hello" and is_whole(text)


# ---- Errors of an operator


def test_a_wrong_upstream_is_named(tmp_path):
    for lines, words in (('name = "a"\nurl = "http://x/v1"', "at least one model"),
                         ('name = "a b"\nurl = "http://x/v1"\nmodels = ["m"]', "name"),
                         ('name = "a"\nurl = "x"\nmodels = ["m"]', "http://"),
                         ('name = "a"\nurl = "http://x/v1"\nmodels = ["m"]\nkye_file = "x"', "kye_file"),
                         ('name = "a"\nurl = "http://x/v1"\nmodels = "m"', "a list of strings")):
        path = tmp_path / "infe.toml"
        path.write_text("[[upstream]]\n" + lines + "\n")
        import subprocess
        from conftest import BINARY
        done = subprocess.run([BINARY, "config", "check", str(path)], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and words in done.stderr, done


def test_an_sdk_error_has_its_class(gateway, canned):
    upstream = canned(lambda e: e.answer(429, {"error": {"message": "slow"}}, Retry_After=1))
    with pytest.raises(openai.RateLimitError):
        gateway(("gpu-a", upstream)).client().chat.completions.create(model="m", messages=ASK)
