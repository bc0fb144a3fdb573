"""Many pictures: neighbours of one size share a pass through the device.

While it works on one group, a thread codes the symbols of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby

import numpy as np
import torch

from gencodec.bitstream import Container, Header
from gencodec.image import Picture, three_channels
from gencodec.model.weights import Weights

from .latents import Latents, decode_latents, quantise
from .refine import Search, refine
from .stream import latents_decoder, pack_stream, picture_of, side_sections
from .tiles import choose_grid, latent_size, tile_parts
from .transform import analyze, synthesize

BATCH_PIXELS = 8_000_000
"""Pictures of one size go through the device together up to this many pixels."""


def compress_groups(
    pictures: Sequence[Picture],
    weights: Weights,
    device: torch.device,
    step: int,
    search: Search,
    alone: Callable[[Picture], bytes],
) -> list[bytes]:
    """Streams in the order of the pictures; `alone` makes those of pictures in tiles."""
    streams: list[Future[bytes]] = []
    with ThreadPoolExecutor(1) as coder:
        for group in _groups([(p.width, p.height, None) for p in pictures]):
            part = [pictures[index] for index in group]
            if choose_grid(part[0].width, part[0].height, "auto") is not None:
                streams += [coder.submit(alone, picture) for picture in part]
                continue
            steps = torch.full((len(part),), step, device=device)
            pixels = np.stack([three_channels(p.pixels) for p in part])
            y = analyze(weights.vae, pixels, steps)
            y, z = refine(weights.vae, y, pixels, steps, search)
            for picture, latents in zip(part, quantise(weights.vae, y, steps, z), strict=True):
                streams.append(coder.submit(_pack, weights, picture, latents, step))
        return [stream.result() for stream in streams]


def decompress_groups(
    containers: Sequence[Container],
    weights_of: Callable[[bytes], Weights],
    device: torch.device,
    alone: Callable[[Container], Picture],
) -> list[Picture]:
    """Pictures in the order of the containers; `alone` shows those in tiles.

    Two groups are in flight at a time on a GPU, so that one is decoded while the device works on
    the other.
    """
    headers = [container.header for container in containers]
    for header in headers:
        weights_of(header.weights_id)  # loaded, or refused, before any thread needs them

    def show(group: Sequence[int]) -> list[Picture]:
        part = [containers[index] for index in group]
        first = part[0].header
        if first.tiled:
            return [alone(container) for container in part]
        weights = weights_of(first.weights_id)
        decoders = [latents_decoder(container, weights) for container in part]
        steps = torch.tensor([container.header.step for container in part], device=device)
        y_hat = decode_latents(weights, decoders, steps, *latent_size(first))
        pixels = synthesize(weights.vae, y_hat, steps, first.width, first.height)
        return [picture_of(*pair) for pair in zip(part, pixels, strict=True)]

    keys = [(h.width, h.height, (h.weights_id, h.tiled)) for h in headers]
    with ThreadPoolExecutor(2 if device.type == "cuda" else 1) as pool:
        return [picture for shown in pool.map(show, list(_groups(keys))) for picture in shown]


def _pack(weights: Weights, picture: Picture, latents: Latents, step: int) -> bytes:
    header = Header(weights.weights_id, step, picture.width, picture.height, picture.grey)
    return pack_stream(header, [tile_parts(latents, weights)], None, side_sections(picture))


def _groups(keys: Sequence[tuple[int, int, object]]) -> Iterator[list[int]]:
    """Runs of neighbours alike in width, height and kind, at most BATCH_PIXELS together."""
    for (width, height, _), run in groupby(range(len(keys)), keys.__getitem__):
        places, most = list(run), max(1, BATCH_PIXELS // (width * height))
        for start in range(0, len(places), most):
            yield places[start : start + most]
