"""The EXIF orientation: applied to the pixels, then set to 1 wherever the metadata repeat it."""

from __future__ import annotations

import re
import struct

import numpy as np
from PIL import Image

from gencodec.image.picture import Pixels

ORIENTATION_TAG = 0x0112
_VALUE_FORMATS = {1: "B", 3: "H", 4: "I"}  # EXIF types BYTE, SHORT, LONG
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[0-9](?=\s*[\"'<])")


def orientation(image: Image.Image) -> int:
    """Return 1..8 as EXIF or, failing that, XMP says; 1 when neither can be understood."""
    try:
        value = image.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # EXIF blocks are broken in more ways than Pillow has names for
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright(pixels: Pixels, turned: int) -> Pixels:
    """Return (H, W) or (H, W, C) pixels that stood at orientation `turned` (1..8) upright."""
    if turned in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if turned in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turned in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def reset_in_exif(exif: bytes) -> bytes:
    """Return a TIFF block whose orientation, where it has one, is 1.

    Only those bytes change: writing the block anew would break the offsets in maker notes. A
    block too broken to follow comes back as it is.
    """
    order = "<" if exif[:2] == b"II" else ">"
    patched = bytearray(exif)
    try:
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind, values = struct.unpack_from(order + "HHI", exif, entry)
            if tag == ORIENTATION_TAG and values == 1 and kind in _VALUE_FORMATS:
                struct.pack_into(order + _VALUE_FORMATS[kind], patched, entry + 8, 1)
    except struct.error:
        pass
    return bytes(patched)


def reset_in_xmp(xmp: bytes) -> bytes:
    """Return an XMP packet in which every tiff:Orientation is 1; its length does not change."""
    return _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)
