"""What weights save against others on a folder of pictures, in real bytes."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gencodec.bench.curves import Curve, bd_rate
from gencodec.bench.environment import Environment, environment
from gencodec.bench.metrics import finite_psnr
from gencodec.bench.report import write_report
from gencodec.codec import Codec
from gencodec.codec.device import choose_device

from .heldout import there_and_back
from .options import add_common, add_qualities, read_folder
from .photos import Photo

WHAT = (
    "bpp: 8 x file bytes / pixels, header included; psnr: over RGB of decoded 8-bit pixels, dB, "
    "at most 100; means over the pictures; bd_rate: percent of bits of the weights against those "
    "they are compared with at equal PSNR, PCHIP over the common range of the mean curves, and of "
    "each picture's curves under pictures; pictures_sha256: of their files' SHA-256 in order of "
    "names"
)


@dataclass(frozen=True)
class Level:
    """Both weights at one quality."""

    quality: float
    bpp: float
    psnr: float
    bpp_against: float
    psnr_against: float


@dataclass(frozen=True)
class Saving:
    """One picture; None where its two curves share no range of PSNR."""

    picture: str
    bd_rate: float | None


@dataclass(frozen=True)
class Gain:
    """A whole measurement."""

    what: str
    note: str
    weights: str
    against: str
    pictures_sha256: str
    environment: Environment
    bd_rate: float
    levels: tuple[Level, ...]
    pictures: tuple[Saving, ...]


def measure(codec: Codec, photos: Sequence[Photo], levels: Sequence[float]) -> list[Curve]:
    """Real bytes and PSNR of each picture, a point for each quality."""
    return [
        Curve(*zip(*(_point(codec, photo, quality) for quality in levels), strict=True))
        for photo in photos
    ]


def _point(codec: Codec, photo: Photo, quality: float) -> tuple[float, float]:
    bpp, decoded = there_and_back(codec, photo.pixels, quality)
    return bpp, finite_psnr(photo.pixels, decoded)


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The means over pictures of what :func:`measure` yields."""
    return Curve(
        tuple(np.mean([curve.bpp for curve in curves], axis=0).tolist()),
        tuple(np.mean([curve.score for curve in curves], axis=0).tolist()),
    )


def _saving(ours: Curve, theirs: Curve) -> float | None:
    try:
        return round(bd_rate(ours, theirs), 2)
    except ValueError:  # no common range of PSNR, or a curve that is none
        return None


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train gain``."""
    add_common(parser, "benchmarks/collection.json")
    parser.add_argument(
        "--against", metavar="NAME|FILE", help="weights to compare with (default: as shipped)"
    )
    add_qualities(parser)
    parser.add_argument("--note", default="", help="what the pictures and the weights are")


def run(args: argparse.Namespace) -> int:
    """Measure both, write the report, print the saving."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    if len(args.qualities) < 3:
        raise ValueError("a curve needs three qualities or more")
    photos = read_folder(args.folder, args.limit)
    device = choose_device(args.device)
    codecs = [Codec.load(model, device=str(device)) for model in (args.model, args.against)]
    ours, theirs = (measure(codec, photos, args.qualities) for codec in codecs)
    mean, other = mean_curve(ours), mean_curve(theirs)
    digest = hashlib.sha256("".join(photo.sha256 for photo in photos).encode())
    report = Gain(
        what=WHAT,
        note=args.note,
        weights=codecs[0].weights_id.hex(),
        against=codecs[1].weights_id.hex(),
        pictures_sha256=digest.hexdigest(),
        environment=environment(device),
        bd_rate=round(bd_rate(mean, other), 2),
        levels=tuple(
            Level(quality, *(round(value, 5) for value in row))
            for quality, *row in zip(
                args.qualities, mean.bpp, mean.score, other.bpp, other.score, strict=True
            )
        ),
        pictures=tuple(
            Saving(photo.name, _saving(a, b))
            for photo, a, b in zip(photos, ours, theirs, strict=True)
        ),
    )
    write_report(report, args.output)
    for saving in report.pictures:
        print(f"{saving.picture}: {saving.bd_rate} %")
    print(f"bits against {report.against} at equal PSNR: {report.bd_rate:+.2f} %")
    return 0
