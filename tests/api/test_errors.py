"""Each row of the error table, as the wire has it: status, type, param, code, all four keys."""
import http.client
import json
import socket

import openai
import pytest

from test_parameters import HELLO, post

OK = {"model": "smollm2-135m", "messages": HELLO, "max_tokens": 4}


def check(answer, status, param=None, code=None, type_="invalid_request_error"):
    got_status, headers, body = answer
    assert got_status == status, body
    assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
    error = body["error"]
    assert (error["type"], error["param"], error["code"]) == (type_, param, code), error
    assert error["message"]
    assert headers["x-request-id"].startswith("req_")
    assert headers["Content-Type"].startswith("application/json")
    return headers, error


@pytest.mark.parametrize("change, param, code", [
    ({"messages": None}, "messages", "missing_required_parameter"),
    ({"model": None}, "model", "missing_required_parameter"),
    ({"temperature": "hot"}, "temperature", "invalid_type"),
    ({"n": 1.5}, "n", "invalid_type"),
    ({"max_tokens": "1"}, "max_tokens", "invalid_type"),
    ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
    ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
    ({"top_logprobs": 21, "logprobs": True}, "top_logprobs", "integer_above_max_value"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"n": 9}, "n", "integer_above_max_value"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"messages": []}, "messages", "empty_array"),
    ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
    ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "invalid_value"),
    ({"response_format": {"type": "yaml"}}, "response_format.type", "invalid_value"),
    ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", "invalid_parameter_combination"),
    ({"stream_options": {"include_usage": True}}, "stream_options", None),
    ({"top_logprobs": 3}, "top_logprobs", None),
    ({"tool_choice": "auto"}, "tool_choice", None),
    ({"parallel_tool_calls": True}, "parallel_tool_calls", None),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "c"}]}, "messages.[0].role", None),
    ({"logit_bias": {"99999999": 1}}, "logit_bias", None),
])
def test_bad_fields(server, change, param, code):
    answer = post(server, "/v1/chat/completions", {k: v for k, v in {**OK, **change}.items()})
    assert answer[0] == 400
    error = answer[2]["error"]
    assert error["param"] == param
    if code is not None:
        assert error["code"] == code


@pytest.mark.parametrize("change, param", [
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
    ({"web_search_options": {}}, "web_search_options"),
])
def test_known_but_not_served(server, change, param):
    answer = post(server, "/v1/chat/completions", {**OK, **change})
    assert answer[0] == 400
    assert answer[2]["error"]["param"] == param
    assert answer[2]["error"]["code"] in ("unsupported_parameter", "unsupported_value")


def test_body_that_is_not_json(server):
    check(post(server, "/v1/chat/completions", b"{not json"), 400)
    check(post(server, "/v1/chat/completions", b"[]"), 400)
    check(post(server, "/v1/chat/completions", b'{"model":"a","model":"b"}'), 400)


def test_unknown_model_and_url(server):
    check(post(server, "/v1/chat/completions", {**OK, "model": "gpt-9"}), 404, code="model_not_found")
    check(post(server, "/v1/nothing", {}), 404)


def test_wrong_method_names_the_right_ones(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/v1/completions", headers={"Authorization": f"Bearer {server.key}"})
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 405 and "POST" in answer.headers["Allow"]
    assert body["error"]["code"] == "method_not_supported"


def test_keys(server):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", "/v1/models")
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert body["error"]["code"] is None
    headers, error = check(post(server, "/v1/chat/completions", OK, key="sk-infe-wrong-key-abcdefgh1234"), 401, code="invalid_api_key")
    assert "abcdefgh" not in error["message"]
    with pytest.raises(openai.AuthenticationError):
        openai.OpenAI(base_url=server.base_url, api_key="nope", max_retries=0).models.list()
    # The scheme is case-insensitive.
    status, _, _ = post(server, "/v1/chat/completions/input_tokens", OK, headers={"Authorization": f"bearer {server.key}"})
    assert status == 200


def test_revocation_is_effective_at_once(server):
    made = json.loads(server.command("keys", "create", "--name", "brief", "--json"))
    import time

    def wait_for(status):  # a second on a machine that has time
        deadline = time.time() + 20
        while post(server, "/v1/chat/completions/input_tokens", OK, key=made["key"])[0] != status:
            assert time.time() < deadline
            time.sleep(0.5)

    wait_for(200)
    server.command("keys", "revoke", made["id"])
    wait_for(401)


def test_prompt_too_long_gives_both_numbers(server):
    _, error = check(post(server, "/v1/chat/completions", {**OK, "messages": [{"role": "user", "content": "word " * 9000}]}),
                     400, param="messages", code="context_length_exceeded")
    assert "8192" in error["message"]
    numbers = [int(w) for w in error["message"].replace(",", " ").replace(".", " ").split() if w.isdigit()]
    assert any(n > 9000 for n in numbers)


def test_content_type_and_size(server):
    check(post(server, "/v1/chat/completions", OK, headers={"Content-Type": "text/plain"}), 415)
    status, _, _ = post(server, "/v1/chat/completions/input_tokens", OK, headers={"Content-Type": "application/json; charset=utf-8"})
    assert status == 200
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
                  "Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n".encode())
        assert s.recv(4096).startswith(b"HTTP/1.1 413")


def test_bad_requests_do_not_disturb_others(server):
    client = server.client()
    quiet = client.chat.completions.create(**OK, temperature=0).choices[0].message.content
    for _ in range(20):
        post(server, "/v1/chat/completions", b"\x00\xff{{{")
    assert client.chat.completions.create(**OK, temperature=0).choices[0].message.content == quiet
