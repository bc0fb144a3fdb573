"""Files that are not named one by one: by wildcards, and in folders that are searched."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

# Folders that a photo program shows as one file, and in which it knows every picture by name.
LIBRARIES = (".photoslibrary", ".photolibrary", ".aplibrary", ".lrlibrary")


def without_wildcards(names: Sequence[str]) -> list[str]:
    """Names with those that hold `*` or `?` replaced by the files that are meant, if any.

    Shells of Windows leave that to programs, and no file there has such a name.
    """
    found: list[str] = []
    for name in names:
        wild = "*" in name or "?" in name
        # Brackets stand in many names, and are no wildcards to Windows.
        meant = sorted(glob.glob(name.replace("[", "[[]"))) if wild else []
        found += meant or [name]
    return found


def files_below(
    folder: Path, suffixes: frozenset[str], unreadable: Callable[[OSError], None]
) -> Iterator[Path]:
    """The files of these suffixes in a folder and those in it, in a fixed order.

    `unreadable` is told of every folder that cannot be looked through.
    """
    for root, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not _passed_over(os.path.join(root, name)))
        for name in sorted(names):
            path = Path(root, name)
            if path.suffix.lower() in suffixes and not _passed_over(str(path)):
                yield path


def _passed_over(path: str) -> bool:
    """Whether this is nothing that somebody means who names a folder around it.

    What is hidden is for programs: by a dot before its name, or by a mark, as AppData is on Windows
    and Library on macOS.
    """
    name = os.path.basename(path)
    if name.startswith(".") or name.lower().endswith(LIBRARIES):
        return True
    try:
        state = os.lstat(path)
    except OSError:
        return False
    windows, macos = getattr(state, "st_file_attributes", 0), getattr(state, "st_flags", 0)
    return bool(windows & stat.FILE_ATTRIBUTE_HIDDEN or macos & stat.UF_HIDDEN)
