"""gencodec decompress: .gnc files to pictures."""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gencodec.cli import options, views
from gencodec.cli.batch import Teller, run_jobs
from gencodec.cli.failures import UsageError
from gencodec.cli.large import goes_in_strips, strips_writer, warning
from gencodec.cli.loading import CodecOnDemand
from gencodec.cli.plan import (
    FORMAT_SUFFIX,
    STREAM_SUFFIX,
    Job,
    format_of,
    is_special,
    make_plan,
    picture_name,
)
from gencodec.cli.reporter import Reporter
from gencodec.cli.resume import outdated_picture
from gencodec.cli.streams import read_stream, write_target
from gencodec.names import visible

if TYPE_CHECKING:
    from gencodec.image import Picture


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    options.add_inputs(parser, "INPUT.gnc", "stream, or '-' for stdin; a folder with -r")
    parser.add_argument(
        "--format",
        choices=tuple(FORMAT_SUFFIX),
        help="picture format to write (default: what the suffix of OUT says, else png)",
    )
    views.add_views(parser)
    options.add_limits(parser)
    options.add_jobs(parser)
    options.add_model(parser, "weights to use, for streams made with weights that are not shipped")
    options.add_output(
        parser,
        output="file to write, or '-' for stdout (default: INPUT with the suffix .png, beside it)",
        wanted=".gnc files",
    )
    options.add_machine(parser)
    options.add_words(parser)


def run(args: argparse.Namespace) -> int:
    """Decompress every input; the exit code."""
    views.check(args)
    picture_format = choose_format(args.format, args.output)
    suffix = FORMAT_SUFFIX[picture_format]
    plan = make_plan(
        args,
        suffixes=frozenset({STREAM_SUFFIX}),
        rename=lambda path: picture_name(path, suffix),
        outdated=outdated(args) if args.resume else None,
    )
    with Reporter("decompress", json=args.json, quiet=args.quiet, verbose=args.verbose) as reporter:
        for refused in plan.refused:
            reporter.failed(refused.name, refused.error)
        for job in plan.done:
            reporter.skipped(job.name, job.target_name)
        run_jobs(plan.jobs, partial(decompress_one, picture_format), args, reporter)
    return reporter.exit_code


def outdated(args: argparse.Namespace) -> Callable[[Job], str | None]:
    """What --resume asks of a picture that is there."""
    return partial(
        outdated_picture, size_of=partial(views.size_of, args), max_pixels=args.max_pixels
    )


def choose_format(asked: str | None, output: str | None) -> str:
    """The picture format from --format and the suffix of -o, which must not contradict."""
    if output in (None, "-") or is_special(Path(str(output))):
        return asked or "png"
    target = Path(str(output))
    named = format_of(target)
    if asked is None and named is None:
        raise UsageError(
            f"cannot tell the picture format from the name {visible(str(target))}; use --format"
        )
    if asked is not None and named is not None and asked != named:
        raise UsageError(f"--format {asked} contradicts the name {visible(str(target))}")
    return asked or named or "png"


def decompress_one(
    picture_format: str,
    job: Job,
    args: argparse.Namespace,
    codec: CodecOnDemand,
    reporter: Teller,
) -> None:
    """Read, decompress, write, report; raises whatever goes wrong."""
    if job.done:
        reporter.skipped(job.name, job.target_name)
        return
    started = time.perf_counter()
    stream, may_be_cut = views.first_bytes(read_stream(job.source), args)
    container = views.look(stream, may_be_cut, args)
    header = container.header
    text = warning(header.width, header.height)
    if text and args.region is None:
        reporter.note(job.name, text)

    unloaded = codec.seconds
    notes: tuple[str, ...] = ()
    width, height = header.width, header.height
    if (
        job.target
        and views.is_whole(args)
        and goes_in_strips(container, job.target, picture_format)
    ):
        writer = strips_writer(codec.get(), stream, header, args.max_pixels)
        write_target(job.target, writer, force=args.force, source=job.source)
        bytes_out = job.target.stat().st_size
    else:
        picture = codec.get().decompress_picture(stream, **views.showing(may_be_cut, args))
        for text in picture.notes:
            reporter.note(job.name, text)
        data = picture_bytes(picture, picture_format)
        write_target(job.target, data, force=args.force, source=job.source)
        bytes_out, notes = len(data), picture.notes
        width, height = picture.width, picture.height
    seconds = time.perf_counter() - started - (codec.seconds - unloaded)

    bpp = 8 * len(stream) / (header.width * header.height)
    reporter.done(
        f"{visible(job.name)} -> {visible(job.target_name)}: {len(stream)} -> {bytes_out} bytes, "
        f"{bpp:.3f} bpp, {seconds:.2f} s",
        {
            "input": job.name,
            "output": job.target_name,
            "width": width,
            "height": height,
            "bytes_in": len(stream),
            "bytes_out": bytes_out,
            "bpp": round(bpp, 6),
            "format": picture_format,
            "notes": list(notes),
            "seconds": round(seconds, 4),
        },
    )


def picture_bytes(picture: Picture, picture_format: str) -> bytes:
    """The whole picture file: made before anything is written, so that a pipe gets all or none."""
    from gencodec.image import write_picture

    memory = io.BytesIO()
    write_picture(picture, memory, format=picture_format)
    return memory.getvalue()
