"""The pictures and files that a command was given, and the codec that each needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gencodec.bench.contestants import Recipe
from gencodec.bench.own_codec import Gencodec, load
from gencodec.bitstream import Limits, read_header, unpack
from gencodec.image import Picture, Pixels, three_channels
from gencodec.model.registry import find_weights_by_id

from .explain import Explanation, Pictures, explain
from .stranger import other_weights
from .streams import Excerpt, dearest_tile


@dataclass(frozen=True, eq=False)
class Opened:
    """One input, named without its folder. original: None where only a stream was given."""

    name: str
    stream: bytes
    original: Pixels | None
    codec: Gencodec

    def pixels(self) -> Pixels:
        """The original, or what the stream decodes to: (H, W, 3)."""
        if self.original is not None:
            return self.original
        return three_channels(self.codec.decompress(self.stream))


def open_picture(name: str, picture: Picture, codec: Gencodec) -> Opened:
    """A picture, compressed as ``gencodec compress`` would; of tiles, the one of most bytes."""
    stream = codec.codec.compress_picture(picture, quality=codec.quality)
    original = three_channels(picture.pixels)
    if not read_header(stream).tiled:
        return Opened(Path(name).name, stream, original, codec)
    tile = dearest_tile(unpack(stream, limits=Limits(max_pixels=picture.width * picture.height)))
    box = tile.box
    original = original[box.top : box.bottom, box.left : box.right]
    return Opened(_named(name, tile), tile.stream, original, codec)


def open_stream_file(name: str, stream: bytes, codec: Gencodec, *, max_pixels: int) -> Opened:
    """A .gnc file, with the installed weights that it names; errors as ``Codec.verify``.

    Of a file in tiles, the one of most bytes.
    """
    header = read_header(stream)
    if header.weights_id != codec.weights.weights_id:
        entry = find_weights_by_id(header.weights_id)
        codec = load(Recipe("gencodec", entry.name, "cpu", codec.quality, codec.threads))
    codec.codec.verify(stream, max_pixels=max_pixels)
    if not header.tiled:
        return Opened(Path(name).name, stream, None, codec)
    tile = dearest_tile(unpack(stream, limits=Limits(max_pixels=max_pixels)))
    return Opened(_named(name, tile), tile.stream, None, codec)


def _named(name: str, tile: Excerpt) -> str:
    return f"{Path(name).name}, {tile.label}"


def explain_opened(
    opened: Opened, companions: Sequence[Opened], *, seed: int
) -> tuple[Explanation, Pictures]:
    """Explain one input; the second picture is the first companion, or itself upside down."""
    pixels = opened.pixels()
    others = [other for other in companions if other is not opened]
    if others:
        companion = (others[0].name, others[0].pixels())
    else:
        companion = ("the same picture upside down", np.ascontiguousarray(pixels[::-1, ::-1]))
    other = other_weights(opened.codec.weights.vae.config, pixels, seed=seed)
    return explain(
        opened.name, opened.stream, opened.original, opened.codec, other, companion, seed=seed
    )
