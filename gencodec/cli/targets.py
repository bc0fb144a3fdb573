"""The options that say how a stream is made: quality or a target in its place, effort, tiles."""

from __future__ import annotations

import argparse
import importlib.util
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gencodec.cli import options
from gencodec.cli.failures import UsageError
from gencodec.cli.loading import tunes_of
from gencodec.errors import TargetError
from gencodec.model.quality import DEFAULT_QUALITY, EFFORT_MAX
from gencodec.names import visible

if TYPE_CHECKING:
    from gencodec.bitstream import Header
    from gencodec.codec import Codec, Metric
    from gencodec.image import Picture, PixelRows, Pixels

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "KIB": 2**10, "MIB": 2**20}
SIZE_MAX = 2.0**62
"""Bytes; more than any file has."""

QUALITY_HELP = (
    "higher is larger and closer to the original; ordinary photographs come to about 0.2 bits a "
    "pixel and 29 dB (RGB PSNR) at 20, 0.4 and 32 at 40, 0.7 and 35 at 60, 1.2 and 38 at 80 "
    f"(default: {DEFAULT_QUALITY:g})"
)


@dataclass(frozen=True)
class Made:
    """A stream, its quality, and how many passes found it."""

    stream: bytes
    quality: float
    passes: int = 1


def add_quality(parser: options.CommandParser) -> None:
    """-q, or a target in its place, --effort, --tune and --tile."""
    parser.add_argument(
        "-q", "--quality", type=options.quality, metavar="0..100", help=QUALITY_HELP
    )
    group = parser.add_argument_group(
        "targets", "in place of -q: the quality is found that meets one of these"
    )
    group.add_argument(
        "--target-size",
        type=byte_count,
        metavar="BYTES",
        help="files of at most this size, usually at most 2%% under it: 100KB, 1.5MB, 64KiB, 80000",
    )
    group.add_argument(
        "--target-bpp", type=above_zero, metavar="N", help="the same in bits a pixel"
    )
    group.add_argument(
        "--target-psnr",
        type=above_zero,
        metavar="DB",
        help="the smallest files of at least this PSNR over R, G and B",
    )
    group.add_argument(
        "--target-ssimulacra2",
        type=above_zero,
        metavar="N",
        help="the same with SSIMULACRA 2, which judges as people do: about 50 medium, 70 high, 90 "
        "visually lossless (needs the Python package ssimulacra2)",
    )
    parser.add_argument(
        "--effort",
        type=effort,
        default=0,
        metavar="N",
        help="look over the symbols of each picture N times for better ones, 0 to "
        f"{EFFORT_MAX}: smaller files of the same quality, each time for about as long as "
        "three decodings; 4 bring half of what 100 do (default: 0)",
    )
    parser.add_argument(
        "--tune",
        choices=("mse", "ssim"),
        default="mse",
        help="what is better at equal bits: 'mse' gives the highest PSNR, 'ssim' keeps the "
        "structure that the eye goes by (default: mse)",
    )
    parser.add_argument(
        "--tile",
        type=tile,
        default="auto",
        metavar="N|none",
        help="code square parts of this side on their own, so that a region can be decoded alone "
        "and damage stays local: a multiple of 64 up to 4096 pixels, or 'none' (default: 1024 for "
        "pictures of more than 16 megapixels)",
    )


def check(args: argparse.Namespace) -> None:
    """Refuse two ways of saying how large or how good; -q has its default from here."""
    names = ("quality", "target_size", "target_bpp", "target_psnr", "target_ssimulacra2")
    given = [f"--{name.replace('_', '-')}" for name in names if getattr(args, name) is not None]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other")
    if args.target_ssimulacra2 is not None and importlib.util.find_spec("ssimulacra2") is None:
        raise UsageError("--target-ssimulacra2 needs the Python package ssimulacra2")
    if args.tune != "mse" and not args.effort and args.tune not in tunes_of(args.model):
        raise UsageError(f"--tune {args.tune} needs --effort of at least 1 with these weights")
    args.searches = bool(given) and args.quality is None
    if args.quality is None:
        args.quality = DEFAULT_QUALITY


def make(
    codec: Codec,
    source: PixelRows,
    picture: Picture | None,
    args: argparse.Namespace,
    progress: Callable[[], Callable[[float], None]],
) -> Made:
    """The stream that the options ask for; raises TargetError if no quality meets a target.

    picture: what alpha and metadata are taken from, if there are any. progress: begins to show how
    far a long work is; what it returns takes shares of that.
    """
    from gencodec.codec import Search
    from gencodec.codec.stream import side_sections

    search = Search(args.effort, args.tune)
    rest = [] if picture is None else side_sections(picture)
    if not args.searches:
        if args.effort:
            search = Search(args.effort, args.tune, progress())
        stream = codec.compress_rows(
            source, quality=args.quality, tile=args.tile, rest=rest, search=search
        )
        return Made(stream, args.quality)

    from gencodec.codec import meet_metric, meet_size

    encoder = codec.encoder(source, tile=args.tile, rest=rest, keep=True, search=search)
    size = most_bytes(args, source)
    if size is not None:
        found = meet_size(encoder, size)
    else:
        metric, value = _metric(args)
        original = source.rows(0, source.height)
        # As the decoder gives it: two dimensions where there is no colour.
        found = meet_metric(encoder, original[:, :, 0] if source.grey else original, metric, value)
    return Made(found.stream, round(found.quality, 1), found.passes)


def most_bytes(args: argparse.Namespace, picture: Header | PixelRows) -> int | None:
    """How large the stream of a picture of this size may be, if the options say so."""
    if args.target_bpp is None:
        return args.target_size
    return math.floor(min(args.target_bpp * picture.width * picture.height / 8, SIZE_MAX))


def _metric(args: argparse.Namespace) -> tuple[Metric, float]:
    """How near a decoded picture is, and how near it has to be."""
    from gencodec.bench import metrics

    if args.target_psnr is not None:
        return metrics.finite_psnr, args.target_psnr

    def perceived(original: Pixels, decoded: Pixels) -> float:
        score = metrics.ssimulacra2(original, decoded)
        if score is None:  # the package is there
            raise TargetError("the picture is too small for SSIMULACRA 2")
        return score

    return perceived, args.target_ssimulacra2


def byte_count(text: str) -> int:
    """100000, 100KB, 1.5MB, 64KiB: a number of bytes from 1."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KM]?I?B?)", text.strip().upper())
    unit = UNITS.get((match[2] + "B").replace("BB", "B")) if match else None
    value = int(float(match[1]) * unit) if match and unit and len(text) < 20 else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{visible(text)}' is not a size such as 100KB")
    return value


def above_zero(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f"'{visible(text)}' is not a number above 0")
    return value


def effort(text: str) -> int:
    """A whole number of rounds."""
    if not (text.isdecimal() and len(text) < 6 and int(text) <= EFFORT_MAX):
        raise argparse.ArgumentTypeError(
            f"'{visible(text)}' is not a whole number from 0 to {EFFORT_MAX}"
        )
    return int(text)


def tile(text: str) -> int | str | None:
    """A tile side, 'none' as None, or 'auto'."""
    if text in ("auto", "none"):
        return None if text == "none" else text
    value = int(text) if text.isdigit() and len(text) < 6 else 0
    if value % 64 or not 64 <= value <= 4096:
        raise argparse.ArgumentTypeError(
            f"'{visible(text)}' is not a multiple of 64 up to 4096, or 'none'"
        )
    return value
