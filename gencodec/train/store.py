"""All training pictures in one tensor on the device, and crops cut from them there."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from gencodec.image import Pixels
from gencodec.model.config import LATENT_STRIDE

from .photos import LEAST_SIDE

SHRINK_SHARE = 0.5
SHRINK_MOST = 2.0
USUAL = 0.4
"""Share of the pictures that may be too small for the largest crops."""


class PhotoStore:
    """Pictures back to back in one uint8 tensor on ``device``; their sizes stay on the host.

    What is drawn at random is drawn on the host and travels as a few integers a crop, so cutting
    crops never waits for the device.
    """

    def __init__(self, photos: Sequence[Pixels], device: torch.device) -> None:
        if not photos:
            raise ValueError("no pictures to train on")
        self.device = device
        self.pixels = torch.empty(0, dtype=torch.uint8, device=device)
        self.heights = self.widths = self.starts = np.empty(0, np.int64)
        self.extend(photos)

    def extend(self, photos: Sequence[Pixels]) -> None:
        """Take in further (H, W, 3) uint8 pictures."""
        if not photos:
            return
        lengths = [photo.size for photo in photos]
        starts = self.pixels.numel() + np.cumsum([0, *lengths[:-1]])
        flat = torch.from_numpy(np.concatenate([photo.reshape(-1) for photo in photos]))
        arrived = flat.to(self.device)
        self.pixels = torch.cat((self.pixels, arrived)) if self.pixels.numel() else arrived
        self.heights = np.concatenate((self.heights, [photo.shape[0] for photo in photos]))
        self.widths = np.concatenate((self.widths, [photo.shape[1] for photo in photos]))
        self.starts = np.concatenate((self.starts, starts))

    def __len__(self) -> int:
        return len(self.starts)

    def megapixels(self) -> float:
        """Of all pictures together."""
        return self.pixels.numel() / 3e6

    def photo(self, index: int) -> Pixels:
        """One picture, (H, W, 3) uint8, back on the host."""
        height, width = int(self.heights[index]), int(self.widths[index])
        start = int(self.starts[index])
        part = self.pixels[start : start + 3 * height * width].cpu().numpy()
        return np.array(part.reshape(height, width, 3))

    def spread(self, count: int) -> list[Pixels]:
        """At most ``count`` pictures, evenly from first to last."""
        return [self.photo(i) for i in range(0, len(self), max(1, len(self) // count))][:count]

    def largest_side(self, multiple: int = 1) -> int:
        """The largest square that some picture holds, a multiple of so many pixels a side."""
        return int(np.minimum(self.heights, self.widths).max()) // multiple * multiple

    def usual_side(self) -> int:
        """The largest square, in pixels a side, that most pictures hold."""
        return int(np.quantile(np.minimum(self.heights, self.widths), USUAL))

    def crop_side(self, wanted: int) -> int:
        """As many of the pixels wanted a side as most pictures hold, a multiple of 16.

        Pictures smaller than LEAST_SIDE have no say in it: a few of them would make crops of which
        nothing can be learned.
        """
        most = min(max(self.usual_side(), LEAST_SIDE), self.largest_side())
        return min(wanted, most // LATENT_STRIDE * LATENT_STRIDE)

    def too_small(self, side: int) -> int:
        """How many pictures do not hold a square of so many pixels a side."""
        return int(np.count_nonzero(np.minimum(self.heights, self.widths) < side))

    def crops(self, count: int, side: int, rng: np.random.Generator) -> Tensor:
        """Random crops: (count, 3, side, side) float32 in 0..1, turned and shrunk at random.

        The result is laid out channels last.
        """
        shrink = rng.uniform(1.0, SHRINK_MOST) if rng.random() < SHRINK_SHARE else 1.0
        most = max(side, self.usual_side())  # or else a few large pictures would give all of these
        source = min(round(side * shrink), most, self.largest_side())
        first, down, right = on_device(self._windows(count, source, rng), self.device)
        along = torch.arange(source, device=self.device)
        index = (first[:, None] + down[:, None] * along)[:, :, None] + (right[:, None] * along)[
            :, None, :
        ]
        channels = torch.arange(3, device=self.device)
        x = self.pixels[index[..., None] + channels].permute(0, 3, 1, 2).float() / 255.0
        if source != side:
            x = shrunk(x.contiguous(), side)
        return x.contiguous(memory_format=torch.channels_last)

    def _windows(self, count: int, source: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """(3, count): where each crop's first sample stands, and the way down and to the right.

        A mirrored or transposed crop is the same pixels read in other directions.
        """
        large = np.flatnonzero(np.minimum(self.heights, self.widths) >= source)
        if not len(large):
            raise ValueError(f"no picture is {source} pixels wide and high")
        chosen = rng.choice(large, count)
        place = rng.random((2, count))
        top = (place[0] * (self.heights[chosen] - source + 1)).astype(np.int64)
        left = (place[1] * (self.widths[chosen] - source + 1)).astype(np.int64)
        mirrored = rng.random(count) < 0.5
        transposed = rng.random(count) < 0.25
        row = 3 * self.widths[chosen]
        first = self.starts[chosen] + top * row + 3 * left + np.where(mirrored, 3 * (source - 1), 0)
        across = np.where(mirrored, -3, 3)
        return np.stack(
            (first, np.where(transposed, across, row), np.where(transposed, row, across))
        )


def on_device(array: npt.NDArray[np.int64], device: torch.device) -> Tensor:
    """A small array as a tensor, without waiting for the device."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        tensor = tensor.pin_memory()  # only from pinned memory is the copy asynchronous
    return tensor.to(device, non_blocking=True)


def shrunk(x: Tensor, side: int) -> Tensor:
    """Square pictures (B, C, S, S) in 0..1 -> (B, C, side, side), bicubic with antialiasing.

    As two matrix products: torch's own kernel for it leaves most of a GPU idle.
    """
    weights = _resampling(x.shape[-1], side).to(x.device, non_blocking=True)
    return (weights @ x @ weights.t()).clamp(0.0, 1.0)


@lru_cache(maxsize=1024)
def _resampling(source: int, side: int) -> Tensor:
    """(side, source): what each of ``source`` samples in a row gives to each of ``side``."""
    columns = torch.eye(source)[None, None]
    shape = (side, source)
    weights = functional.interpolate(
        columns, shape, mode="bicubic", antialias=True, align_corners=False
    )[0, 0]
    return weights.pin_memory() if torch.cuda.is_available() else weights
