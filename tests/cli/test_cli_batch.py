"""Many files: resumed, summed up, shared out among processes."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gencodec.bitstream import unpack
from gencodec.cli import batch, main
from gencodec.cli.batch import worker_count

Capture = pytest.CaptureFixture[str]


def streams(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".gnc")


def records(capfd: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capfd.readouterr().out.splitlines()]


def test_resume_passes_over_what_is_done(album: Path, capfd: Capture) -> None:
    assert main(["compress", "-m", "mine", str(album / "1.png")]) == 0
    first = (album / "1.gnc").stat()
    assert main(["compress", "-m", "mine", "-r", "--resume", "--json", str(album)]) == 0
    assert streams(album) == ["0.gnc", "1.gnc", "2.gnc"]
    again = (album / "1.gnc").stat()
    assert (again.st_ino, again.st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    assert [row.get("skipped", False) for row in records(capfd)] == [True, False, False]


def damage(target: Path) -> None:
    data = bytearray(target.read_bytes())
    data[-9] ^= 1
    target.write_bytes(data)
    os.utime(target)


def outdate(target: Path) -> None:
    os.utime(target, (1, 1))


@pytest.mark.parametrize(
    ("spoil", "quality", "words"),
    [
        (damage, "60", "not sound"),
        (outdate, "60", "older"),
        (lambda target: target.write_bytes(b""), "60", "empty"),
        (lambda target: None, "61", "another quality"),
    ],
)
def test_resume_overwrites_only_with_force(
    album: Path, capfd: Capture, spoil: Callable[[Path], None], quality: str, words: str
) -> None:
    source, target = str(album / "0.png"), album / "0.gnc"
    assert main(["compress", "-m", "mine", source]) == 0
    spoil(target)
    before = target.read_bytes()
    assert main(["compress", "-m", "mine", "-q", quality, "--resume", source]) == 1
    assert words in capfd.readouterr().err and target.read_bytes() == before
    assert main(["compress", "-m", "mine", "-q", quality, "--resume", "-f", source]) == 0
    assert main(["compress", "-m", "mine", "-q", quality, "--resume", source]) == 0


def test_resume_compares_weights_that_are_named(album: Path, capfd: Capture) -> None:
    assert main(["compress", "-m", "mine", str(album / "0.png")]) == 0
    assert main(["compress", "-m", "base", "--resume", str(album / "0.png")]) == 1
    assert "other weights" in capfd.readouterr().err


def test_a_folder_in_a_folder_is_searched_once(album: Path, capfd: Capture) -> None:
    assert main(["compress", "-m", "mine", "-r", str(album.parent), str(album)]) == 0
    assert streams(album) == ["0.gnc", "1.gnc", "2.gnc"]


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
@pytest.mark.parametrize("nameless", [True, False])
def test_what_others_may_not_read_they_may_not_then(
    album: Path, monkeypatch: pytest.MonkeyPatch, nameless: bool
) -> None:
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    before = os.umask(0o022)
    try:
        for name, mode, expected in (("0", 0o600, 0o600), ("1", 0o664, 0o644), ("2", 0o440, 0o640)):
            (album / f"{name}.png").chmod(mode)
            assert main(["compress", "-m", "mine", str(album / f"{name}.png")]) == 0
            assert (album / f"{name}.gnc").stat().st_mode & 0o777 == expected
    finally:
        os.umask(before)


def test_what_an_access_list_keeps_from_the_group(album: Path) -> None:
    """Its mask stands where a mode has the group's rights."""
    entries = [(1, 6, -1), (2, 6, 1234), (4, 0, -1), (16, 6, -1), (32, 0, -1)]  # user, one, group
    packed = b"".join(struct.pack("<HHi", *entry) for entry in entries)
    (album / "0.png").chmod(0o600)
    try:
        os.setxattr(album / "0.png", "system.posix_acl_access", struct.pack("<I", 2) + packed)
    except (AttributeError, OSError):
        pytest.skip("no access lists here")
    assert (album / "0.png").stat().st_mode & 0o777 == 0o660
    assert main(["compress", str(album / "0.png")]) == 0
    assert (album / "0.gnc").stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.name == "nt", reason="whole paths have 260 letters at most")
def test_a_name_that_becomes_too_long_stops_no_other(album: Path, capfd: Capture) -> None:
    """Without a suffix, which would be replaced."""
    (album / ("m" * 255)).write_bytes((album / "0.png").read_bytes())
    assert main(["compress", "-m", "mine", str(album / "1.png"), str(album / ("m" * 255))]) == 1
    assert streams(album) == ["1.gnc"]
    lines = capfd.readouterr().err.splitlines()
    assert any("mmm" in line and "too long" in line for line in lines), lines


def test_a_result_bears_the_time_of_its_source(album: Path) -> None:
    source = album / "0.png"
    os.utime(source, (1_000_000_000, 1_000_000_000))
    assert main(["compress", str(source)]) == 0
    assert (album / "0.gnc").stat().st_mtime == 1_000_000_000
    assert main(["decompress", str(album / "0.gnc"), "-o", str(album / "b.png")]) == 0
    assert (album / "b.png").stat().st_mtime == 1_000_000_000


def test_the_sum_and_the_failures_stand_at_the_end(
    stub: Any, tmp_path: Path, make_photo: Callable[..., Path], capfd: Capture
) -> None:
    for index in range(9):
        make_photo(tmp_path / f"{index}.png", 9, 9)
    (tmp_path / "3.png").write_bytes(b"no picture")
    names = [f"{index}.png" for index in range(9)]
    assert main(["compress", "missing.png", *names]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[-4].startswith("gencodec: 8 done, 2 failed; ")
    assert lines[-2].startswith("  missing.png: ") and lines[-1].startswith("  3.png: ")


def test_two_pictures_of_one_name_in_a_folder(album: Path, capfd: Capture) -> None:
    Image.new("RGB", (9, 9)).save(album / "1.jpg")
    assert main(["compress", "-r", str(album)]) == 1
    assert streams(album) == ["0.gnc", "2.gnc"]
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("gencodec:")]
    assert len(errors) == 2 and all("would become" in line for line in errors)


def test_without_shared_locks_one_at_a_time(
    album: Path, capfd: Capture, no_shared_locks: None
) -> None:
    assert main(["compress", "-m", "mine", "-j", "2", "-v", "-r", str(album)]) == 0
    assert streams(album) == ["0.gnc", "1.gnc", "2.gnc"]
    assert "one file at a time" in capfd.readouterr().err


def test_workers_only_where_they_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(batch, "usable_cores", lambda: 64)
    monkeypatch.setattr(batch, "usable_memory", lambda: None)
    counts = [worker_count(None, files, None) for files in (1, 15, 16, 40, 10_000)]
    assert counts == [1, 1, 2, 5, 8]
    assert worker_count(None, 10_000, 3) == 3
    assert [worker_count(asked, 5, None) for asked in (1, 3, 99)] == [1, 3, 5]
    for memory, count in ((10**9, 1), (8 * 10**9, 4), (10**12, 8)):
        monkeypatch.setattr(batch, "usable_memory", lambda memory=memory: memory)
        assert worker_count(None, 10_000, None) == count
        assert worker_count(7, 10_000, None) == 7
    assert worker_count(99, 10_000, None) == 99
    monkeypatch.setattr(sys, "platform", "win32")  # which waits for no more, nor does Python then
    assert worker_count(99, 10_000, None) == 61


WORK_THAT_KILLS_ITS_PROCESS = """
import argparse, os
from pathlib import Path
from gencodec.cli.batch import run_jobs
from gencodec.cli.plan import Job
from gencodec.cli.reporter import Reporter

def work(job, args, codec, teller):
    if job.name == "deadly":
        os._exit(9)
    teller.done(f"{job.name} done", {})

if __name__ == "__main__":
    names = ["a", "b", "deadly", "c", "d"]
    args = argparse.Namespace(jobs=2, threads=None, model=None, device="cpu")
    with Reporter("test", json=False) as reporter:
        run_jobs([Job(Path(name), None) for name in names], work, args, reporter)
    raise SystemExit(reporter.exit_code)
"""

# Of the first two processes one is still beginning when the other dies.
ONE_BEGINS_SLOWLY = """
import importlib, time
from pathlib import Path

def wait():
    for name, awaited in (("first", "second"), ("second", "nothing")):
        try:
            Path(name).touch(exist_ok=False)
        except FileExistsError:
            continue
        while not Path(awaited).exists():
            time.sleep(0.01)
        return

importlib.import_module("gencodec.cli.main").keep_memory = wait
"""

# The pool's own code must not be left by an exception: its locks would stay taken.
SIGTERM_ENDS_WHO_SENDS = """
import multiprocessing.queues, signal
put = multiprocessing.queues.SimpleQueue.put

def checked(self, item):
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    put(self, item)

multiprocessing.queues.SimpleQueue.put = checked
"""


@pytest.mark.parametrize(
    "beginning",
    ["", ONE_BEGINS_SLOWLY, SIGTERM_ENDS_WHO_SENDS],
    ids=["at once", "slowly", "sending"],
)
def test_a_job_that_kills_its_process_fails_alone(
    tmp_path: Path, checkout: Path, beginning: str
) -> None:
    (tmp_path / "script.py").write_text(beginning + WORK_THAT_KILLS_ITS_PROCESS)
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    expected = [*(f"{name} done" for name in "abcd"), "gencodec: deadly: the process died"]
    lines = sorted(line.partition(" (")[0] for line in done.stderr.splitlines())
    assert lines == sorted(expected), done.stderr
    assert (tmp_path / "second").exists() == (beginning == ONE_BEGINS_SLOWLY)


WORK_THAT_DIES_WHEN_IT_HAS_WRITTEN = """
import argparse, os, sys
from pathlib import Path
from gencodec.cli.batch import run_jobs
from gencodec.cli.compress import compress_one
from gencodec.cli.plan import Job
from gencodec.cli.reporter import Reporter
from gencodec.cli.streams import write_target

def work(job, args, codec, teller):
    if job.done:
        compress_one(job, args, codec, teller)
        return
    write_target(job.target, b"result", force=args.force, source=job.source)
    if job.name == "a":
        if args.delete_source:
            job.source.unlink()
        os._exit(9)
    teller.done("b done", {})

if __name__ == "__main__":
    args = argparse.Namespace(jobs=2, threads=None, model=None, device="cpu", force=False)
    args.delete_source = sys.argv[1] == "delete"
    with Reporter("test", json=False, verbose=True) as reporter:
        jobs = [Job(Path(name), Path(name + ".out")) for name in ("a", "b")]
        run_jobs(jobs, work, args, reporter)
    raise SystemExit(reporter.exit_code)
"""


@pytest.mark.parametrize("source", ["keep", "delete"])
def test_what_was_written_before_a_process_died_is_done(
    tmp_path: Path, checkout: Path, source: str
) -> None:
    (tmp_path / "script.py").write_text(WORK_THAT_DIES_WHEN_IT_HAS_WRITTEN)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"source")
    done = subprocess.run(
        [sys.executable, "script.py", source],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "a -> a.out: done already" in done.stderr.splitlines()
    assert {(tmp_path / f"{name}.out").read_bytes() for name in ("a", "b")} == {b"result"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_two_processes_killed_and_resumed(
    run: Any, tmp_path: Path, make_photo: Callable[..., Path], checkout: Path
) -> None:
    folder = tmp_path / "in"
    for index in range(24):
        make_photo(folder / f"{index}.png", 40, 30)
    (folder / "bad.png").write_bytes(b"no picture")
    first = subprocess.Popen(
        [sys.executable, "-m", "gencodec", "compress", "-r", "in", "-j", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stderr=subprocess.DEVNULL,
    )
    while not streams(folder) and first.poll() is None:
        time.sleep(0.01)
    first.kill()
    first.wait()
    before = {name: (folder / name).stat().st_ino for name in streams(folder)}
    assert before

    second = run("compress", "-r", "in", "--resume", "-j", "2", "--json")
    rows = {row["input"]: row for row in map(json.loads, second.stdout.decode().splitlines())}
    assert second.returncode == 1 and second.stderr.decode().count("\n") == 1
    assert [name for name, row in rows.items() if not row["ok"]] == [os.path.join("in", "bad.png")]
    assert sum(row.get("skipped", False) for row in rows.values()) >= len(before)
    assert len(streams(folder)) == 24
    for name in streams(folder):
        assert unpack((folder / name).read_bytes()).header.width == 40
    assert {name: (folder / name).stat().st_ino for name in before} == before
