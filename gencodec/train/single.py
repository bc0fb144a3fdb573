"""What one network for all rates costs against networks trained for one rate each.

single network at its quality --real bytes--> (bpp, PSNR)
network for all, at qualities around it --> curve --at the same PSNR--> bpp       compare
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import torch

from gencodec.bench.curves import rate_at
from gencodec.bench.environment import Environment, environment
from gencodec.bench.report import write_report
from gencodec.codec import Codec
from gencodec.codec.device import choose_device

from .heldout import check_sides, mean_of, reach
from .options import add_common, read_folder

AROUND = (-9.0, -6.0, -3.0, 0.0, 3.0, 6.0, 9.0)
"""Qualities of the network for all, relative to the single one's; 100 is the most there is."""

WHAT = (
    "bpp: 8 x file bytes / pixels, header included; psnr: over RGB of decoded 8-bit pixels, dB; "
    "means over the pictures; bpp_of_all: bits of the network for all rates at the PSNR of the "
    "single one, PCHIP of log bpp between qualities around it; cost_of_all: percent of bits by "
    "which it needs more"
)


@dataclass(frozen=True)
class SingleRate:
    """A network for one quality beside the one for all."""

    quality: float
    weights: str
    bpp: float
    psnr: float
    bpp_of_all: float
    cost_of_all: float


@dataclass(frozen=True)
class Comparison:
    """A whole measurement."""

    what: str
    note: str
    weights_for_all: str
    pictures: int
    environment: Environment
    singles: tuple[SingleRate, ...]


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train single``."""
    add_common(parser, "benchmarks/single.json")
    parser.add_argument(
        "--single",
        type=_single,
        action="append",
        required=True,
        metavar="Q=FILE",
        help="weights that gencodec train --quality Q made; may be given several times",
    )
    parser.add_argument("--note", default="", help="how the weights were trained")


def _single(text: str) -> tuple[float, str]:
    quality, equals, file = text.partition("=")
    try:
        value = float(quality)
    except ValueError:
        value = -1.0
    if not (equals and file and 0.0 <= value <= 100.0):
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form Q=FILE with Q from 0 to 100")
    return value, file


def run(args: argparse.Namespace) -> int:
    """Measure each single network against the one for all; write the report, print the costs."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    photos = read_folder(args.folder, args.limit)
    check_sides(photos)
    device = choose_device(args.device)
    general = Codec.load(args.model, device=str(device))
    singles = []
    for quality, file in args.single:
        codec = Codec.load(file, device=str(device))
        point = mean_of([reach(codec, photo.pixels, (quality,)) for photo in photos])
        around = sorted({min(100.0, max(0.0, quality + off)) for off in AROUND})
        curve = mean_of([reach(general, photo.pixels, around) for photo in photos]).curve
        at_equal = rate_at(curve, point.psnr[0])
        singles.append(
            SingleRate(
                quality,
                codec.weights_id.hex(),
                bpp=round(point.bpp[0], 5),
                psnr=round(point.psnr[0], 4),
                bpp_of_all=round(at_equal, 5),
                cost_of_all=round((at_equal / point.bpp[0] - 1.0) * 100.0, 2),
            )
        )
    report = Comparison(
        what=WHAT,
        note=args.note,
        weights_for_all=general.weights_id.hex(),
        pictures=len(photos),
        environment=environment(device),
        singles=tuple(singles),
    )
    write_report(report, args.output)
    for single in singles:
        print(
            f"quality {single.quality:g}: {single.psnr:.2f} dB at {single.bpp:.4f} bpp alone, "
            f"at {single.bpp_of_all:.4f} bpp as one for all ({single.cost_of_all:+.2f} %)"
        )
    return 0
