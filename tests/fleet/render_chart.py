"""Renders packaging/chart/infe with the values in the first argument (JSON) and checks what results:
{"lint": [...], "error": ..., "documents": [...], "problems": [...], "unchecked": [...]} on stdout. Needs
helm-python-sdk and kubernetes-validate: run by test_chart.py with the Python that has them."""
import json
import pathlib
import sys

import kubernetes_validate
import yaml
from helm_python import chart
from helm_python.errors import HelmError

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "packaging/chart/infe"
KUBERNETES = ("1.27", "1.37")


def problems_of(document):
    """What the schemas of the oldest and the newest Kubernetes say against it, unknown fields too; None:
    they do not know its kind."""
    problems = []
    for version in KUBERNETES:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            return None
        except kubernetes_validate.ValidationError as error:
            problems.append(f"{version} {document['kind']} {list(error.path)}: {error.message}")
    return problems


def main(values):
    out = {"lint": [], "error": None, "documents": [], "problems": [], "unchecked": []}
    lint = chart.lint(str(FOLDER), values, strict=True)
    out["lint"] = lint["errors"] + [one["error"] for one in lint["messages"] if one["severity"] > 1]
    try:
        with chart.Chart.load(str(FOLDER)) as loaded:
            texts = loaded.render(values=values, name="demo", namespace="llm")
    except HelmError as error:
        out["error"] = str(error)
        return out
    for path, text in sorted(texts.items()):
        if path.endswith(".yaml"):
            out["documents"] += [document for document in yaml.safe_load_all(text) if document]
    for document in out["documents"]:
        problems = problems_of(document)
        if problems is None:
            out["unchecked"].append(document["kind"])
        out["problems"] += problems or []
    return out


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
