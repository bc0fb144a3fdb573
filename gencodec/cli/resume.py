"""--resume: is the result that stands there what this command would make?"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from gencodec.bitstream import EXIF, MAX_HEADER_BYTES, XMP, Header, Limits, read_header, unpack
from gencodec.cli.plan import Job
from gencodec.errors import GencodecError
from gencodec.model.quality import step_of

# The coarsest clock of a file system in use (FAT) counts two seconds.
_CLOCK_SECONDS = 2.0


def outdated_stream(
    job: Job,
    *,
    quality: float | None,
    weights_id: bytes | None,
    most_bytes: Callable[[Header], float | None],
    strip: bool,
    max_pixels: int,
) -> str | None:
    """Why the .gnc file of a job has to be made again, or None if it is sound and up to date.

    quality, weights_id: what it should have been made with; None where that does not matter.
    most_bytes: how large it may be. strip: it must hold neither EXIF nor XMP.
    """
    why = outdated_file(job)
    if why is not None or job.target is None:
        return why
    try:
        stream = job.target.read_bytes()
        container = unpack(stream, limits=Limits(max_pixels=max_pixels))
    except GencodecError as error:
        return f"exists and is not sound: {error}"
    except OSError as error:
        return f"exists and cannot be read: {error.strerror or error}"
    header, most = container.header, most_bytes(container.header)
    if quality is not None and header.step != step_of(quality):
        return "exists and has another quality"
    if weights_id is not None and header.weights_id != weights_id:
        return "exists and was made with other weights"
    if most is not None and len(stream) > most:
        return "exists and is larger"
    if strip and any(container.section(tag) is not None for tag in (EXIF, XMP)):
        return "exists and holds EXIF or XMP"
    return None


def outdated_picture(
    job: Job, *, size_of: Callable[[Header], tuple[int, int]], max_pixels: int
) -> str | None:
    """Why the picture of a job has to be made again, or None if it is whole and up to date.

    size_of: its width and height.
    """
    why = outdated_file(job)
    if why is not None or job.target is None or job.source is None:
        return why

    from gencodec.image import read_picture

    try:
        with job.source.open("rb") as file:
            header = read_header(file.read(MAX_HEADER_BYTES))
        picture = read_picture(job.target, max_pixels=max_pixels)
    except (GencodecError, OSError) as error:
        return f"exists and cannot be compared: {error}"
    if (picture.width, picture.height) != size_of(header):
        return f"exists and has another size ({picture.width}x{picture.height})"
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
