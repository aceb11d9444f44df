"""packaging/grafana and packaging/prometheus speak of series and labels that a running server has.

A name that is wrong there shows an empty chart, or an alert that never comes: nobody would notice.
"""
import json
import re
import shutil
import subprocess

import pytest
import yaml
from conftest import ROOT

DASHBOARD = json.loads((ROOT / "packaging/grafana/infe.json").read_text())
RULES_PATH = ROOT / "packaging/prometheus/infe.rules.yml"
RULES = [rule for group in yaml.safe_load(RULES_PATH.read_text())["groups"] for rule in group["rules"]]
RECORDED = {rule["record"] for rule in RULES if "record" in rule}
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]] + [rule["expr"] for rule in RULES]
# Of Prometheus itself, of every scraped series.
ADDED_LABELS = {"instance", "job"}
# They come with the first event of their kind.
WITH_AN_EVENT = {"infe_rate_limited_total": {"limit"}, "infe_rejected_requests_total": {"reason"}}


@pytest.fixture(scope="module")
def series(server):
    """{name: its labels}, after a request."""
    server.client().chat.completions.create(
        model="smollm2-135m", messages=[{"role": "user", "content": "x"}], max_tokens=2)
    found = {name: set(labels) for name, labels in WITH_AN_EVENT.items()}
    for sample in server.metrics():
        name, _, labels = sample.partition("{")
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


def parts(expression):
    """Its series with the labels that are selected, and the labels that it groups by."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\b(?:by|on) \(([^)]*)\)", bare))))
    bare = re.sub(r"\b(?:by|on) \([^)]*\)", "", bare)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    names = [(name, set(re.findall(r"(\w+)\s*[=!]", labels or "")))
             for name, labels in re.findall(r"((?:model:)?(?:infe|process)_[a-z_0-9:]+)(?:\{([^}]*)\})?", bare)]
    return names, grouped


def test_parts_reads_an_expression():
    names, grouped = parts('sum by (model, le) (rate(infe_a_bucket{code=~"5..",model="x"}[5m])) and on (instance) infe_b > 2')
    assert names == [("infe_a_bucket", {"code", "model"}), ("infe_b", set())]
    assert grouped == {"model", "le", "instance"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_series_and_label_exists(series, expression):
    names, grouped = parts(expression)
    assert names, "an expression without a series"
    labels = set(ADDED_LABELS)
    for name, selected in names:
        if name in RECORDED:
            labels.add("model")
            continue
        assert name in series, name
        assert selected <= series[name] | ADDED_LABELS, (name, selected)
        labels |= series[name]
    assert grouped <= labels, grouped


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_brackets_close(expression):
    closing = {")": "(", "]": "[", "}": "{"}
    stack = []
    for character in re.sub(r'"(?:[^"\\]|\\.)*"', "", expression):
        if character in "([{":
            stack.append(character)
        elif character in closing:
            assert stack and stack.pop() == closing[character]
    assert not stack


def test_every_rule_says_what_is_to_be_done():
    alerts = [rule for rule in RULES if "alert" in rule]
    assert len({rule["alert"] for rule in alerts}) == len(alerts) > 5
    for rule in alerts:
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


def test_prometheus_takes_the_rules():
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here; Debian's package prometheus has it")
    done = subprocess.run([promtool, "check", "rules", str(RULES_PATH)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_have_places_of_their_own():
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
    variables = {variable["name"] for variable in DASHBOARD["templating"]["list"]} | {"__rate_interval"}
    for expression in EXPRESSIONS:
        assert set(re.findall(r"\$(\w+)", expression)) <= variables
