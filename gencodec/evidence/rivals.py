"""Classical codecs at the same quality, for what a picture costs without any learned weights."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, features

from gencodec.bench.metrics import finite_psnr
from gencodec.image import Pixels

JPEG_QUALITIES = (5, 12, 25, 40, 55, 70, 80, 88, 94, 98)


@dataclass(frozen=True)
class Rival:
    """One codec: `encode(pixels, q)` gives a file, `decode` its pixels; q rises with quality."""

    name: str
    settings: str
    encode: Callable[[Pixels, int], bytes]
    decode: Callable[[bytes], Pixels]
    lowest: int
    highest: int


@dataclass(frozen=True)
class Point:
    """One file of a rival."""

    bytes: int
    psnr: float


def jpeg_points(pixels: Pixels) -> list[Point]:
    """JPEG files (4:4:4, optimised tables) of a picture at ten qualities."""
    rival = rivals()[0]
    return [point(rival, pixels, quality) for quality in JPEG_QUALITIES]


def point(rival: Rival, pixels: Pixels, quality: int) -> Point:
    """Encode and decode once."""
    data = rival.encode(pixels, quality)
    return Point(len(data), finite_psnr(pixels, rival.decode(data)))


def bytes_at(rival: Rival, pixels: Pixels, psnr: float) -> float | None:
    """File bytes at which a rival reaches this PSNR, in dB; None if it never does.

    Bisection over its quality, then log-linear between the two settings on either side.
    """
    low, high = rival.lowest, rival.highest
    below, above = point(rival, pixels, low), point(rival, pixels, high)
    if above.psnr < psnr:
        return None
    if below.psnr >= psnr:
        return float(below.bytes)
    while high - low > 1:
        middle = (low + high) // 2
        here = point(rival, pixels, middle)
        if here.psnr < psnr:
            low, below = middle, here
        else:
            high, above = middle, here
    share = (psnr - below.psnr) / max(above.psnr - below.psnr, 1e-9)
    return float(np.exp((1 - share) * np.log(below.bytes) + share * np.log(above.bytes)))


@lru_cache(maxsize=1)
def rivals() -> tuple[Rival, ...]:
    """JPEG first, then what else is installed of WebP, AVIF and JPEG XL."""
    known = [_pillow("JPEG", "JPEG", "4:4:4, optimised tables", subsampling=0, optimize=True)]
    if features.check("webp"):
        known.append(_pillow("WebP", "WEBP", "method 6", method=6))
    if features.check("avif"):
        known.append(_pillow("AVIF", "AVIF", "speed 6, 4:4:4", speed=6, subsampling="4:4:4"))
    jpeg_xl = _jpeg_xl()
    return (*known, jpeg_xl) if jpeg_xl is not None else tuple(known)


def _pillow(name: str, kind: str, words: str, **options: object) -> Rival:
    def encode(pixels: Pixels, quality: int) -> bytes:
        memory = io.BytesIO()
        Image.fromarray(pixels).save(memory, kind, quality=quality, **options)
        return memory.getvalue()

    def decode(data: bytes) -> Pixels:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))

    return Rival(name, f"{words}, through Pillow", encode, decode, 1, 98)


def _jpeg_xl() -> Rival | None:
    try:
        from imagecodecs import jpegxl_decode, jpegxl_encode
    except ImportError:
        return None

    def encode(pixels: Pixels, quality: int) -> bytes:
        # libjxl's own scale is a distance, 0.1 best to 15 worst; here it rises with quality.
        return bytes(
            jpegxl_encode(pixels, distance=15.0 * (0.1 / 15.0) ** (quality / 98), effort=7)
        )

    return Rival("JPEG XL", "effort 7, through imagecodecs", encode, jpegxl_decode, 0, 98)
