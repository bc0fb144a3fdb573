from __future__ import annotations

import errno
import os
import stat
import sys
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from gencodec.errors import OutputError
from gencodec.image import atomic_write, check_place

POSIX = pytest.mark.skipif(os.name != "posix", reason="permissions and links as on POSIX")


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_bytes_and_writers(tmp_path: Path, overwrite: bool) -> None:
    atomic_write(tmp_path / "a", b"data", overwrite=overwrite)

    def write(stream: BinaryIO) -> None:
        stream.write(b"da")
        stream.write(b"ta")

    atomic_write(str(tmp_path / "b"), write, overwrite=overwrite)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"data"
    assert names(tmp_path) == {"a", "b"}


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(OutputError, match="already exists"):
        atomic_write(target, b"new", overwrite=False)
    assert target.read_bytes() == b"old"
    atomic_write(target, b"new", overwrite=True)
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == {"a"}


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "a"

    def write(stream: BinaryIO) -> None:
        stream.write(b"new")
        target.write_bytes(b"somebody else's")

    with pytest.raises(OutputError, match="already exists"):
        atomic_write(target, write, overwrite=False)
    assert target.read_bytes() == b"somebody else's"
    assert names(tmp_path) == {"a"}


def write_while_another_may(folder: Path, appears: bool) -> None:
    """Write a new file; where another of its name appears meanwhile, that is the one that stays."""
    target = folder / "a"

    def write(stream: BinaryIO) -> None:
        stream.write(b"new")
        if appears:
            target.write_bytes(b"theirs")

    if appears:
        with pytest.raises(OutputError, match="already exists"):
            atomic_write(target, write, overwrite=False)
    else:
        atomic_write(target, write, overwrite=False)
    assert target.read_bytes() == (b"theirs" if appears else b"new")
    assert names(folder) == {"a"}


@pytest.mark.parametrize("appears", [False, True])
def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appears: bool) -> None:
    def no_links(source: str, target: str, **options: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_while_another_may(tmp_path, appears)


@pytest.mark.parametrize("appears", [False, True])
def test_as_windows_writes_on_a_memory_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, appears: bool
) -> None:
    """FAT and exFAT know no hard links, which is an invalid function to Windows; a folder cannot
    be opened, and renaming replaces nothing."""

    def no_links(source: str, target: str, **options: object) -> None:
        raise OSError(errno.EINVAL, "Incorrect function")

    def rename(source: str, target: str) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "Cannot create a file when that file exists")
        os.replace(source, target)

    monkeypatch.setattr(sys, "platform", "win32")
    for name in ("O_TMPFILE", "O_DIRECTORY"):
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(os, "rename", rename)
    write_while_another_may(tmp_path, appears)


def test_a_path_that_is_too_long_for_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says that nothing is there, also where there is a folder to write to."""

    def find_nothing(path: str, *rest: int) -> int:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(os, "open", find_nothing)
    with pytest.raises(OutputError, match="its path is too long"):
        atomic_write(tmp_path / "a", b"data", overwrite=False)


@POSIX
@pytest.mark.parametrize("known", [False, True])
def test_on_macos_the_disk_empties_its_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """What `fsync` does not ask of it there, and not every file system knows how to ask."""
    import fcntl

    asked: list[str] = []

    def ask(handle: int, command: int) -> int:
        asked.append("cache")
        if not known:
            raise OSError(errno.ENOTSUP, "Operation not supported")
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", ask)
    for name in ("O_TMPFILE", "O_DIRECTORY"):  # without the latter no folder is synced
        monkeypatch.delattr(os, name, raising=False)
    monkeypatch.setattr(os, "fsync", lambda handle: asked.append("file"))
    atomic_write(tmp_path / "a", b"data", overwrite=False)
    assert asked == ["file", "cache"]
    assert (tmp_path / "a").read_bytes() == b"data"


def test_only_one_of_many_writers_wins(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    won: list[int] = []

    def write(index: int) -> None:
        def fill(stream: BinaryIO) -> None:
            stream.write(bytes((index,)) * 1000)
            barrier.wait()

        try:
            atomic_write(tmp_path / "a", fill, overwrite=False)
            won.append(index)
        except OutputError:
            pass

    threads = [threading.Thread(target=write, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert (tmp_path / "a").read_bytes() == bytes(won) * 1000
    assert names(tmp_path) == {"a"}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OutputError),
        (ValueError("a defect in the writer"), ValueError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failure_leaves_nothing(
    tmp_path: Path, overwrite: bool, raised: BaseException, seen: type[BaseException]
) -> None:
    def write(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise raised

    with pytest.raises(seen) as caught:
        atomic_write(tmp_path / "a", write, overwrite=overwrite)
    assert names(tmp_path) == set()
    if seen is OutputError:
        assert "No space left" in str(caught.value) and "\n" not in str(caught.value)


def test_a_failure_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "a"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError):
        atomic_write(target, b"new", overwrite=True)
    assert target.read_bytes() == b"old" and names(tmp_path) == {"a"}


def test_bad_targets(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for target, reason in (
        (tmp_path / "folder", "directory"),
        (tmp_path / "missing" / "a", "does not exist"),
        (tmp_path / "file" / "a", "irectory"),
    ):
        with pytest.raises(OutputError, match=reason):
            atomic_write(target, b"data", overwrite=True)
    assert names(tmp_path) == {"folder", "file"}


@pytest.mark.skipif(os.name == "nt", reason="whole paths have 260 letters at most")
def test_the_longest_name(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 251 + ".png")
    atomic_write(target, b"data", overwrite=False)
    assert target.read_bytes() == b"data"


@POSIX
@pytest.mark.parametrize("overwrite", [False, True])
def test_permissions_are_those_of_the_umask(tmp_path: Path, overwrite: bool) -> None:
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "a", b"data", overwrite=overwrite)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


@POSIX
def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(OutputError, match="already exists"):
            atomic_write(tmp_path / name, b"new", overwrite=False)
    atomic_write(tmp_path / "link", b"new", overwrite=True)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"new"


def test_a_file_bears_its_time_when_it_appears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that ends in between would leave it with another."""
    replace, seen = os.replace, []

    def spy(one: str, other: str) -> None:
        seen.append(os.stat(one).st_mtime_ns)
        replace(one, other)

    monkeypatch.setattr(os, "replace", spy)
    atomic_write(tmp_path / "a", b"data", overwrite=True, times=(10**9, 2 * 10**9))
    assert seen == [2 * 10**9] == [(tmp_path / "a").stat().st_mtime_ns]


@POSIX
@pytest.mark.parametrize("overwrite", [False, True])
def test_devices_are_written_directly(overwrite: bool) -> None:
    atomic_write("/dev/null", b"data", overwrite=overwrite)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="No space left"):
        atomic_write("/dev/full", b"data", overwrite=True)


@POSIX
def test_a_place_where_nothing_could_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is behind a link, a device and a pipe are judged as they will be written."""
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "closed" / "real")
    closed = {str(tmp_path / "closed"), "/dev"}
    monkeypatch.setattr(os, "access", lambda folder, mode: str(folder) not in closed)
    for place in ("a", "closed/link", "/dev/null"):
        check_place(tmp_path / place)
    for place, why in (
        ("closed", "it is a directory"),
        ("none/a", "its directory does not exist"),
        ("closed/a", "may not be written to"),
        ("link", "may not be written to"),
    ):
        with pytest.raises(OutputError, match=f"cannot write .*{place}: .*{why}"):
            check_place(tmp_path / place)
