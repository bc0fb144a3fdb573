"""Dots per inch: of a scan, the size of the original. Kept as the EXIF that says it.

A file without EXIF that states a resolution of its own (PNG, JFIF, BMP, TIFF) gets the shortest
EXIF block with it; when a picture is written, formats that state one are told what EXIF says.
"""

from __future__ import annotations

from PIL import Image

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_UNITS_AN_INCH = {2: 1.0, 3: 2.54}  # inch, centimetre
# What programs write that know of no resolution: of screens, not of pictures.
_SCREENS = (72, 96)
_LEAST, _MOST = 1.0, 1e5

Dpi = tuple[float, float]


def exif_of_dpi(dpi: object) -> bytes | None:
    """A TIFF block that states this resolution and no more; None where it says nothing."""
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    try:
        across, down = float(dpi[0]), float(dpi[1])
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not (_LEAST < across <= _MOST and _LEAST < down <= _MOST):
        return None
    if across == down and any(abs(across - screen) < 0.5 for screen in _SCREENS):
        return None
    exif = Image.Exif()
    exif[X_RESOLUTION], exif[Y_RESOLUTION] = round(across, 3), round(down, 3)
    exif[RESOLUTION_UNIT] = 2
    return exif.tobytes().removeprefix(b"Exif\0\0")


def dpi_of_exif(exif: bytes | None) -> Dpi | None:
    """The resolution that a TIFF block states, in dots an inch; None where it states none."""
    if exif is None:
        return None
    tags = Image.Exif()
    try:
        tags.load(exif)
        inch = _UNITS_AN_INCH[tags.get(RESOLUTION_UNIT, 2)]
        dpi = (float(tags[X_RESOLUTION]) * inch, float(tags[Y_RESOLUTION]) * inch)
    except Exception:  # EXIF blocks are broken in more ways than Pillow has names for
        return None
    return dpi if all(_LEAST < value <= _MOST for value in dpi) else None
