"""``python -m gencodec.train pages``: a folder of drawn pages, with a list of what they are.

The same number, seed, fonts and Pillow give the same pages.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFont

from gencodec.errors import OutputError
from gencodec.image import Pixels, atomic_write
from gencodec.train.options import positive, whole

from .kinds import KINDS
from .sheet import Sheet

SIDES = (640, 1152)
"""Pixels of a page's sides, least and most; multiples of 64."""

MANIFEST = "manifest.csv"
COLUMNS = ("file", "sha256", "width", "height", "kind", "how", "source", "licence")
FONT_SUFFIXES = {".ttf", ".otf", ".ttc"}


def draw_page(index: int, seed: int, fonts: Sequence[str] = ()) -> tuple[str, Pixels]:
    """The kind and the pixels, (H, W, 3) uint8, of page ``index`` of ``seed``."""
    rng = np.random.default_rng((seed, index))
    name = list(KINDS)[index % len(KINDS)]
    width, height = (64 * int(rng.integers(SIDES[0] // 64, SIDES[1] // 64 + 1)) for _ in range(2))
    sheet = Sheet(width, height, rng, fonts)
    KINDS[name](sheet)
    return name, sheet.finished()


def find_fonts(places: Sequence[Path]) -> list[str]:
    """Font files in folders, or themselves, by name; ValueError for none or a bad one."""
    found = []
    for place in places:
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        fonts = [str(file) for file in files if file.suffix.lower() in FONT_SUFFIXES]
        if not fonts:
            raise ValueError(f"{place}: no fonts ({', '.join(sorted(FONT_SUFFIXES))})")
        for font in fonts:
            try:
                ImageFont.truetype(font, 12)
            except OSError as error:
                raise ValueError(f"{font}: {error}") from None
        found += fonts
    return found


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train pages``."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="new folder for the pages")
    parser.add_argument("--count", type=positive, default=70, metavar="N", help="default: 70")
    parser.add_argument("--seed", type=whole, default=0, metavar="N", help="default: %(default)s")
    parser.add_argument(
        "--font",
        type=Path,
        action="append",
        default=[],
        metavar="FILE|DIR",
        help="fonts to letter with, one a page; may be repeated (default: Pillow's own)",
    )


def run(args: argparse.Namespace) -> int:
    """Draw the pages and list them."""
    fonts = find_fonts(args.font)
    Sheet(*SIDES, np.random.default_rng(0)).font(1)  # whether letters can be drawn at all
    try:
        args.folder.mkdir(parents=True)
    except FileExistsError:
        raise OutputError(f"{args.folder}: is there already; name a new folder") from None
    rows = []
    for index in range(args.count):
        kind, pixels = draw_page(index, args.seed, fonts)
        data = io.BytesIO()
        Image.fromarray(pixels).save(data, "PNG", optimize=True)
        name = f"{kind}-{args.seed}-{index:04}.png"
        atomic_write(args.folder / name, data.getvalue(), overwrite=False)
        rows.append(
            (
                name,
                hashlib.sha256(data.getvalue()).hexdigest(),
                pixels.shape[1],
                pixels.shape[0],
                "graphic",
                f"drawn, page {index} of seed {args.seed}",
                "gencodec.train pages",
                "Apache-2.0",
            )
        )
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows(rows)
    atomic_write(args.folder / MANIFEST, text.getvalue().encode(), overwrite=False)
    print(f"{len(rows)} pages in {args.folder}", file=sys.stderr)
    return 0
