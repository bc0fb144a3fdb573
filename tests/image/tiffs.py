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


def directory(at: int, entries: dict[int, tuple[int, bytes]]) -> bytes:
    """A little-endian directory that stands at `at`, its values behind it; {tag: (type, bytes)}."""
    table, rest = struct.pack("<H", len(entries)), b""
    spill = at + 2 + 12 * len(entries) + 4
    for tag, (kind, data) in sorted(entries.items()):
        count = len(data) // struct.calcsize(_LETTERS[kind])
        if len(data) > 4:
            place = struct.pack("<I", spill + len(rest))
            rest += data + bytes(len(data) % 2)
        else:
            place = data.ljust(4, b"\0")
        table += struct.pack("<HHI", tag, kind, count) + place
    return table + bytes(4) + rest


def entries(block: bytes, at: int | None = None) -> dict[int, tuple[int, bytes]]:
    """The inverse of `directory` for types above, without fractions; by default of the first."""
    assert block[:4] == b"II*\0"
    (first,) = struct.unpack_from("<I", block, 4)
    at = first if at is None else at
    (length,) = struct.unpack_from("<H", block, at)
    found = {}
    for entry in range(at + 2, at + 2 + 12 * length, 12):
        tag, kind, count = struct.unpack_from("<HHI", block, entry)
        size = count * struct.calcsize(_LETTERS[kind]) * (2 if kind == _FRACTION else 1)
        (start,) = struct.unpack_from("<I", block, entry + 8) if size > 4 else (entry + 8,)
        found[tag] = kind, block[start : start + size]
    return found
