"""The published examples, with only base URL and key changed, by the official Python client."""
import pytest


def test_basic_example(client):
    response = client.chat.completions.create(
        model="smollm2-135m",
        messages=[
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "What is the capital of France?"},
        ],
        max_tokens=64,
        temperature=0,
    )
    assert response.object == "chat.completion"
    assert response.id.startswith("chatcmpl-")
    assert response.model == "smollm2-135m"
    choice = response.choices[0]
    assert choice.message.role == "assistant"
    assert len(choice.message.content) > 3
    assert choice.finish_reason in ("stop", "length")
    usage = response.usage
    assert usage.prompt_tokens > 10
    assert 0 < usage.completion_tokens <= 64
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert response._request_id.startswith("req_")


def test_streaming_example(client):
    stream = client.chat.completions.create(
        model="smollm2-135m",
        messages=[{"role": "user", "content": "Tell me a story"}],
        stream=True,
        max_tokens=48,
        seed=3,
    )
    pieces = []
    for chunk in stream:
        content = chunk.choices[0].delta.content
        if content:
            pieces.append(content)
    assert len(pieces) > 10
    assert len("".join(pieces)) > 40


@pytest.mark.titan
def test_both_models_are_listed_and_answer(both):
    client = both.client()
    assert {m.id for m in client.models.list()} == {"infe-pulse", "infe-titan"}
    for model in ("infe-pulse", "infe-titan"):
        assert client.models.retrieve(model).id == model
        response = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "What is the capital of France?"}],
            max_tokens=32, temperature=0)
        assert "Paris" in response.choices[0].message.content
