"""The TILES section: a picture cut into tiles that are coded apart, and where their parts lie.

::

    side/64 u8 | layers u8 | a tile: symbols_check u32, (words varint, part_check u32) a layer
                           | the next tile, in rows from the upper left ... | index_check u32

The parts stand in LATENTS layer by layer: the first of every tile, then the second of every
tile. A file that is cut keeps the first layers of the whole picture; a reader of a region seeks;
a part that is damaged is found by its own check and spoils nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gencodec.bitstream.varint import pack_varint, unpack_varint
from gencodec.errors import ChecksumError, FormatError, LimitError, TruncatedError

SIDE_UNIT = 64
"""Tile sides are multiples of this, in pixels: one position of z."""

MAX_SIDE_UNITS = 64
MAX_TILES = 2**16
MAX_LAYERS = 8
WORD_BYTES = 4
_CHECK_BYTES = 4


@dataclass(frozen=True)
class Box:
    """A rectangle of pixels or of positions; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def reduced(self, factor: int) -> Box:
        """What it touches of a grid of squares of `factor` a side."""
        return Box(
            self.left // factor,
            self.top // factor,
            -(-self.right // factor),
            -(-self.bottom // factor),
        )


@dataclass(frozen=True)
class TileGrid:
    """Tiles of `side` pixels from the upper left; the last of a row or column may be smaller."""

    width: int
    height: int
    side: int

    def __post_init__(self) -> None:
        units, rest = divmod(self.side, SIDE_UNIT)
        if rest or not 1 <= units <= MAX_SIDE_UNITS:
            raise FormatError(
                f"the tile side is {self.side} pixels, not a multiple of {SIDE_UNIT} "
                f"up to {SIDE_UNIT * MAX_SIDE_UNITS}"
            )
        if self.count > MAX_TILES:
            raise LimitError(f"the picture has {self.count} tiles; the format holds {MAX_TILES}")

    @property
    def columns(self) -> int:
        return -(-self.width // self.side)

    @property
    def rows(self) -> int:
        return -(-self.height // self.side)

    @property
    def count(self) -> int:
        return self.rows * self.columns

    def box(self, index: int) -> Box:
        """The pixels of a tile; tiles are counted in rows from the upper left."""
        row, column = divmod(index, self.columns)
        left, top = column * self.side, row * self.side
        return Box(left, top, min(left + self.side, self.width), min(top + self.side, self.height))


@dataclass(frozen=True)
class Part:
    """The words of one tile in one layer: how many, and the CRC-32 of their bytes."""

    words: int
    check: int


@dataclass(frozen=True)
class Tile:
    """One tile: the check over its symbols, and a part for each layer."""

    symbols_check: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class TileIndex:
    """What the TILES section says."""

    grid: TileGrid
    layers: int
    tiles: tuple[Tile, ...]

    @cached_property
    def starts(self) -> tuple[tuple[int, ...], ...]:
        """Byte offset in LATENTS of each layer's part of each tile: starts[layer][tile]."""
        offset, starts = 0, []
        for layer in range(self.layers):
            row = []
            for tile in self.tiles:
                row.append(offset)
                offset += tile.parts[layer].words * WORD_BYTES
            starts.append(tuple(row))
        return tuple(starts)

    def slices(self, tile: int) -> tuple[slice, ...]:
        """Where in LATENTS the parts of a tile stand, layer by layer."""
        begins = (starts[tile] for starts in self.starts)
        return tuple(
            slice(start, start + part.words * WORD_BYTES)
            for start, part in zip(begins, self.tiles[tile].parts, strict=True)
        )

    @cached_property
    def latents_bytes(self) -> int:
        """The length of LATENTS."""
        return WORD_BYTES * sum(part.words for tile in self.tiles for part in tile.parts)


def pack_tiles(grid: TileGrid, tiles: Sequence[Sequence[bytes]]) -> tuple[bytes, bytes]:
    """Return the payloads of TILES and of LATENTS.

    tiles: for each tile its symbols_check (4 bytes), then the words of each layer. FormatError
    when there are too many layers, or not one tile for each of the grid.
    """
    layers = len(tiles[0]) - 1 if tiles else 0
    if len(tiles) != grid.count or not 1 <= layers <= MAX_LAYERS:
        raise FormatError(f"{len(tiles)} tiles of {layers} layers; the grid has {grid.count}")
    index = bytearray((grid.side // SIDE_UNIT, layers))
    for symbols_check, *parts in tiles:
        index += symbols_check
        for part in parts:
            index += pack_varint(len(part) // WORD_BYTES)
            index += zlib.crc32(part).to_bytes(_CHECK_BYTES, "little")
    index += zlib.crc32(index).to_bytes(_CHECK_BYTES, "little")
    return bytes(index), b"".join(tile[1 + layer] for layer in range(layers) for tile in tiles)


def unpack_tiles(payload: bytes, width: int, height: int) -> TileIndex:
    """The inverse for a picture of width x height pixels.

    ChecksumError when index_check differs; FormatError (LimitError for too many tiles) when
    anything else is not as the format says.
    """
    body = payload[:-_CHECK_BYTES]
    if zlib.crc32(body).to_bytes(_CHECK_BYTES, "little") != payload[-_CHECK_BYTES:]:
        raise ChecksumError("the index of the tiles is damaged (its check differs)")
    if len(body) < 2 or not 1 <= body[1] <= MAX_LAYERS:
        raise FormatError(f"the picture's tiles must have 1 to {MAX_LAYERS} layers")
    grid, layers = TileGrid(width, height, body[0] * SIDE_UNIT), body[1]
    least = grid.count * (_CHECK_BYTES + layers * (1 + _CHECK_BYTES))
    if len(body) - 2 < least:
        raise FormatError(f"the index is too short for {grid.count} tiles")
    offset, tiles = 2, []
    try:
        for _ in range(grid.count):
            symbols_check, offset = _u32(body, offset)
            parts = []
            for _ in range(layers):
                words, offset = unpack_varint(body, offset)
                check, offset = _u32(body, offset)
                parts.append(Part(words, check))
            tiles.append(Tile(symbols_check, tuple(parts)))
    except TruncatedError:
        raise FormatError("the index of the tiles is too short") from None
    if offset != len(body):
        raise FormatError("bytes follow the last tile of the index")
    return TileIndex(grid, layers, tuple(tiles))


def _u32(data: bytes, offset: int) -> tuple[int, int]:
    end = offset + _CHECK_BYTES
    if end > len(data):
        raise TruncatedError("the index ends inside a number")
    return int.from_bytes(data[offset:end], "little"), end
