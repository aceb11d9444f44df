"""A key's limits as the official client meets them: 429 by kind, quotas, headers, models, scopes."""
import json
import pathlib
import sys
import threading
import time
import urllib.error
import urllib.request

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import Server  # noqa: E402

HELLO = [{"role": "user", "content": "Say hello."}]
RATE_HEADERS = [f"x-ratelimit-{part}-{what}" for part in ("limit", "remaining", "reset") for what in ("requests", "tokens")]


@pytest.fixture(scope="module")
def limited(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("limits"), admin=True)
    yield running
    assert running.stop() == 0, running.log_text()


def account(server, project="default", **more):
    """A client with a key of its own, made through the administration API."""
    made = server.admin_client().admin.organization.projects.service_accounts.create(
        project, name="test", extra_body=more)
    client = openai.OpenAI(base_url=server.base_url, api_key=made.api_key.value, max_retries=0)
    return client, made


def chat(client, **more):
    return client.chat.completions.with_raw_response.create(
        **{"model": "smollm2-135m", "messages": HELLO, "max_tokens": 4, **more})


def test_requests_per_minute_end_in_a_429_with_the_time_to_wait(limited):
    client, _ = account(limited, limits={"requests_per_minute": 3})
    left = [int(chat(client).headers["x-ratelimit-remaining-requests"]) for _ in range(3)]
    assert left == [2, 1, 0]
    with pytest.raises(openai.RateLimitError) as refused:
        chat(client)
    error, headers = refused.value, refused.value.response.headers
    assert (error.type, error.code, error.param) == ("requests", "rate_limit_exceeded", None)
    assert 0 < int(headers["retry-after-ms"]) <= 20_000
    assert int(headers["retry-after"]) == -(-int(headers["retry-after-ms"]) // 1000)
    assert "x-should-retry" not in headers
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert headers["x-ratelimit-remaining-requests"] == "0"


def test_n_counts_as_n(limited):
    client, _ = account(limited, limits={"requests_per_minute": 3})
    assert int(chat(client, n=2).headers["x-ratelimit-remaining-requests"]) == 1
    with pytest.raises(openai.RateLimitError):
        chat(client, n=2)


def test_tokens_are_charged_before_and_settled_after(limited):
    client, _ = account(limited, limits={"tokens_per_minute": 400})
    first = chat(client, max_tokens=300)
    assert int(first.headers["x-ratelimit-remaining-tokens"]) < 100  # 300 are reserved for the answer
    time.sleep(0.2)
    used = first.parse().usage.total_tokens
    second = chat(client, max_tokens=4)  # the answer was shorter, and the difference is back
    assert int(second.headers["x-ratelimit-remaining-tokens"]) > 400 - used - 60
    with pytest.raises(openai.RateLimitError) as refused:
        chat(client, max_tokens=390)
    assert refused.value.type == "tokens"
    with pytest.raises(openai.RateLimitError) as never:
        chat(client, max_tokens=500)
    assert "too large" in str(never.value)
    assert never.value.response.headers["x-should-retry"] == "false"


def test_concurrent_requests_are_bounded_and_the_slot_comes_back(limited):
    client, _ = account(limited, limits={"concurrent_requests": 1})
    stream = client.chat.completions.create(model="smollm2-135m", messages=HELLO, stream=True, max_tokens=400,
                                            extra_body={"ignore_eos": True})
    next(iter(stream))
    with pytest.raises(openai.RateLimitError) as refused:
        chat(client)
    assert refused.value.type == "requests" and "concurrent" in str(refused.value)
    stream.close()
    deadline = time.time() + 10
    while True:
        try:
            chat(client)
            break
        except openai.RateLimitError:
            assert time.time() < deadline, "a client that left still holds its slot"
            time.sleep(0.05)


def test_a_spent_quota_is_not_retried(limited):
    client, _ = account(limited, limits={"requests_per_day": 1})
    chat(client)
    started = time.time()
    with pytest.raises(openai.RateLimitError) as refused:
        chat(client.with_options(max_retries=5))
    assert time.time() - started < 5
    assert (refused.value.type, refused.value.code) == ("insufficient_quota", "insufficient_quota")
    assert refused.value.response.headers["x-should-retry"] == "false"


def test_the_rate_headers_are_on_every_answer(limited):
    client, _ = account(limited, limits={"requests_per_minute": 50, "tokens_per_minute": 100_000})
    answers = [chat(client).headers]
    with client.chat.completions.with_streaming_response.create(
            model="smollm2-135m", messages=HELLO, max_tokens=2, stream=True) as stream:
        answers.append(stream.headers)
    answers.append(client.models.with_raw_response.list().headers)
    for broken in ({"model": "no-such-model"}, {"temperature": 9}):
        with pytest.raises(openai.APIStatusError) as refused:
            chat(client, **broken)
        answers.append(refused.value.response.headers)
    for headers in answers:
        for name in RATE_HEADERS:
            assert headers.get(name), (name, dict(headers))
        assert headers["x-ratelimit-limit-requests"] == "50"
        assert headers["x-ratelimit-limit-tokens"] == "100000"
        assert headers["x-ratelimit-reset-requests"][-1] == "s"


def test_a_key_without_limits_reads_as_never_limited(limited):
    client, _ = account(limited)
    headers = chat(client).headers
    for what in ("requests", "tokens"):
        assert int(headers[f"x-ratelimit-remaining-{what}"]) == int(headers[f"x-ratelimit-limit-{what}"]) > 10**6


def test_a_key_sees_only_its_models(limited):
    client, _ = account(limited, models=["some-other-model"])
    assert client.models.list().data == []
    for call in (lambda: chat(client), lambda: client.models.retrieve("smollm2-135m")):
        with pytest.raises(openai.NotFoundError) as refused:
            call()
        assert refused.value.code == "model_not_found"


def test_a_key_does_what_its_scopes_allow(limited):
    reader, _ = account(limited, scopes=["models.read"])
    assert reader.models.list().data
    with pytest.raises(openai.PermissionDeniedError) as refused:
        chat(reader)
    assert refused.value.code == "insufficient_permissions"
    talker, _ = account(limited, scopes=["chat"])
    chat(talker)
    with pytest.raises(openai.PermissionDeniedError):
        talker.models.list()


def test_a_projects_limit_holds_for_all_of_its_keys(limited):
    projects = limited.admin_client().admin.organization.projects
    project = projects.create(name="small")
    projects.rate_limits.update_rate_limit("rl-smollm2-135m", project_id=project.id, max_requests_per_1_minute=2)
    one, _ = account(limited, project.id)
    two, _ = account(limited, project.id)
    assert chat(one).headers["x-ratelimit-limit-requests"] == "2"
    chat(two)
    with pytest.raises(openai.RateLimitError):
        chat(one)
    other, _ = account(limited)
    chat(other)


def test_no_project_hits_anothers_prefix(limited):
    projects = limited.admin_client().admin.organization.projects
    one, _ = account(limited, projects.create(name="one").id)
    two, _ = account(limited, projects.create(name="two").id)
    messages = [{"role": "user", "content": "cache me, " * 100}]

    def cached(client, **more):
        return chat(client, messages=messages, max_tokens=1, **more).parse().usage.prompt_tokens_details.cached_tokens

    assert cached(one) == 0
    assert cached(one) > 100
    assert cached(two) == 0
    assert cached(two) > 100
    assert cached(one, prompt_cache_key="another") == 0


def test_wrong_keys_are_slowed_down_and_right_ones_are_not(limited):
    def status(key):
        request = urllib.request.Request(limited.base_url + "/models", headers={"Authorization": f"Bearer {key}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers
        except urllib.error.HTTPError as error:
            return error.code, error.headers

    seen = [status("sk-infe-wrong")[0] for _ in range(40)]
    assert seen[0] == 401 and seen[-1] == 429, seen
    assert status("sk-infe-wrong")[1]["Retry-After"]
    assert status(limited.key)[0] == 200


def test_a_full_queue_is_a_503_with_a_short_wait(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("full"), args=("--max-batch", "1", "--queue-requests", "1"))
    try:
        def generate(results):
            try:
                results.append(chat(server.client(), max_tokens=300, extra_body={"ignore_eos": True}).status_code)
            except openai.InternalServerError as error:
                results.append(error)

        results = []
        threads = [threading.Thread(target=generate, args=(results,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        refused = [r for r in results if not isinstance(r, int)]
        assert results.count(200) >= 2 and refused, results
        for error in refused:
            assert error.status_code == 503
            assert (error.type, error.code) == ("service_unavailable_error", "server_is_overloaded")
            assert 1 <= int(error.response.headers["retry-after"]) <= 5
            assert 1000 <= int(error.response.headers["retry-after-ms"]) <= 5000
    finally:
        assert server.stop() == 0, server.log_text()


LONG = {"model": "smollm2-135m", "messages": HELLO, "max_tokens": 1500, "extra_body": {"ignore_eos": True},
        "extra_headers": {"x-request-timeout-ms": "400"}}


def test_a_deadline_ends_a_request_wherever_it_is(limited):
    client = limited.client()
    with pytest.raises(openai.InternalServerError) as late:
        client.chat.completions.create(**LONG)
    assert late.value.status_code == 504 and late.value.code == "timeout"
    assert late.value.response.headers["x-should-retry"] == "true"
    chunks = []
    with pytest.raises(openai.APIError) as cut:
        for chunk in client.chat.completions.create(**LONG, stream=True):
            chunks.append(chunk)
    assert chunks and cut.value.code == "timeout"
    # Both are gone from the engine.
    deadline = time.time() + 10
    while True:
        with urllib.request.urlopen(limited.ops_root + "/metrics") as answer:
            text = answer.read().decode()
        if 'infe_running{model="smollm2-135m"} 0' in text and "infe_ledger_open_requests 0" in text:
            break
        assert time.time() < deadline, text
        time.sleep(0.05)
