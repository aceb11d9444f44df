"""Starting, reloading, stopping: signals, drains, configuration, browsers."""
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from conftest import BINARY, SLOW, Server  # noqa: E402

HELLO = [{"role": "user", "content": "Say hello."}]


def ask(server, path, method="GET", ops=False, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.ops_port if ops else server.port, timeout=20 * SLOW)
    connection.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def wait_for(condition, what):
    deadline = time.time() + 20 * SLOW
    while not condition():
        assert time.time() < deadline, what
        time.sleep(0.02)


def long_stream(server, tokens=2000):
    return server.client().chat.completions.create(
        model="smollm2-135m", messages=HELLO, stream=True, max_tokens=tokens, seed=11,
        stream_options={"include_usage": True}, extra_body={"ignore_eos": True})


def read_to_the_end(stream):
    """The finish_reason and the tokens billed. (Chunks are fewer: half a character waits for its other half.)"""
    chunks = list(stream)
    reasons = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    return reasons[-1], chunks[-1].usage.completion_tokens


@pytest.fixture
def fresh(tmp_path):
    servers = []

    def start(*args, **kwargs):
        servers.append(Server(tmp_path, args=args, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def test_a_drain_finishes_what_runs_and_refuses_what_is_new(fresh):
    server = fresh("--drain-grace", str(SLOW), "--drain-timeout", str(30 * SLOW))
    stream = long_stream(server, tokens=150)
    next(iter(stream))
    os.kill(server.process.pid, signal.SIGTERM)
    wait_for(lambda: ask(server, "/readyz")[0] == 503, "readiness")
    assert ask(server, "/livez")[0] == 200
    # The grace period: not ready, yet serving, and every connection is asked to go.
    status, headers, _ = ask(server, "/v1/models", Authorization=f"Bearer {server.key}")
    assert status == 200 and headers["Connection"] == "close"
    assert server.client().chat.completions.create(model="smollm2-135m", messages=HELLO, max_tokens=1).choices
    assert read_to_the_end(stream) == ("length", 150)
    assert server.process.wait(timeout=30 * SLOW) == 0, server.log_text()


def test_after_the_grace_period_new_work_is_a_503(fresh):
    server = fresh("--drain-grace", "0", "--drain-timeout", str(30 * SLOW))
    stream = long_stream(server)
    next(iter(stream))
    os.kill(server.process.pid, signal.SIGTERM)
    wait_for(lambda: ask(server, "/readyz")[0] == 503, "readiness")
    with pytest.raises(openai.InternalServerError) as refused:
        server.client().chat.completions.create(model="smollm2-135m", messages=HELLO)
    assert refused.value.status_code == 503 and refused.value.code == "shutting_down"
    assert refused.value.response.headers["connection"] == "close"
    stream.close()
    assert server.process.wait(timeout=20 * SLOW) == 0, server.log_text()


def test_a_second_signal_ends_streams_with_an_error_and_bills_them(fresh):
    server = fresh("--drain-timeout", "60", admin=True)
    stream = long_stream(server)
    next(iter(stream))
    for number in (signal.SIGTERM, signal.SIGTERM):
        os.kill(server.process.pid, number)
        time.sleep(0.3)
    with pytest.raises(openai.APIError) as cut:
        for _ in stream:
            pass
    assert cut.value.code == "shutting_down"
    assert server.process.wait(timeout=20 * SLOW) == 0, server.log_text()
    again = fresh(data_of=server)
    rows = [r for b in again.admin_client().admin.organization.usage.completions(
        start_time=int(time.time()) - 3600).data for r in b.results]
    assert rows and rows[0].output_tokens > 0 and rows[0].num_model_requests == 1


def test_a_reload_takes_new_settings_and_refuses_bad_ones_whole(fresh, tmp_path):
    config = tmp_path / "infe.toml"
    config.write_text("n_max = 2\n")
    server = fresh("--config", str(config))

    def choices(n):
        return server.client().chat.completions.create(model="smollm2-135m", messages=HELLO, max_tokens=1, n=n).choices

    def reload(text, expect):
        config.write_text(text)
        before = server.log_text().count(expect)
        os.kill(server.process.pid, signal.SIGHUP)
        wait_for(lambda: server.log_text().count(expect) > before, expect)

    assert len(choices(2)) == 2
    with pytest.raises(openai.BadRequestError):
        choices(3)
    reload("n_max = 3\ncors_origins = ['https://app.example']\n", "reloaded")
    assert len(choices(3)) == 3
    assert ask(server, "/", Origin="https://app.example")[1]["Access-Control-Allow-Origin"] == "https://app.example"
    for bad in ("n_max = 3\nn_mux = 4\n", "n_max = 5\nmodels = ['no-such-model']\n", "n_max = 0\n", "n_max = \n"):
        reload(bad, "reload refused")
        assert len(choices(3)) == 3, bad
    with pytest.raises(openai.BadRequestError):
        choices(4)
    reload("n_max = 4\nmax_batch = 3\n", "restart is needed for: max_batch")
    metrics = ask(server, "/metrics", ops=True)[2].decode()
    assert 'infe_config_reloads_total{outcome="refused"} 4' in metrics
    assert 'infe_config_reloads_total{outcome="done"} 2' in metrics


def test_models_come_and_go_by_reload_while_requests_run(fresh):
    server = fresh()
    stream = long_stream(server, tokens=200)
    next(iter(stream))
    models = server.data_dir / "models"
    (models / "smollm2-135m.gguf").rename(models / "smollm2-135m.gguf.away")
    source = pathlib.Path(os.environ["INFE_MODEL_DIR"]) / "gemma-3-270m.gguf"
    if not source.exists():
        pytest.skip("gemma-3-270m is not pulled")
    (models / "gemma-3-270m.gguf").symlink_to(source)
    os.kill(server.process.pid, signal.SIGHUP)
    wait_for(lambda: "reloaded" in server.log_text() or "refused" in server.log_text(), "reload")
    assert [m.id for m in server.client().models.list()] == ["gemma-3-270m"], server.log_text()
    assert read_to_the_end(stream) == ("length", 200)  # the retired model finishes what it began
    with pytest.raises(openai.NotFoundError):
        server.client().chat.completions.create(model="smollm2-135m", messages=HELLO)


def test_browsers_are_let_in_by_list_only(fresh):
    server = fresh("--cors-origin", "https://app.example")
    asked = {"Origin": "https://app.example", "Access_Control_Request_Method": "POST",
             "Access_Control_Request_Headers": "authorization,content-type,x-stainless-lang"}
    status, headers, _ = ask(server, "/v1/chat/completions", "OPTIONS", **asked)
    assert status == 204 and headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert headers["Access-Control-Allow-Headers"] == "authorization,content-type,x-stainless-lang"
    status, headers, _ = ask(server, "/v1/models", Origin="https://app.example")
    assert status == 401 and headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "x-request-id" in headers["Access-Control-Expose-Headers"]
    for path, method, refusal in (("/v1/nothing", "GET", 404), ("/v1/models", "PUT", 405)):
        status, headers, _ = ask(server, path, method, Origin="https://app.example")
        assert status == refusal and headers["Access-Control-Allow-Origin"] == "https://app.example", path
    for origin in ("https://evil.example", "null"):
        for method in ("GET", "OPTIONS"):
            assert "Access-Control-Allow-Origin" not in ask(server, "/v1/models", method, Origin=origin)[1]


def test_where_no_key_is_asked_for_foreign_host_names_are_refused(fresh):
    server = fresh(keys=False)
    assert ask(server, "/v1/models", Host="localhost")[0] == 200
    for path, ops in (("/v1/models", False), ("/", False), ("/metrics", True)):
        status, _, body = ask(server, path, ops=ops, Host="evil.example")
        assert status == 403 and "evil.example" in json.loads(body)["error"]["message"], path


def test_the_operations_port_has_a_page_of_its_own(fresh):
    server = fresh()
    status, headers, page = ask(server, "/", ops=True, Accept="text/html,*/*")
    if b"<html" not in page:
        pytest.skip("this infe was built without its pages")
    assert status == 200 and headers["Content-Type"].startswith("text/html") and b"infe operations" in page
    assert headers["Content-Security-Policy"].startswith("default-src 'self'; ")
    assert headers["Cache-Control"] == "no-cache"
    script = re.search(rb'src="\./(web/[^"]+\.js)"', page).group(1).decode()
    assert ask(server, "/" + script, ops=True)[0] == 200
    assert json.loads(ask(server, "/", ops=True)[2])["name"] == "infe operations"
    assert b"infe operations" not in ask(server, "/", Accept="text/html")[2], "the API's port has the playground"
    assert ask(server, "/ops.html")[0] == 404 and ask(server, "/metrics/history")[0] == 404


def test_the_last_hour_is_kept_in_points_of_ten_seconds(fresh):
    server = fresh()

    def points():
        server.client().chat.completions.create(model="smollm2-135m", messages=HELLO, max_tokens=4)
        history = json.loads(ask(server, "/metrics/history", ops=True)[2])
        assert history["object"] == "infe.load_history" and history["interval_s"] == 10
        return history["data"] and history["data"][0]["at"] and history["data"][0]

    wait_for(points, "a point")
    seen = points()
    assert seen["model"] == "smollm2-135m"
    assert len({len(column) for key, column in seen.items() if key != "model"}) == 1, "columns of one length"
    assert seen["generated_tokens_per_s"][0] > 0 and seen["finished_per_s"][0] > 0
    assert 0 < seen["ttft_p50_ms"][0] <= seen["ttft_p95_ms"][0]
    assert seen["step_ms"][0] > 0
    assert abs(seen["at"][0] - time.time()) < 60


def test_the_service_manager_is_told_when_it_is_ready_and_when_it_stops(fresh, tmp_path):
    path = str(tmp_path / "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    manager.settimeout(30 * SLOW)
    server = fresh(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "100000"})
    assert manager.recv(100) == b"READY=1"
    assert manager.recv(100) == b"WATCHDOG=1"
    os.kill(server.process.pid, signal.SIGTERM)
    while (message := manager.recv(100)) == b"WATCHDOG=1":
        pass
    assert message == b"STOPPING=1"


@pytest.mark.parametrize("text, status, expected", [
    ("port = 1234\n", 0, "port = 1234"),
    ("prot = 1234\n", 1, "unknown key prot"),
    ("kv_type = 'f8'\n", 1, "kv_type must be"),
    ("port = \n", 1, ":1:"),
])
def test_config_check_says_what_is_wrong(tmp_path, text, status, expected):
    config = tmp_path / "infe.toml"
    config.write_text(text)
    done = subprocess.run([BINARY, "config", "check", str(config)], capture_output=True, text=True)
    assert (done.returncode != 0) == (status != 0)
    assert expected in done.stdout + done.stderr


def test_a_public_address_needs_keys_and_tls(tmp_path):
    data = {**os.environ, "INFE_DATA_DIR": str(tmp_path)}
    args = [BINARY, "serve", "--host", "0.0.0.0", "--port", "0", "--ops-port", "0"]
    done = subprocess.run(args, env=data, capture_output=True, text=True, timeout=30 * SLOW)
    assert done.returncode == 1 and "without keys" in done.stderr
    subprocess.run([BINARY, "keys", "create", "--name", "k"], env=data, check=True, capture_output=True)
    done = subprocess.run(args, env=data, capture_output=True, text=True, timeout=30 * SLOW)
    assert done.returncode == 1 and "without TLS" in done.stderr


def test_a_public_operations_port_needs_tls(tmp_path):
    data = {**os.environ, "INFE_DATA_DIR": str(tmp_path)}
    done = subprocess.run([BINARY, "serve", "--port", "0", "--ops-host", "0.0.0.0"], env=data, capture_output=True,
                          text=True, timeout=30 * SLOW)
    assert done.returncode == 1 and "operations port on 0.0.0.0 without TLS" in done.stderr


def test_an_insecure_operations_port_answers_to_addresses_and_not_to_names(fresh):
    server = fresh("--ops-host", "0.0.0.0", "--insecure")
    assert ask(server, "/metrics", ops=True)[0] == 200
    assert ask(server, "/metrics", method="HEAD", ops=True)[0] == 200
    assert ask(server, "/metrics", ops=True, Host="192.0.2.1:8081")[0] == 200
    for path in ("/metrics", "/livez", "/version"):
        assert ask(server, path, ops=True, Host="evil.example")[0] == 403


def test_the_operations_port_speaks_tls_with_files_of_its_own(fresh, tmp_path):
    import ssl
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
                    "-out", certificate], check=True, capture_output=True)
    server = fresh("--ops-tls-certificate", str(certificate), "--ops-tls-key", str(key), start=False)
    server.wait_ready = lambda: None
    server.start()
    context = ssl.create_default_context(cafile=str(certificate))

    def status():
        try:
            connection = http.client.HTTPSConnection("127.0.0.1", server.ops_port, timeout=20 * SLOW, context=context)
            connection.request("GET", "/readyz")
            return connection.getresponse().status
        except ConnectionRefusedError:
            return None

    wait_for(lambda: status() == 200, "TLS on the operations port")


def test_a_server_without_keys_says_so_at_start(fresh):
    server = fresh(keys=False)
    assert "WARNING: there are no API keys" in server.log_text()
