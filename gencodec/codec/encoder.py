"""One picture to its stream, at one quality step or at several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from gencodec.bitstream import Header, Section, TileGrid
from gencodec.image import PixelRows, Pixels
from gencodec.model.config import LATENT_STRIDE
from gencodec.model.vae import ImageVae
from gencodec.model.weights import Weights

from .latents import Latents, hyper_positions
from .refine import NO_SEARCH, REACH, Search, refine
from .stream import grey_of, pack_stream
from .tiles import join_tiles, quantise_tiles, tile_parts
from .transform import Trunk, latent_margin, latents_at, synthesize, trunks

KEPT_PIXELS = 64_000_000
"""Of larger pictures the trunk is computed anew for each step: kept, it has 12 bytes a pixel."""


class Encoder:
    """Streams of one picture; with `keep`, the half of g_a that knows of no step runs once.

    rest: the sections for all that is no colour. search: for cheaper symbols than g_a's.
    """

    def __init__(
        self,
        weights: Weights,
        device: torch.device,
        source: PixelRows,
        rest: Sequence[Section],
        grid: TileGrid | None,
        *,
        keep: bool = False,
        search: Search = NO_SEARCH,
    ) -> None:
        self._weights = weights
        self._device = device
        self._source = source
        self._rest = rest
        self._grid = grid
        self._keep = keep and source.width * source.height <= KEPT_PIXELS
        self._search = search
        self._kept: dict[int, list[Trunk]] = {}

    @property
    def pixels(self) -> int:
        """How many the picture has."""
        return self._source.width * self._source.height

    def stream(self, step: int) -> bytes:
        """The stream at a step 0..255."""
        return self._pack(step, [tile_parts(t, self._weights) for t in self._latents(step)])

    def stream_and_pixels(self, step: int) -> tuple[bytes, Pixels]:
        """The same, with the pixels that a decoder will make of it: (H, W, 3), or (H, W) grey."""
        tiles, decoded = [], []
        for latents in self._latents(step):
            tiles.append(tile_parts(latents, self._weights))
            decoded.append(latents.y_hat)
        y_hat, size = join_tiles(decoded, self._grid), (self._source.width, self._source.height)
        (pixels,) = synthesize(self._weights.vae, y_hat, self._tensor(step), *size)
        return self._pack(step, tiles), grey_of(pixels) if self._source.grey else pixels

    def _latents(self, step: int) -> Iterator[Latents]:
        at_step = self._tensor(step)
        return quantise_tiles(self._weights, self._rows(at_step), self._grid, at_step)

    def _tensor(self, step: int) -> Tensor:
        return torch.full((1,), step, device=self._device)

    def _pack(self, step: int, tiles: Sequence[Sequence[bytes]]) -> bytes:
        header = Header(
            weights_id=self._weights.weights_id,
            step=step,
            width=self._source.width,
            height=self._source.height,
            grey=self._source.grey,
            tiled=self._grid is not None,
        )
        return pack_stream(header, tiles, self._grid, self._rest)

    def _rows(self, step: Tensor) -> Iterator[tuple[Tensor, Tensor | None]]:
        """y (1, M, h, w) of each row of tiles, and z where a search has found another than h_a."""
        vae = self._weights.vae
        height = self._source.height if self._grid is None else self._grid.side
        for top in range(0, self._source.height, height):
            bottom = min(top + height, self._source.height)
            if self._search.effort == 0:
                yield self._plain_y(top, bottom, step), None
                continue
            reach = REACH * LATENT_STRIDE
            first, last = max(0, top - reach), min(self._source.height, bottom + reach)
            y = self._plain_y(first, last, step)
            pixels = self._source.rows(first, last)[None]
            y, z = refine(vae, y, pixels, step, self._search_of(bottom - top))
            start = (top - first) // LATENT_STRIDE
            part = slice(start, start + -(-(bottom - top) // LATENT_STRIDE))
            yield y[:, :, part], z[:, :, hyper_positions(part)]

    def _search_of(self, rows: int) -> Search:
        """The search of so many of the picture's rows."""
        part, watch = rows / self._source.height, self._search.watch
        return replace(self._search, watch=lambda share: watch(part * share))

    def _plain_y(self, top: int, bottom: int, step: Tensor) -> Tensor:
        vae = self._weights.vae
        if not self._keep:
            return latents_at(vae, row_trunks(vae, self._source, top, bottom), step)
        if top not in self._kept:
            self._kept[top] = list(row_trunks(vae, self._source, top, bottom))
        return latents_at(vae, self._kept[top], step)


def row_trunks(vae: ImageVae, source: PixelRows, top: int, bottom: int) -> Iterator[Trunk]:
    """The trunk of g_a over these rows of pixels; `top` is a multiple of 16."""
    margin = latent_margin(vae) * LATENT_STRIDE
    first, last = max(0, top - margin), min(source.height, bottom + margin)
    start = (top - first) // LATENT_STRIDE
    stop = -(-(bottom - first) // LATENT_STRIDE)
    return trunks(vae, source.rows(first, last)[None], slice(start, stop))
