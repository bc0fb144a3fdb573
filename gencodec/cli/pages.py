"""What explain and audit share: a page to write, a seed, and the codec that is measured."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gencodec.cli import options
from gencodec.cli.libraries import use_threads
from gencodec.cli.loading import loading
from gencodec.errors import OutputError
from gencodec.names import visible

if TYPE_CHECKING:
    from gencodec.bench.own_codec import Gencodec


def add_page(parser: argparse.ArgumentParser) -> None:
    """-o, -f, --seed and --threads. The networks run on the CPU, where results repeat."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o", "--output", metavar="PAGE.html", help="write a page with pictures, of one file"
    )
    group.add_argument("-f", "--force", action="store_true", help="overwrite what exists already")
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="N", help="of everything random (default: 0)"
    )
    parser.add_argument(
        "--threads", type=options.positive, metavar="N", help="CPU threads (default: all cores)"
    )


def seed(text: str) -> int:
    """A whole number from 0 to 2^32 - 1."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"'{visible(text)}' is not a whole number under 2^32")
    return int(text)


def free_target(name: str | None, *, force: bool) -> Path | None:
    """The path, if one is named; OutputError now, not after minutes, if it cannot be written."""
    if name is None:
        return None
    target = Path(name)
    if target.is_dir():
        raise OutputError(f"cannot write {name}: it is a directory")
    if os.path.lexists(target) and not force:
        raise OutputError(f"{name} already exists (-f overwrites it)")
    return target


def load_measured(args: argparse.Namespace, quality: float) -> Gencodec:
    """The codec under examination; AbortError when it cannot be had."""
    use_threads(args.threads)
    with loading(args.model):
        from gencodec.bench.contestants import OWN_NAME, Recipe
        from gencodec.bench.own_codec import load

        return load(Recipe(OWN_NAME, args.model, "cpu", quality, args.threads or 1))


def command_line(command: str, args: argparse.Namespace, *words: str) -> str:
    """The command to repeat, files by their own names without folders."""
    parts = ["gencodec", command, *(Path(word).name or word for word in words)]
    parts += ["-q", f"{args.quality:g}", "--seed", str(args.seed)]
    if args.model is not None:
        parts += ["-m", Path(args.model).name]
    return shlex.join(parts)
