"""The stream down to symbols: container, tiles, passes (FORMAT.md, "The stream")."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from .coder import Coder, Tables
from .prior import Part, Prior
from .weights import Array, File

LATENTS, TILES = 1, 3


@dataclass(frozen=True)
class Decoded:
    """passes: of each tile the symbols of every pass of z, then of y; a picture may be one tile.

    y16: of the whole picture, in sixteenths.
    """

    width: int
    height: int
    grey: bool
    step: int
    passes: list[list[Array]]
    y16: Array


@dataclass
class Tile:
    """Pixels, and what is there of the words; ``whole`` if that is all of them."""

    left: int
    top: int
    width: int
    height: int
    check: int = 0
    words: bytes = b""
    whole: bool = True


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def decode(data: bytes, file: File, *, cut: bool = False) -> Decoded:
    """data: a sound stream made with these weights, or the beginning of one."""
    assert data[:5] == b"\x97GNC\x01" and data[5] < 4
    assert data[6:10].hex() == file.content_hash[:8]
    grey, tiled, step = bool(data[5] & 1), bool(data[5] & 2), data[10]
    width, at = varint(data, 11)
    height, at = varint(data, at)
    assert data[at] == 8
    assert int.from_bytes(data[at + 1 : at + 3], "little") == zlib.crc32(data[: at + 1]) & 0xFFFF
    sections = _sections(data, at + 3, cut)
    assert tiled == (TILES in sections)
    latents = sections.get(LATENTS, b"")
    if tiled:
        tiles = _tiles(sections[TILES], latents, width, height)
        assert cut or all(tile.whole for tile in tiles)
    else:
        tiles = [Tile(0, 0, width, height, u32(latents, 0), latents[4:], whole=not cut)]

    prior, tables = Prior(file), Tables(file)
    passes, y16 = [], np.zeros((prior.latent, -(-height // 16), -(-width // 16)), np.int64)
    for tile in tiles:
        of_tile, values = _decode_tile(tile, prior, tables, step // 4)
        passes.append(of_tile)
        top, left = tile.top // 16, tile.left // 16
        y16[:, top : top + values.shape[1], left : left + values.shape[2]] = values
    return Decoded(width, height, grey, step, passes, y16)


def _sections(data: bytes, at: int, cut: bool) -> dict[int, bytes]:
    """By tag; of a section that is cut nothing is left, except of LATENTS."""
    sections: dict[int, bytes] = {}
    while at < len(data) and data[at]:
        tag = data[at]
        try:
            size, at = varint(data, at + 1)
        except IndexError:
            assert cut
            return sections
        if at + size <= len(data) or tag == LATENTS:
            sections[tag] = data[at : at + size]
        at += size
    if not cut:
        assert len(data) == at + 5 and u32(data, at + 1) == zlib.crc32(data[: at + 1])
    return sections


def _tiles(index: bytes, latents: bytes, width: int, height: int) -> list[Tile]:
    assert u32(index, len(index) - 4) == zlib.crc32(index[:-4])
    side, layers, at = 64 * index[0], index[1], 2
    assert 64 <= side <= 4096 and 1 <= layers <= 8
    tiles = [
        Tile(x, y, min(side, width - x), min(side, height - y))
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]
    parts = []
    for tile in tiles:
        tile.check = u32(index, at)
        at += 4
        for _ in range(layers):
            words, at = varint(index, at)
            parts.append((4 * words, u32(index, at)))
            at += 4
    assert at == len(index) - 4
    at = 0
    for layer in range(layers):
        for t, tile in enumerate(tiles):
            size, check = parts[t * layers + layer]
            part = latents[at : at + size]
            at += size
            if tile.whole:
                tile.words += part
                tile.whole = len(part) == size
            assert len(part) < size or zlib.crc32(part) == check
    assert at >= len(latents)
    return tiles


def _decode_tile(tile: Tile, prior: Prior, tables: Tables, row: int) -> tuple[list[Array], Array]:
    coder = Coder(tile.words)
    assert not tile.whole or (len(tile.words) % 4 == 0 and len(tile.words) >= 8)
    passes: list[Array] = []

    def symbols_of(parts: list[Part]) -> Array:
        passes.append(tables.decode(coder, np.concatenate([part.scale.ravel() for part in parts])))
        return passes[-1]

    y16 = prior.walk(row, -(-tile.height // 16), -(-tile.width // 16), symbols_of)
    if tile.whole or not coder.ran_out:
        check = 0
        for symbols in passes:
            check = zlib.crc32(symbols.astype("<i4").tobytes(), check)
        assert coder.at_end and check == tile.check
    return passes, y16
