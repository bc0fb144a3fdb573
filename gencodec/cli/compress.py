"""gencodec compress: pictures to .gnc files."""

from __future__ import annotations

import argparse
import dataclasses
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gencodec.bitstream import read_header
from gencodec.cli import options, targets
from gencodec.cli.batch import Teller, run_jobs
from gencodec.cli.deletion import Original, delete_original, no_smaller
from gencodec.cli.failures import UsageError
from gencodec.cli.folders import left_alone
from gencodec.cli.large import large_rows, warning
from gencodec.cli.loading import (
    CodecOnDemand,
    weights_id_of,
    weights_label,
    weights_name,
)
from gencodec.cli.plan import (
    PICTURE_SUFFIXES,
    STREAM_SUFFIX,
    Job,
    is_special,
    make_plan,
    stream_name,
)
from gencodec.cli.reporter import Record, Reporter
from gencodec.cli.resume import outdated_stream
from gencodec.cli.streams import read_anything, write_target
from gencodec.names import visible

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
    parser.add_argument(
        "--delete-source",
        action="store_true",
        help="delete each picture once its .gnc file has been written, read back from the disk, "
        "decoded and compared; one of which anything but sharpness would be lost is kept",
    )
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="with --delete-source: delete also where a note says that something is lost",
    )
    options.add_max_pixels(parser)
    options.add_jobs(parser)
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
    check_deletion(args)
    plan = make_plan(
        args,
        suffixes=PICTURE_SUFFIXES,
        rename=stream_name,
        outdated=outdated(args) if args.resume else None,
    )
    with Reporter("compress", json=args.json, quiet=args.quiet, verbose=args.verbose) as reporter:
        for refused in plan.refused:
            reporter.failed(refused.name, refused.error)
        for folder, others in plan.others.items():
            if text := left_alone({k: n for k, n in others.items() if k != STREAM_SUFFIX}):
                reporter.note(folder, text)
        # An earlier run may have been ended between writing a result and deleting its source.
        left = plan.done if args.delete_source else ()
        for job in () if left else plan.done:
            reporter.skipped(job.name, job.target_name)
        run_jobs((*plan.jobs, *left), compress_one, args, reporter)
    return reporter.exit_code


def check_deletion(args: argparse.Namespace) -> None:
    """Refuse what --delete-source cannot mean."""
    if args.accept_loss and not args.delete_source:
        raise UsageError("--accept-loss goes with --delete-source")
    target = Path(args.output or "x")
    if args.delete_source and ("-" in args.inputs or args.output == "-" or is_special(target)):
        raise UsageError("--delete-source needs files on both sides")


def outdated(args: argparse.Namespace) -> Callable[[Job], str | None]:
    """What --resume asks of a .gnc file that is there."""
    if args.searches and args.delete_source:
        return lambda job: "exists and may be far from the target"
    weights_id = weights_id_of(args.model, args.tune)
    quality = None if args.searches else args.quality
    return partial(
        outdated_stream,
        quality=quality,
        weights_id=weights_id,
        most_bytes=partial(targets.most_bytes, args),
        strip=args.strip,
        max_pixels=args.max_pixels,
    )


def compress_one(
    job: Job, args: argparse.Namespace, codec: CodecOnDemand, reporter: Teller
) -> None:
    """Read, compress, check if asked, write, delete if asked, report; raises what goes wrong."""
    to_delete = job.source if args.delete_source else None
    if job.done and (to_delete is None or not to_delete.exists()):
        reporter.skipped(job.name, job.target_name)
        return
    started = time.perf_counter()
    original = None if to_delete is None else Original.look(to_delete)
    # What is to be proved against its source has to be there whole.
    large = large_rows(job.source, args.max_pixels) if original is None else None
    if large is not None and job.source is not None:
        bytes_in = os.stat(job.source).st_size
        reporter.done(*make_stream(job, large, None, bytes_in, started, args, codec, reporter))
        return
    from gencodec.image import PictureRows

    picture, bytes_in = read_input(job.source, args.max_pixels)
    if args.strip:
        picture = dataclasses.replace(picture, exif=None, xmp=None)
    made = None
    if not job.done:
        rows = PictureRows(picture)
        made = make_stream(job, rows, picture, bytes_in, started, args, codec, reporter)
    if original is not None and job.target is not None:
        delete_original(
            original,
            picture,
            job.target,
            codec=codec.get(),
            max_pixels=args.max_pixels,
            just_made=made is not None,
            accept_loss=args.accept_loss,
        )
    if made is not None:
        reporter.done(*made)
    else:
        reporter.skipped(job.name, job.target_name)
    if original is not None:
        reporter.detail(f"{visible(job.name)}: deleted")


def make_stream(
    job: Job,
    rows: PixelRows,
    picture: Picture | None,
    bytes_in: int,
    started: float,
    args: argparse.Namespace,
    codec: CodecOnDemand,
    reporter: Teller,
) -> tuple[str, Record]:
    """Compress rows, with all else that belongs to a picture; check and write. Returns what
    `Reporter.done` takes."""
    notes = list(picture.notes) if picture is not None else []
    if text := warning(rows.width, rows.height):
        notes.append(text)
    for text in notes:
        reporter.note(job.name, text)
    unloaded = codec.seconds
    made = targets.make(codec.get(), rows, picture, args, reporter.progress)
    stream = made.stream
    if args.verify:
        codec.get().verify(stream, max_pixels=args.max_pixels)
    write_target(job.target, stream, force=args.force, source=job.source)
    bytes_out = len(stream)
    if text := no_smaller(bytes_out, bytes_in):
        notes.append(text)
        reporter.note(job.name, text)
    seconds = time.perf_counter() - started - (codec.seconds - unloaded)

    bpp = 8 * bytes_out / (rows.width * rows.height)
    weights_id = read_header(stream).weights_id
    found = f", quality {made.quality:g} ({made.passes} passes)" if args.searches else ""
    reporter.detail(f"{visible(job.name)}: weights {weights_label(weights_id)}")
    return (
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
            "effort": args.effort,
            "tune": args.tune,
            "weights_id": weights_id.hex(),
            "weights": weights_name(weights_id),
            "verified": args.verify,
            "notes": notes,
            "seconds": round(seconds, 4),
        },
    )


def read_input(source: Path | None, max_pixels: int) -> tuple[Picture, int]:
    """The picture and the size of its file in bytes (None: from stdin)."""
    from gencodec.image import read_picture

    if source is None or is_special(source):  # a pipe cannot seek, as picture formats need
        data = read_anything(source, max_pixels)
        return read_picture(data, max_pixels=max_pixels), len(data)
    return read_picture(source, max_pixels=max_pixels), os.stat(source).st_size
