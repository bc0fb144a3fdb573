"""Files that are not named one by one: by wildcards, and in folders that are searched."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gencodec.amounts import counted
from gencodec.names import visible

# Folders that a photo program shows as one file, and in which it knows every picture by name.
LIBRARIES = (".photoslibrary", ".photolibrary", ".aplibrary", ".lrlibrary")
_KINDS = 5  # of those left alone, so many are named


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


@dataclass
class Search:
    """What there is in a folder and those in it.

    files: of the suffixes that were looked for, in a fixed order. others: how many there are of
    every other suffix. unreadable: folders that cannot be looked through.
    """

    files: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    unreadable: list[OSError] = field(default_factory=list)


def search(folder: Path, suffixes: frozenset[str]) -> Search:
    """Look for files of these suffixes."""
    found = Search()
    for root, folders, names in os.walk(folder, onerror=found.unreadable.append):
        folders[:] = sorted(name for name in folders if not _passed_over(os.path.join(root, name)))
        for name in sorted(names):
            path = Path(root, name)
            suffix = path.suffix.lower()
            if _passed_over(str(path)):
                continue
            if suffix in suffixes:
                found.files.append(path)
            else:
                found.others[suffix] += 1
    return found


def left_alone(others: Mapping[str, int]) -> str:
    """How many files of which suffixes, in words; nothing of none."""
    count = sum(others.values())
    if not count:
        return ""
    most = sorted(others, key=lambda suffix: (-others[suffix], suffix))
    kinds = [f"{others[suffix]} {visible(suffix) or 'without suffix'}" for suffix in most[:_KINDS]]
    if rest := count - sum(others[suffix] for suffix in most[:_KINDS]):
        kinds.append(f"{rest} more")
    return f"{counted(count, 'file')} of other kinds left alone ({', '.join(kinds)})"


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
