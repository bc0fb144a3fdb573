"""Names of files: fit to print, and what they say of a file."""

from collections.abc import Collection
from pathlib import PurePath


def visible(name: str) -> str:
    """A file name, or a text with names in it, safe to print: control characters and
    undecodable bytes as escapes.

    A name may hold terminal escape sequences or a line break, and one file is one line.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def has_suffix(name: str, suffixes: Collection[str]) -> bool:
    """Whether a file of this name, with its folders or without, is of one of these kinds.

    suffixes: in small letters, with their dots.  What macOS puts beside files in archives and on
    drives that have no place for it is none, though it has the name and suffix of the other, after
    "._".
    """
    path = PurePath(name)
    return path.suffix.lower() in suffixes and not path.name.startswith("._")
