"""The command `llm`, with its extra-openai-models.yaml."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from claims import BASE_URL, HELLO, KEY, MODEL, TRIP, TRIP_SCHEMA, WEATHER, claims, trip, whole

folder = tempfile.TemporaryDirectory()
(pathlib.Path(folder.name) / "extra-openai-models.yaml").write_text(
    f"- model_id: infe\n  model_name: {MODEL}\n  api_base: {BASE_URL}\n  api_key_name: infe\n"
    "  supports_tools: true\n  supports_schema: true\n")
(pathlib.Path(folder.name) / "keys.json").write_text(json.dumps({"infe": KEY}))


def llm(*arguments):
    done = subprocess.run([pathlib.Path(sys.executable).with_name("llm"), *arguments], capture_output=True, text=True,
                          env={**os.environ, "LLM_USER_PATH": folder.name}, stdin=subprocess.DEVNULL, timeout=300)
    shown = done.stdout + done.stderr
    # How often a small model calls again is its own affair.
    assert done.returncode == 0 or "Chain limit" in shown, shown
    return shown


def plain():
    whole(llm("-m", "infe", "--no-stream", HELLO))


def stream():
    whole(llm("-m", "infe", HELLO))


def tools():
    code = 'def get_weather(location: str) -> str:\n    """Get the current weather in a location"""\n    return f"Sunny, 21 degrees in {location}"\n'
    assert "21 degrees" in llm("-m", "infe", "--functions", code, "--td", "--cl", "3", "-o", "temperature", "0", "-o", "max_tokens", "200", WEATHER)


def structured():
    trip(llm("-m", "infe", "--schema", json.dumps(TRIP_SCHEMA), "-o", "temperature", "0", TRIP))


claims(plain=plain, stream=stream, tools=tools, structured=structured)
