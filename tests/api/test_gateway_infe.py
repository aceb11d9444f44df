"""The gateway in front of a second infe: whatever dialect is spoken, the text is the one that the
second infe gives when it is asked itself."""
import http.client
import json

import pytest

from conftest import Server

TOOL = {"name": "weather", "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}},
                       "required": ["city"], "additionalProperties": False}}
SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}, "n": {"type": "integer", "maximum": 9,
                                                                                    "minimum": 0}},
          "required": ["colour", "n"], "additionalProperties": False}
ASK = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Tell of a river."}]


@pytest.fixture(scope="module")
def gateway(server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "key").write_text(server.key + "\n")
    (folder / "key").chmod(0o600)
    (folder / "infe.toml").write_text(
        f'local_models = false\n[[upstream]]\nname = "second"\nurl = "{server.base_url}"\n'
        f'models = ["smollm2-135m"]\nkey_file = "{folder / "key"}"\n')
    running = Server(folder, models=(), args=["--config", str(folder / "infe.toml")])
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


def post(server, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request("POST", path, json.dumps({"model": "smollm2-135m", **body}),
                       {"Content-Type": "application/json", "Authorization": f"Bearer {server.key}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 200, text
    return text


def events(text):
    datas = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(data) for data in datas if data != "[DONE]"]


def tokens(usage):
    return {name: usage[name] for name in usage
            if name in ("prompt_tokens", "completion_tokens", "input_tokens", "output_tokens")}


# ---- Chat completions


def chat(server, **fields):
    made = json.loads(post(server, "/v1/chat/completions", {"messages": ASK, "max_tokens": 24, **fields}))
    for choice in made["choices"]:
        for call in choice["message"].get("tool_calls") or ():
            del call["id"]  # ours, not theirs
    return made["choices"], tokens(made["usage"])


CHATS = {
    "a seed": {"seed": 7, "temperature": 1},
    "choices": {"seed": 7, "temperature": 1, "n": 3},
    "logprobs": {"seed": 7, "temperature": 1, "logprobs": True, "top_logprobs": 3},
    "a stop": {"seed": 9, "temperature": 0, "stop": ["e", "zz"]},
    "a schema": {"temperature": 0, "response_format": {"type": "json_schema", "json_schema": {
        "name": "x", "strict": True, "schema": SCHEMA}}},
    "a call": {"temperature": 0, "tools": [{"type": "function", "function": TOOL}], "tool_choice": "required",
               "max_tokens": 60},
    "peers' fields": {"seed": 3, "temperature": 1, "top_k": 4, "min_p": 0.05, "repetition_penalty": 1.2,
                      "min_tokens": 20},
    "a regex": {"temperature": 0, "structured_outputs": {"regex": "[a-f]{3,9}"}},
    "an answer begun": {"temperature": 0, "continue_final_message": True, "messages": [
        *ASK, {"role": "assistant", "content": "The river is"}]},
}


@pytest.mark.parametrize("what", CHATS)
def test_a_chat_is_what_the_second_infe_says(server, gateway, what):
    assert chat(gateway, **CHATS[what]) == chat(server, **CHATS[what])


@pytest.mark.parametrize("what", CHATS)
def test_a_streamed_chat_is_too(server, gateway, what):
    def streamed(where):
        fields = {"messages": ASK, "max_tokens": 24, **CHATS[what], "stream": True,
                  "stream_options": {"include_usage": True}}
        texts, calls, ends, scores, usage = {}, {}, {}, {}, None
        for chunk in events(post(where, "/v1/chat/completions", fields)):
            usage = chunk.get("usage") or usage
            for choice in chunk["choices"]:
                i, delta = choice["index"], choice["delta"]
                texts[i] = texts.get(i, "") + (delta.get("content") or "")
                for call in delta.get("tool_calls") or ():
                    calls[i, call["index"]] = (calls.get((i, call["index"]), "") + call["function"].get("name", "")
                                               + call["function"]["arguments"])
                scores.setdefault(i, []).extend((choice.get("logprobs") or {}).get("content") or ())
                ends[i] = choice["finish_reason"] or ends.get(i)
        return texts, calls, ends, scores, tokens(usage)
    assert streamed(gateway) == streamed(server)


# ---- Responses and Messages: the second infe is asked for a chat in both


RESPONSES = {
    "a text": {},
    "instructions": {"instructions": "Be rude."},
    "a schema": {"text": {"format": {"type": "json_schema", "name": "x", "strict": True, "schema": SCHEMA}}},
    "a call": {"tools": [{"type": "function", **TOOL}], "tool_choice": "required", "max_output_tokens": 60},
    "turns": {"input": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"},
                        {"role": "user", "content": "Who are you?"}]},
}


@pytest.mark.parametrize("what", RESPONSES)
def test_a_response_is_what_the_second_infe_says(server, gateway, what):
    body = {"input": "Tell of a river.", "temperature": 0, "max_output_tokens": 24, **RESPONSES[what]}

    def items(response):
        parts = [(p.get("text"), item["type"]) for item in response["output"] for p in item.get("content") or ()]
        calls = [(item["name"], item["arguments"]) for item in response["output"] if item["type"] == "function_call"]
        return response["status"], parts, calls, tokens(response["usage"])
    whole = [items(json.loads(post(where, "/v1/responses", body))) for where in (gateway, server)]
    assert whole[0] == whole[1] and (whole[0][1] or whole[0][2])
    streamed = events(post(gateway, "/v1/responses", {**body, "stream": True}))
    assert items(streamed[-1]["response"]) == whole[0]


MESSAGES = {
    "a text": {},
    "a system": {"system": "Be rude."},
    "a call": {"tools": [{"name": TOOL["name"], "description": TOOL["description"],
                          "input_schema": TOOL["parameters"]}], "tool_choice": {"type": "any"}, "max_tokens": 60},
    "an answer begun": {"messages": [{"role": "user", "content": "Tell of a river."},
                                     {"role": "assistant", "content": "The river is"}]},
}


@pytest.mark.parametrize("what", MESSAGES)
def test_a_message_is_what_the_second_infe_says(server, gateway, what):
    body = {"messages": [{"role": "user", "content": "Tell of a river."}], "temperature": 0, "max_tokens": 24,
            **MESSAGES[what]}

    def said(message):
        blocks = [{k: v for k, v in block.items() if k != "id"} for block in message["content"]]
        # How much of the prompt the second infe had kept depends on who asked first.
        usage = message["usage"]
        prompt = sum(usage[name] for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"))
        return message["stop_reason"], blocks, {"prompt": prompt, "output_tokens": usage["output_tokens"]}
    whole = [said(json.loads(post(where, "/v1/messages", body))) for where in (gateway, server)]
    assert whole[0] == whole[1] and whole[0][1]
    texts, arguments, end, usage = "", "", None, {}
    for event in events(post(gateway, "/v1/messages", {**body, "stream": True})):
        if event["type"] == "content_block_delta":
            texts += event["delta"].get("text", "")
            arguments += event["delta"].get("partial_json", "")
        if event["type"] == "message_delta":
            end, usage = event["delta"]["stop_reason"], event["usage"]
    block = whole[0][1][-1]
    assert end == whole[0][0] and usage["output_tokens"] == whole[0][2]["output_tokens"]
    assert json.loads(arguments) == block["input"] if block["type"] == "tool_use" else texts == block["text"]


# ---- What the second infe refuses, and what nobody here can say


def test_a_refusal_of_the_second_infe_is_told(server, gateway):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=300)
    long = [{"role": "user", "content": "word " * 20_000}]
    connection.request("POST", "/v1/chat/completions", json.dumps({"model": "smollm2-135m", "messages": long}),
                       {"Content-Type": "application/json", "Authorization": f"Bearer {gateway.key}"})
    answer = connection.getresponse()
    error = json.loads(answer.read())["error"]
    assert answer.status == 400 and error["code"] == "context_length_exceeded" and server.key not in str(error)


@pytest.mark.parametrize("path, body", [
    ("/v1/chat/completions/render", {"messages": ASK}), ("/v1/messages/count_tokens", {"messages": ASK[1:]}),
    ("/v1/responses/input_tokens", {"input": "Hi"}), ("/v1/completions", {"prompt": "Hi"}),
    ("/v1/embeddings", {"input": "Hi"})])
def test_what_only_the_models_own_server_can_do_is_a_400(gateway, path, body):
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
    connection.request("POST", path, json.dumps({"model": "smollm2-135m", **body}),
                       {"Content-Type": "application/json", "Authorization": f"Bearer {gateway.key}"})
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == 400 and "error" in json.loads(text), text


def test_the_ledger_and_the_metrics_know_the_second_infe(gateway):
    chat(gateway, temperature=0)
    rows = json.loads(gateway.command("usage", "--by", "model,upstream", "--json"))["usage"]
    row = next(r for r in rows if r["upstream"] == "second")
    assert row["model"] == "smollm2-135m" and row["requests"] >= 1 and row["completion_tokens"] > 0
    assert json.loads(gateway.command("usage", "--by", "model", "--upstream", "third", "--json"))["usage"] == []
    csv = gateway.command("usage", "--by", "upstream", "--csv").splitlines()
    assert csv[0].endswith(",upstream") and csv[1].endswith((",second", ","))
    assert gateway.total("infe_upstream_requests_total", 'upstream="second"', 'outcome="answered"') >= 1
    assert gateway.total("infe_upstream_state", 'state="serving"') == 1
    assert gateway.total("infe_requests_finished_total", 'model="smollm2-135m"') >= 1
    assert gateway.total("infe_ttft_seconds_count", 'model="smollm2-135m"') >= 1
