"""`make package` on this machine: what comes out, that it is the same twice, that the wheel works."""
import fnmatch
import gzip
import os
import pathlib
import re
import signal
import subprocess
import sys
import tarfile
import zipfile

import pytest
from harness import BINARY, MODEL_DIR, ROOT, free_port
from package_tools import EPOCH, Packages, ask, run, serving

VERSION = re.search(r"^project\(infe .*VERSION ([0-9.]+)\)", (ROOT / "CMakeLists.txt").read_text(), re.M)[1]


@pytest.fixture(scope="session")
def environment(packages, tmp_path_factory):
    """A fresh virtual environment with the wheel; nothing is asked of an index."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin/pip", "install", "--no-index", "--no-deps", packages.wheel)
    return folder


def test_the_same_binary_gives_the_same_bytes(packages, tmp_path):
    # Another folder, time zone, locale and umask, which a shell sets.
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    again = Packages(tmp_path / "out", prefix=("sh", "-c", 'umask 077 && exec "$@"', "sh"), TZ="Asia/Tokyo",
                     LC_ALL="C", TMPDIR=str(scratch))
    for first, second in zip(packages.all, again.all):
        assert first.name == second.name and first.read_bytes() == second.read_bytes(), first.name


def test_every_entry_bears_the_time_that_is_given(packages):
    with tarfile.open(packages.tarball) as tar:
        assert {entry.mtime for entry in tar} == {EPOCH}
    with zipfile.ZipFile(packages.wheel) as wheel:
        assert {entry.date_time for entry in wheel.infolist()} == {(2001, 9, 9, 1, 46, 40)}
    listing = run("dpkg-deb", "--contents", packages.deb, env={**os.environ, "TZ": "UTC"})
    assert set(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d", listing)) == {"2001-09-09 01:46"}


def test_where_no_time_is_given_it_is_the_last_commits(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "packaging"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    from make.project import Project
    last = run("git", "-C", ROOT, "log", "-1", "--format=%ct")
    assert Project.read(ROOT, pathlib.Path(BINARY)).epoch == int(last)


def test_every_package_bears_the_projects_version(packages):
    assert packages.tarball.name == f"infe-{VERSION}-linux-x86_64.tar.gz"
    assert packages.deb.name == f"infe_{VERSION}-1_amd64.deb"
    assert packages.wheel.name.startswith(f"infe-{VERSION}-py3-none-manylinux_")
    assert run("dpkg-deb", "--field", packages.deb, "Version").strip() == f"{VERSION}-1"
    with zipfile.ZipFile(packages.wheel) as wheel:
        metadata = wheel.read(f"infe-{VERSION}.dist-info/METADATA").decode()
    assert f"\nVersion: {VERSION}\n" in metadata


@pytest.mark.parametrize("text,says", [("echo infe 9.9.9", "is version 9.9.9, the checkout"), (None, "make build")])
def test_a_wrong_binary_is_refused(tmp_path, text, says):
    binary = tmp_path / "infe"
    if text:
        binary.write_text(f"#!/bin/sh\n{text}\n")
        binary.chmod(0o755)
    out = tmp_path / "out"
    done = subprocess.run([sys.executable, ROOT / "tools/package", "--binary", binary, "--out", out],
                          capture_output=True, text=True)
    assert done.returncode == 1 and says in done.stderr and not list(out.iterdir())


def test_the_wheel_is_on_the_path_and_a_module(environment):
    for command in ([environment / "bin/infe"], [environment / "bin/python", "-m", "infe"]):
        assert run(*command, "--version") == f"infe {VERSION}\n"
        assert subprocess.run([*command, "no-such-command"], capture_output=True).returncode == 2
    assert run(environment / "bin/python", "-c", "import infe; print(infe.__version__)").strip() == VERSION
    binary = run(environment / "bin/python", "-c", "import infe; print(infe.binary())").strip()
    assert run(binary, "--version") == f"infe {VERSION}\n"


def test_the_wheels_libraries_are_its_own_but_the_runtimes(environment):
    (package,) = environment.glob("lib/python3*/site-packages/infe")
    system = set()
    for file in (package / "bin/infe", *(package / "lib").iterdir()):
        for name, path in re.findall(r"(\S+) => (\S+)", run("ldd", file)):
            assert path.startswith("/"), f"{file.name} does not find {name}"
            if not pathlib.Path(path).resolve().is_relative_to(package.resolve()):
                system.add(name)
    assert system <= {"libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libc.so.6", "libresolv.so.2"}


def test_every_library_has_its_licence(packages):
    with tarfile.open(packages.tarball) as tar:
        names = [name.partition("/")[2] for name in tar.getnames()]
        notice = tar.extractfile(f"infe-{VERSION}-linux-x86_64/third-party/README").read().decode()
    libraries = [name.removeprefix("lib/") for name in names if name.startswith("lib/")]
    assert len(libraries) > 10
    for library in libraries:
        row = next(line for line in notice.splitlines() if library in line.partition(": ")[0].split(", "))
        package = row.partition(": ")[2].partition(",")[0]
        assert f"third-party/{package}/copyright" in names
    assert "third-party/npm-preact/LICENSE" in names


def test_the_wheels_server_answers_and_ends_as_infe_does(environment, tmp_path):
    model = pathlib.Path(MODEL_DIR) / "smollm2-135m.gguf"
    if not model.exists():
        pytest.skip("smollm2-135m is not pulled: set INFE_MODEL_DIR")
    port = free_port()
    command = [environment / "bin/infe", "serve", "--model", model, "--port", port, "--ops-port", "0",
               "--data-dir", tmp_path / "data", "--drain-grace", "0"]
    with serving(command, port, tmp_path / "log") as server:
        assert ask(port)["choices"][0]["message"]["content"]
        # The process that was started is infe itself: no Python stands before it.
        assert pathlib.Path(f"/proc/{server.pid}/exe").resolve().name == "infe"
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0


def test_pull_finds_the_pip_of_its_own_environment(environment):
    line = next(line for line in subprocess.run(
        [environment / "bin/infe", "doctor"], capture_output=True, text=True,
        env={"PATH": "/nowhere", "HOME": str(environment)}).stdout.splitlines() if "python3 with pip" in line)
    assert line.split()[-1] == "yes"


@pytest.mark.parametrize("given", [None, "/given.pem"])
def test_certificates_are_found_where_debian_has_none(environment, tmp_path, given):
    other = tmp_path / "bundle.pem"
    other.touch()
    script = f"""
import infe.__main__ as start
start.DEBIAN_CERTIFICATES, start.OTHER_CERTIFICATES = "/nowhere", ("/nowhere-too", {str(other)!r})
print(start.environment()["SSL_CERT_FILE"])
start.DEBIAN_CERTIFICATES = {str(other)!r}
print(start.environment().get("SSL_CERT_FILE"))
"""
    variables = {"PATH": "/usr/bin"} | ({"SSL_CERT_FILE": given} if given else {})
    assert run(environment / "bin/python", "-c", script, env=variables).split() == [given or str(other), str(given)]


def test_the_deb_holds_what_a_service_needs(packages, tmp_path):
    run("dpkg-deb", "--raw-extract", packages.deb, tmp_path)
    assert (tmp_path / "DEBIAN/conffiles").read_text() == "/etc/infe/infe.toml\n"
    assert (tmp_path / "etc/infe/infe.toml").read_bytes() == (ROOT / "config/infe.toml").read_bytes()
    unit = tmp_path / "lib/systemd/system/infe.service"
    assert unit.read_bytes() == (ROOT / "packaging/infe.service").read_bytes()
    assert "User=infe" in (unit.parent / "infe.service.d/user.conf").read_text()
    depends = run("dpkg-deb", "--field", packages.deb, "Depends")
    for library in ("libc6 (>= ", "libssl3", "libcurl4", "libsqlite3-0", "libpq5"):
        assert library in depends
    run("md5sum", "--quiet", "--check", "DEBIAN/md5sums", cwd=tmp_path)
    for script in ("postinst", "prerm", "postrm"):
        text = (tmp_path / "DEBIAN" / script).read_text()
        run("sh", "-n", tmp_path / "DEBIAN" / script)
        assert "infe keys" not in text and "enable" not in text.replace("is neither enabled", "")


def test_the_manual_lists_every_command(packages, tmp_path):
    run("dpkg-deb", "--extract", packages.deb, tmp_path)
    page = gzip.decompress((tmp_path / "usr/share/man/man1/infe.1.gz").read_bytes()).decode().replace("\\-", "-")
    commands = re.findall(r"^  ([a-z]+) {2,}\S", run(BINARY, "--help").partition("Subcommands:")[2], re.M)
    assert len(commands) > 10 and all(f"\n.B {command}\n" in page for command in commands)
    assert "@" not in page


def test_the_container_file_takes_the_tarball(packages):
    pattern = re.search(r"^ADD (\S+) /opt/$", (ROOT / "packaging/Dockerfile").read_text(), re.M)[1]
    assert fnmatch.fnmatch(packages.tarball.name, pattern)
