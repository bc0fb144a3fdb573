"""Where gencodec's time goes: the codec's straight line once more, with a clock at each stage.

encode: read (picture file) -> g_a -> prior (h_a and passes) -> ans (with read-back) -> pack
decode: unpack -> prior -> ans -> g_s -> write (PNG)

It calls the codec's own functions in the codec's order; a test holds its bytes and pixels
against the codec's.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from gencodec.bench.own_codec import Gencodec, tile_payloads
from gencodec.bitstream import Header, TileGrid, unpack
from gencodec.codec import step_of
from gencodec.codec.device import settle
from gencodec.codec.latents import decode_latents
from gencodec.codec.stream import pack_stream
from gencodec.codec.tiles import (
    choose_grid,
    join_tiles,
    latent_size,
    quantise_tiles,
    tile_parts,
)
from gencodec.codec.transform import analyze, synthesize
from gencodec.entropy import PassDecoder, ScaleTables
from gencodec.entropy.ans import Symbols
from gencodec.entropy.coding import ScaleIndex
from gencodec.image import Picture, Pixels, read_picture, three_channels, write_picture
from gencodec.model.config import LATENT_STRIDE

FILE_STAGES = ("read", "write")
"""Stages in other formats' files, outside what a codec's encode and decode times cover."""


class Clock:
    """Seconds of each stage, in the order of first use."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: dict[str, float] = {}
        self._device = device

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time within to a stage; a GPU is waited for at both ends."""
        settle(self._device)
        start = time.perf_counter()
        yield
        settle(self._device)
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


class _TimedDecoder(PassDecoder):
    """Knows how long it has been decoding."""

    def __init__(self, payload: bytes, tables: ScaleTables) -> None:
        start = time.perf_counter()
        super().__init__(payload, tables)
        self.seconds = time.perf_counter() - start

    def decode(self, scale_index: ScaleIndex) -> Symbols:
        start = time.perf_counter()
        symbols = super().decode(scale_index)
        self.seconds += time.perf_counter() - start
        return symbols


def timed_compress(subject: Gencodec, source: Path) -> tuple[bytes, dict[str, float]]:
    """A picture file to a stream, and the seconds of each stage."""
    clock = Clock(subject.device)
    weights, step = subject.weights, step_of(subject.quality)
    steps = torch.full((1,), step, device=subject.device)
    with clock.stage("read"):
        pixels = three_channels(read_picture(source).pixels)
    with clock.stage("g_a"):
        y = analyze(weights.vae, pixels[None], steps)
    height, width = pixels.shape[:2]
    grid = choose_grid(width, height, "auto")
    with clock.stage("prior"):
        tiles = list(quantise_tiles(weights, _rows_of_tiles(y, grid), grid, steps))
    with clock.stage("ans"):
        parts = [tile_parts(tile, weights) for tile in tiles]
    with clock.stage("pack"):
        header = Header(weights.weights_id, step, width, height, tiled=grid is not None)
        stream = pack_stream(header, parts, grid, ())
    return stream, clock.seconds


def timed_decompress(subject: Gencodec, stream: bytes) -> tuple[Pixels, dict[str, float]]:
    """A stream to pixels and on to PNG in memory, and the seconds of each stage."""
    clock = Clock(subject.device)
    weights = subject.weights
    with clock.stage("unpack"):
        container = unpack(stream)
        header = container.header
    steps = torch.full((1,), header.step, device=subject.device)
    tiles, in_decoders = [], 0.0
    with clock.stage("prior"):
        for payload, box in tile_payloads(container):
            decoder = _TimedDecoder(payload, weights.tables)
            tiles.append(decode_latents(weights, [decoder], steps, *latent_size(box)))
            in_decoders += decoder.seconds
        y_hat = join_tiles(tiles, None if container.tiles is None else container.tiles.grid)
    clock.seconds["prior"] -= in_decoders
    clock.seconds["ans"] = in_decoders
    with clock.stage("g_s"):
        (pixels,) = synthesize(weights.vae, y_hat, steps, header.width, header.height)
    with clock.stage("write"):
        write_picture(Picture(pixels), io.BytesIO())
    return pixels, clock.seconds


def _rows_of_tiles(y: Tensor, grid: TileGrid | None) -> Iterator[tuple[Tensor, None]]:
    """y of each row of tiles, (1, M, rows, columns), for which no search has found another z."""
    height = y.shape[2] if grid is None else grid.side // LATENT_STRIDE
    for top in range(0, y.shape[2], height):
        yield y[:, :, top : top + height], None
