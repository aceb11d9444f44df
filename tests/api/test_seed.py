"""`seed` is a contract: the same request gives the same text alone, among twenty, streamed or not."""
import concurrent.futures

import pytest


def ask(client, model, seed, stream, prompt="Write a short poem about the sea.", **kwargs):
    arguments = dict(model=model, messages=[{"role": "user", "content": prompt}], seed=seed,
                     temperature=1, max_tokens=40, stream=stream, **kwargs)
    if not stream:
        return client.chat.completions.create(**arguments).choices[0].message.content
    return "".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(**arguments))


@pytest.mark.parametrize("model", ["smollm2-135m", "infe-pulse"])
def test_same_text_alone_and_among_twenty(request, model):
    server = request.getfixturevalue("pulse" if model == "infe-pulse" else "server")
    client = server.client()
    alone = ask(client, model, 7, stream=False)
    assert alone == ask(client, model, 7, stream=False)
    assert alone == ask(client, model, 7, stream=True)
    assert alone != ask(client, model, 8, stream=False)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        jobs = [pool.submit(ask, client, model, 7 if i % 4 == 0 else 100 + i, i % 2 == 0,
                            "Write a short poem about the sea." if i % 4 == 0 else f"Count from {i} to {i + 9}.")
                for i in range(20)]
        texts = [job.result() for job in jobs]
    assert all(texts)
    assert {texts[i] for i in range(0, 20, 4)} == {alone}


def test_seed_is_drawn_and_returned(server):
    client = server.client()
    raw = client.chat.completions.with_raw_response.create(
        model="smollm2-135m", messages=[{"role": "user", "content": "Say something."}], max_tokens=24)
    first = raw.parse()
    seed = int(raw.headers["x-infe-seed"])
    assert 0 <= seed < 2**53
    assert first.seed == seed
    again = client.chat.completions.create(
        model="smollm2-135m", messages=[{"role": "user", "content": "Say something."}], max_tokens=24, seed=seed)
    assert again.choices[0].message.content == first.choices[0].message.content
    assert again.system_fingerprint == first.system_fingerprint


def test_choices_are_distinct_and_repeatable(server):
    client = server.client()

    def texts():
        response = client.chat.completions.create(
            model="smollm2-135m", messages=[{"role": "user", "content": "Name an animal and say why you like it."}],
            n=4, seed=3, max_tokens=24)
        assert [c.index for c in response.choices] == [0, 1, 2, 3]
        return [c.message.content for c in response.choices]

    first = texts()
    assert len(set(first)) > 1
    assert texts() == first
