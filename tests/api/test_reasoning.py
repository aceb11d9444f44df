"""A model that thinks: smollm2-135m under a template with think tags and a switch."""
import json
import pathlib
import subprocess
import sys

import pytest
from conftest import MODEL_DIR, Server

TEMPLATE = """{%- for m in messages %}<|im_start|>{{ m.role }}
{% if m.role == 'assistant' and m.reasoning_content %}<think>
{{ m.reasoning_content }}
</think>

{% endif %}{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% if enable_thinking is defined and enable_thinking is false %}<think>

</think>

{% else %}<think>
{% endif %}{% endif %}"""
SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": {
    "type": "object", "properties": {"answer": {"type": "string", "maxLength": 20}, "sure": {"type": "boolean"}},
    "required": ["answer", "sure"], "additionalProperties": False}}}
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {
    "type": "object", "properties": {"word": {"type": "string", "maxLength": 12}}, "required": ["word"], "additionalProperties": False}}}


@pytest.fixture(scope="module")
def thinker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("thinker")
    source = pathlib.Path(MODEL_DIR) / "smollm2-135m.gguf"
    if not source.exists():
        pytest.skip("smollm2-135m is not pulled: set INFE_MODEL_DIR")
    made = folder / "thinker.gguf"
    subprocess.run([sys.executable, "-m", "gguf.scripts.gguf_new_metadata", "--chat-template", TEMPLATE, str(source), str(made)],
                   check=True, capture_output=True)
    running = Server(folder, models=(), args=("--model", str(made)))
    yield running
    assert running.process.poll() is None and running.stop() == 0, running.log_text()


def ask(server, **more):
    more.setdefault("max_tokens", 90)
    return server.client().chat.completions.create(model="thinker", messages=[{"role": "user", "content": "Is the sky blue?"}], **more)


def test_thoughts_go_to_reasoning_content(thinker):
    message = ask(thinker, seed=1, max_tokens=24).choices[0].message
    assert message.reasoning_content and not message.content


@pytest.mark.parametrize("seed", range(3))
def test_a_schema_begins_behind_the_thoughts(thinker, seed):
    done = ask(thinker, seed=seed, response_format=SCHEMA)
    message = done.choices[0].message
    assert message.reasoning_content and "</think>" not in message.reasoning_content
    assert set(json.loads(message.content)) == {"answer", "sure"}
    assert done.usage.completion_tokens_details.reasoning_tokens > 0


def test_a_required_call_begins_behind_the_thoughts(thinker):
    message = ask(thinker, seed=2, tools=[TOOL], tool_choice="required", parallel_tool_calls=False).choices[0].message
    assert message.reasoning_content
    assert set(json.loads(message.tool_calls[0].function.arguments)) == {"word"}


def test_no_effort_closes_the_thoughts_in_the_prompt(thinker):
    message = ask(thinker, seed=3, response_format=SCHEMA, reasoning_effort="none").choices[0].message
    assert getattr(message, "reasoning_content", None) is None
    assert set(json.loads(message.content)) == {"answer", "sure"}


def test_a_stream_has_the_same_thoughts_and_text(thinker):
    plain = ask(thinker, seed=4, response_format=SCHEMA).choices[0].message
    thoughts, text = "", ""
    for chunk in ask(thinker, seed=4, response_format=SCHEMA, stream=True):
        assert not (thoughts and text and getattr(chunk.choices[0].delta, "reasoning_content", None))
        thoughts += getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
        text += chunk.choices[0].delta.content or ""
    assert (thoughts, text) == (plain.reasoning_content, plain.content)


@pytest.mark.parametrize("field", ({"thinking_token_budget": 6}, {"reasoning": {"max_tokens": 6}},
                                   {"thinking": {"type": "enabled", "budget_tokens": 6}}))
def test_a_budget_ends_the_thoughts_and_the_answer_begins(thinker, field):
    done = ask(thinker, seed=5, response_format=SCHEMA, extra_body=field)
    assert 0 < done.usage.completion_tokens_details.reasoning_tokens <= 8
    assert set(json.loads(done.choices[0].message.content)) == {"answer", "sure"}
    free = ask(thinker, seed=5, response_format=SCHEMA).choices[0].message
    assert free.reasoning_content.startswith(done.choices[0].message.reasoning_content.rstrip())


def test_a_budget_of_none_and_the_templates_own_switch_close_the_thoughts(thinker):
    for field in ({"thinking_token_budget": 0}, {"enable_thinking": False}, {"chat_template_kwargs": {"enable_thinking": False}}):
        message = ask(thinker, seed=3, response_format=SCHEMA, extra_body=field).choices[0].message
        assert getattr(message, "reasoning_content", None) is None
        assert set(json.loads(message.content)) == {"answer", "sure"}
