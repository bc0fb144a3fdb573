"""--resume: is the result that stands there what this command would make?"""

from __future__ import annotations

import os
from pathlib import Path

from gencodec.bitstream import Limits, unpack
from gencodec.cli.plan import Job
from gencodec.errors import GencodecError
from gencodec.model.quality import step_of

# The coarsest clock of a file system in use (FAT) counts two seconds.
_CLOCK_SECONDS = 2.0


def outdated_stream(
    job: Job, *, quality: float | None, weights_id: bytes | None, max_pixels: int
) -> str | None:
    """Why the .gnc file of a job has to be made again, or None if it is sound and up to date.

    quality, weights_id: what it should have been made with; None where that does not matter.
    """
    why = outdated_file(job)
    if why is not None or job.target is None:
        return why
    try:
        header = unpack(job.target.read_bytes(), limits=Limits(max_pixels=max_pixels)).header
    except GencodecError as error:
        return f"exists and is not sound: {error}"
    except OSError as error:
        return f"exists and cannot be read: {error.strerror or error}"
    if quality is not None and header.step != step_of(quality):
        return "exists and has another quality"
    if weights_id is not None and header.weights_id != weights_id:
        return "exists and was made with other weights"
    return None


def bears_time_of(target: Path, source: Path) -> bool:
    """Whether a result has the time of its source, as every result is given it.

    A result that is merely newer may have been made of another picture of the same name.
    """
    apart = os.stat(target).st_mtime - os.stat(source).st_mtime
    return abs(apart) <= _CLOCK_SECONDS


def outdated_file(job: Job) -> str | None:
    """Why a result is not newer than its source, or None."""
    if job.source is None or job.target is None:
        return "cannot be compared with its source"
    try:
        source, target = os.stat(job.source), os.stat(job.target)
    except OSError as error:
        return f"cannot be compared with its source: {error.strerror or error}"
    # A result bears the time of its source (see `write_target`).
    if target.st_mtime < source.st_mtime - _CLOCK_SECONDS:
        return "exists and is older than its source"
    return "exists and is empty" if target.st_size == 0 else None
