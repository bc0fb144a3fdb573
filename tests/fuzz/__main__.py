"""Hostile streams by the million: python -m tests.fuzz TARGET --cases N [--seconds S] [-o JSON]

A worker process mutates and tries; this one watches it. A case that ends the process, takes longer
than ten seconds or lets memory grow over the limit is saved in tests/fuzz/found/, the worker begins
again behind it, and the exit code is 1. Case number i of a seed is always the same bytes.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import mmap
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import FOUND, corpus, sound
from tests.fuzz.targets import DEEP, TARGETS

HANG_SECONDS = 10.0
START_SECONDS = 120.0  # for torch and the weights, on a busy machine
MOST_LATE = 3
NOT_BEGUN = 2**64 - 1
GROWTH_BYTES = 256 << 20
"""Memory that a worker may gain between its hundredth case and its last."""


def case(seed: int, number: int, deep: bool, samples: list[bytes]) -> bytes:
    """The bytes of one case."""
    return mutated(random.Random(f"{seed} {number}"), samples, small=deep)


def samples_for(target: str) -> list[bytes]:
    """Decoders get what decodes: the rest ends at a check that others try."""
    return sound() if target in DEEP else corpus()


def work(target: str, seed: int, first: int, last: int, state: Path, report: Path) -> int:
    """The worker: cases first..last-1. The number under way stands in the file `state`."""
    samples, deep, run = samples_for(target), target in DEEP, TARGETS[target]
    faulthandler.dump_traceback_later(START_SECONDS - 5)
    run(samples[0])
    faulthandler.cancel_dump_traceback_later()
    answers: Counter[str] = Counter()
    slowest, early = 0.0, 0
    with open(state, "r+b") as file, mmap.mmap(file.fileno(), 16) as shared:
        for number in range(first, last):
            shared[:8] = number.to_bytes(8, "little")
            data = case(seed, number, deep, samples)
            begun = time.perf_counter()
            try:
                answers[run(data)] += 1
            except BaseException as error:
                answers[f"HARM {type(error).__name__}"] += 1
                save(data, f"{target}-{type(error).__name__}")
                traceback.print_exc()
            slowest = max(slowest, time.perf_counter() - begun)
            if number == first + 100:
                early = peak_bytes()
            if int.from_bytes(shared[8:], "little"):
                last = number + 1
                break
    growth = max(0, peak_bytes() - early) if early else 0
    done = {"cases": last - first, "slowest": slowest, "peak": peak_bytes(), "growth": growth}
    report.write_text(json.dumps({**done, "answers": answers}), encoding="utf-8")
    return 0


def peak_bytes() -> int:
    """The most memory of this process so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def save(data: bytes, name: str) -> Path:
    """Keep a case that did harm."""
    FOUND.mkdir(exist_ok=True)
    path = FOUND / f"{name}-{random.Random(data).randrange(2**32):08x}.gnc"
    path.write_bytes(data)
    return path


def watch(target: str, seed: int, cases: int, seconds: float) -> dict[str, object]:
    """Run workers until all cases are done or the time is over; what they found."""
    begun = time.monotonic()
    answers: Counter[str] = Counter()
    first, slowest, peak, growth, late = 0, 0.0, 0, 0, 0
    samples, deep = samples_for(target), target in DEEP
    with tempfile.TemporaryDirectory() as folder:
        state, report = Path(folder, "state"), Path(folder, "report")
        while first < cases and time.monotonic() - begun < seconds:
            state.write_bytes(NOT_BEGUN.to_bytes(8, "little") + bytes(8))
            report.unlink(missing_ok=True)
            command = [sys.executable, "-m", "tests.fuzz", target, "--worker", str(state)]
            command += [str(report), "--seed", str(seed), "--first", str(first)]
            worker = subprocess.Popen([*command, "--cases", str(cases)])
            end = _follow(worker, state, begun + seconds)
            if end == "late":  # no case was tried: a machine with too much to do
                late += 1
                if late == MOST_LATE:
                    raise SystemExit(f"{late} workers did not begin in {START_SECONDS:g} s")
                continue
            if report.exists():
                found = json.loads(report.read_text(encoding="utf-8"))
                answers.update(found["answers"])
                slowest, peak = max(slowest, found["slowest"]), max(peak, found["peak"])
                growth = max(growth, found["growth"])
                first += found["cases"]
                continue
            number = int.from_bytes(state.read_bytes()[:8], "little")
            number = first if number == NOT_BEGUN else number
            name = f"{target}-{end or f'died{worker.returncode}'}"
            print("saved", save(case(seed, number, deep, samples), name), file=sys.stderr)
            answers["HARM " + name] += 1
            # What the worker had counted is lost with it; its cases are known to be harmless.
            answers["uncounted"] += number - first
            first = number + 1
    harm = sum(count for answer, count in answers.items() if answer.startswith("HARM"))
    took = time.monotonic() - begun
    return {
        "target": target,
        "seed": seed,
        "cases": first,
        "harm": harm + (growth > GROWTH_BYTES),
        "seconds": round(took, 1),
        "cases_per_second": round(first / took, 1),
        "slowest_seconds": round(slowest, 3),
        "peak_megabytes": peak >> 20,
        "growth_megabytes": growth >> 20,
        "answers": dict(answers.most_common()),
    }


def _follow(worker: subprocess.Popen[bytes], state: Path, end: float) -> str | None:
    """Wait for a worker; ask it to end when time is over; why it had to be killed, if so."""
    last, since, started = -1, time.monotonic(), False
    while worker.poll() is None:
        time.sleep(0.2)
        number = int.from_bytes(state.read_bytes()[:8], "little")
        now = time.monotonic()
        if number != last and number != NOT_BEGUN:
            last, since, started = number, now, True
        if now > end:
            with open(state, "r+b") as file:
                file.seek(8)
                file.write(b"\1")
        if now - since > (HANG_SECONDS if started else START_SECONDS):
            worker.kill()
            worker.wait()
            return "hang" if started else "late"
    return None


def main() -> int:
    """Watch, or work when called by the one who watches."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=tuple(TARGETS))
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--output", type=Path, help="add the figures to this JSON file")
    parser.add_argument("--worker", nargs=2, type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(args.target, args.seed, args.first, args.cases, *args.worker)
    found = watch(args.target, args.seed, args.cases, args.seconds)
    found["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(json.dumps(found, indent=2))
    if args.output:
        rows = json.loads(args.output.read_text(encoding="utf-8")) if args.output.exists() else []
        rows = [row for row in rows if (row["target"], row["seed"]) != (args.target, args.seed)]
        lines = ",\n".join(json.dumps(row) for row in [*rows, found])
        args.output.write_text(f"[\n{lines}\n]\n")
    return 1 if found["harm"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
