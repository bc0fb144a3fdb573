"""Rate and distortion over a folder of images at several qualities, with real file bytes.

Means are means over the images of each image's bpp and PSNR in dB, not of the pooled error.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from gencodec.bench.anchors import Anchor, BdRate, bd_rates, read_anchors
from gencodec.bench.contestants import Gencodec, load_gencodec
from gencodec.bench.curves import Curve
from gencodec.bench.environment import Environment, environment
from gencodec.bench.metrics import finite_psnr, ms_ssim, psnr_y
from gencodec.bench.options import add_common, qualities, use_threads
from gencodec.bench.pictures import Dataset, Sample, dataset, find_pictures, load_picture
from gencodec.bench.report import write_report

QUALITIES = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)

WHAT = (
    "bpp: 8 x file bytes / pixels, header included; psnr: over RGB of decoded 8-bit pixels, dB; "
    "psnr_y: of BT.601 luma, dB; ms_ssim: over RGB; ideal_bits: information content of the "
    "coded symbols under the model; container_bytes: all of the file but the coded symbols; "
    "means over images; bd_rate: percent of bits against the anchor at equal psnr, PCHIP over "
    "the common range"
)


@dataclass(frozen=True)
class Row:
    """One image at one quality."""

    codec: str
    image: str
    width: int
    height: int
    quality: float
    file_bytes: int
    container_bytes: int
    ideal_bits: float
    bpp: float
    psnr: float
    psnr_y: float
    ms_ssim: float | None


@dataclass(frozen=True)
class Mean:
    """All images at one quality; rate_gap_percent is file bits over ideal bits, less 100 %."""

    codec: str
    quality: float
    bpp: float
    psnr: float
    psnr_y: float
    ms_ssim: float | None
    rate_gap_percent: float


@dataclass(frozen=True)
class RateDistortion:
    """A whole measurement, as it stands in benchmarks/."""

    what: str
    weights: str
    weights_id: str
    dataset: Dataset
    environment: Environment
    bd_rate: tuple[BdRate, ...]
    means: tuple[Mean, ...]
    images: tuple[Row, ...]

    def curve(self) -> Curve:
        """Mean bpp and PSNR by ascending rate."""
        return mean_curve(self.means)


def measure(contestant: Gencodec, picture: Sample) -> Row:
    """Compress and decompress one picture, and compare."""
    stream = contestant.compress(picture.pixels)
    decoded = contestant.decompress(stream)
    account = contestant.account(stream)
    similarity = ms_ssim(picture.pixels, decoded)
    return Row(
        codec=contestant.name,
        image=picture.name,
        width=picture.width,
        height=picture.height,
        quality=contestant.quality,
        file_bytes=len(stream),
        container_bytes=account.container_bytes,
        ideal_bits=round(account.ideal_bits, 1),
        bpp=round(8 * len(stream) / (picture.width * picture.height), 5),
        psnr=round(finite_psnr(picture.pixels, decoded), 4),
        psnr_y=round(psnr_y(picture.pixels, decoded), 4),
        ms_ssim=None if similarity is None else round(similarity, 6),
    )


def means(rows: Sequence[Row]) -> tuple[Mean, ...]:
    """Rows of one quality to their mean, in the order of first appearance."""
    grouped: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.codec, row.quality), []).append(row)
    return tuple(_mean(group) for group in grouped.values())


def mean_curve(rows: Sequence[Mean]) -> Curve:
    """The curve through means, by ascending rate."""
    points = sorted((row.bpp, row.psnr) for row in rows)
    return Curve(tuple(bpp for bpp, _ in points), tuple(psnr for _, psnr in points))


def run_all(
    contestant: Gencodec,
    folder: Path,
    levels: Sequence[float],
    anchors: Sequence[Anchor],
    *,
    limit: int | None = None,
) -> RateDistortion:
    """Measure every picture of a folder at every quality."""
    pictures = [load_picture(path) for path in find_pictures(folder, limit=limit)]
    rows = [measure(contestant.at(level), picture) for level, picture in _jobs(levels, pictures)]
    averages = means(rows)
    return RateDistortion(
        what=WHAT,
        weights=contestant.weights_name,
        weights_id=contestant.weights.digest.hex(),
        dataset=dataset(folder, pictures),
        environment=environment(contestant.device, ["pytorch-msssim"]),
        bd_rate=bd_rates(mean_curve(averages), anchors),
        means=averages,
        images=tuple(rows),
    )


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.bench kodak``."""
    add_common(parser, "benchmarks/kodak.json")
    parser.add_argument(
        "--qualities",
        type=qualities,
        default=QUALITIES,
        metavar="Q,Q,...",
        help="qualities 0..100 to measure (default: 0, 10, ... 100)",
    )
    parser.add_argument(
        "--anchors",
        type=Path,
        nargs="*",
        metavar="FILE",
        help="JSON files of curves to compare with (default: benchmarks/anchors.json, if there)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, write the report, print its means."""
    use_threads(args.threads)
    anchors = [anchor for path in _anchor_files(args.anchors) for anchor in read_anchors(path)]
    contestant = load_gencodec(args.model, args.device, args.qualities[0])
    report = run_all(contestant, args.folder, args.qualities, anchors, limit=args.limit)
    write_report(report, args.output)
    for mean in report.means:
        print(f"quality {mean.quality:5g}: {mean.bpp:.4f} bpp, {mean.psnr:.3f} dB")
    for rate in report.bd_rate:
        print(f"BD-rate against {rate.label}: {rate.percent:+.1f} %")
    return 0


def _anchor_files(given: list[Path] | None) -> list[Path]:
    standard = Path("benchmarks/anchors.json")
    if given is None:
        return [standard] if standard.exists() else []
    return given


def _jobs(levels: Sequence[float], pictures: Sequence[Sample]) -> Iterator[tuple[float, Sample]]:
    jobs = [(level, picture) for level in levels for picture in pictures]
    return iter(tqdm(jobs, file=sys.stderr, disable=None, unit="image"))


def _mean(rows: Sequence[Row]) -> Mean:
    count = len(rows)
    similar = [row.ms_ssim for row in rows if row.ms_ssim is not None]
    ideal = sum(row.ideal_bits for row in rows)
    return Mean(
        codec=rows[0].codec,
        quality=rows[0].quality,
        bpp=round(sum(row.bpp for row in rows) / count, 5),
        psnr=round(sum(row.psnr for row in rows) / count, 4),
        psnr_y=round(sum(row.psnr_y for row in rows) / count, 4),
        ms_ssim=round(sum(similar) / count, 6) if len(similar) == count else None,
        rate_gap_percent=round((8 * sum(row.file_bytes for row in rows) / ideal - 1) * 100, 3),
    )
