"""The project as its packages see it: where it lies, its version, the time that every entry bears."""
import dataclasses
import os
import pathlib
import re
import subprocess

SUMMARY = "OpenAI-compatible chat-completions server with its own CPU engine"


class Failed(Exception):
    """Why there is no package, for a person."""


def run(command, **options):
    """The command's standard output; Failed with its last words if it fails."""
    try:
        done = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="replace", **options)
    except FileNotFoundError:
        raise Failed(f"{command[0]} is missing: `tools/setup package` installs it") from None
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command[:4]))} ...: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


@dataclasses.dataclass(frozen=True)
class Project:
    root: pathlib.Path
    version: str
    epoch: int  # seconds since 1970: the time of every entry in every package

    @classmethod
    def read(cls, root, binary):
        """Failed if the binary is missing, or is of another version than the checkout."""
        version = re.search(r"^project\(infe .*VERSION ([0-9.]+)\)", (root / "CMakeLists.txt").read_text(), re.M)[1]
        if not binary.exists():
            raise Failed(f"{binary} is missing: make it with `make build`")
        says = run([binary, "--version"]).split()[-1]
        if says != version:
            raise Failed(f"{binary} is version {says}, the checkout {version}: `make build` makes them one")
        given = os.environ.get("SOURCE_DATE_EPOCH")
        return cls(root, version, int(given or run(["git", "-C", root, "log", "-1", "--format=%ct"])))

    def text(self, path):
        """A template under packaging/, with @VERSION@ filled in."""
        return (self.root / "packaging" / path).read_text().replace("@VERSION@", self.version)
