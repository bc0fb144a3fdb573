"""What processes may take of a machine."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gencodec import processes
from gencodec.processes import can_share_work, usable_memory


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group a/b that allows what the test writes; the machine has 8 GB."""
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "own").write_text("4:memory:/c\n0::/a/b\n")
    monkeypatch.setattr(processes, "_GROUPS", (tmp_path / "own", tmp_path / "root"))
    has = {"SC_PHYS_PAGES": 2_000_000, "SC_PAGE_SIZE": 4000}
    monkeypatch.setattr(os, "sysconf", has.__getitem__, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return tmp_path / "root"


def test_memory_is_that_of_the_machine(groups: Path) -> None:
    (groups / "a" / "b" / "memory.max").write_text("max\n")
    assert usable_memory() == 8 * 10**9


@pytest.mark.parametrize("folder", ["a", "a/b"])
def test_or_what_a_control_group_allows(groups: Path, folder: str) -> None:
    (groups / folder / "memory.max").write_text("3000000000\n")
    assert usable_memory() == 3 * 10**9


def test_groups_of_the_first_version_are_passed_over(groups: Path) -> None:
    (groups.parent / "own").write_text("4:memory:/c\n")
    assert usable_memory() == 8 * 10**9


@pytest.mark.skipif(os.name == "nt", reason="names are text on Windows")
@pytest.mark.parametrize("line", [b"0::/a/b\xe9\n", b"4:memory:/c\xe9\n0::/a/b\n"])
def test_names_of_groups_need_not_be_text(groups: Path, line: bytes) -> None:
    (groups.parent / "own").write_bytes(line)
    (groups / "a" / "memory.max").write_text("3000000000\n")
    assert usable_memory() == 3 * 10**9


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.setattr(sys, "platform", "other")
    assert usable_memory() is None


@pytest.mark.parametrize(("tells", "memory"), [(1, 8 * 2**30), (0, None)])
def test_windows_is_asked_in_its_own_way(
    monkeypatch: pytest.MonkeyPatch, tells: int, memory: int | None
) -> None:
    class Kernel:
        @staticmethod
        def GetPhysicallyInstalledSystemMemory(place: Any) -> int:  # noqa: N802
            place._obj.value = 8 * 2**20  # kilobytes
            return tells

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=Kernel), raising=False)
    assert usable_memory() == memory


def test_here() -> None:
    assert 10**8 < (usable_memory() or 0) < 10**15


def test_sharing_work_where_there_are_locks_to_share() -> None:
    assert can_share_work()


def test_sharing_no_work_without_them(no_shared_locks: None) -> None:
    assert not can_share_work()
