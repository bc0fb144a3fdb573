"""What weights save against others on a folder of pictures, in real bytes."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from gencodec.bench.contestants import load_gencodec
from gencodec.bench.curves import bd_rate
from gencodec.bench.environment import Environment, environment
from gencodec.bench.options import add_common, qualities, use_threads
from gencodec.bench.pictures import Dataset, dataset, find_pictures, load_picture
from gencodec.bench.rate_distortion import Mean, Row, mean_curve, means, measure
from gencodec.bench.report import write_report

QUALITIES = (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)

WHAT = (
    "bd_rate: percent of bits of the weights against those they are compared with at equal PSNR, "
    "PCHIP over the common range of the mean curves; images: the same picture by picture; "
    "bpp: 8 x file bytes / pixels, header included; psnr: over RGB of decoded 8-bit pixels, dB"
)


@dataclass(frozen=True)
class Picture:
    """One picture's saving; None where its two curves share no range of PSNR."""

    image: str
    bd_rate: float | None


@dataclass(frozen=True)
class Gain:
    """A whole measurement."""

    what: str
    note: str
    weights: str
    against: str
    dataset: Dataset
    environment: Environment
    bd_rate: float
    means: tuple[Mean, ...]
    means_against: tuple[Mean, ...]
    images: tuple[Picture, ...]


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train gain``."""
    add_common(parser, "benchmarks/collection.json")
    parser.add_argument(
        "--against", metavar="NAME|FILE", help="weights to compare with (default: as shipped)"
    )
    parser.add_argument("--qualities", type=qualities, default=QUALITIES, metavar="Q,Q,...")
    parser.add_argument("--note", default="", help="what the pictures and the weights are")


def run(args: argparse.Namespace) -> int:
    """Measure both, write the report, print the saving."""
    use_threads(args.threads)
    pictures = [load_picture(path) for path in find_pictures(args.folder, limit=args.limit)]
    tuned = load_gencodec(args.model, args.device, args.qualities[0])
    general = load_gencodec(args.against, args.device, args.qualities[0])
    ours, theirs = (
        [[measure(c.at(q), picture) for q in args.qualities] for picture in pictures]
        for c in (tuned, general)
    )
    mean_rows, other_rows = (
        means([row for rows in table for row in rows]) for table in (ours, theirs)
    )
    report = Gain(
        what=WHAT,
        note=args.note,
        weights=tuned.weights.digest.hex(),
        against=general.weights.digest.hex(),
        dataset=dataset(args.folder, pictures),
        environment=environment(tuned.device),
        bd_rate=round(bd_rate(mean_curve(mean_rows), mean_curve(other_rows)), 2),
        means=mean_rows,
        means_against=other_rows,
        images=tuple(
            Picture(picture.name, _saving(a, b))
            for picture, a, b in zip(pictures, ours, theirs, strict=True)
        ),
    )
    write_report(report, args.output)
    for picture in report.images:
        print(f"{picture.image}: {picture.bd_rate} %")
    print(f"bits against {general.weights_name} at equal PSNR: {report.bd_rate:+.2f} %")
    return 0


def _saving(ours: list[Row], theirs: list[Row]) -> float | None:
    try:
        return round(bd_rate(mean_curve(means(ours)), mean_curve(means(theirs))), 2)
    except ValueError:  # no common range of PSNR, or a curve that is none
        return None
