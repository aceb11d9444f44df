"""aider in a repository of its own: one question, whole and streamed. (How well a small model edits is
its own affair; that aider asks and shows is looked at.)"""
import os
import pathlib
import subprocess
import sys
import tempfile

from claims import BASE_URL, KEY, MODEL, claims

folder = tempfile.TemporaryDirectory()
subprocess.run(["git", "init", "-q", folder.name], check=True)
(pathlib.Path(folder.name) / "hello.py").write_text("print('hello')\n")


def aider(*arguments):
    done = subprocess.run(
        [pathlib.Path(sys.executable).with_name("aider"), "--model", f"openai/{MODEL}", "--yes-always", "--no-auto-commits",
         "--no-check-update", "--analytics-disable", "--no-show-model-warnings", "--no-gitignore", "--no-pretty",
         "--no-show-release-notes", "--map-tokens", "0", "--edit-format", "ask",
         "--message", "Say hello.", *arguments], cwd=folder.name, capture_output=True, text=True, timeout=600,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "OPENAI_API_BASE": BASE_URL, "OPENAI_API_KEY": KEY, "LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    shown = done.stdout + done.stderr
    assert done.returncode == 0 and "Tokens:" in shown, shown[-1500:]


def plain():
    aider("--no-stream")


def stream():
    aider()


claims(plain=plain, stream=stream)
