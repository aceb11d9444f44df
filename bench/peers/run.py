#!/usr/bin/env python3
"""infe beside llama.cpp and ik_llama.cpp: the same work, interleaved in one run, told as ratios.

  INFE=build/release/infe python3 bench/peers/run.py --out build/bench-peers.md
  ... run.py --out build/bench-peers.md --results build/bench-peers.json --models a.gguf --works decode

A machine is never the same for two minutes, so absolute numbers of different runs say little. Here
the engines take turns on one piece of work, forwards then backwards (ABBA), and every turn gives a
ratio; the median of the ratios and their range are the result. Each peer runs with the flags that
were best for it on that piece of work in a trial round. How to get the peers: docs/performance.md.

With --results a run may come in pieces: turns are added to those that the file has, with the flags
chosen before, and the report is made of all of them.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from engines import WORKS, Failed, IkLlamaCpp, Infe, LlamaCpp, Shape, cache_dir

WORK_TEXT = {
    "prefill": "prefill {0.prefill}",
    "decode": "decode {0.decode}, one stream",
    "batched": "decode {0.decode}, {0.streams} streams",
    "depth": "decode {0.decode} at depth {0.depth}",
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", help="Markdown file; default: standard output")
    parser.add_argument("--results", type=pathlib.Path,
                        help="JSON file of all turns so far; read if it is there, and written")
    parser.add_argument("--isa", nargs="*", default=[], metavar="NAME",
                        help="infe takes turns also with these kernels (INFE_ISA), avx2 say")
    parser.add_argument("--models", nargs="*", help="GGUF paths; default: all in --model-dir")
    parser.add_argument("--model-dir", default=os.environ.get("INFE_MODEL_DIR")
                        or cache_dir() / "models", type=pathlib.Path)
    parser.add_argument("--peers", nargs="*", default=["llama", "ik"], choices=["llama", "ik"])
    parser.add_argument("--works", nargs="*", default=list(WORKS), choices=WORKS)
    parser.add_argument("--pairs", type=int, default=9, help="turns of each piece of work")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=64)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--depth", type=int, default=2048)
    parser.add_argument("--flags", choices=["try", "first"], default="try",
                        help="try all flag sets of each peer first, or take the first that works")
    parser.add_argument("--clock", choices=["wall", "cpu"], default="wall",
                        help="cpu: one thread, CPU time; for busy machines")
    parser.add_argument("--seconds", type=float, default=300, help="limit of one measurement")
    parser.add_argument("--minutes", type=float, default=120,
                        help="after this no further turn is started; what there is is reported")
    return parser.parse_args()


def build_clock(folder: str) -> str:
    library = f"{folder}/cpu_clock.so"
    source = pathlib.Path(__file__).resolve().parent / "cpu_clock.c"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, str(source)], check=True)
    return library


class Bench:
    def __init__(self, a, preload: str):
        self.a = a
        self.preload = preload
        self.shape = Shape(threads=a.threads, prefill=a.prefill, decode=a.decode,
                           streams=a.streams, depth=a.depth)
        self.deadline = time.monotonic() + 60 * a.minutes
        peers = cache_dir() / "peers"
        binary = os.environ.get("INFE", "build/release/infe")
        self.infe = Infe(binary)
        self.ours = [self.infe] + [Infe(binary, isa) for isa in a.isa]
        choice = {"llama": LlamaCpp(peers / "llama"), "ik": IkLlamaCpp(peers / "ik")}
        self.peers = []
        for engine in [choice[name] for name in a.peers]:
            if engine.missing():
                print(f"without {engine.name}: {engine.missing()}", file=sys.stderr)
            else:
                self.peers.append(engine)
        self.loads = []

    def measure(self, engine, model, work, flags):
        """Tokens per second, or None if the engine cannot."""
        try:
            speed = engine.measure(str(model), work, self.shape, flags, self.a.seconds,
                                   self.preload)
        except Failed as why:
            print(f"  {engine.name} [{flags}] {work}: {why}", file=sys.stderr)
            return None
        self.loads.append(os.getloadavg()[0])
        print(f"  {work:8} {engine.name:13} {flags:10} {speed:9.1f} tok/s", file=sys.stderr)
        return speed

    def best_flags(self, engine, model, work):
        """The flag set that did best in one trial of each; None if none works."""
        done = {}
        for flags in engine.flag_sets:
            speed = self.measure(engine, model, work, flags)
            if speed is not None:
                done[flags] = speed
                if self.a.flags == "first":
                    break
        return max(done, key=done.get) if done else None

    def compare(self, model, work, result):
        """Adds turns (engine name -> tok/s) to a result, and the flags of peers that it has not."""
        for peer in self.peers:
            if peer.name not in result.flags:
                result.flags[peer.name] = self.best_flags(peer, model, work)
        engines = self.ours + [p for p in self.peers if result.flags[p.name] is not None]
        for turn in range(self.a.pairs):
            if time.monotonic() > self.deadline:
                break
            order = engines if turn % 2 == 0 else engines[::-1]
            speeds = {e.name: self.measure(e, model, work, result.flags.get(e.name, ""))
                      for e in order}
            result.turns.append({name: s for name, s in speeds.items() if s is not None})


@dataclasses.dataclass
class Result:
    """Of one model and one piece of work."""

    turns: list = dataclasses.field(default_factory=list)  # {engine name: tok/s}
    flags: dict = dataclasses.field(default_factory=dict)  # of each peer; None: none works


@dataclasses.dataclass
class Run:
    """One call of this program, for the report's head."""

    date: str
    commit: str
    command: str
    kernels: dict  # of each infe, that ran
    probes: list  # (GB/s, GMAC/s)
    loads: list


class Results:
    """All turns so far, in a file if there is one."""

    def __init__(self, path):
        self.path = path
        self.runs, self.of = [], {}
        if path and path.exists():
            text = json.loads(path.read_text())
            self.runs = [Run(**r) for r in text["runs"]]
            self.of = {(r["model"], r["work"]): Result(r["turns"], r["flags"])
                       for r in text["results"]}

    def save(self):
        if self.path:
            self.path.write_text(json.dumps({
                "runs": [dataclasses.asdict(r) for r in self.runs],
                "results": [{"model": m, "work": w, **dataclasses.asdict(r)}
                            for (m, w), r in self.of.items()]}, indent=1))


def spread(values, form):
    if not values:
        return "-"
    return (f"{form.format(statistics.median(values))} "
            f"({form.format(min(values))}..{form.format(max(values))})")


def table(bench, results) -> list[str]:
    """Speeds as median (min..max); ratios from the turns, and the ratio of the best runs."""
    lines = ["| model | work | engine | tok/s | peer | its flags | its tok/s | ratio per turn | "
             "best / best | turns |", "|---|---|---|---|---|---|---|---|---|---|"]
    for (model, work), result in results.of.items():
        # Engines as they stand in the turns, not only those of this call.
        names = dict.fromkeys(name for turn in result.turns for name in turn)
        for own in [name for name in names if name not in result.flags]:
            for peer, flags in result.flags.items():
                both = [t for t in result.turns if own in t and peer in t]
                ours, theirs = [t[own] for t in both], [t[peer] for t in both]
                ratios = [o / t for o, t in zip(ours, theirs)]
                best = f"{max(ours) / max(theirs):.2f}" if both else "-"
                lines.append(
                    f"| {model} | {WORK_TEXT[work].format(bench.shape)} | {own} | "
                    f"{spread(ours, '{:.1f}')} | {peer} | {flags or 'none works'} | "
                    f"{spread(theirs, '{:.1f}')} | {spread(ratios, '{:.2f}')} | {best} | "
                    f"{len(both)} |")
    return lines


def isa_names() -> str:
    flags = pathlib.Path("/proc/cpuinfo").read_text().split("flags", 1)[-1].split("\n", 1)[0].split()
    names = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8")
    return " ".join(n for n in names if n in flags)


def cpu_name() -> str:
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def commit() -> str:
    root = pathlib.Path(__file__).resolve().parent
    done = subprocess.run(["git", "-C", str(root), "rev-parse", "--short", "HEAD"],
                          capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def report(bench, results) -> str:
    runs = results.runs
    probes = [p for r in runs for p in r.probes]
    clock = "wall time" if bench.a.clock == "wall" else "CPU time of one thread"
    kernels = {name: k for r in runs for name, k in r.kernels.items()}
    distinct = lambda values: ", ".join(dict.fromkeys(values))  # noqa: E731
    lines = [
        f"- Machine: {cpu_name()}, {os.cpu_count()} CPUs, {isa_names()}; "
        f"{bench.shape.threads} thread(s), {clock}",
        f"- Date {distinct(r.date for r in runs)}, infe {distinct(r.commit for r in runs)} ("
        + ", ".join(f"{name}: {k}" for name, k in kernels.items()) + "), "
        + ", ".join(f"{p.name}: {p.version()}" for p in bench.peers),
        *[f"- Command: `{c}`" for c in dict.fromkeys(r.command for r in runs)],
        f"- Load of the machine (1 min): {spread([v for r in runs for v in r.loads], '{:.1f}')}; "
        f"memory read {spread([p[0] for p in probes], '{:.1f}')} GB/s; "
        f"64-row Q4_0 product {spread([p[1] for p in probes], '{:.0f}')} GMAC/s",
        "",
        "Median (min..max). A ratio above 1 means that infe is faster.",
        "",
    ]
    return "\n".join(lines + table(bench, results)) + "\n"


def main() -> int:
    # An exit by exception also ends the engine that is being measured.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    a = arguments()
    if a.clock == "cpu":
        a.threads = 1
    models = [pathlib.Path(m) for m in a.models or sorted(a.model_dir.glob("*.gguf"))]
    if not models:
        print(f"no models in {a.model_dir}; name some with --models", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(a, build_clock(folder) if a.clock == "cpu" else "")
        if bench.infe.missing():
            print(bench.infe.missing(), file=sys.stderr)
            return 1
        results = Results(a.results)
        command = shlex.join(["bench/peers/run.py"] + [
            pathlib.Path(w).name if w.startswith("/") else w for w in sys.argv[1:]])
        run = Run(datetime.date.today().isoformat(), commit(), command, {}, bench.infe.probes,
                  bench.loads)
        results.runs.append(run)
        for work in a.works:
            for model in models:
                print(f"{model.stem}", file=sys.stderr)
                bench.compare(model, work, results.of.setdefault((model.stem, work), Result()))
                run.kernels = {own.name: own.kernels for own in bench.ours}
                results.save()
                if a.out:
                    pathlib.Path(a.out).write_text(report(bench, results))
    if not a.out:
        print(report(bench, results), end="")
    return 0


sys.exit(main())
