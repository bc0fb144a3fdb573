"""gencodec explain: where a picture came from, its file or the model."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from gencodec.amounts import digits
from gencodec.bitstream import MAGIC
from gencodec.cli import options
from gencodec.cli.inputs import check_stdin_once
from gencodec.cli.pages import add_page, command_line, free_target, load_measured
from gencodec.cli.reporter import Reporter
from gencodec.cli.streams import encoded, print_text, read_anything, write_target
from gencodec.model.quality import DEFAULT_QUALITY
from gencodec.names import visible

if TYPE_CHECKING:
    from gencodec.evidence.explain import Explanation, Pictures
    from gencodec.evidence.opening import Opened
    from gencodec.image import Picture


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    options.add_inputs(parser, "IMAGE", "picture or .gnc file, or '-' for stdin")
    parser.add_argument(
        "-q",
        "--quality",
        type=options.quality,
        default=DEFAULT_QUALITY,
        metavar="0..100",
        help=f"for pictures (default: {DEFAULT_QUALITY:g}); a .gnc file has its own",
    )
    options.add_model(parser, "weights to use: a name that 'gencodec models' lists, or a file")
    options.add_max_pixels(parser)
    add_page(parser)
    options.add_words(parser, quiet=False)


def run(args: argparse.Namespace) -> int:
    """Explain every input; the exit code is 1 if one failed or the claim does not hold for it."""
    check_stdin_once(args.inputs)
    page = free_target(args.output, force=args.force)
    explained: list[tuple[Explanation, Pictures]] = []
    with Reporter("explain", json=args.json, quiet=True) as reporter:
        contents: dict[str, bytes | Picture] = {}
        for name in args.inputs:
            with reporter.attempt(name):
                contents[name] = read_content(name, args.max_pixels)
        opened = open_all(contents, args, reporter) if contents else []
        for one in opened:
            with reporter.attempt(one.name):
                explained.append(explain_one(one, opened, args, reporter))
        if explained and page is not None:
            from gencodec.evidence.explain_page import explain_page

            text = explain_page(explained, command_line("explain", args, *args.inputs))
            write_target(page, encoded(text), force=args.force)
    if not all(figures.holds for figures, _ in explained):
        return 1
    return reporter.exit_code


def read_content(name: str, max_pixels: int) -> bytes | Picture:
    """A stream as its bytes, anything else as the picture that it must be."""
    data = read_anything(None if name == "-" else Path(name), max_pixels)
    if data[: len(MAGIC)] == MAGIC:
        return data
    from gencodec.image import read_picture

    return read_picture(data, max_pixels=max_pixels)


def open_all(
    contents: dict[str, bytes | Picture], args: argparse.Namespace, reporter: Reporter
) -> list[Opened]:
    """Streams of all inputs that have one, with the weights of each."""
    codec = load_measured(args, args.quality)
    from gencodec.evidence.opening import open_picture, open_stream_file

    opened = []
    for name, content in contents.items():
        with reporter.attempt(name):
            if isinstance(content, bytes):
                opened.append(open_stream_file(name, content, codec, max_pixels=args.max_pixels))
            else:
                opened.append(open_picture(name, content, codec))
    return opened


def explain_one(
    one: Opened, opened: list[Opened], args: argparse.Namespace, reporter: Reporter
) -> tuple[Explanation, Pictures]:
    """Measure one input and say what was found."""
    from gencodec.evidence.opening import explain_opened

    figures, pictures = explain_opened(one, opened, seed=args.seed)
    if not args.json:
        print_text(summary(figures))
    reporter.done("", dataclasses.asdict(figures))
    return figures, pictures


def summary(e: Explanation) -> str:
    """For a terminal: the verdict's figures, a line each."""
    lines = [
        f"{visible(e.name)}: {e.verdict}",
        f"  {e.width} x {e.height}, quality {e.quality:g}, {e.file_bytes} bytes ({e.bpp:.3f} bpp)",
    ]
    lines += [f"  {entry.part:28} {entry.bits / 8:10.1f} bytes" for entry in e.ledger]
    lines.append("  the same symbols, in bytes:")
    for name, bits in (
        ("uniform code", e.bits_uniform),
        ("one table a channel", e.bits_factorised),
        ("the model's prior", e.bits_prior),
    ):
        lines.append(f"  {name:28} {bits / 8:10.1f} bytes")
    lines.append("  the picture from the first part of its file:")
    for step in e.steps:
        lines.append(
            f"  {step.percent:4g} %  {step.file_bytes:8} bytes  {step.psnr:6.2f} dB  "
            f"likeness {digits(step.likeness, 3):>6}"
        )
    lines += [
        f"  under other weights: likeness {digits(e.forced_likeness, 3)} "
        f"(their own file of it: {e.other_own_psnr:.1f} dB); {e.forced_complaint}",
        f"  refusal: {e.refusal or 'none'}",
        f"  symbols of another picture in this file ({e.swapped_with}): "
        + ("exactly that picture" if e.swap_exact else "not that picture"),
    ]
    return "\n".join(lines)
