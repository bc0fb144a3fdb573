"""Classical codecs at the same quality, for what a picture costs without any learned weights."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFile

from gencodec.bench.contestants import Contestant, Recipe, make_contestant
from gencodec.bench.metrics import finite_psnr
from gencodec.image import Pixels, three_channels

JPEG_QUALITIES = (5, 12, 25, 40, 55, 70, 80, 88, 94, 98)
RIVALS = ("jpeg", "webp", "avif-ssim", "jxl")
"""AVIF as tuned for PSNR, which is what files are compared at."""


@dataclass(frozen=True)
class Point:
    """One file: its size, and the PSNR of what it decodes to, in dB."""

    bytes: int
    psnr: float


def jpeg_points(pixels: Pixels) -> list[Point]:
    """JPEG files (Pillow's, 4:4:4, optimised tables) of a picture at ten qualities.

    Not from the benchmark's rivals: an audit must not need imagecodecs for its yardstick.
    """
    # Pillow has an optimised file made in one piece, in what memory it takes to be enough: a byte a
    # pixel up to quality 94, two from 95 on.  Crops full of fine lines need more.
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 2 * pixels.size)
    points = []
    for quality in JPEG_QUALITIES:
        memory = io.BytesIO()
        Image.fromarray(pixels).save(memory, "JPEG", quality=quality, subsampling=0, optimize=True)
        data = memory.getvalue()
        with Image.open(io.BytesIO(data)) as image:
            points.append(Point(len(data), finite_psnr(pixels, np.asarray(image))))
    return points


def installed_rivals() -> list[Contestant]:
    """Those of RIVALS that can be had here."""
    found = []
    for name in RIVALS:
        try:
            found.append(make_contestant(Recipe(name)))
        except (ImportError, RuntimeError):
            continue
    return found


def point_of(codec: Contestant, pixels: Pixels) -> Point:
    """The file of a picture, (H, W, 3)."""
    stream = codec.compress(pixels)
    return Point(len(stream), finite_psnr(pixels, three_channels(codec.decompress(stream))))


def points_of(rival: Contestant, pixels: Pixels) -> list[Point]:
    """Files of a picture at all qualities of a rival's curve."""
    return [point_of(rival.at(quality), pixels) for quality in rival.qualities]


def bytes_at(psnr: float, points: Sequence[Point]) -> float | None:
    """Bytes at a PSNR in dB, log-linear between the points; None outside of them."""
    ordered = sorted(points, key=lambda point: point.psnr)
    decibels = [point.psnr for point in ordered]
    if not decibels[0] <= psnr <= decibels[-1]:
        return None
    return float(np.exp(np.interp(psnr, decibels, np.log([point.bytes for point in ordered]))))
