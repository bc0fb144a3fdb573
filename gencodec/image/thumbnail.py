"""The small picture in an EXIF block, where it is no longer one of the picture.

An EXIF block may end in a second directory with a picture of some 160 pixels (Exif 2.32, 4.5.7).
Of a part of a picture it would go on showing the whole, which may be what was cut away; of a
picture that was turned upright it would lie on its side.
"""

from __future__ import annotations

import struct

_OFFSETS = {0x0111: 0x0117, 0x0201: 0x0202}  # where pixels begin: strips, JPEG -> their lengths
_FORMATS = {3: "H", 4: "I"}  # EXIF types SHORT, LONG


def without_thumbnail(exif: bytes) -> bytes:
    """Return a TIFF block of the same length without its second directory and that one's pixels.

    Nothing else changes: writing the block anew would break the offsets in maker notes. A block
    too broken to follow comes back as it is.
    """
    order = "<" if exif[:2] == b"II" else ">"
    patched = bytearray(exif)
    try:
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, first)
        link = first + 2 + 12 * count
        (second,) = struct.unpack_from(order + "I", exif, link)
        if second == 0:
            return exif
        values = _values(exif, second, order)
    except struct.error:
        return exif
    for offset, length in _OFFSETS.items():
        start = values.get(offset, 0)
        stop = start + values.get(length, 0)
        if 8 <= start < stop <= len(exif) and (stop <= first or link + 4 <= start):
            patched[start:stop] = bytes(stop - start)
    struct.pack_into(order + "I", patched, link, 0)
    return bytes(patched)


def _values(exif: bytes, directory: int, order: str) -> dict[int, int]:
    """The entries of a directory that are one whole number."""
    found = {}
    (count,) = struct.unpack_from(order + "H", exif, directory)
    for entry in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", exif, entry)
        if values == 1 and kind in _FORMATS:
            (found[tag],) = struct.unpack_from(order + _FORMATS[kind], exif, entry + 8)
    return found
