"""Hostile streams from sound ones: bytes, lengths, sections and header fields changed at random.

Most damage would stop at a check that fails, so the checks are set right again afterwards, more
often than not: what is tried then is the code behind them.
"""

from __future__ import annotations

import random
import zlib

from gencodec.bitstream import LATENTS, MAGIC, TILES
from gencodec.bitstream.container import walk
from gencodec.bitstream.header import unpack_header
from gencodec.bitstream.varint import pack_varint, unpack_varint
from gencodec.errors import GencodecError

SIZES = (0, 1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 4095, 16383, 16384, 65535, 2**24, 2**32 - 1)
MAX_SIDE, MAX_PIXELS = 48, 150 * 150
"""Of pictures that are meant to be decoded: small, so that there can be many."""


def mutated(rng: random.Random, samples: list[bytes], *, small: bool = False) -> bytes:
    """One hostile stream. small: with a header of at most MAX_SIDE pixels a side."""
    if rng.random() < 0.02:
        return noise(rng)
    data = rng.choice(samples)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        data = rng.choice(SMALL_WAYS if small else WAYS)(rng, data, samples)
    if small:
        data = shrunk(rng, data)
    if rng.random() < 0.85:
        data = repaired(data)
    return data


def noise(rng: random.Random) -> bytes:
    """Random bytes, mostly behind the magic."""
    start = rng.choice((b"", MAGIC, MAGIC + b"\x01", MAGIC + b"\x01\x00"))
    return start + rng.randbytes(rng.choice((0, 1, 7, 20, 60, 300)))


def flip(rng: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    """Some bits anywhere."""
    if not data:
        return data
    spoilt = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 5))):
        spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
    return bytes(spoilt)


def flip_front(rng: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    """A byte of the header or of the first sections."""
    if not data:
        return data
    spoilt = bytearray(data)
    spoilt[rng.randrange(min(len(spoilt), 48))] = rng.randrange(256)
    return bytes(spoilt)


def cut(rng: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    """A part of the beginning."""
    return data[: rng.randrange(len(data) + 1)]


def splice(rng: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    """The beginning of one and the end of another."""
    other = rng.choice(samples)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def insert(rng: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    """Bytes in between, or some of them twice."""
    at = rng.randrange(len(data) + 1)
    again = data[at : at + rng.choice((1, 4, 30))]
    return data[:at] + rng.choice((rng.randbytes(rng.choice((1, 4, 30))), again)) + data[at:]


def delete(rng: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    """Bytes taken out."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.choice((1, 1, 4, 30)) :]


def resize(rng: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    """Another width or height in the header."""
    try:
        header, end = unpack_header(repaired(data))
    except GencodecError:
        return data
    sides = [header.width, header.height]
    sides[rng.randrange(2)] = rng.choice(SIZES)
    if rng.random() < 0.1:
        sides = [rng.choice(SIZES), rng.choice(SIZES)]
    return data[:11] + b"".join(map(pack_varint, sides)) + data[end - 3 :]


def section(rng: random.Random, data: bytes, samples: list[bytes]) -> bytes:
    """One section with another tag, length or payload, twice, or gone."""
    try:
        layout = walk(repaired(data))
    except GencodecError:
        return data
    if not layout.spans:
        return data
    index = rng.randrange(len(layout.spans))
    span = layout.spans[index]
    before = layout.spans[index - 1] if index else None
    begin = before.start + before.length if before else layout.header_bytes
    payload = data[span.start : span.start + span.length]
    rest = data[span.start + span.length :]
    way = rng.randrange(6)
    tag, length = span.tag, len(payload)
    if way == 0:
        tag = rng.choice((0, 1, 2, 3, 4, 5, 0x7F, 0x81, 0x82, 0x83, 0x84, 0xFF))
    elif way == 1:
        length = rng.choice((*SIZES, length + 1, max(length - 1, 0)))
    elif way == 2:
        payload = flip(rng, payload, samples)
    elif way == 3:
        payload = rng.randbytes(rng.choice((0, 1, 2, 7, 12, 40)))
        length = len(payload)
    elif way == 4:
        return data[:begin] + rest
    one = bytes((tag,)) + pack_varint(length) + payload
    return data[:begin] + (one * 2 if way == 5 else one) + rest


WAYS = (flip, flip_front, cut, splice, insert, delete, resize, section, section, section)
SMALL_WAYS = (*WAYS, flip, flip, flip, flip, flip, flip, resize, resize, section)
"""More of what reaches the coded latents and less of what ends at the structure."""


def shrunk(rng: random.Random, data: bytes) -> bytes:
    """With a header that asks for few pixels; as it is where there is no header."""
    try:
        header, end = unpack_header(repaired(data))
    except GencodecError:
        return data
    few = MAX_PIXELS if rng.random() < 0.3 else MAX_SIDE**2
    if header.width * header.height <= few:
        return data
    sides = (rng.randint(1, MAX_SIDE), rng.randint(1, MAX_SIDE))
    return data[:11] + b"".join(map(pack_varint, sides)) + data[end - 3 :]


def repaired(data: bytes) -> bytes:
    """With the checks of the header and of the file set right, as far as there is a structure."""
    end = header_end(data)
    if end is None:
        return data
    data = (
        data[: end - 2] + (zlib.crc32(data[: end - 2]) & 0xFFFF).to_bytes(2, "little") + data[end:]
    )
    try:
        layout = walk(data)
    except GencodecError:
        return data
    if layout.end is None:
        return data
    spans = {span.tag: span for span in layout.spans}
    if TILES in spans and LATENTS in spans and spans[TILES].length > 6:
        tiles, latents = spans[TILES], spans[LATENTS]
        index = data[tiles.start : tiles.start + tiles.length]
        coded = data[latents.start : latents.start + latents.length]
        end = tiles.start + tiles.length
        data = data[: tiles.start] + repaired_index(index, coded) + data[end:]
    check = zlib.crc32(data[: layout.end + 1])
    return data[: layout.end + 1] + check.to_bytes(4, "little") + data[layout.end + 5 :]


def repaired_index(index: bytes, coded: bytes) -> bytes:
    """The index of tiles with the checks of its parts and its own set right."""
    body = bytearray(index[:-4])
    layers, at = max(body[1], 1), 2
    tiles: list[list[tuple[int, int]]] = []  # of each part: where its check stands, its bytes
    try:
        while at < len(body):
            at += 4
            parts = []
            for _ in range(layers):
                words, at = unpack_varint(bytes(body), at)
                parts.append((at, 4 * words))
                at += 4
            tiles.append(parts)
    except GencodecError:
        pass
    begin = 0
    for layer in range(layers):
        for parts in tiles:
            place, length = parts[layer]
            if place + 4 <= len(body):
                check = zlib.crc32(coded[begin : begin + length])
                body[place : place + 4] = check.to_bytes(4, "little")
            begin += length
    return bytes(body) + zlib.crc32(body).to_bytes(4, "little")


def header_end(data: bytes) -> int | None:
    """Where the header ends by its own structure, None if it does not."""
    at = 11
    for _ in range(2):
        start = at
        while at < len(data) and data[at] & 0x80:
            at += 1
        at += 1
        if at - start > 5:
            return None
    return at + 3 if at + 3 <= len(data) else None
