"""The packages in a fresh Debian 12 without compilers, and what Debian's and Python's own checkers say.

A tree is made by debootstrap and entered by chroot, in process and mount namespaces of its own; it
shares this machine's loopback. No systemd runs in it. INFE_TEST_DEBIAN_TREE may name a tree that
debootstrap has made before with the packages below: it is copied.
"""
import json
import os
import pathlib
import shutil
import signal
import time

import pytest
from harness import MODEL_DIR, free_port
from package_tools import ask, run, serving

COMPILERS = ("gcc", "g++", "cc", "c++", "clang", "ld", "as", "cmake", "make", "ninja")
PACKAGES = "python3-venv,ca-certificates"
PYTHON = pathlib.Path(os.environ.get("INFE_TEST_PACKAGE_PYTHON", "/nowhere"))
DATA = "INFE_DATA_DIR=/var/lib/infe"
# unshare waits for its child and takes no milder signal; --kill-child ends what it has started.
ENTERED_ENDS = signal.SIGKILL
MODEL = pathlib.Path(MODEL_DIR) / "smollm2-135m.gguf"


class Tree:
    def __init__(self, folder):
        self.folder = folder
        if ready := os.environ.get("INFE_TEST_DEBIAN_TREE"):
            run("cp", "-a", ready, folder)
        else:
            run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", folder)
        (folder / "models").mkdir(exist_ok=True)
        shutil.copy(MODEL, folder / "models")

    def command(self, *command):
        """`command` inside; what it has started ends with it."""
        inside = ('mount -t proc proc "$0/proc" && exec chroot "$0" env -i HOME=/root LC_ALL=C.UTF-8 '
                  'DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"')
        return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside, self.folder, *command]

    def run(self, *command):
        return run(*self.command(*command))

    def fetch_for(self, deb):
        """What the .deb depends on and the tree lacks, fetched by this machine's apt."""
        archives = self.folder / "var/cache/apt/archives"
        run("apt-get", "install", "-y", "--no-install-recommends", "--download-only", "-o",
            f"Dir::State::status={self.folder}/var/lib/dpkg/status", "-o", f"Dir::Cache::archives={archives}/", deb)
        return sorted(f"/var/cache/apt/archives/{path.name}" for path in archives.glob("*.deb"))


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    if os.geteuid() != 0 or not shutil.which("debootstrap"):
        pytest.skip("needs root and debootstrap")
    if not MODEL.exists():
        pytest.skip("smollm2-135m is not pulled: set INFE_MODEL_DIR")
    folder = tmp_path_factory.mktemp("debian") / "tree"
    yield Tree(folder)
    shutil.rmtree(folder)


def stands(tree, path):
    return os.path.lexists(tree.folder / path.lstrip("/"))


def test_the_tree_has_no_compiler_and_none_of_our_libraries(tree):
    for program in COMPILERS:
        assert not stands(tree, f"/usr/bin/{program}")
    assert not list(tree.folder.glob("usr/lib/x86_64-linux-gnu/libcurl.so*"))


def test_the_wheel_gives_a_first_answer(tree, packages, tmp_path, record_property):
    shutil.copy(packages.wheel, tree.folder / "tmp")
    tree.run("python3", "-m", "venv", "/venv")
    begun = time.monotonic()
    tree.run("/venv/bin/pip", "install", "--no-index", f"/tmp/{packages.wheel.name}")
    port, log = free_port(), tmp_path / "log"
    command = tree.command("/venv/bin/infe", "serve", "--model", "/models/smollm2-135m.gguf", "--first-key",
                           "--port", port, "--ops-port", "0")
    with serving(command, port, log, end=ENTERED_ENDS):
        key = next(word for word in log.read_text().replace("=", " ").split() if word.startswith("sk-infe-"))
        assert ask(port, key)["choices"][0]["message"]["content"]
        record_property("seconds_to_first_answer", round(time.monotonic() - begun, 1))
        print(f"pip install to first answer: {time.monotonic() - begun:.1f} s")


def test_the_tarball_runs_through_a_link(tree, packages):
    run("tar", "-xzf", packages.tarball, "-C", tree.folder / "opt")
    tree.run("ln", "-s", f"/opt/{packages.tarball.name.removesuffix('.tar.gz')}/bin/infe", "/usr/local/bin/infe")
    assert tree.run("/usr/local/bin/infe", "--version").startswith("infe ")
    tree.run("rm", "/usr/local/bin/infe")


@pytest.fixture(scope="module")
def installed(tree, packages):
    """The tree with the .deb, by dpkg, which checks what it depends on."""
    shutil.copy(packages.deb, tree.folder / "tmp")
    tree.run("dpkg", "--install", *tree.fetch_for(packages.deb), f"/tmp/{packages.deb.name}")
    return tree


def test_the_deb_gives_a_first_answer_as_its_own_user(installed, tmp_path):
    as_infe = ("runuser", "-u", "infe", "--", "env", DATA, "infe")
    assert installed.run("stat", "-c", "%U:%G %a", "/var/lib/infe") == "infe:infe 700\n"
    # Neither key nor service by itself.
    assert not os.listdir(installed.folder / "var/lib/infe")
    assert not list((installed.folder / "etc/systemd").rglob("infe*"))
    key = json.loads(installed.run(*as_infe, "keys", "create", "--name", "first", "--json"))["key"]
    port = free_port()
    command = installed.command(*as_infe, "serve", "--model", "/models/smollm2-135m.gguf", "--port", port,
                                "--ops-port", "0")
    with serving(command, port, tmp_path / "log", end=ENTERED_ENDS):
        assert ask(port, key)["choices"][0]["message"]["content"]
    assert "first" in installed.run(*as_infe, "keys", "list")


def test_an_upgrade_keeps_what_was_changed(installed, packages):
    settings = installed.folder / "etc/infe/infe.toml"
    changed = settings.read_text() + "# mine\n"
    settings.write_text(changed)
    installed.run("dpkg", "--install", f"/tmp/{packages.deb.name}")
    assert settings.read_text() == changed
    # The whole file, read by the program of the package.
    installed.run("infe", "config", "check", "/etc/infe/infe.toml")


def test_a_purge_leaves_the_ledger_and_nothing_else(installed):
    assert "/var/lib/infe (models, keys, usage) is left" in installed.run("dpkg", "--purge", "infe")
    for path in ("/usr/bin/infe", "/etc/infe", "/lib/systemd/system/infe.service", "/usr/share/doc/infe"):
        assert not stands(installed, path), path
    assert stands(installed, "/var/lib/infe/infe.db")


def test_lintian_finds_no_error(packages):
    if not shutil.which("lintian"):
        pytest.skip("lintian is missing")
    root = ["--allow-root"] if os.geteuid() == 0 else []
    run("lintian", "--fail-on", "error", *root, packages.deb)


@pytest.mark.parametrize("tool", ["auditwheel", "twine"])
def test_pythons_checkers_agree(packages, tool):
    program = PYTHON / "bin" / tool
    if not program.exists():
        pytest.skip("needs the environment that `tools/setup test-package` makes")
    if tool == "twine":
        assert "PASSED" in run(program, "check", "--strict", packages.wheel)
        return
    # Its own judgement of the files: neither better nor worse than the tag.
    said = " ".join(run(program, "show", packages.wheel).split())
    tag = packages.wheel.stem.rpartition("-")[2]
    assert f'is consistent with the following platform tag: "{tag}"' in said
    assert f'constrains the platform tag to "{tag}"' in said
