"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
from collections.abc import Callable, Mapping
from typing import BinaryIO

from gencodec.errors import OutputError
from gencodec.image.attributes import give_attributes

PathLike = str | os.PathLike[str]
Writer = Callable[[BinaryIO], None]

# What os.link answers where the file system knows no hard links.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


EVERYONE = 0o666
"""Permission bits of a new file, before the umask takes its own."""


def atomic_write(
    path: PathLike,
    data: bytes | Writer,
    *,
    overwrite: bool,
    mode: int = EVERYONE,
    times: tuple[int, int] | None = None,
    attributes: Mapping[str, bytes] | None = None,
) -> None:
    """Write `data`, or what the callable writes, to `path` in one step.

    The bytes go to a temporary sibling, reach the disk, and then take the name; until then the
    old file stands, and after a failure nothing is left. With `overwrite` False an existing
    target is refused, also one that appears meanwhile. Permission bits are what the umask leaves
    of `mode`; `times` are those of access and change in nanoseconds, if not now, and `attributes`
    extended ones, where the system allows it. A symbolic link is followed. A device or pipe
    (/dev/null) is written directly.
    OutputError for whatever the operating system refuses.
    """
    name = os.fspath(path)
    try:
        kind = os.stat(name).st_mode if os.path.exists(name) else None
        if kind is not None and stat.S_ISDIR(kind):
            raise OutputError(f"cannot write {name}: it is a directory")
        if kind is not None and not stat.S_ISREG(kind):
            with open(name, "wb") as stream:
                _fill(stream, data)
            return
        if not overwrite and os.path.lexists(name):
            raise _exists(name)
        _write_sibling(name, data, overwrite, mode, times, attributes or {})
    except OSError as error:
        reason = error.strerror or str(error)
        if isinstance(error, FileNotFoundError):
            there = os.path.isdir(os.path.dirname(os.path.realpath(name)))
            # Windows finds no file whose path has more than 260 letters, the temporary one's too.
            reason = "its path is too long" if there else "its directory does not exist"
        raise OutputError(f"cannot write {name}: {reason}") from error


def check_place(path: PathLike) -> None:
    """OutputError where no file could be written in the end, for who computes for long before."""
    name = os.fspath(path)
    if os.path.isdir(name):
        raise OutputError(f"cannot write {name}: it is a directory")
    if os.path.exists(name) and not os.path.isfile(name):
        return  # a device or pipe, written directly
    folder = os.path.dirname(os.path.realpath(name))
    if not os.path.isdir(folder):
        raise OutputError(f"cannot write {name}: its directory does not exist")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write {name}: its directory may not be written to")


def _write_sibling(
    name: str,
    data: bytes | Writer,
    overwrite: bool,
    mode: int,
    times: tuple[int, int] | None,
    attributes: Mapping[str, bytes],
) -> None:
    target = os.path.realpath(name)
    folder = os.path.dirname(target)
    # A fixed length: the target's own name may already be as long as the file system allows.
    temporary = os.path.join(folder, f".gencodec-{secrets.token_hex(8)}.part")
    try:
        if not _fill_nameless(folder, temporary, data, mode):
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
            with open(os.open(temporary, flags, mode), "wb") as stream:
                _fill(stream, data)
                stream.flush()
                _sync(stream.fileno())
        give_attributes(temporary, attributes)
        if times is not None:
            with contextlib.suppress(OSError):
                os.utime(temporary, ns=times)
        if overwrite:
            os.replace(temporary, target)
        else:
            _take_name(temporary, target, name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _fill_nameless(folder: str, temporary: str, data: bytes | Writer, mode: int) -> bool:
    """Write into a file that takes the name `temporary` when it is whole; False if this system or
    file system cannot. Of such a file even a killed process leaves nothing behind."""
    try:
        handle = os.open(folder, os.O_TMPFILE | os.O_WRONLY, mode)
    except (AttributeError, OSError):
        return False
    with open(handle, "wb") as stream:
        here = f"/proc/self/fd/{stream.fileno()}"
        if not os.path.exists(here):  # no /proc, through which alone it can be given a name
            return False
        _fill(stream, data)
        stream.flush()
        _sync(stream.fileno())
        # With a descriptor of the folder, or link would not follow the symbolic link in /proc.
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.link(here, os.path.basename(temporary), dst_dir_fd=place)
        except OSError as error:
            if error.errno in _NO_LINKS:
                return False
            raise
        finally:
            os.close(place)
    return True


def _fill(stream: BinaryIO, data: bytes | Writer) -> None:
    if callable(data):
        data(stream)
    else:
        stream.write(data)


def _take_name(temporary: str, target: str, name: str) -> None:
    """Give the temporary file its name unless another file took it meanwhile."""
    try:
        if sys.platform == "win32":  # renaming replaces nothing there, and FAT knows no links
            os.rename(temporary, target)
            return
        os.link(temporary, target)
    except FileExistsError:
        raise _exists(name) from None
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LINKS:
            raise
        # Claim the name with an empty file, which no other writer can do at the same time.
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            raise _exists(name) from None
        try:
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(target)
            raise
    else:
        os.unlink(temporary)


def _sync(handle: int) -> None:
    """Have the bytes reach the disk."""
    os.fsync(handle)
    if sys.platform == "darwin":  # there that ends at the disk's own cache
        import fcntl

        with contextlib.suppress(OSError):  # not every file system knows of it
            fcntl.fcntl(handle, fcntl.F_FULLFSYNC)


def _sync_folder(folder: str) -> None:
    """Make the new name outlive a power cut, where the system allows it."""
    with contextlib.suppress(OSError, AttributeError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _exists(name: str) -> OutputError:
    return OutputError(f"{name} already exists (not overwritten)")
