"""What real clients send and other servers of this kind got wrong, each with the right value: structure of answers
near their limits and in patterns, refusals that say where, requests in unusual shapes."""
import http.client
import json
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import BINARY, SLOW  # noqa: E402
from test_parameters import chat, post, text_of  # noqa: E402

CHAT = "/v1/chat/completions"
WEATHER = [{"role": "user", "content": "What is the weather in Tokyo? Use the tool."}]


def tool(name, **properties):
    return {"type": "function", "function": {"name": name, "description": f"{name} of a place", "parameters": {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}}}


def schema(value, **more):
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": value, **more}}


def ask(server, model="smollm2-135m", **fields):
    return post(server, CHAT, {"model": model, "messages": [{"role": "user", "content": "Hello."}], "max_tokens": 8, **fields})


# Structure.


def test_a_refusal_says_once_what_is_wrong_and_where(server):
    inner = {"type": "object", "properties": {"b": {"type": "string", "minLength": 3, "maxLength": 2}}, "required": ["b"]}
    status, _, body = ask(server, response_format=schema({"type": "object", "properties": {"a": inner}, "required": ["a"]}))
    message = body["error"]["message"]
    assert status == 400 and body["error"]["param"] == "response_format"
    assert "/properties/a/properties/b" in message and message.count("no text matches") == 1
    for refused in (schema({"type": "string", "pattern": "("}), schema({"type": "string", "pattern": "(?<=a)b"}, strict=True)):
        status, _, body = ask(server, response_format=refused)
        message = body["error"]["message"]
        assert status == 400 and message.endswith(".") and ".." not in message
        sentences = [part for part in message.rstrip(".").split(". ") if part]
        assert len(sentences) == len(set(sentences))


def test_a_bad_name_of_a_tool_is_its_own_param(server):
    status, _, body = ask(server, tools=[tool("not a name", city={"type": "string"})])
    assert status == 400 and body["error"]["param"] == "tools[0].function.name"


def test_markup_of_a_call_that_the_limit_cuts_is_never_content(pulse):
    for choice in ("required", "auto"):
        for limit in (1, 2, 3, 4, 5, 6, 8, 10):
            status, _, body = ask(pulse, "infe-pulse", messages=WEATHER, tools=[tool("get_weather", city={"type": "string"})],
                                  tool_choice=choice, max_tokens=limit, temperature=0)
            assert status == 200, body
            said = body["choices"][0]["message"]["content"] or ""
            # Neither a marker nor what may become of one; a call of nothing that there is may be said.
            assert "<" not in said and "`" not in said, (choice, limit, said)
            assert not said or not '{"name": "get_weather", '.startswith(said.strip()), (choice, limit, said)


def test_the_limit_never_chooses_the_tool(pulse):
    tools = [tool("get_weather", city={"type": "string"}), tool("t")]
    fields = {"messages": WEATHER, "tools": tools, "tool_choice": "required", "temperature": 0, "parallel_tool_calls": False}
    def calls(limit):
        status, _, body = ask(pulse, "infe-pulse", **fields, max_tokens=limit)
        assert status == 200, body
        return [call["function"]["name"] for call in body["choices"][0]["message"].get("tool_calls") or []], body["choices"][0]["finish_reason"]
    assert calls(100) == (["get_weather"], "tool_calls")
    for limit in range(6, 30):
        names, finish = calls(limit)
        assert names in ([], ["get_weather"]), limit
        assert finish == ("length" if not names else finish)


def test_the_limit_never_chooses_a_value(pulse):
    """A value of an enum that has no room is cut, and no shorter one is said instead."""
    form = schema({"type": "object", "properties": {"capital": {"enum": ["Rome", "Tokyo, the capital city of Japan"]}},
                   "required": ["capital"], "additionalProperties": False})
    fields = {"messages": [{"role": "user", "content": "What is the capital of Japan?"}], "response_format": form, "temperature": 0}
    whole = ask(pulse, "infe-pulse", **fields, max_tokens=60)[2]["choices"][0]
    assert json.loads(whole["message"]["content"])["capital"].startswith("Tokyo")
    for limit in range(4, 14):
        choice = ask(pulse, "infe-pulse", **fields, max_tokens=limit)[2]["choices"][0]
        assert "Rome" not in choice["message"]["content"], limit


@pytest.mark.parametrize("name, most", [("time", 40), ("date-time", 52), ("duration", 80)])
def test_times_have_bounded_digits_and_plain_characters(server, name, most):
    form = schema({"type": "object", "properties": {"at": {"type": "string", "format": name}}, "required": ["at"]})
    status, _, body = ask(server, messages=[{"role": "user", "content": "When does the train leave?"}], response_format=form,
                          n=8, seed=1, max_tokens=200)
    assert status == 200, body
    for choice in body["choices"]:
        said = choice["message"]["content"]
        assert "\\u" not in said and len(json.loads(said)["at"]) <= most, said


# Requests.


def test_an_assistant_without_words_or_calls_is_an_empty_turn(server):
    for turn in ({"content": None}, {}, {"content": None, "reasoning": "Hm."}, {"content": "", "tool_calls": []}):
        status, _, body = ask(server, messages=[{"role": "user", "content": "Hi."}, {"role": "assistant", **turn},
                                                {"role": "user", "content": "Hello?"}])
        assert status == 200, (turn, body)


def test_a_system_message_may_follow_and_a_developer_may_speak_anywhere(server):
    for roles in (("user", "system", "user"), ("user", "developer", "user"), ("developer", "user", "assistant", "developer", "user"),
                  ("user", "system"), ("system", "user", "system", "user")):
        said = [{"role": role, "content": f"{role} {i}."} for i, role in enumerate(roles)]
        status, _, body = ask(server, messages=said)
        assert status == 200, (roles, body)
        prompt = post(server, CHAT + "/render", {"model": "smollm2-135m", "messages": said})[2]["prompt"]
        assert all(message["content"] in prompt for message in said)


def test_a_tool_message_may_bear_a_name(server):
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}}
    status, _, body = ask(server, tools=[tool("get_weather", city={"type": "string"})], messages=[
        {"role": "user", "content": "The weather in Paris?"}, {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "name": "get_weather", "content": "Sunny."}])
    assert status == 200, body


def test_fields_that_ask_for_the_usual_are_taken(server):
    for fields in ({"verbosity": "low"}, {"top_k": -1}, {"tools": [], "tool_choice": "auto"}, {"tools": [], "tool_choice": "none"},
                   {"tools": None, "tool_choice": "auto"}, {"tools": []}):
        status, headers, body = ask(server, **fields)
        assert status == 200, (fields, body)
    assert text_of(chat(server, top_k=-1, seed=3)[1]) == text_of(chat(server, top_k=0, seed=3)[1])


def test_what_is_asked_for_by_a_name_infe_cannot_is_refused_by_it(server):
    for fields, param in (({"prompt_logprobs": 2}, "prompt_logprobs"), ({"return_token_ids": True}, "return_token_ids")):
        for path, base in ((CHAT, {"messages": WEATHER}), ("/v1/completions", {"prompt": "a"})):
            status, _, body = post(server, path, {"model": "smollm2-135m", "max_tokens": 2, **base, **fields})
            assert status == 400 and body["error"]["param"] == param, (path, body)
    assert ask(server, prompt_logprobs=None, return_token_ids=False)[0] == 200


def test_a_city_beyond_ascii_in_a_header_is_nobodys_business(server):
    status, _, body = post(server, CHAT, {"model": "smollm2-135m", "messages": WEATHER, "max_tokens": 1},
                           headers={"CF-IPCity": "Zürich".encode().decode("latin-1")})
    assert status == 200, body


def raw(server, method, path, body=None, headers=None, port=None):
    connection = http.client.HTTPConnection("127.0.0.1", port or server.port, timeout=30 * SLOW)
    connection.request(method, path, body, {"Authorization": f"Bearer {server.key}", **(headers or {})})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_bodies_that_are_coded_are_refused_as_that(server):
    status, body = raw(server, "POST", CHAT, b"\x1f\x8b", {"Content-Encoding": "gzip", "Content-Type": "application/json"})
    assert status == 415 and b"gzip" in body


def test_a_slash_too_many_is_served_or_told(server):
    status, body = raw(server, "GET", "/v1/models/")
    assert status in (200, 404) and json.loads(body)
    status, body = raw(server, "POST", CHAT + "/", b"{}", {"Content-Type": "application/json"})
    assert status == 404 and CHAT + "/" in json.loads(body)["error"]["message"]


def test_the_head_of_the_metrics_can_be_asked_for(server):
    assert raw(server, "HEAD", "/metrics", port=server.ops_port) == (200, b"")


def test_a_key_for_a_model_that_nobody_serves_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    made = subprocess.run([BINARY, "keys", "create", "--name", "ci", "--model", "smolm-typo", "--data-dir", str(tmp_path / "data")],
                          capture_output=True, text=True, timeout=60 * SLOW)
    assert made.returncode != 0 and "smolm-typo" in made.stderr
