"""Arguments that the commands around training share."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gencodec.errors import ImageError, OutputError
from gencodec.image import check_place
from gencodec.model.config import LATENT_STRIDE

from .photos import Photo, PhotoFolder

QUALITIES = (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)


def add_common(parser: argparse.ArgumentParser, example: str) -> None:
    """Pictures, output, weights and machine."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="pictures to measure on")
    parser.add_argument(
        "-o", "--output", type=report, required=True, metavar="JSON", help=f"such as {example}"
    )
    parser.add_argument("-m", "--model", metavar="NAME|FILE", help="weights (default: as shipped)")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N pictures only")
    add_machine(parser)


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Which device and how much of it."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of torch")


def add_every(parser: argparse.ArgumentParser, every: int) -> None:
    """How many of the pictures are taken."""
    parser.add_argument(
        "--every",
        type=positive,
        default=every,
        metavar="N",
        help="pictures: 1 in N (default: %(default)s)",
    )


def add_qualities(parser: argparse.ArgumentParser) -> None:
    """The qualities that are measured."""
    parser.add_argument(
        "--qualities",
        type=qualities,
        default=QUALITIES,
        metavar="Q,Q,...",
        help="default: 0,20,...,100",
    )


def read_folder(folder: Path, limit: int | None) -> list[Photo]:
    """The pictures of a folder or archive by name; ImageError if there is none."""
    found = sorted(
        (photo for photo in PhotoFolder([folder]).new() if isinstance(photo, Photo)),
        key=lambda photo: photo.name,
    )
    if not found:
        raise ImageError(f"{folder}: no pictures in it")
    return found[:limit]


def report(text: str) -> Path:
    """A file that may be written, or written over; OutputError now, not after hours."""
    check_place(text)
    return Path(text)


def new_file(text: str) -> Path:
    """The same where nothing stands yet."""
    path = report(text)
    if os.path.lexists(path):
        raise OutputError(f"{text} already exists")
    return path


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive whole number")
    return int(text)


def whole(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0 on")
    return int(text)


def side(text: str) -> int:
    """Pixels of a crop's side: a positive multiple of 16, as the network takes them."""
    if positive(text) % LATENT_STRIDE:
        raise argparse.ArgumentTypeError(f"'{text}' is not a multiple of {LATENT_STRIDE}")
    return int(text)


def duration(text: str) -> float:
    """Seconds, above 0 and under a million."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is no time above 0 and under a million seconds")
    return seconds


def qualities(text: str) -> tuple[float, ...]:
    """Qualities 0..100 with commas between, ascending and each once."""
    try:
        values = sorted({float(part) for part in text.split(",")})
    except ValueError:
        values = [-1.0]
    if not all(0.0 <= value <= 100.0 for value in values):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of qualities from 0 to 100")
    return tuple(values)
