"""gencodec thumbnail: a small PNG of a .gnc file, as file managers ask for."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from gencodec.bitstream import unpack_truncated
from gencodec.cli import options
from gencodec.cli.loading import CodecOnDemand
from gencodec.cli.plan import Job, check_terminals, is_special
from gencodec.cli.reporter import Reporter
from gencodec.cli.streams import read_stream, write_target
from gencodec.errors import OutputError
from gencodec.names import visible

SCALES = (8, 4, 2)


def register(parser: options.CommandParser) -> None:
    """Declare the arguments: those that a desktop's thumbnailer entry can fill in."""
    parser.add_argument("input", type=options.file_name, metavar="INPUT.gnc", help="stream")
    parser.add_argument(
        "output", metavar="OUT.png", help="file to write, new or still empty, or '-' for stdout"
    )
    parser.add_argument(
        "-s",
        "--size",
        type=options.positive,
        default=256,
        metavar="N",
        help="the longer side in pixels, at most (default: 256)",
    )
    parser.add_argument(
        "-f", "--force", action="store_true", help="overwrite a file that exists already"
    )
    options.add_limits(parser)
    options.add_machine(parser)


def run(args: argparse.Namespace) -> int:
    """Decode a preview of the fitting size and write it in sRGB, without metadata."""
    source, target = Path(args.input), None if args.output == "-" else Path(args.output)
    check_terminals([Job(source, target)])
    with Reporter("thumbnail", json=False, quiet=True) as reporter, reporter.attempt(args.input):
        replace = may_replace(source, target, force=args.force)
        write_target(target, thumbnail(args), force=replace, source=source)
    return reporter.exit_code


def may_replace(source: Path, target: Path | None, *, force: bool) -> bool:
    """Whether there is a file to be overwritten: at will, or an empty one, a file manager's own.

    OutputError where a file would be lost.
    """
    if target is None or is_special(target) or not os.path.lexists(target):
        return force
    if os.path.exists(target) and os.path.exists(source) and os.path.samefile(source, target):
        raise OutputError(f"output {visible(str(target))} is also the input")
    if not force and not (os.path.isfile(target) and os.path.getsize(target) == 0):
        raise OutputError(f"output {visible(str(target))} exists already (use -f to overwrite)")
    return True


def thumbnail(args: argparse.Namespace) -> bytes:
    """The bytes of the PNG; raises what is wrong."""
    from io import BytesIO

    stream = read_stream(Path(args.input))
    header = unpack_truncated(stream, limits=options.limits_of(args)).header
    longer = max(header.width, header.height)
    scale = next((scale for scale in SCALES if longer >= scale * args.size), 1)
    codec = CodecOnDemand(model=None, device=args.device, threads=args.threads).get()
    picture = codec.decompress_picture(
        stream, max_pixels=args.max_pixels, allow_truncated=True, scale=scale
    )

    from gencodec.image import to_pil, to_srgb

    image = to_pil(to_srgb(picture))
    image.info.clear()
    image.thumbnail((args.size, args.size))
    memory = BytesIO()
    image.save(memory, "PNG")
    return memory.getvalue()
