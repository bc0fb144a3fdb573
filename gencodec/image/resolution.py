"""Dots per inch: of a scan, the size of the original. Kept as the EXIF that says it.

A file without EXIF that states a resolution of its own (PNG, JFIF, BMP, TIFF) gets the shortest
EXIF block with it, and EXIF that states none gets it added; when a picture is written, formats that
state one are told what EXIF says.
"""

from __future__ import annotations

import struct
from typing import Any

from PIL import Image

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_UNITS_AN_INCH = {2: 1.0, 3: 2.54}  # inch, centimetre
# What programs write that know of no resolution: of screens, not of pictures.
_SCREENS = (72, 96)
_LEAST, _MOST = 1.0, 1e5
# Whole dots a centimetre, as JFIF may count, are this near to what they stand for.
_TOLERANCE = 1.3
_SHORT, _RATIONAL = 3, 5  # types of EXIF values
_ENTRY, _DENOMINATOR = 12, 1000
_MOST_IN_JPEG = 65527  # bytes of a TIFF block

Dpi = tuple[float, float]


def stated_dpi(image: Image.Image) -> Dpi | None:
    """The resolution that a file states beside its EXIF, in dots an inch; None where it says
    nothing: no unit, or what programs write by habit."""
    if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2):
        return None  # Pillow takes it from EXIF then, or invents one
    return _meant(image.info.get("dpi"))


def oblong(image: Image.Image) -> tuple[float, float] | None:
    """Pixels across to pixels down of a square, as a file states them without a unit; None where
    it says nothing or they are as many, and are thus square.
    """
    if image.format in ("JPEG", "MPO"):
        stated = image.info.get("jfif_density") if image.info.get("jfif_unit") == 0 else None
    else:
        stated = image.info.get("aspect" if image.format == "PNG" else "resolution")
    pair = _pair(stated)
    return pair if pair is not None and 0 < pair[0] != pair[1] > 0 else None


def exif_of_dpi(dpi: object) -> bytes | None:
    """A TIFF block that states this resolution and no more; None where it says nothing."""
    meant = _meant(dpi)
    if meant is None:
        return None
    exif = Image.Exif()
    exif[X_RESOLUTION], exif[Y_RESOLUTION] = round(meant[0], 3), round(meant[1], 3)
    exif[RESOLUTION_UNIT] = 2
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _pair(stated: object) -> tuple[float, float] | None:
    """Two numbers across and down, of whatever kind; None where they are not that."""
    if not isinstance(stated, tuple) or len(stated) != 2:
        return None
    try:
        return float(stated[0]), float(stated[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return None


def _meant(dpi: object) -> Dpi | None:
    pair = _pair(dpi)
    if pair is None:
        return None
    across, down = pair
    if not (_LEAST < across <= _MOST and _LEAST < down <= _MOST):
        return None
    if across == down and any(abs(across - screen) < 0.5 for screen in _SCREENS):
        return None
    return across, down


def agrees(exif: bytes, dpi: Dpi) -> bool:
    """Whether a TIFF block states this resolution, but for rounding."""
    stated = dpi_of_exif(exif)
    return stated is not None and all(
        abs(one - other) <= _TOLERANCE for one, other in zip(stated, dpi, strict=True)
    )


def with_dpi(exif: bytes, dpi: Dpi) -> bytes | None:
    """A TIFF block with this resolution added; None where it has one, or cannot be followed.

    The first directory is written anew behind the block and every other byte stays where it is, so
    that the offsets in maker notes hold.
    """
    order = "<" if exif[:2] == b"II" else ">"
    try:
        (old,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, old)
        (following,) = struct.unpack_from(order + "I", exif, old + 2 + _ENTRY * count)
    except struct.error:
        return None
    table = exif[old + 2 : old + 2 + _ENTRY * count]
    entries = {}
    for at in range(0, len(table), _ENTRY):
        (tag,) = struct.unpack_from(order + "H", table, at)
        entries[tag] = table[at : at + _ENTRY]
    added = (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
    if len(entries) != count or any(tag in entries for tag in added):
        return None
    start = len(exif) + len(exif) % 2
    values = start + 2 + _ENTRY * (count + len(added)) + 4
    for index, tag in enumerate((X_RESOLUTION, Y_RESOLUTION)):
        entries[tag] = struct.pack(order + "HHII", tag, _RATIONAL, 1, values + 8 * index)
    entries[RESOLUTION_UNIT] = struct.pack(order + "HHIHH", RESOLUTION_UNIT, _SHORT, 1, 2, 0)
    parts = [struct.pack(order + "H", len(entries)), *(entries[tag] for tag in sorted(entries))]
    parts.append(struct.pack(order + "I", following))
    for value in dpi:
        parts.append(struct.pack(order + "II", round(value * _DENOMINATOR), _DENOMINATOR))
    head = exif[:4] + struct.pack(order + "I", start) + exif[8:]
    longer = head.ljust(start, b"\0") + b"".join(parts)
    return None if len(exif) <= _MOST_IN_JPEG < len(longer) else longer


def resolution_tags(source: Image.Exif) -> dict[int, Any]:
    """The tags that state a resolution, for another block; none where they make no sense."""
    try:
        across, down = float(source[X_RESOLUTION]), float(source[Y_RESOLUTION])
    except Exception:  # missing, or broken in more ways than Pillow has names for
        return {}
    if not (0 < across < 2**32 and 0 < down < 2**32):
        return {}
    kept = {X_RESOLUTION: source[X_RESOLUTION], Y_RESOLUTION: source[Y_RESOLUTION]}
    if isinstance(source.get(RESOLUTION_UNIT), int):
        kept[RESOLUTION_UNIT] = source[RESOLUTION_UNIT]
    return kept


def dpi_of_exif(exif: bytes | None) -> Dpi | None:
    """The resolution that a TIFF block states, in dots an inch; None where it states none.

    Where it states the one across only, as darktable does, the one down is the same.
    """
    if exif is None:
        return None
    tags = Image.Exif()
    try:
        tags.load(exif)
        inch = _UNITS_AN_INCH[tags.get(RESOLUTION_UNIT, 2)]
        across = tags[X_RESOLUTION]
        dpi = (float(across) * inch, float(tags.get(Y_RESOLUTION, across)) * inch)
    except Exception:  # EXIF blocks are broken in more ways than Pillow has names for
        return None
    return dpi if all(_LEAST < value <= _MOST for value in dpi) else None
