"""What the tests of /v1/responses share: raw requests whose answers and events are held against OpenAI's
published schemas, where they are there."""
import json
import pathlib
import sys
import urllib.error
import urllib.request

from conftest import ROOT, SHARED_DATA

sys.path.insert(0, str(ROOT / "tests/conformance"))
import openapi_schemas  # noqa: E402

MODEL = "smollm2-135m"


class Answer:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    def json(self):
        return json.loads(self.text)


class Wire:
    document = openapi_schemas.load(pathlib.Path(SHARED_DATA))
    schemas = openapi_schemas.Schemas(document) if document else None

    def __init__(self, server, key=None, model=MODEL):
        self.root, self.key, self.model = server.base_url, key or server.key, model

    def check(self, name, body):
        if self.schemas:
            assert not (errors := self.schemas.errors(name, body)), f"{name}: {errors[:3]} in {json.dumps(body)[:600]}"

    @classmethod
    def event_schema(cls, kind):
        """The schema of one type of event: an error against all of them would say nothing."""
        for branch in cls.schemas.components["ResponseStreamEvent"]["anyOf"]:
            name = branch["$ref"].rsplit("/", 1)[1]
            if kind in cls.schemas.components[name]["properties"]["type"]["enum"]:
                return name
        raise AssertionError(f"there is no event {kind}")

    def send(self, method, path, body=None):
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return Answer(answer.status, answer.headers, answer.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def create(self, **body):
        answer = self.send("POST", "/responses", {"model": self.model, **body})
        assert answer.status == 200, answer.text
        self.check("Response", answer.json())
        return answer.json()

    def stream(self, **body):
        answer = self.send("POST", "/responses", {"model": self.model, "stream": True, **body})
        assert answer.status == 200, answer.text
        return self.events(answer.text)

    def events(self, text, first=0):
        events = []
        for block in text.strip().split("\n\n"):
            if block.startswith(":"):
                continue
            name, data = block.split("\n")
            event = json.loads(data.removeprefix("data: "))
            assert name == f"event: {event['type']}"
            assert event["sequence_number"] == first + len(events)
            if self.schemas:
                self.check(self.event_schema(event["type"]), event)
            events.append(event)
        return events

    def refused(self, status, **body):
        answer = self.send("POST", "/responses", {"model": self.model, "input": "x", **body})
        assert answer.status == status, answer.text
        self.check("ErrorResponse", answer.json())
        return answer.json()["error"]
