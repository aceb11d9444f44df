"""The Helm chart, offline: it renders, what it renders is valid for the oldest and the newest Kubernetes
that it is for, and the flags in it are the server's."""
import json
import pathlib
import subprocess

import proxies
import pytest
from conftest import BINARY

PYTHON = pathlib.Path(proxies.FLEET_PYTHON) / "bin/python"
EVERYTHING = {
    "storeSecret": "infe", "autoscaling": {"enabled": True}, "podMonitor": {"enabled": True, "labels": {"release": "prom"}},
    "inferencePool": {"enabled": True}, "podLabels": {"team": "search"}, "podAnnotations": {"note": "x"},
    "args": ["--max-batch=32"], "models": ["infe-pulse", "smollm2-135m"], "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "cpu", "operator": "Exists"}], "imagePullSecrets": [{"name": "registry"}]}
CLAIMS = {"modelStorage": {"claim": "models"}, "data": {"claim": "infe"}, "networkPolicy": {"enabled": False}}


def has_tools():
    return PYTHON.exists() and subprocess.run([PYTHON, "-c", "import helm_python, kubernetes_validate"],
                                              capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not has_tools(), reason="needs helm-python-sdk and kubernetes-validate")


def render(values):
    script = pathlib.Path(__file__).with_name("render_chart.py")
    done = subprocess.run([PYTHON, script, json.dumps(values)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def documents(values):
    return {document["kind"]: document for document in render(values)["documents"]}


def container(values):
    return documents(values)["Deployment"]["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize("values", [{}, EVERYTHING, CLAIMS], ids=["defaults", "everything", "claims"])
def test_what_it_renders_is_valid(values):
    rendered = render(values)
    assert rendered["error"] is None and not rendered["lint"] and not rendered["problems"]
    kinds = {document["kind"] for document in rendered["documents"]}
    assert {"Deployment", "Service"} <= kinds
    # Kinds of others' resources, whose schemas are not Kubernetes' own.
    assert set(rendered["unchecked"]) <= {"PodMonitor", "InferencePool"}
    if values is EVERYTHING:
        assert kinds == {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "NetworkPolicy",
                         "PodMonitor", "InferencePool"}


def test_replicas_without_a_shared_store_are_refused():
    for values in ({"replicas": 2}, {"autoscaling": {"enabled": True}}):
        assert "set storeSecret" in render(values)["error"]
    assert render({"replicas": 2, "storeSecret": "infe"})["error"] is None


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_its_flags_are_the_servers(values, tmp_path):
    serve = container(values)["args"]
    done = subprocess.run([BINARY, *serve, "--print-config"], capture_output=True, text=True,
                          env={"INFE_DATA_DIR": str(tmp_path), "HOME": str(tmp_path)}, timeout=60)
    assert done.returncode == 0, done.stderr
    assert 'require_keys = "always"' in done.stdout and 'ops_host = "0.0.0.0"' in done.stdout


def test_a_pod_may_drain_before_it_is_killed():
    values = {"drain": {"grace": 7, "timeout": 100}}
    pod = documents(values)["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 107
    assert {"--drain-grace=7", "--drain-timeout=100"} <= set(pod["containers"][0]["args"])
    # Two checks fit into the grace.
    ready = pod["containers"][0]["readinessProbe"]
    assert 2 * ready["periodSeconds"] * ready["failureThreshold"] <= 7


def test_one_data_folder_has_one_server_and_a_shared_store_is_never_short_of_one():
    strategy = lambda values: documents(values)["Deployment"]["spec"]["strategy"]  # noqa: E731
    assert strategy({})["type"] == "Recreate"
    assert strategy({"storeSecret": "infe", "replicas": 3})["rollingUpdate"]["maxUnavailable"] == 0


def test_the_pool_selects_the_pods_and_reads_their_metrics():
    made = documents(EVERYTHING)
    pool, pod = made["InferencePool"]["spec"], made["Deployment"]["spec"]["template"]
    assert pool["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    ports = {port["name"]: port["containerPort"] for port in pod["spec"]["containers"][0]["ports"]}
    assert pool["targetPorts"] == [{"number": ports["http"]}]
    assert pool["endpointPickerRef"] == {"name": "infe-epp", "port": {"number": 9002}, "failureMode": "FailOpen"}
    assert "--metrics-on-api" in pod["spec"]["containers"][0]["args"]
    assert "--metrics-on-api" not in container({})["args"]
    assert made["PodMonitor"]["spec"]["podMetricsEndpoints"][0]["port"] == "ops"
