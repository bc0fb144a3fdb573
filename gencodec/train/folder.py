"""The folder of a run, in which one process works at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

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
            # Where the file system has no locks, whoever starts two runs in one folder is not told.
            with contextlib.suppress(NotImplementedError):
                held.enter_context(FileLock(run / LOCK, blocking=False))
            for leftover in run.glob(PARTS):
                leftover.unlink()
        except Timeout:
            raise OutputError(f"{run}: another process is training there") from None
        except OSError as error:
            raise OutputError(f"{run}: {error.strerror or error}") from error
        yield
