"""gencodec compress: pictures to .gnc files."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gencodec.bitstream import read_header
from gencodec.cli import options, targets
from gencodec.cli.failures import visible
from gencodec.cli.large import large_rows, warning
from gencodec.cli.loading import CodecOnDemand, weights_label, weights_name
from gencodec.cli.plan import (
    PICTURE_SUFFIXES,
    STREAM_SUFFIX,
    Job,
    is_special,
    make_plan,
    stream_name,
)
from gencodec.cli.reporter import Reporter
from gencodec.cli.streams import read_anything, write_target
from gencodec.errors import ImageError

if TYPE_CHECKING:
    from gencodec.image import Picture, PixelRows


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    options.add_inputs(parser, "INPUT", "picture, or '-' for stdin; a folder with -r")
    targets.add_quality(parser)
    options.add_model(parser, "weights to use: a name that 'gencodec models' lists, or a file")
    parser.add_argument(
        "--strip",
        action="store_true",
        help="drop EXIF and XMP (camera, place, author); the colour profile stays, as it is needed "
        "to show the right colours",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="decode the symbols of each result and check them before it is written",
    )
    options.add_max_pixels(parser)
    options.add_output(
        parser,
        output="file to write, or '-' for stdout (default: INPUT with the suffix .gnc, beside it)",
        wanted="pictures",
    )
    options.add_machine(parser)
    options.add_words(parser)


def run(args: argparse.Namespace) -> int:
    """Compress every input; the exit code."""
    targets.check(args)
    plan = make_plan(
        args.inputs,
        output=args.output,
        output_dir=args.output_dir,
        recursive=args.recursive,
        force=args.force,
        suffixes=PICTURE_SUFFIXES,
        rename=stream_name,
        json=args.json,
    )
    codec = CodecOnDemand(model=args.model, device=args.device, threads=args.threads)
    with Reporter("compress", json=args.json, quiet=args.quiet, verbose=args.verbose) as reporter:
        for refused in plan.refused:
            reporter.failed(refused.name, refused.error)
        reporter.expect(len(plan.jobs))
        for job in plan.jobs:
            with reporter.attempt(job.name):
                compress_one(job, args, codec, reporter)
    return reporter.exit_code


def compress_one(
    job: Job, args: argparse.Namespace, codec: CodecOnDemand, reporter: Reporter
) -> None:
    """Read, compress, check if asked, write, report; raises whatever goes wrong."""
    started = time.perf_counter()
    rows = large_rows(job.source, args.max_pixels)
    if rows is not None and job.source is not None:
        bytes_in = os.stat(job.source).st_size
        make_stream(job, rows, None, bytes_in, started, args, codec, reporter)
        return
    picture, bytes_in = read_input(job.source, args.max_pixels)
    if args.strip:
        picture = dataclasses.replace(picture, exif=None, xmp=None)
    make_stream(job, None, picture, bytes_in, started, args, codec, reporter)


def make_stream(
    job: Job,
    rows: PixelRows | None,
    picture: Picture | None,
    bytes_in: int,
    started: float,
    args: argparse.Namespace,
    codec: CodecOnDemand,
    reporter: Reporter,
) -> None:
    """Compress rows, or a picture with all that belongs to it; check, write and report."""
    from gencodec.image import PictureRows

    if rows is None:
        assert picture is not None
        rows = PictureRows(picture)
    notes = list(picture.notes) if picture is not None else []
    if text := warning(rows.width, rows.height):
        notes.append(text)
    for text in notes:
        reporter.note(job.name, text)

    unloaded = codec.seconds
    made = targets.make(codec.get(), rows, picture, args)
    stream = made.stream
    if args.verify:
        codec.get().verify(stream, max_pixels=args.max_pixels)
    write_target(job.target, stream, force=args.force)
    bytes_out = len(stream)
    seconds = time.perf_counter() - started - (codec.seconds - unloaded)

    bpp = 8 * bytes_out / (rows.width * rows.height)
    weights_id = read_header(stream).weights_id
    found = f", quality {made.quality:g} ({made.passes} passes)" if args.searches else ""
    reporter.done(
        f"{visible(job.name)} -> {visible(job.target_name)}: {bytes_in} -> {bytes_out} bytes, "
        f"{bpp:.3f} bpp{found}, {seconds:.2f} s{', verified' if args.verify else ''}",
        {
            "input": job.name,
            "output": job.target_name,
            "width": rows.width,
            "height": rows.height,
            "bytes_in": bytes_in,
            "bytes_out": bytes_out,
            "bpp": round(bpp, 6),
            "quality": made.quality,
            "passes": made.passes,
            "weights_id": weights_id.hex(),
            "weights": weights_name(weights_id),
            "verified": args.verify,
            "notes": notes,
            "seconds": round(seconds, 4),
        },
    )
    reporter.detail(f"{visible(job.name)}: weights {weights_label(weights_id)}")


def read_input(source: Path | None, max_pixels: int) -> tuple[Picture, int]:
    """The picture and the size of its file in bytes (None: from stdin)."""
    from gencodec.image import read_picture

    if source is None or is_special(source):  # a pipe cannot seek, as picture formats need
        data = read_anything(source)
        return read_picture(data, max_pixels=max_pixels), len(data)
    try:
        return read_picture(source, max_pixels=max_pixels), os.stat(source).st_size
    except ImageError as error:
        if source.suffix.lower() == STREAM_SUFFIX:
            raise ImageError("is a gencodec stream already (see 'gencodec decompress')") from error
        raise
