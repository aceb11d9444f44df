"""What the Python clients' scripts share: where the server is, the questions, and claims. A script calls
claims(plain=..., stream=...): each is a function that raises when the client got something wrong. One
line per claim is printed, "ok NAME" or "failed NAME: why"; the exit code is 1 if any failed."""
import json
import os
import sys
import traceback

BASE_URL = os.environ["INFE_BASE_URL"]
ROOT_URL = BASE_URL.removesuffix("/v1")
KEY = os.environ["INFE_API_KEY"]
MODEL = os.environ["INFE_MODEL"]

# Tokens of an answer. A small model may go round in a circle, and without a bound it does so until its
# context is full.
ROOM = 200

HELLO = "Say hello to the world in one short sentence."
WEATHER = "What's the weather in Tokyo?"
TRIP = "Extract the trip: we go to Oslo for 3 days."

TRIP_SCHEMA = {"type": "object",
               "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
               "required": ["city", "days"], "additionalProperties": False}
WEATHER_SCHEMA = {"type": "object",
                  "properties": {"location": {"type": "string", "description": "City name"}},
                  "required": ["location"]}


def weather_of(location: str) -> str:
    """Get the current weather in a location.

    Args:
        location: City name
    """
    return f"Sunny, 21 degrees in {location}"


def whole(text):
    """An answer in words: not empty, no marker of the template left in it."""
    assert isinstance(text, str) and text.strip(), repr(text)
    for marker in ("<|im_end|>", "<tool_call>", "<think>"):
        assert marker not in text, text
    return text


def text_of_stream(chunks):
    """The content of a stream of chat completion chunks."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def trip(value):
    """A trip as the schema wants it, whatever the client makes of it."""
    if isinstance(value, str):
        value = json.loads(value)
    if hasattr(value, "model_dump"):
        value = value.model_dump()
    assert isinstance(value["city"], str) and value["city"] and isinstance(value["days"], int), value
    return value


def claims(**functions):
    failed = 0
    only = sys.argv[1:]
    for name, function in functions.items():
        if only and name not in only:
            continue
        try:
            function()
            print(f"ok {name}", flush=True)
        except Exception as error:
            failed += 1
            traceback.print_exc()
            print(f"failed {name}: {type(error).__name__}: {' '.join(str(error).split())[:300]}", flush=True)
    sys.stdout.flush()
    sys.exit(1 if failed else 0)
