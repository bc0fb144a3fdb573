"""Latents tile by tile: each is coded on its own; the transforms run across their borders.

y rows of tiles --quantise, encode--> parts by tile and layer      (encode_tiles)
parts --> a tile's symbols --> y_hat of any part of the picture    (LatentReader)

A picture without tiles is one tile.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from gencodec.amounts import counted, percent
from gencodec.bitstream import LATENTS, Box, Container, Header, Limits, TileGrid, coded_pixels
from gencodec.entropy import PassDecoder
from gencodec.errors import ChecksumError, FormatError, LimitError
from gencodec.image import Pixels
from gencodec.model.config import GROUPS, LATENT_STRIDE
from gencodec.model.quality import plain_number
from gencodec.model.weights import Weights

from .latents import Latents, decode_latents, hyper_positions, quantise
from .transform import joined, synthesize_strips
from .view import View

AUTO_TILE_SIDE = 1024
UNTILED_PIXELS = 16_000_000
"""Pictures of up to so many are one tile unless the user wants others."""

LISTED_LOSSES = 100


def latent_size(picture: Header | Box) -> tuple[int, int]:
    """(rows, columns) of y for a picture or a tile of this size."""
    return -(-picture.height // LATENT_STRIDE), -(-picture.width // LATENT_STRIDE)


def choose_grid(width: int, height: int, tile: int | str | None) -> TileGrid | None:
    """The tiles of a picture: None for one tile; `tile` is a side in pixels, ``"auto"`` or None.

    ValueError when it is something else, LimitError when the tiles would be too many or one of
    them larger than any reader takes.
    """
    pixels = coded_pixels(width, height)
    if tile is None and pixels > Limits().max_tile_pixels:
        raise LimitError(
            f"a picture of {width}x{height} pixels needs tiles: without them it has at most "
            f"{Limits().max_tile_pixels}, sides counted up to multiples of {LATENT_STRIDE}"
        )
    if tile is None or (tile == "auto" and pixels <= UNTILED_PIXELS):
        return None
    side = float(AUTO_TILE_SIDE)
    if tile != "auto":
        side = math.nan if isinstance(tile, str) else plain_number("tile", tile)
    if not side.is_integer():
        raise ValueError(f"tile must be a side in pixels, 'auto' or None, not {tile!r}")
    try:
        return TileGrid(width, height, int(side))
    except LimitError:
        raise
    except FormatError as error:
        raise ValueError(str(error)) from None


def quantise_tiles(
    weights: Weights,
    rows: Iterable[tuple[Tensor, Tensor | None]],
    grid: TileGrid | None,
    step: Tensor,
) -> Iterator[Latents]:
    """y and z of rows of tiles, as of :func:`quantise` -> the symbols of each tile, in order."""
    for y, z in rows:
        side = y.shape[3] if grid is None else grid.side // LATENT_STRIDE
        for left in range(0, y.shape[3], side):
            part = slice(left, left + side)
            of_tile = None if z is None else z[:, :, :, hyper_positions(part)]
            (latents,) = quantise(weights.vae, y[:, :, :, part], step, of_tile)
            yield latents


def join_tiles(tiles: list[Tensor], grid: TileGrid | None) -> Tensor:
    """What there is of each tile, (1, M, h, w) -> the same of the whole picture."""
    columns = 1 if grid is None else grid.columns
    rows = (tiles[start : start + columns] for start in range(0, len(tiles), columns))
    return joined([joined(row, 3) for row in rows], 2)


def tile_parts(latents: Latents, weights: Weights) -> list[bytes]:
    """The symbols_check of a tile, then the words of each of its layers.

    The first layer is z and the first pass of y, from which all of the picture can be seen; each
    further pass of y is a layer.
    """
    check, *passes = latents.encode_parts(weights.tables)
    first = len(passes) - (GROUPS - 1)
    return [check, b"".join(passes[:first]), *passes[first:]]


@dataclass(frozen=True)
class TileLoss:
    """A tile of which not everything could be read: the share of its symbols that was, 0..1."""

    index: int
    box: Box
    share: float


class LatentReader:
    """y_hat of any part of a picture; a tile is decoded when it is first asked for.

    Ask from the top down: tiles that lie above what is asked for are forgotten, so that a tall
    picture needs no more memory than a low one.

    A tile that is damaged raises ChecksumError; with `salvage`, what is sound of it is used, and
    `losses` tells.
    """

    def __init__(
        self, container: Container, weights: Weights, step: Tensor, *, salvage: bool = False
    ) -> None:
        self._container = container
        self._salvage = salvage
        self._weights = weights
        self._step = step
        self._index = container.tiles
        self.size = latent_size(container.header)
        side = max(self.size) if self._index is None else self._index.grid.side // LATENT_STRIDE
        self._rows, self._columns = (_bounds(length, side) for length in self.size)
        self._side = side
        self._known: dict[int, Tensor] = {}
        self.losses: list[TileLoss] = []
        self.requested = 0
        self.decoded = 0

    @property
    def tiles(self) -> int:
        """How many tiles the picture has."""
        return len(self._rows) * len(self._columns)

    def __call__(self, rows: slice, columns: slice) -> Tensor:
        """y_hat at these positions: (1, M, rows, columns) float32."""
        across = range(columns.start // self._side, -(-columns.stop // self._side))
        down = range(rows.start // self._side, -(-rows.stop // self._side))
        count = len(self._columns)
        for index in [index for index in self._known if index // count < down.start]:
            del self._known[index]
        bands = []
        for row in down:
            parts = []
            for column in across:
                top, left = self._rows[row].start, self._columns[column].start
                inside = (_within(rows, top), _within(columns, left))
                parts.append(self._tile(row * count + column)[:, :, inside[0], inside[1]])
            bands.append(joined(parts, 3))
        return joined(bands, 2)

    def strips(self, view: View) -> Iterator[Pixels]:
        """What g_s makes of a view, as of :func:`synthesize_strips`: (1, rows, columns, 3) each."""
        vae, box, factor = self._weights.vae, view.reduced, view.factor
        return synthesize_strips(vae, self, self.size, self._step, box, factor)

    def check(self) -> None:
        """Decode every tile and keep none; raises ChecksumError for the first that is wrong."""
        for index in range(self.tiles):
            self._decode(index)

    def notes(self) -> tuple[str, ...]:
        """What the user should know of what was not there, a line each."""
        if self._container.checked and not self.losses:
            return ()  # a tile's own checks may differ where the one over the file does not
        share = self.decoded / self.requested if self.requested else 0.0
        if not self._salvage:
            return (
                f"the file is cut: {percent(share)} of its symbols are there, the rest is guessed",
            )
        if not self.losses:
            return ("the file is damaged, but not in what was shown of its pixels",)
        count = len(self.losses)
        damaged = f"{count} of {self.tiles} tiles {'is' if count == 1 else 'are'} damaged"
        notes = [f"{damaged}: {percent(share)} of the symbols are left"]
        for loss in self.losses[:LISTED_LOSSES]:
            where = f"tile {loss.index + 1}, {loss.box.width}x{loss.box.height} pixels at "
            where += f"{loss.box.left},{loss.box.top}"
            what = f"{percent(loss.share)} of its detail is left" if loss.share else "lost"
            notes.append(f"{where}: {what}")
        if count > LISTED_LOSSES:
            notes.append(f"and {counted(count - LISTED_LOSSES, 'more tile')}")
        return tuple(notes)

    def _tile(self, index: int) -> Tensor:
        if index not in self._known:
            self._known[index] = self._decode(index)
        return self._known[index]

    def _decode(self, index: int) -> Tensor:
        payload, whole = self._payload(index)
        row, column = divmod(index, len(self._columns))
        size = (len(self._rows[row]), len(self._columns[column]))
        try:
            decoder = PassDecoder(payload, self._weights.tables, complete=whole)
            y_hat = decode_latents(self._weights, [decoder], self._step, *size)
        except (ChecksumError, FormatError):
            # Of a picture that is one tile, nothing is left; of others, the neighbours are.
            if not self._salvage or self._index is None:
                raise
            decoder = PassDecoder(b"", self._weights.tables, complete=False)
            y_hat = decode_latents(self._weights, [decoder], self._step, *size)
        self.requested += decoder.requested
        self.decoded += decoder.decoded
        if decoder.exhausted:
            self.losses.append(TileLoss(index, self._box(index), decoder.decoded_fraction))
        return y_hat

    def _payload(self, index: int) -> tuple[bytes, bool]:
        """What is there of a tile's payload, and whether that is all of it."""
        latents = self._container.section(LATENTS) or b""
        if self._index is None:
            return latents, self._container.complete
        tile = self._index.tiles[index]
        payload = tile.symbols_check.to_bytes(4, "little")
        for part, place in zip(tile.parts, self._index.slices(index), strict=True):
            words = latents[place]
            if len(words) < place.stop - place.start:
                # The words of a part that is cut cannot be checked; some damage shows later.
                return payload + words, False
            if zlib.crc32(words) != part.check:
                if not self._salvage:
                    raise ChecksumError(f"tile {index + 1} of {self.tiles} is damaged")
                return payload, False
            payload += words
        return payload, True

    def _box(self, index: int) -> Box:
        header = self._container.header
        if self._index is None:
            return Box(0, 0, header.width, header.height)
        return self._index.grid.box(index)


def _bounds(length: int, side: int) -> list[range]:
    """Positions of each tile along one side of the picture."""
    edges = [*range(0, length, side), length]
    return [range(start, stop) for start, stop in pairwise(edges)]


def _within(part: slice, start: int) -> slice:
    """`part` counted from `start`; what lies before it is left out."""
    return slice(max(part.start - start, 0), part.stop - start)
