"""The folder of a run, in which one process works at a time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gencodec.errors import OutputError

LOCK = ".lock"
PARTS = ".gencodec-*.part"
"""What a kill in the middle of a write leaves behind."""


@contextlib.contextmanager
def own_folder(run: Path) -> Iterator[None]:
    """Within: the folder is there, rid of what a kill left, and no other process trains in it.

    However a process ends, the system takes its lock back.  OutputError where another has it, or
    the folder cannot be made.
    """
    with contextlib.ExitStack() as held:
        try:
            run.mkdir(parents=True, exist_ok=True)
            if not _take(held.enter_context(open(run / LOCK, "ab"))):
                raise OutputError(f"{run}: another process is training there")
            for leftover in run.glob(PARTS):
                leftover.unlink()
        except OSError as error:
            raise OutputError(f"{run}: {error.strerror or error}") from error
        yield


def _take(file: BinaryIO) -> bool:
    """Lock an open file, until it is closed; False where another process has done so.

    Where the file system has no locks, whoever starts two runs in one folder is not told.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, (BlockingIOError, PermissionError))
    return True
