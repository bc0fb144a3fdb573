"""The tagged parts of a stream: which there are, and which may stand where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gencodec.errors import FormatError, LimitError, UnsupportedVersionError

END = 0x00
LATENTS = 0x01
ALPHA = 0x02
TILES = 0x03
RESIDUAL = 0x04
ICC = 0x81
EXIF = 0x82
XMP = 0x83
OPTIONAL_BIT = 0x80

SECTION_NAMES = {
    END: "END",
    LATENTS: "LATENTS",
    ALPHA: "ALPHA",
    TILES: "TILES",
    RESIDUAL: "RESIDUAL",
    ICC: "ICC",
    EXIF: "EXIF",
    XMP: "XMP",
}

# A stream of a gigabyte could hold half a billion empty sections; nobody needs more than these.
MAX_SECTIONS = 64

# LATENTS stand last, so that a cut file loses detail and nothing else.
ORDER = {ALPHA: 0, ICC: 1, EXIF: 2, XMP: 3, TILES: 5, LATENTS: 6}
UNKNOWN_ORDER = 4


@dataclass(frozen=True)
class Section:
    """One tagged part of a stream."""

    tag: int
    payload: bytes


def order_sections(sections: Iterable[Section]) -> tuple[Section, ...]:
    """Return the sections in the order that the format asks for."""
    return tuple(sorted(sections, key=lambda part: ORDER.get(part.tag, UNKNOWN_ORDER)))


def check_sections(sections: Iterable[Section], *, complete: bool = True) -> None:
    """The rules on tags and their order that hold on write and on read alike."""
    tags = [section.tag for section in sections]
    for tag in tags:
        if not END < tag <= 0xFF:
            raise FormatError(f"the section tag {tag} is outside 1..255")
        if tag not in ORDER and not tag & OPTIONAL_BIT:
            raise UnsupportedVersionError(
                f"the file has a section ({section_name(tag)}) that a reader must understand "
                "and this gencodec does not: it needs a newer one"
            )
    if len(tags) > MAX_SECTIONS:
        raise LimitError(f"{len(tags)} sections; the format holds {MAX_SECTIONS}")
    for tag in ORDER:
        if tags.count(tag) > 1:
            raise FormatError(f"section {section_name(tag)} occurs more than once")
    ranks = [ORDER.get(tag, UNKNOWN_ORDER) for tag in tags]
    if ranks != sorted(ranks):
        raise FormatError("the sections stand in the wrong order")
    if complete and LATENTS not in tags:
        raise FormatError("the file holds no picture (no LATENTS section)")


def section_name(tag: int) -> str:
    """What FORMAT.md calls it, or its number."""
    return SECTION_NAMES.get(tag, f"0x{tag:02X}")
