"""What routers ask of a worker: who it is, what it has to do, the tokens of a prompt, and /metrics on
the API's port; none of it counts against a key or stands in the access log."""
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import SLOW, Server  # noqa: E402

MODEL = "smollm2-135m"
ENDLESS = {"temperature": 0, "logit_bias": {"2": -100, "0": -100}}


def ask(url, key=None, body=None):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    if body is not None:
        headers["Content-Type"] = "application/json"
    request = urllib.request.Request(url, headers=headers, data=json.dumps(body).encode() if body is not None else None)
    try:
        with urllib.request.urlopen(request, timeout=30 * SLOW) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def look(worker, path):
    status, _, text = ask(worker.root + path)
    assert status == 200, text
    return json.loads(text)


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    folder = tmp_path_factory.mktemp("worker")
    running = Server(folder, args=("--metrics-on-api", "--strict-params", "--access-log", str(folder / "access.log")))
    yield running
    assert running.stop() == 0, running.log_text()


def test_a_router_learns_who_it_is_without_a_key(worker):
    info = look(worker, "/server_info")
    assert info["served_model_name"] == MODEL and info["served_model_names"] == [MODEL]
    assert info["max_running_requests"] == 16
    # A path would be loaded from, and who asks without a key learns no version.
    assert not {"model_path", "tokenizer_path", "version"} & set(info)
    model = look(worker, "/model_info")
    assert model["served_model_name"] == MODEL and model["is_generation"] is True
    assert model["model_type"] == "llama" and model["max_model_len"] == 8192
    assert look(worker, "/get_server_info") == info and look(worker, "/get_model_info") == model


def test_a_router_sees_what_runs_and_that_it_is_over(worker):
    idle = [{"dp_rank": 0, "num_reqs": 0, "num_waiting_reqs": 0, "num_tokens": 0}]
    assert look(worker, "/get_load") == idle
    streams = [worker.client().chat.completions.create(
        model=MODEL, stream=True, max_tokens=1500, extra_body=ENDLESS,
        messages=[{"role": "user", "content": f"{i} Count."}]) for i in range(20)]
    deadline = time.monotonic() + 30 * SLOW
    # 16 in the batch, once they have got there, the others wait; and all counts agree.
    while (load := look(worker, "/get_load")[0])["num_reqs"] < 20 or load["num_waiting_reqs"] != 4:
        assert time.monotonic() < deadline, load
        time.sleep(0.02)
    assert load["num_reqs"] == 20 and load["num_tokens"] >= 16 * 20
    assert look(worker, "/load") == {"server_load": 20}
    _, _, text = ask(worker.root + "/metrics")
    labels = f'{{model_name="{MODEL}",engine="0"}}'
    assert f"vllm:num_requests_running{labels} 16\n" in text
    assert f"vllm:num_requests_waiting{labels} 4\n" in text
    for stream in streams:
        stream.close()
    while look(worker, "/get_load") != idle:
        assert time.monotonic() < deadline + 30 * SLOW
        time.sleep(0.05)


def test_render_of_a_completion_has_the_tokens_that_are_billed(worker):
    prompts = ["The river", "A stone in the garden"]
    status, _, text = ask(worker.root + "/v1/completions/render", worker.key, {"model": MODEL, "prompt": prompts})
    assert status == 200, text
    rendered = json.loads(text)
    assert [one["index"] for one in rendered] == [0, 1]
    for prompt, one in zip(prompts, rendered):
        assert one["object"] == "text_completion.render" and one["model"] == MODEL
        answer = worker.client().completions.create(model=MODEL, prompt=prompt, max_tokens=1)
        assert one["input_tokens"] == len(one["token_ids"]) == answer.usage.prompt_tokens
        again = worker.client().completions.create(model=MODEL, prompt=one["token_ids"], max_tokens=8, temperature=0)
        assert again.choices[0].text == worker.client().completions.create(
            model=MODEL, prompt=prompt, max_tokens=8, temperature=0).choices[0].text


def test_render_wants_a_key_and_a_good_body(worker):
    body = {"model": MODEL, "prompt": "x"}
    assert ask(worker.root + "/v1/completions/render", None, body)[0] == 401
    assert ask(worker.root + "/v1/completions/render", worker.key, {**body, "model": "other"})[0] == 404
    assert ask(worker.root + "/v1/completions/render", worker.key, {"model": MODEL})[0] == 400


def test_renders_do_not_count_against_a_key(worker):
    limited, _ = worker.new_key("limited", "--rpm", "3")
    body = {"model": MODEL, "prompt": "x", "max_tokens": 1}
    time.sleep(1)
    for _ in range(10):
        assert ask(worker.root + "/v1/completions/render", limited, body)[0] == 200
    assert [ask(worker.root + "/v1/completions", limited, body)[0] for _ in range(3)] == [200] * 3


def test_what_routers_add_passes_under_strict_params(worker):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    added = {"no_stop_trim": False, "ignore_eos": False, "skip_special_tokens": True, "separate_reasoning": True,
             "stream_reasoning": True, "return_hidden_states": False, "include_reasoning": True}
    status, headers, text = ask(worker.root + "/v1/chat/completions", worker.key, {**body, **added})
    assert status == 200 and "x-infe-ignored-params" not in headers, text
    status, _, text = ask(worker.root + "/v1/chat/completions", worker.key, {**body, "return_hidden_states": True})
    assert status == 400 and json.loads(text)["error"]["param"] == "return_hidden_states"


def test_polls_leave_no_line_in_the_access_log(worker):
    for path in ("/metrics", "/get_load", "/get_loads", "/load", "/server_info", "/model_info"):
        look(worker, path) if path != "/metrics" else ask(worker.root + path)
    marker = worker.client().chat.completions.create(model=MODEL, max_tokens=1,
                                                     messages=[{"role": "user", "content": "Hi"}])
    deadline = time.monotonic() + 20 * SLOW
    while marker._request_id not in (text := (worker.folder / "access.log").read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    routes = {json.loads(line)["route"] for line in text.splitlines()}
    assert "/v1/chat/completions" in routes
    assert not routes & {"/metrics", "/get_load", "/get_loads", "/load", "/server_info", "/model_info"}


def test_get_load_has_the_shape_of_the_router_it_is_for(tmp_path):
    with Server(tmp_path, args=("--get-load", "vllm")) as running:
        assert look(running, "/get_load") == {"load": 0, "dp_rank": 0, "num_reqs": 0, "num_waiting_reqs": 0,
                                              "num_tokens": 0}
        assert look(running, "/get_loads")[0]["num_reqs"] == 0


def test_without_the_switch_the_api_has_no_metrics_and_its_log_says_who_asked(tmp_path):
    with Server(tmp_path, args=("--access-log", str(tmp_path / "access.log"))) as running:
        status, _, text = ask(running.root + "/metrics")
        assert status == 404 and "Unknown request URL" in text
        assert ask(running.ops_root + "/metrics")[0] == 200
        deadline = time.monotonic() + 20 * SLOW
        while not (lines := (tmp_path / "access.log").read_text().splitlines()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert [(json.loads(line)["route"], json.loads(line)["status"]) for line in lines] == [("/metrics", 404)]


@pytest.mark.titan
def test_pickers_read_one_series_for_all_models(tmp_path):
    with Server(tmp_path, models=(MODEL, "infe-pulse"), args=("--metrics-on-api",)) as two:
        _, _, text = ask(two.root + "/metrics")
        for name in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"):
            assert sum(line.startswith(name + "{") for line in text.splitlines()) == 1, name
        _, _, ours = ask(two.ops_root + "/metrics")
        assert sum(line.startswith("vllm:num_requests_running{") for line in ours.splitlines()) == 2
        assert sum(line.startswith("infe_running{") for line in text.splitlines()) == 2
