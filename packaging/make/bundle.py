"""A folder that holds infe and what it needs: bin/infe, lib/*.so*, and whose work they are.

Left to the system are the C library and the C++ runtime, which every Linux distribution has and of
which a process must have only one. Everything else is copied from Debian's packages under its SONAME,
and found by a RUNPATH relative to the file that needs it, so that the folder may lie anywhere.
"""
import functools
import json
import pathlib
import re
import shutil
import subprocess

from .project import Failed, run

SYSTEM = re.compile(r"^(ld-linux-x86-64|libc|libm|libdl|librt|libpthread|libresolv|libgcc_s|libstdc\+\+)\.so")
# Compiled into infe itself, so ldd cannot see them. Boost is too, but its licence asks for no notice in
# a program, and Debian's file about it has 2 MB.
HEADERS = ("libcli11-dev", "libfmt-dev")
NOTICE = """infe comes with the libraries below, as Debian built them, each a file of its own in lib/ that may
be replaced by another build of the same library. Their licences are in the folders named after the
packages; their sources are Debian's source packages of the given names and versions.

"""


def stripped(binary, target):
    """A copy without debug information: a sixth of the size."""
    run(["strip", "--strip-all", "-o", target, binary])
    return target


def needed_glibc(files):
    """(2, 35) if the newest symbol versions that `files` ask of the system are those of glibc 2.35. The
    C++ runtime counts by the first glibc that the manylinux policies let it come with."""
    newest = (2, 17)
    runtimes = {26: (2, 31), 27: (2, 31), 28: (2, 31), 29: (2, 34), 30: (2, 35)}  # GLIBCXX_3.4.x
    for file in files:
        needs = run(["readelf", "--version-info", "--wide", file]).partition("Version needs section")[2]
        for version in re.findall(r"Name: GLIBC_(2\.\d+)", needs):
            newest = max(newest, tuple(map(int, version.split("."))))
        for minor in map(int, re.findall(r"Name: GLIBCXX_3\.4\.(\d+)", needs)):
            if minor > max(runtimes):
                raise Failed(f"{file.name} needs GLIBCXX_3.4.{minor}, which packaging/make/bundle.py does not know")
            newest = max(newest, runtimes.get(minor, newest))
    return newest


@functools.cache
def carried(project, binary):
    """A folder with bin/, lib/ and third-party/, made beside the binary, and every ELF file in it."""
    folder = binary.parent / "carried"
    (folder / "bin").mkdir(parents=True)
    (folder / "lib").mkdir()
    installed = folder / "bin/infe"
    shutil.copy(binary, installed)
    libraries = {}
    for line in run(["ldd", binary]).splitlines():
        found = re.match(r"\s*(\S+) => (\S+) \(", line)
        if found and not SYSTEM.match(found[1]):
            libraries[found[1]] = pathlib.Path(found[2])
        elif "not found" in line:
            raise Failed(f"ldd: {line.strip()}")
    for name, source in sorted(libraries.items()):
        shutil.copyfile(source.resolve(), folder / "lib" / name)
        (folder / "lib" / name).chmod(0o644)
        run(["patchelf", "--set-rpath", "$ORIGIN", folder / "lib" / name])
    run(["patchelf", "--set-rpath", "$ORIGIN/../lib", installed])
    write_notices(project, libraries, folder / "third-party")
    return folder, [installed, *(folder / "lib" / name for name in sorted(libraries))]


def owners(libraries):
    """{Debian package: [library, ...]}, by one search: each reads what every package has installed."""
    files = {name: str(source.resolve()) for name, source in libraries.items()}
    # A file below /usr may be listed without it.
    asked = [path for file in files.values() for path in (file, file.removeprefix("/usr"))]
    # What is not found makes it fail, and of each two at least one is not.
    said = subprocess.run(["dpkg-query", "--search", *asked], capture_output=True, text=True).stdout
    found = {path: package.partition(":")[0] for package, path in
             (line.split(": ", 1) for line in said.splitlines() if ": " in line)}
    packages = {}
    for name, file in sorted(files.items()):
        package = found.get(file) or found.get(file.removeprefix("/usr"))
        if not package:
            raise Failed(f"no Debian package owns {file}: its licence is not known")
        packages.setdefault(package, []).append(name)
    return packages


def write_notices(project, libraries, folder):
    folder.mkdir()
    write_header_notices(folder)
    write_codebook_notice(project, folder)
    write_web_notices(project, folder)
    packages = owners(libraries)
    sources = dict(line.split(" ", 1) for line in run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${source:Package} ${source:Version}\n", *packages]
    ).splitlines())
    for package in packages:
        copy_licence(package, folder)
    (folder / "README").write_text(NOTICE + "".join(
        f"{', '.join(names)}: {package}, source {sources[package]}\n" for package, names in sorted(packages.items())))


def write_header_notices(folder):
    """Of what is compiled into the binary, in every kind of package."""
    for package in HEADERS:
        copy_licence(package, folder)


def write_codebook_notice(project, folder):
    """Of the Python package whose codebooks are in the binary, if it could be had for the build."""
    if not (project.root / "build/release/src/codebooks.stamp").exists():
        return
    target = folder / "gguf"
    target.mkdir(parents=True, exist_ok=True)
    (target / "LICENSE").write_text(run([project.root / "tools/codebooks", "--licence"]))


def copy_licence(package, folder):
    source = pathlib.Path("/usr/share/doc") / package / "copyright"
    if not source.exists():
        raise Failed(f"{source} is missing: a package must tell the licence of what it carries")
    target = folder / package
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target / "copyright")


def write_web_notices(project, folder):
    """Of the npm packages that the playground, which is inside the binary, is made of."""
    modules = pathlib.Path(run([project.root / "tools/web", "packages"]).splitlines()[-1]) / "node_modules"
    waiting = [name for name in json.loads((project.root / "web/package.json").read_text())["dependencies"]
               if name != "vite"]  # it makes the playground and is no part of it
    seen = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += json.loads((modules / name / "package.json").read_text()).get("dependencies", {})
        target = folder / ("npm-" + name.replace("@", "").replace("/", "-"))
        target.mkdir(parents=True)
        texts = sorted(path for path in (modules / name).iterdir() if path.name.upper().startswith("LICEN"))
        if not texts:
            raise Failed(f"the npm package {name} has no licence text")
        for text in texts:
            shutil.copyfile(text, target / text.name)
