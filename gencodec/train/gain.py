"""What weights save against others on a folder of pictures, in real bytes."""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass

import torch

from gencodec.bench.curves import Curve, bd_rate
from gencodec.bench.environment import Environment, environment
from gencodec.bench.report import write_report
from gencodec.codec import Codec
from gencodec.codec.device import choose_device

from .heldout import Reached, check_sides, mean_of, reach
from .options import add_common, add_qualities, read_folder

WHAT = (
    "bpp: 8 x file bytes / pixels, header included; psnr: over RGB of decoded 8-bit pixels, dB, "
    "at most 100; ms_ssim: mean of the three planes; means over the pictures; bd_rate: percent of "
    "bits of the weights against those they are compared with at equal PSNR, PCHIP over the common "
    "range of the mean curves, and of each picture's curves under pictures; bd_rate_ms_ssim: at "
    "equal MS-SSIM, in dB; pictures_sha256: of their files' SHA-256 in order of names"
)


@dataclass(frozen=True)
class Level:
    """Both weights at one quality."""

    quality: float
    bpp: float
    psnr: float
    ms_ssim: float
    bpp_against: float
    psnr_against: float
    ms_ssim_against: float


@dataclass(frozen=True)
class Saving:
    """One picture; None where its two curves share no range of scores."""

    picture: str
    bd_rate: float | None
    bd_rate_ms_ssim: float | None


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
    bd_rate_ms_ssim: float
    levels: tuple[Level, ...]
    pictures: tuple[Saving, ...]


def _saving(name: str, ours: Reached, theirs: Reached) -> Saving:
    return Saving(name, _bits(ours.curve, theirs.curve), _bits(ours.structure, theirs.structure))


def _bits(ours: Curve, theirs: Curve) -> float | None:
    try:
        return round(bd_rate(ours, theirs), 2)
    except ValueError:  # no common range of scores, or a curve that is none
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
    check_sides(photos)
    device = choose_device(args.device)
    codecs = [Codec.load(model, device=str(device)) for model in (args.model, args.against)]
    ours, theirs = (
        [reach(codec, photo.pixels, args.qualities) for photo in photos] for codec in codecs
    )
    mean, other = mean_of(ours), mean_of(theirs)
    digest = hashlib.sha256("".join(photo.sha256 for photo in photos).encode())
    report = Gain(
        what=WHAT,
        note=args.note,
        weights=codecs[0].weights_id.hex(),
        against=codecs[1].weights_id.hex(),
        pictures_sha256=digest.hexdigest(),
        environment=environment(device),
        bd_rate=round(bd_rate(mean.curve, other.curve), 2),
        bd_rate_ms_ssim=round(bd_rate(mean.structure, other.structure), 2),
        levels=tuple(
            Level(quality, *(round(value, 5) for value in row))
            for quality, *row in zip(
                args.qualities,
                *(mean.bpp, mean.psnr, mean.ms_ssim),
                *(other.bpp, other.psnr, other.ms_ssim),
                strict=True,
            )
        ),
        pictures=tuple(
            _saving(photo.name, a, b) for photo, a, b in zip(photos, ours, theirs, strict=True)
        ),
    )
    write_report(report, args.output)
    for saving in report.pictures:
        print(f"{saving.picture}: {saving.bd_rate} %, {saving.bd_rate_ms_ssim} %")
    print(
        f"bits against {report.against}: {report.bd_rate:+.2f} % at equal PSNR, "
        f"{report.bd_rate_ms_ssim:+.2f} % at equal MS-SSIM"
    )
    return 0
