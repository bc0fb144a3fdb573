"""The boxes of which files of JPEG 2000, AVIF and HEIF consist."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO


def boxes(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Those that are in no other: (kind, where its body begins, bytes of that), as
    ISO/IEC 15444-1, I.4, and 14496-12, 4.2, have them.

    The body of the last may be longer than what is left of the file. Left out is one that says of
    itself no more than that it goes on to the end.
    """
    at = 0
    while True:
        stream.seek(at)
        head = stream.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        if length == 1:
            length = int.from_bytes(stream.read(8), "big")
        start = stream.tell()
        if at + length < start:
            return
        yield kind, start, at + length - start
        at += length


def is_cut(stream: BinaryIO) -> bool:
    """Whether the box with the pixels of an AVIF or HEIF ends behind the end of the file. The
    stream is left at its beginning."""
    end = stream.seek(0, 2)
    cut = any(kind == b"mdat" and start + length > end for kind, start, length in boxes(stream))
    stream.seek(0)
    return cut
