"""Operations: metrics, health and version on their own listener, and the access log."""
import json
import os
import pathlib
import re
import signal
import sys
import time
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import Server  # noqa: E402

PROMPT = "canary-prompt-7391"


def get(url, key=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"} if key else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def samples(text):
    """{'name{labels}': value}; fails on a line that is neither a comment nor a sample."""
    values = {}
    for line in text.splitlines():
        if line.startswith("#"):
            assert re.match(r"# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* \S", line), line
            continue
        match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[a-z_][a-z0-9_]*="[^"]*",?)*\})?) (\S+)', line)
        assert match, line
        assert match[1] not in values, f"twice: {match[1]}"
        values[match[1]] = float(match[2])
    return values


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    folder = tmp_path_factory.mktemp("service")
    running = Server(folder, args=("--access-log", str(folder / "access.log")))
    yield running
    assert running.stop() == 0, running.log_text()


def chat(server, **more):
    return server.client().chat.completions.create(
        model="smollm2-135m", max_tokens=5, temperature=0, messages=[{"role": "user", "content": PROMPT}], **more)


def rows_of(server, wanted, count=1):
    """The chat lines of the access log that are wanted, once there are so many."""
    deadline = time.time() + 20
    while time.time() < deadline:
        text = (server.folder / "access.log").read_text()
        rows = [json.loads(line) for line in text.splitlines()]
        rows = [row for row in rows if row["route"] == "/v1/chat/completions" and wanted(row)]
        if len(rows) >= count:
            return rows
        time.sleep(0.05)
    raise AssertionError(f"no {count} such lines in {text!r}")


def test_health_and_version_answer_on_the_ops_listener_without_a_key(logged):
    for path in ("/livez", "/readyz", "/health"):
        assert get(logged.ops_root + path)[0] == 200, path
    status, _, body = get(logged.ops_root + "/version")
    assert status == 200 and re.fullmatch(r"\d+\.\d+\.\d+", json.loads(body)["version"])


def test_the_public_listener_has_no_metrics_and_the_ops_listener_no_api(logged):
    assert get(logged.root + "/metrics")[0] == 404
    assert get(logged.ops_root + "/v1/models", logged.key)[0] == 404


def test_metrics_count_what_the_answers_say_they_used(logged):
    before = samples(get(logged.ops_root + "/metrics")[2])
    answers = [chat(logged), chat(logged)]
    list(chat(logged, stream=True))
    rows_of(logged, lambda row: row["status"] == 200, 3)
    deadline = time.time() + 20
    while True:  # the engine shows its counters at the end of the step after the last event
        status, headers, text = get(logged.ops_root + "/metrics")
        assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
        after = samples(text)
        if after['infe_running{model="smollm2-135m"}'] == 0 or time.time() > deadline:
            break
        time.sleep(0.05)

    def grown(name):
        return after[name] - before.get(name, 0)

    labels = '{model_name="smollm2-135m",engine="0"}'
    prompt = answers[0].usage.prompt_tokens
    assert grown("vllm:prompt_tokens_total" + labels) == 3 * prompt
    assert grown("infe_prompt_tokens_total{model=\"smollm2-135m\"}") == 3 * prompt
    assert grown("vllm:generation_tokens_total" + labels) >= 15
    assert grown('vllm:request_success_total{model_name="smollm2-135m",engine="0",finished_reason="length"}') == 3
    assert grown('infe_http_requests_total{method="POST",route="/v1/chat/completions",code="200"}') == 3
    for name in ("time_to_first_token_seconds", "e2e_request_latency_seconds"):
        assert grown(f"vllm:{name}_count" + labels) == 3, name
        assert grown(f'vllm:{name}_bucket{{model_name="smollm2-135m",engine="0",le="+Inf"}}') == 3, name
    assert after["vllm:num_requests_running" + labels] == 0
    assert 0 <= after["vllm:kv_cache_usage_perc" + labels] <= 1
    assert after["process_resident_memory_bytes"] > 1e7
    assert abs(after["process_start_time_seconds"] - time.time()) < 3600


def test_a_histogram_never_falls_from_bucket_to_bucket(logged):
    chat(logged)
    buckets = [value for name, value in samples(get(logged.ops_root + "/metrics")[2]).items()
               if name.startswith('infe_request_seconds_bucket{model="smollm2-135m"')]
    assert len(buckets) > 10 and buckets == sorted(buckets) and buckets[-1] >= 1


def test_the_access_log_tells_what_happened_and_no_secrets(logged):
    answer = chat(logged)
    with pytest.raises(Exception):
        logged.client().chat.completions.create(model="no-such-model", messages=[{"role": "user", "content": PROMPT}])
    good = rows_of(logged, lambda row: row["request_id"] == answer._request_id)[0]
    bad = rows_of(logged, lambda row: row["status"] == 404)[0]
    text = (logged.folder / "access.log").read_text()
    assert good["status"] == 200 and good["model"] == "smollm2-135m" and good["key_id"] == logged.key_id
    assert good["prompt_tokens"] == answer.usage.prompt_tokens
    assert good["completion_tokens"] == answer.usage.completion_tokens
    assert good["finish_reason"] == "length"
    assert good["total_ms"] >= good["ttft_ms"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", good["ts"])
    assert bad["status"] == 404 and bad["code"] == "model_not_found" and bad["model"] is None
    for secret in (PROMPT, logged.key, "no-such-model"):
        assert secret not in text


def test_a_client_that_leaves_is_logged_with_what_it_had(logged):
    stream = logged.client().chat.completions.create(
        model="smollm2-135m", stream=True, max_tokens=2000, temperature=0, logit_bias={"2": -100, "0": -100},
        messages=[{"role": "user", "content": PROMPT}])
    next(iter(stream))
    stream.close()
    gone = rows_of(logged, lambda row: row["status"] == 499)[0]
    assert gone["cancelled"] is True and 0 < gone["completion_tokens"] < 2000


def test_sigusr1_opens_the_log_anew(logged):
    path = logged.folder / "access.log"
    path.rename(logged.folder / "access.log.1")
    os.kill(logged.process.pid, signal.SIGUSR1)
    deadline = time.time() + 10
    while not path.exists() and time.time() < deadline:
        chat(logged)
        time.sleep(0.05)
    assert rows_of(logged, lambda row: row["status"] == 200)
