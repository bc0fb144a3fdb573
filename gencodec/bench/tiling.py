"""What tiles cost in bytes, and whether their borders show: ``python -m gencodec.bench tiles``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gencodec.bench.environment import Environment, environment
from gencodec.bench.pictures import Census, Dataset, Sample, find_pictures, load_picture
from gencodec.bench.report import write_report
from gencodec.codec import Codec
from gencodec.image import Pixels, check_place

WHAT = (
    "bytes: of the whole file with tiles of this side; untiled_bytes: without; percent: what tiles "
    "add; border_error: mean squared error of the pixels within 8 of a border between tiles, over "
    "that of the same pixels without tiles; rest_error: the same of all other pixels; 1 is equal"
)
SIDES = (256, 512, 1024)
QUALITIES = (20.0, 60.0, 90.0)
NEAR = 8


@dataclass(frozen=True)
class Row:
    """One picture at one quality, with tiles of one side."""

    image: str
    width: int
    height: int
    quality: float
    side: int
    bytes: int
    untiled_bytes: int
    percent: float
    border_error: float
    rest_error: float


@dataclass(frozen=True)
class Mean:
    """Means over the pictures, percent by total bytes."""

    quality: float
    side: int
    percent: float
    border_error: float
    rest_error: float


@dataclass(frozen=True)
class TilingReport:
    """The measurement as it stands in benchmarks/tiles.json."""

    what: str
    weights_id: str
    dataset: Dataset
    environment: Environment
    means: tuple[Mean, ...]
    images: tuple[Row, ...]


def measure(codec: Codec, sample: Sample) -> Iterator[Row]:
    """Every quality and side of a picture that is larger than one tile."""
    sides = [side for side in SIDES if side < max(sample.width, sample.height)]
    for quality in QUALITIES if sides else ():
        untiled = codec.compress(sample.pixels, quality=quality, tile=None)
        expected = _squares(sample.pixels, codec.decompress(untiled))
        for side in sides:
            stream = codec.compress(sample.pixels, quality=quality, tile=side)
            error = _squares(sample.pixels, codec.decompress(stream))
            near = near_borders(sample.height, sample.width, side)
            yield Row(
                sample.name,
                sample.width,
                sample.height,
                quality,
                side,
                len(stream),
                len(untiled),
                round(100 * (len(stream) / len(untiled) - 1), 3),
                round(float(error[near].mean() / expected[near].mean()), 4),
                round(float(error[~near].mean() / expected[~near].mean()), 4),
            )


def near_borders(height: int, width: int, side: int) -> npt.NDArray[np.bool_]:
    """The pixels within NEAR of a border between two tiles, bool (height, width)."""
    near = np.zeros((height, width), bool)
    for border in range(side, height, side):
        near[border - NEAR : border + NEAR] = True
    for border in range(side, width, side):
        near[:, border - NEAR : border + NEAR] = True
    return near


def means_of(rows: list[Row]) -> tuple[Mean, ...]:
    """One for each quality and side."""
    found = []
    for quality, side in sorted({(row.quality, row.side) for row in rows}):
        same = [row for row in rows if (row.quality, row.side) == (quality, side)]
        total = sum(row.bytes for row in same) / sum(row.untiled_bytes for row in same)
        found.append(
            Mean(
                quality,
                side,
                round(100 * (total - 1), 3),
                round(float(np.mean([row.border_error for row in same])), 4),
                round(float(np.mean([row.rest_error for row in same])), 4),
            )
        )
    return tuple(found)


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="pictures of some megapixels")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="JSON", help="the report, replaced"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pictures")


def run(args: argparse.Namespace) -> int:
    """Measure, tell, write."""
    check_place(args.output)
    codec, census, rows = Codec.load(device="cpu"), Census(), []
    for path in find_pictures(args.folder, limit=args.limit):
        sample = load_picture(path)
        census.add(sample)
        for row in measure(codec, sample):
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    report = TilingReport(
        WHAT,
        codec.weights_id.hex(),
        census.dataset(args.folder),
        environment(torch.device("cpu")),
        means_of(rows),
        tuple(rows),
    )
    write_report(report, args.output)
    for mean in report.means:
        print(mean)
    return 0


def _squares(original: Pixels, decoded: Pixels) -> npt.NDArray[np.float64]:
    """The squared error of each pixel, float64 (H, W)."""
    difference = original.astype(np.float64) - decoded
    return (difference**2).reshape(*original.shape[:2], -1).mean(2)
