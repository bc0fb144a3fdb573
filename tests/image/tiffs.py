"""TIFF files written by hand, for what Pillow cannot write."""

from __future__ import annotations

import struct

_BYTE, _ASCII, _SHORT, _LONG, _FRACTION, _ANY = 1, 2, 3, 4, 5, 7
_LETTERS = {_BYTE: "B", _ASCII: "B", _SHORT: "H", _LONG: "I", _FRACTION: "I", _ANY: "B"}


def tiff(
    size: tuple[int, int], planes: list[bytes], tags: dict[int, tuple[int, list[int]]], order: str
) -> bytes:
    """One directory of one strip for each of `planes`; tags: {number: (type, values)}.

    size: (width, height). order: "<" or ">". Width, height, places and lengths are filled in.
    """
    start = 8
    body = b"".join(plane + bytes(len(plane) % 2) for plane in planes)
    offsets, at = [], start
    for plane in planes:
        offsets.append(at)
        at += len(plane) + len(plane) % 2
    fields = {256: (4, [size[0]]), 257: (4, [size[1]]), 277: (3, [1]), 278: (4, [size[1]])}
    fields |= {273: (4, offsets), 279: (4, [len(plane) for plane in planes])} | tags
    directory = start + len(body)
    spill = directory + 2 + 12 * len(fields) + 4
    table, rest = struct.pack(order + "H", len(fields)), b""
    for number, (kind, values) in sorted(fields.items()):
        packed = struct.pack(f"{order}{len(values)}{_LETTERS[kind]}", *values)
        count = len(values) // 2 if kind == _FRACTION else len(values)
        if len(packed) > 4:
            place = struct.pack(order + "I", spill + len(rest))
            rest += packed + bytes(len(packed) % 2)
        else:
            place = packed.ljust(4, b"\0")
        table += struct.pack(order + "HHI", number, kind, count) + place
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", directory) + body + table + bytes(4) + rest
