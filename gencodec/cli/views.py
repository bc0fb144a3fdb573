"""The options of decompress that show a part, a preview, or what is left of a damaged file."""

from __future__ import annotations

import argparse
from typing import TypedDict

from gencodec.bitstream import Box, Container, Header, unpack, unpack_damaged, unpack_truncated
from gencodec.cli.failures import UsageError
from gencodec.cli.options import limits_of
from gencodec.cli.targets import byte_count
from gencodec.errors import OutputError
from gencodec.names import visible

SCALES = {"1": 1, "1/2": 2, "1/4": 4, "1/8": 8}
MAX_SIDE_DIGITS = 8


class Showing(TypedDict):
    """What Codec.decompress_picture is told."""

    max_pixels: int
    allow_truncated: bool
    salvage: bool
    region: tuple[int, int, int, int] | None
    scale: int


def add_views(parser: argparse.ArgumentParser) -> None:
    """--region, --scale, --max-bytes, --allow-truncated and --salvage."""
    group = parser.add_argument_group("parts and previews")
    group.add_argument(
        "--region",
        type=region,
        metavar="X,Y,W,H",
        help="only these pixels: left, top, width, height; of a file with tiles only those that "
        "are touched are decoded",
    )
    group.add_argument(
        "--scale",
        choices=tuple(SCALES),
        default="1",
        help="a smaller picture, each pixel the mean of a square (default: 1)",
    )
    group.add_argument(
        "--max-bytes",
        type=byte_count,
        metavar="N",
        help="use only the first N bytes of the file (as 100KB): a preview of the whole picture",
    )
    group.add_argument(
        "--allow-truncated",
        action="store_true",
        help="decode a file whose end is missing as far as it goes, with a note saying how far",
    )
    group.add_argument(
        "--salvage",
        action="store_true",
        help="decode what is sound of a damaged file with tiles, with notes naming what is lost",
    )


def first_bytes(stream: bytes, args: argparse.Namespace) -> tuple[bytes, bool]:
    """What of a stream is to be used, and whether its end may be missing."""
    cut = args.max_bytes is not None and args.max_bytes < len(stream)
    return (stream[: args.max_bytes] if cut else stream), cut or args.allow_truncated


def look(stream: bytes, allow_truncated: bool, args: argparse.Namespace) -> Container:
    """All checks that need no torch: a damaged file is told without waiting for it."""
    limits = limits_of(args)
    if args.salvage:
        container = unpack_damaged(stream, limits=limits)
    elif allow_truncated:
        container = unpack_truncated(stream, limits=limits)
    else:
        container = unpack(stream, limits=limits)
    if args.region is not None:
        left, top, width, height = args.region
        header = container.header
        if left + width > header.width or top + height > header.height:
            raise OutputError(
                f"the region {left},{top},{width},{height} does not lie inside the picture "
                f"of {header.width}x{header.height} pixels"
            )
    return container


def showing(allow_truncated: bool, args: argparse.Namespace) -> Showing:
    """The options as Codec.decompress_picture takes them."""
    return {
        "max_pixels": args.max_pixels,
        "allow_truncated": allow_truncated,
        "salvage": args.salvage,
        "region": args.region,
        "scale": SCALES[args.scale],
    }


def size_of(args: argparse.Namespace, header: Header) -> tuple[int, int]:
    """Width and height of what the options show of a picture."""
    left, top, width, height = args.region or (0, 0, header.width, header.height)
    shown = Box(left, top, left + width, top + height).reduced(SCALES[args.scale])
    return shown.width, shown.height


def is_whole(args: argparse.Namespace) -> bool:
    """Whether the options ask for every pixel of a sound file."""
    return not (args.region or args.scale != "1" or args.max_bytes or args.salvage)


def check(args: argparse.Namespace) -> None:
    """Refuse what contradicts."""
    if args.max_bytes is not None and args.salvage:
        raise UsageError("--max-bytes and --salvage exclude each other")


def region(text: str) -> tuple[int, int, int, int]:
    """'X,Y,W,H' in pixels, width and height at least 1."""
    parts = text.split(",")
    sound = len(parts) == 4 and all(p.isdigit() and len(p) <= MAX_SIDE_DIGITS for p in parts)
    left, top, width, height = map(int, parts) if sound else (0, 0, 0, 0)
    if width < 1 or height < 1:
        raise argparse.ArgumentTypeError(
            f"'{visible(text)}' is not X,Y,W,H (left, top, width, height in pixels)"
        )
    return left, top, width, height
