"""The fixed fields that open every stream: what it is, which weights it needs, how large it is.

::

    magic(4) version(1) flags(1) weights_id(4) step(1) width(varint) height(varint)
    bit_depth(1) header_check(2)                                       16..22 bytes in all
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from gencodec.bitstream.varint import pack_varint, unpack_varint
from gencodec.errors import (
    ChecksumError,
    FormatError,
    NotGencodecError,
    TruncatedError,
    UnsupportedVersionError,
)

MAGIC = b"\x97GNC"
VERSION = 1
FLAG_GREY = 0x01
FLAG_TILES = 0x02
WEIGHTS_ID_BYTES = 4
MAX_STEP = 255
MAX_SIDE = 2**24
LATENT_SIDE = 16  # pixels to each side of a latent
BIT_DEPTH = 8
# A sound header is never longer; so many bytes of a file are enough for `read_header`.
MAX_HEADER_BYTES = 22

_SIZE_OFFSET = 11  # where width begins: magic, version, flags, weights_id and step precede it
_CHECK_BYTES = 2


def coded_pixels(width: int, height: int) -> int:
    """Pixels that are computed: a latent has 16 x 16, of which a thin picture shows few."""
    columns, rows = -(-width // LATENT_SIDE), -(-height // LATENT_SIDE)
    return columns * rows * LATENT_SIDE**2


@dataclass(frozen=True)
class Header:
    """The fields of one stream.

    weights_id: first 4 bytes of the SHA-256 content hash of the weights; step: quality step
    0..255; width, height: pixels, 1..2^24; grey: the decoder writes one channel; bit_depth:
    bits a channel, 8; tiled: the latents are coded in tiles, which a TILES section lists.
    """

    weights_id: bytes
    step: int
    width: int
    height: int
    grey: bool = False
    bit_depth: int = BIT_DEPTH
    tiled: bool = False


def pack_header(header: Header) -> bytes:
    """Return the header bytes, header_check included; FormatError for a field out of range."""
    _check_fields(header)
    fields = b"".join(
        (
            MAGIC,
            bytes((VERSION, FLAG_GREY * header.grey | FLAG_TILES * header.tiled)),
            header.weights_id,
            bytes((header.step,)),
            pack_varint(header.width),
            pack_varint(header.height),
            bytes((header.bit_depth,)),
        )
    )
    return fields + _header_check(fields)


def unpack_header(data: bytes) -> tuple[Header, int]:
    """Return the header at the start of `data` and its size in bytes.

    NotGencodecError, UnsupportedVersionError, TruncatedError, ChecksumError (header_check
    differs) or FormatError (a field out of range). Meaning is judged only after header_check,
    so that damage is called damage.
    """
    if data[: len(MAGIC)] != MAGIC[: len(data)]:
        raise NotGencodecError("this is not a gencodec file (it does not begin with 97 47 4E 43)")
    if not data:
        raise TruncatedError("the file is empty")
    if len(data) > len(MAGIC) and data[len(MAGIC)] != VERSION:
        found = data[len(MAGIC)]
        raise UnsupportedVersionError(
            f"the file has format version {found}, this reader knows version {VERSION}: "
            "it needs a newer gencodec, or it is damaged"
        )
    if len(data) < _SIZE_OFFSET:
        raise _cut_in_header()
    width, offset = unpack_varint(data, _SIZE_OFFSET)
    height, offset = unpack_varint(data, offset)
    size = offset + 1 + _CHECK_BYTES
    if len(data) < size:
        raise _cut_in_header()
    if _header_check(data[: offset + 1]) != data[offset + 1 : size]:
        raise ChecksumError("the header is damaged (its check differs)")
    flags = data[5]
    if flags & ~(FLAG_GREY | FLAG_TILES):
        raise UnsupportedVersionError(
            f"the file uses features (flags 0x{flags:02X}) that this gencodec does not know"
        )
    header = Header(
        weights_id=data[6:10],
        step=data[10],
        width=width,
        height=height,
        grey=bool(flags & FLAG_GREY),
        bit_depth=data[offset],
        tiled=bool(flags & FLAG_TILES),
    )
    _check_fields(header)
    return header, size


def read_header(data: bytes) -> Header:
    """Return the header of a stream of which at least the first 22 bytes are given.

    Errors as in `unpack_header`. Nothing behind the header is looked at.
    """
    return unpack_header(bytes(data[: MAX_HEADER_BYTES + 2]))[0]


def _header_check(fields: bytes) -> bytes:
    return (zlib.crc32(fields) & 0xFFFF).to_bytes(_CHECK_BYTES, "little")


def _cut_in_header() -> TruncatedError:
    return TruncatedError("the file ends inside its header: nothing of the picture is left")


def _check_fields(header: Header) -> None:
    """The ranges that hold on write and on read alike."""
    if len(header.weights_id) != WEIGHTS_ID_BYTES:
        raise FormatError(
            f"the weights id has {len(header.weights_id)} bytes, not {WEIGHTS_ID_BYTES}"
        )
    if not 0 <= header.step <= MAX_STEP:
        raise FormatError(f"the quality step is {header.step}, outside 0..{MAX_STEP}")
    for name, side in (("width", header.width), ("height", header.height)):
        if not 1 <= side <= MAX_SIDE:
            raise FormatError(f"the {name} is {side} pixels, outside 1..{MAX_SIDE}")
    if header.bit_depth != BIT_DEPTH:
        raise UnsupportedVersionError(
            f"the picture has {header.bit_depth} bits a channel; "
            f"format version {VERSION} holds {BIT_DEPTH}"
        )
