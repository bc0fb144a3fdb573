"""The ALPHA section: one value for the whole picture, or a greyscale PNG.

::

    0x00 value            every pixel has this alpha
    0x01 PNG...           8-bit greyscale, the size of the picture
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

from gencodec.errors import FormatError, ImageError
from gencodec.image.picture import Pixels
from gencodec.image.pillow import bounded_pillow

_CONSTANT, _PNG = 0, 1
# Signature and the IHDR chunk up to its length and name; size, depth and colour type follow.
_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_GREY_8_BIT = b"\x08\x00"


def encode_alpha(alpha: Pixels) -> bytes:
    """Return the payload for uint8 (H, W) alpha; ImageError for another type or shape."""
    if alpha.dtype != np.uint8 or alpha.ndim != 2 or 0 in alpha.shape:
        raise ImageError(f"alpha is {alpha.dtype} {alpha.shape}, expected uint8 (H, W)")
    value = int(alpha.flat[0])
    if bool((alpha == value).all()):
        return bytes((_CONSTANT, value))
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(alpha)).save(buffer, format="PNG", optimize=True)
    return bytes((_PNG,)) + buffer.getvalue()


def decode_alpha(payload: bytes, width: int, height: int) -> Pixels:
    """Return uint8 (height, width) alpha; the inverse of `encode_alpha`.

    Size and kind are checked before any pixel is decoded. FormatError for damage.
    """
    if payload[:1] == bytes((_CONSTANT,)) and len(payload) == 2:
        return np.full((height, width), payload[1], np.uint8)
    if payload[:1] != bytes((_PNG,)):
        raise FormatError("the ALPHA section is damaged")
    png = payload[1:]
    start = len(_PNG_START)
    size_and_kind = struct.pack(">II", width, height) + _GREY_8_BIT
    if not png.startswith(_PNG_START) or not png.endswith(_PNG_END):
        raise FormatError("the ALPHA section is damaged (not one whole PNG)")
    if png[start : start + len(size_and_kind)] != size_and_kind:
        raise FormatError(f"the ALPHA section is not an 8-bit grey PNG of {width}x{height} pixels")
    try:
        with (
            bounded_pillow(width * height),
            Image.open(io.BytesIO(png), formats=["PNG"]) as image,
        ):
            image.load()
            # A second IHDR, or an animation, could still have changed the size.
            alpha = np.array(image) if image.size == (width, height) else None
    except Exception as error:  # Pillow answers damage with almost any exception
        raise FormatError("the ALPHA section is damaged (its PNG cannot be decoded)") from error
    if alpha is None or alpha.shape != (height, width) or alpha.dtype != np.uint8:
        raise FormatError("the ALPHA section is damaged (its PNG changes size)")
    return alpha
