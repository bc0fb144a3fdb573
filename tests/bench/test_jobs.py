"""Work in processes that may die, and rows that are kept."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gencodec.bench.cache import Cache
from gencodec.bench.jobs import Failure, spread
from gencodec.bench.rate_distortion import Row

ROW = Row("jpeg", 50.0, "a", 1000, 0.5, 30.0, 31.0, None, 50.0)


def work(number: int) -> int:
    if number == 2:
        os._exit(9)  # as a segmentation fault ends a process: nothing can be caught
    if number == 3:
        raise RuntimeError("no\nluck")
    return number * number


def test_what_breaks_costs_only_itself() -> None:
    results = dict(spread(work, [1, 2, 3, 4, 5], 2))
    assert results == {
        1: 1,
        2: Failure("the process crashed"),
        3: Failure("no luck"),
        4: 16,
        5: 25,
    }


def test_without_shared_locks_this_process_does_it(no_shared_locks: None) -> None:
    assert list(spread(work, [1, 3, 5], 2)) == [(1, 1), (3, Failure("no luck")), (5, 25)]


PARENT = """
import os, sys, time
sys.path[:0] = {paths!r}
from gencodec.bench.jobs import spread
from test_jobs import tell_and_wait
if __name__ == "__main__":
    list(spread(tell_and_wait, [sys.argv[1]], 1))
"""


def tell_and_wait(path: str) -> None:
    Path(path).write_text(str(os.getpid()), encoding="utf-8")
    time.sleep(2.0)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script, told = tmp_path / "parent.py", tmp_path / "pid"
    here = Path(__file__).resolve()
    script.write_text(PARENT.format(paths=[str(here.parents[2]), str(here.parent)]))
    parent = subprocess.Popen([sys.executable, str(script), str(told)])
    while not (told.exists() and told.read_text(encoding="utf-8")):
        assert parent.poll() is None
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 30
    while is_alive(int(told.read_text(encoding="utf-8"))):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    """Whether it runs; one that has ended may stay listed until somebody asks for it."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return (
        not state.exists() or state.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    )


def test_nothing_to_do() -> None:
    assert list(spread(work, [], 4)) == []


def test_rows_are_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    key = cache.key("jpeg 1", 50.0, "ab" * 32)
    assert cache.get(key, Row) is None
    cache.put(key, ROW)
    assert Cache(tmp_path / "cache").get(key, Row) == ROW
    others = {
        cache.key("jpeg 2", 50.0, "ab" * 32),
        cache.key("jpeg 1", 51.0, "ab" * 32),
        cache.key("jpeg 1", 50.0, "cd" * 32),
    }
    assert len(others | {key}) == 4
    (file,) = (path for path in (tmp_path / "cache").rglob("*.json"))
    for damage in ("", "{", '{"codec": "jpeg"}'):
        file.write_text(damage)
        assert cache.get(key, Row) is None


def test_no_cache_and_one_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (None, tmp_path / "file" / "below"):
        cache = Cache(folder)
        cache.put("ab" * 32, ROW)
        assert cache.get("ab" * 32, Row) is None
