"""The examples of the README, of docs/clients.md and docs/terminal.md, run as they stand against the real
server, with its address and key in the page's place. What is not run here is named with its reason; an
example that is in neither list fails."""
import os
import re
import shutil
import subprocess
import sys

import pytest
from conftest import BINARY, ROOT, SLOW

PAGES = ("README.md", "docs/clients.md", "docs/terminal.md")

# Commands by their beginning, and why they are not run here.
NOT_RUN = {
    "make serve": "installs and builds; tests/service/test_make_serve.py runs its parts",
    "make test": "runs this", "make package": "tests/package", "make help": "is no example of use",
    "pip install ./infe-": "the packages' tests do it, in a fresh environment",
    "infe chat": "needs a terminal: test_chat_screen.py",
    "infe top https://": "an address of nobody's; test_top_command.py",
    "infe pull": "fetches from the network; test_pull.py and test_hub.py",
    "git diff | infe run infe-titan": "a second model; the README's, with infe-pulse, is run",
}
# Headings of docs/clients.md whose libraries are among the tests' own; `make test-clients` installs the others'.
CLIENTS_HERE = ("openai, Python", "anthropic, Python")


def blocks(page):
    """(language, code, the heading before it) of each fenced block."""
    heading, language, code = "", None, []
    for line in (ROOT / page).read_text().splitlines():
        if language is None and (found := re.match(r"#+ (.+)", line)):
            heading = found[1]
        if line.startswith("```"):
            if language is None:
                language, code = line[3:], []
            else:
                yield language, "\n".join(code), heading
                language = None
        elif language is not None:
            code.append(line)


def commands(code):
    """Whole commands of a shell block: continued lines are one, comments behind them are none."""
    for command in code.replace("\\\n", " ").splitlines():
        if command := re.sub(r"\s+# .*$", "", command).strip():
            yield command


def reason(command):
    return next((why for beginning, why in NOT_RUN.items() if command.startswith(beginning)), None)


def examples(language):
    for page in PAGES:
        for spoken, code, heading in blocks(page):
            if spoken != language:
                continue
            if language != "python":
                for command in commands(code):
                    if reason(command) is None:
                        yield pytest.param(command, id=f"{page}: {command[:40]}")
            elif page != "docs/clients.md" or heading in CLIENTS_HERE:
                yield pytest.param(code, id=f"{page}: {heading}")


@pytest.fixture(scope="module")
def place(pulse, tmp_path_factory):
    """Where a reader would be: infe on the PATH, a key in the environment, a folder with a change in it."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "bin").mkdir()
    (folder / "bin/infe").symlink_to(BINARY)
    for command in (["init", "-q"], ["add", "-N", "sea.txt"]):
        (folder / "sea.txt").write_text("The sea is salty.\n")
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / "notes.txt").write_text("Bread, milk and salt are needed on Monday.\n")
    environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "INFE_API_KEY": pulse.key,
                   "INFE_DATA_DIR": str(pulse.data_dir), "INFE_MAX_TOKENS": "60", "INFE_CONTEXT": "4096"}
    return folder, environment


def in_place(text, server):
    return (text.replace("http://127.0.0.1:8080", server.root).replace("http://127.0.0.1:8081", server.ops_root)
            .replace("sk-infe-...", server.key).replace("infe top", f"infe top {server.ops_root}"))


def run(command, place, **options):
    folder, environment = place
    return subprocess.run(command, capture_output=True, text=True, timeout=150 * SLOW, cwd=folder, env=environment,
                          stdin=subprocess.DEVNULL, **options)


@pytest.mark.parametrize("command", examples("sh"))
def test_shell_example(pulse, place, command):
    for tool in ("curl", "jq", "git"):
        if re.search(rf"(^|\| ){tool} ", command) and shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    command = in_place(command, pulse)
    # The live view ends when it is told to: two looks are enough.
    if command == f"infe top {pulse.ops_root}":
        command += " --once"
    done = run(["bash", "-e", "-o", "pipefail", "-c", command], place)
    assert done.returncode == 0 and done.stdout.strip(), done.stdout + done.stderr
    if "curl" in command:
        assert done.stdout.startswith("data: {") and done.stdout.rstrip().endswith("data: [DONE]"), done.stdout


@pytest.mark.parametrize("code", examples("python"))
def test_python_example(pulse, place, code):
    done = run([sys.executable, "-c", in_place(code, pulse)], place)
    assert done.returncode == 0 and done.stdout.strip(), done.stdout + done.stderr


def test_every_example_is_run_or_has_its_reason():
    for page in PAGES:
        for language, code, heading in blocks(page):
            if page == "docs/clients.md":
                continue  # tests/clients/test_clients.py holds each of them against its list
            assert language in ("sh", "python"), f"{page}, {heading}: {language!r} is not run"
    spoken = {command for page in PAGES for language, code, _ in blocks(page) if language == "sh" for command in commands(code)}
    unused = [beginning for beginning in NOT_RUN if not any(command.startswith(beginning) for command in spoken)]
    assert not unused and all(NOT_RUN.values()), f"nothing begins like this any more, or has no reason: {unused}"
