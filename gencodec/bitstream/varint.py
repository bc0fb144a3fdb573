"""Unsigned LEB128 integers below 2^32: seven bits a byte, low bits first, shortest form only."""

from __future__ import annotations

from gencodec.errors import FormatError, TruncatedError

MAX_VARINT = 2**32 - 1
MAX_VARINT_BYTES = 5


def pack_varint(value: int) -> bytes:
    """Return `value` (0..2^32-1) in 1..5 bytes; FormatError when it is out of range."""
    if not 0 <= value <= MAX_VARINT:
        raise FormatError(f"the number {value} does not fit a varint (0..{MAX_VARINT})")
    packed = bytearray()
    while value > 0x7F:
        packed.append(0x80 | (value & 0x7F))
        value >>= 7
    packed.append(value)
    return bytes(packed)


def unpack_varint(data: bytes, offset: int) -> tuple[int, int]:
    """Return the value at `offset` and the offset just after it.

    TruncatedError when the data end first; FormatError when the value has more than 32 bits or
    is not in its shortest form (one value, one spelling: a stream cannot hide bytes).
    """
    value = 0
    for index in range(MAX_VARINT_BYTES):
        if offset + index >= len(data):
            raise TruncatedError("the file ends inside a number: its end is missing")
        byte = data[offset + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte & 0x80:
            continue
        if value > MAX_VARINT:
            raise FormatError("a number has more than 32 bits: the file is damaged")
        if byte == 0 and index > 0:
            raise FormatError("a number is not in its shortest form: the file is damaged")
        return value, offset + index + 1
    raise FormatError("a number runs past 5 bytes: the file is damaged")
