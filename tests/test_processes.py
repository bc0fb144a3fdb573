"""What processes may take of a machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gencodec import processes
from gencodec.processes import usable_memory


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group a/b that allows what the test writes; the machine has 8 GB."""
    (tmp_path / "root" / "a" / "b").mkdir(parents=True)
    (tmp_path / "own").write_text("4:memory:/c\n0::/a/b\n")
    monkeypatch.setattr(processes, "_GROUPS", (tmp_path / "own", tmp_path / "root"))
    has = {"SC_PHYS_PAGES": 2_000_000, "SC_PAGE_SIZE": 4000}
    monkeypatch.setattr(os, "sysconf", has.__getitem__, raising=False)
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


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert usable_memory() is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no sysconf")
def test_here() -> None:
    assert 10**8 < (usable_memory() or 0) < 10**15
