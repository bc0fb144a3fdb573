"""Arguments that the measuring commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch


def add_common(parser: argparse.ArgumentParser, example: str) -> None:
    """Images, output, weights and machine."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of test images")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="JSON", help=f"such as {example}"
    )
    parser.add_argument("-m", "--model", metavar="NAME|FILE", help="weights (default: as shipped)")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N images only")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of torch")


def use_threads(count: int | None) -> None:
    """Set the threads of torch; None leaves them."""
    if count is not None:
        torch.set_num_threads(count)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a positive whole number")
    return int(text)


def quality(text: str) -> float:
    """A number from 0 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 100.0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a quality from 0 to 100")
    return value


def qualities(text: str) -> tuple[float, ...]:
    """Qualities with commas between, ascending and each once."""
    return tuple(sorted({quality(part) for part in text.split(",")}))
