"""Bytes and text in and out of the process: files, pipes, devices, standard streams."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gencodec.bitstream import Limits, read_header
from gencodec.cli.failures import AbortError, describe
from gencodec.errors import LimitError, OutputError

CHUNK_BYTES = 1 << 20
HEADER_BYTES_MAX = 32
# No stream can be longer than one section of each kind; more than this is not worth reading.
STREAM_BYTES_MAX = 2 * Limits().max_section_bytes
PIXEL_BYTES_MAX = 16
"""Of a picture in any format: four floating-point numbers."""


def read_stream(source: Path | None) -> bytes:
    """All bytes of a .gnc file (None: of stdin).

    The header is checked before the rest is read, so that a film of 50 GB given by mistake is
    refused at once. Raises what `read_header` raises, LimitError and OSError.
    """
    if source is None:
        return _read_checked(_stdin())
    with open(source, "rb") as file:
        return _read_checked(file)


def _read_checked(file: BinaryIO) -> bytes:
    head = file.read(HEADER_BYTES_MAX)
    read_header(head)
    return _read_rest(file, STREAM_BYTES_MAX, head)


def read_anything(source: Path | None, max_pixels: int) -> bytes:
    """All bytes of stdin (None), a pipe or a device, of which some have no end.

    LimitError for more than a stream or a picture of so many pixels can have.
    """
    most = max(STREAM_BYTES_MAX, PIXEL_BYTES_MAX * max_pixels)
    if source is None:
        return _read_rest(_stdin(), most)
    with open(source, "rb") as file:
        return _read_rest(file, most)


def _read_rest(file: BinaryIO, most: int, head: bytes = b"") -> bytes:
    memory = io.BytesIO()  # what it gives in the end is no copy
    memory.write(head)
    while chunk := file.read(CHUNK_BYTES):
        if memory.tell() + len(chunk) > most:
            raise LimitError(f"longer than {most} bytes")
        memory.write(chunk)
    return memory.getvalue()


def encoded(text: str) -> bytes:
    """UTF-8; bytes of a file's name that are none as backslashes."""
    return text.encode("utf-8", "backslashreplace")


def write_target(
    target: Path | None,
    data: bytes | Callable[[BinaryIO], None],
    *,
    force: bool,
    source: Path | None = None,
) -> None:
    """Write a result, or what the callable writes, to a file (None: to stdout).

    A file appears whole or not at all; folders on the way are made. Where there is a `source`, it
    bears that one's time, by which pictures without EXIF are sorted, and what file managers keep of
    it, such as tags. Nor may others read it, or write to it, who may not do so with `source`.
    Raises OutputError, OSError, and BrokenPipeError when the reader of stdout went away.
    """
    if target is None:
        if sys.stdout is None:
            raise OutputError("standard output is closed")
        with stdout_guard():
            if callable(data):
                data(sys.stdout.buffer)
                return
            rest = memoryview(data)
            while rest:  # with PYTHONUNBUFFERED the stream is raw and may take only a part
                rest = rest[sys.stdout.buffer.write(rest) or 0 :]
            sys.stdout.buffer.flush()
        return

    # numpy and Pillow come along, which `info` does without.
    from gencodec.image import atomic_write, has_access_list, user_attributes

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make folder {target.parent}: {describe(error)}") from error
    state = _state_of_file(source)
    if source is None or state is None:
        atomic_write(target, data, overwrite=force)
        return
    everybody = 0o606 if has_access_list(source) else 0o666
    atomic_write(
        target,
        data,
        overwrite=force,
        mode=0o600 | (state.st_mode & everybody),
        times=(state.st_atime_ns, state.st_mtime_ns),
        attributes=user_attributes(source),
    )


def _state_of_file(source: Path | None) -> os.stat_result | None:
    """None for what is no file: it has no time or permissions of a picture."""
    with suppress(OSError):
        state = os.stat(source) if source is not None else None
        if state is not None and stat.S_ISREG(state.st_mode):
            return state
    return None


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise OutputError("standard input is closed")
    return sys.stdin.buffer


def print_text(text: str) -> None:
    """Text for the user on stdout, flushed: a pipe sees it now, and a failure shows now."""
    if sys.stdout is not None:
        with stdout_guard():
            sys.stdout.write(text + "\n")
            sys.stdout.flush()


@contextmanager
def stdout_guard() -> Iterator[None]:
    """Turn a failing stdout into AbortError: it would fail for every file alike.

    BrokenPipeError passes: a reader that has seen enough is no failure worth a line.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if sys.platform == "win32" and error.errno == errno.EINVAL:  # its word for that
            raise BrokenPipeError(error.errno, error.strerror) from error
        drop_stdout()
        raise AbortError(f"standard output: {describe(error)}") from error


def drop_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail a second time."""
    try:
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
    except (OSError, AttributeError, ValueError):
        pass
