"""The ALPHA section: one value for the whole picture, or a lossless greyscale picture.

::

    0x00 value            every pixel has this alpha
    0x01 PNG...           8-bit greyscale, the size of the picture
    0x02 WebP...          one lossless VP8L chunk, the size of the picture; alpha is its green

WebP takes about half the bytes of PNG; PNG serves sides over 16383 and a Pillow without WebP.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, ImageFile, PngImagePlugin, WebPImagePlugin, features

from gencodec.errors import FormatError, ImageError
from gencodec.image.picture import Pixels
from gencodec.image.pillow import bounded_pillow

_CONSTANT, _PNG, _WEBP = 0, 1, 2
# Signature and the IHDR chunk up to its length and name; size, depth and colour type follow.
_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_IHDR_BYTES = 13
_PNG_CHUNK_BYTES = 12  # length, name and check
# A second header, and the chunks of an animation.
_PNG_REFUSED = (b"IHDR", b"acTL", b"fcTL", b"fdAT")
# Not Image.open: it compares with a limit of the whole process, which is the caller's.
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "PNG": PngImagePlugin.PngImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_GREY_8_BIT = b"\x08\x00"
_WEBP_MAX_SIDE = 16383
_WEBP_HEADER_BYTES = 25
_VP8L_SIGNATURE = 0x2F


def encode_alpha(alpha: Pixels) -> bytes:
    """Return the payload for uint8 (H, W) alpha; ImageError for another type or shape."""
    if alpha.dtype != np.uint8 or alpha.ndim != 2 or 0 in alpha.shape:
        raise ImageError(f"alpha is {alpha.dtype} {alpha.shape}, expected uint8 (H, W)")
    value = int(alpha.flat[0])
    if bool((alpha == value).all()):
        return bytes((_CONSTANT, value))
    image = Image.fromarray(np.ascontiguousarray(alpha))
    buffer = io.BytesIO()
    if features.check("webp") and max(alpha.shape) <= _WEBP_MAX_SIDE:
        # The two slowest settings would save 2 % more for fifty times the work.
        image.save(buffer, format="WEBP", lossless=True, quality=80, method=4)
        return bytes((_WEBP,)) + buffer.getvalue()
    image.save(buffer, format="PNG", optimize=True)
    return bytes((_PNG,)) + buffer.getvalue()


def decode_alpha(payload: bytes, width: int, height: int) -> Pixels:
    """Return uint8 (height, width) alpha; the inverse of `encode_alpha`.

    Size and kind are checked before any pixel is decoded. FormatError for damage.
    """
    if payload[:1] == bytes((_CONSTANT,)) and len(payload) == 2:
        return np.full((height, width), payload[1], np.uint8)
    file = payload[1:]
    if payload[:1] == bytes((_PNG,)):
        _check_png(file, width, height)
        kind = "PNG"
    elif payload[:1] == bytes((_WEBP,)):
        _check_webp(file, width, height)
        kind = "WEBP"
    else:
        raise FormatError("the ALPHA section is damaged")
    try:
        with _opened(kind, file, width * height) as image:
            if image.size != (width, height):
                raise ValueError(f"{image.size}")
            image.load()
            alpha = np.array(image.getchannel("G") if kind == "WEBP" else image)
    except Exception as error:  # Pillow answers damage with almost any exception
        raise FormatError(f"the ALPHA section is damaged ({kind} cannot be decoded)") from error
    if alpha.shape != (height, width) or alpha.dtype != np.uint8:
        raise FormatError(f"the ALPHA section is damaged (its {kind} changes size)")
    return alpha


def _opened(kind: str, file: bytes, pixels: int) -> ImageFile.ImageFile:
    try:
        return _READERS[kind](io.BytesIO(file))
    except Image.DecompressionBombError:
        # Since Pillow 13 the one for WebP compares by itself.  The size has been checked already.
        with bounded_pillow(max(pixels, Image.MAX_IMAGE_PIXELS or 0)):
            return _READERS[kind](io.BytesIO(file))


def _check_png(png: bytes, width: int, height: int) -> None:
    start = len(_PNG_START)
    size_and_kind = struct.pack(">II", width, height) + _GREY_8_BIT
    if not png.startswith(_PNG_START) or not png.endswith(_PNG_END):
        raise FormatError("the ALPHA section is damaged (not one whole PNG)")
    if png[start : start + len(size_and_kind)] != size_and_kind:
        raise FormatError(f"the ALPHA section is not an 8-bit grey PNG of {width}x{height} pixels")
    # What the first header says holds for all of it if no chunk says another thing.
    place = len(_PNG_START) + _IHDR_BYTES + 4  # its check
    while png[place + 4 : place + 8] != b"IEND":
        if place + 8 > len(png) or png[place + 4 : place + 8] in _PNG_REFUSED:
            raise FormatError("the ALPHA section is damaged (not one plain PNG)")
        place += int.from_bytes(png[place : place + 4], "big") + _PNG_CHUNK_BYTES
    if place + len(_PNG_END) != len(png):
        raise FormatError("the ALPHA section is damaged (something follows its PNG)")


def _check_webp(webp: bytes, width: int, height: int) -> None:
    """RFC 9649, the simple lossless layout: RIFF, size, WEBP, VP8L, size, 2F, 14+14+1+3 bits."""
    if len(webp) < _WEBP_HEADER_BYTES:
        raise FormatError("the ALPHA section is damaged (not one whole WebP)")
    riff, riff_bytes, name, chunk_bytes, signature, bits = struct.unpack_from("<4sI8sIBI", webp)
    whole = riff_bytes == len(webp) - 8 and chunk_bytes + chunk_bytes % 2 == len(webp) - 20
    if (riff, name, signature) != (b"RIFF", b"WEBPVP8L", _VP8L_SIGNATURE) or not whole:
        raise FormatError("the ALPHA section is damaged (not one whole lossless WebP)")
    if ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) != (width, height):
        raise FormatError(f"the ALPHA section is not a WebP of {width}x{height} pixels")
