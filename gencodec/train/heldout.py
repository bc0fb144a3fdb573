"""What weights reach on pictures, such as those they were not trained on, in real bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gencodec.bench.curves import Curve
from gencodec.bench.metrics import METRICS, finite_psnr
from gencodec.codec import Codec
from gencodec.errors import ImageError
from gencodec.image import Pixels, three_channels

from .ms_ssim import WINDOW, ms_ssim
from .photos import Photo

QUALITIES = (0, 12, 25, 37, 50, 62, 75, 87, 100)
(MS_SSIM,) = (metric for metric in METRICS if metric.name == "ms_ssim")


@dataclass(frozen=True)
class Reached:
    """Of one picture, or means over several: one number for each quality that was measured.

    bpp: 8 x file bytes / pixels.  psnr: over RGB of decoded 8-bit pixels, dB, of each at most 100.
    ms_ssim: mean of the three planes, 0 to 1.
    """

    bpp: tuple[float, ...]
    psnr: tuple[float, ...]
    ms_ssim: tuple[float, ...]

    @property
    def curve(self) -> Curve:
        """Rate and PSNR."""
        return Curve(self.bpp, self.psnr)

    @property
    def structure(self) -> Curve:
        """Rate and MS-SSIM as decibels, as the field plots it."""
        return Curve(self.bpp, tuple(MS_SSIM.on_curve(mean) for mean in self.ms_ssim))


@dataclass(frozen=True)
class HeldOutScores(Reached):
    """Means over held-out pictures at :data:`QUALITIES`.

    pictures, side: how many there were, and pixels of the shortest side of any.
    """

    pictures: int
    side: int


def rounded_curve(scores: HeldOutScores) -> dict[str, list[float]]:
    """Scores as the manifest holds them."""
    return {
        "quality": list(QUALITIES),
        "bpp": [round(rate, 5) for rate in scores.bpp],
        "psnr": [round(value, 4) for value in scores.psnr],
        "ms_ssim": [round(value, 5) for value in scores.ms_ssim],
    }


def reach(codec: Codec, picture: Pixels, qualities: Sequence[float]) -> Reached:
    """Compress and decompress a picture, (H, W, 3) uint8, at every quality.

    H and W: at least 11, below which there is no MS-SSIM.
    """
    rows = np.array([_scores(codec, picture, quality) for quality in qualities])
    return Reached(*(tuple(map(float, column)) for column in rows.T))


def check_sides(photos: Sequence[Photo]) -> None:
    """ImageError for one that has no MS-SSIM: before hours of measuring, not after them."""
    for photo in photos:
        height, width = photo.pixels.shape[:2]
        if min(height, width) < WINDOW:
            raise ImageError(
                f"{photo.name} is {width} x {height} pixels; measuring takes {WINDOW} each way"
            )


def mean_of(each: Sequence[Reached]) -> Reached:
    """Means over pictures that were measured at the same qualities."""
    rows = np.array([(one.bpp, one.psnr, one.ms_ssim) for one in each]).mean(0)
    return Reached(*(tuple(map(float, column)) for column in rows))


def measure_held_out(codec: Codec, pictures: Sequence[Pixels]) -> HeldOutScores:
    """The same of all of these, at :data:`QUALITIES`."""
    mean = mean_of([reach(codec, picture, QUALITIES) for picture in pictures])
    side = min(min(picture.shape[:2]) for picture in pictures)
    return HeldOutScores(mean.bpp, mean.psnr, mean.ms_ssim, len(pictures), side)


def there_and_back(codec: Codec, picture: Pixels, quality: float) -> tuple[float, Pixels]:
    """The file's bits a pixel, header included, and what it decodes to: (H, W, 3) uint8."""
    stream = codec.compress(picture, quality=quality)
    bpp = 8.0 * len(stream) / (picture.shape[0] * picture.shape[1])
    return bpp, three_channels(codec.decompress(stream))


def _scores(codec: Codec, picture: Pixels, quality: float) -> tuple[float, float, float]:
    bpp, decoded = there_and_back(codec, picture, quality)
    structure = ms_ssim(planes([decoded]), planes([picture])).mean()
    return bpp, finite_psnr(picture, decoded), float(structure)


def planes(pictures: Sequence[Pixels]) -> Tensor:
    """Pictures of one size, (H, W, 3) uint8 -> (B, 3, H, W) float32 in 0..1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255.0
