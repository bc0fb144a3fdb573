"""gencodec verify: every check there is on .gnc files, with all symbols decoded."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from gencodec.bitstream import unpack
from gencodec.cli import options
from gencodec.cli.inputs import check_stdin_once, in_folders
from gencodec.cli.loading import CodecOnDemand, tell_of_coder, weights_name
from gencodec.cli.reporter import Reporter
from gencodec.cli.streams import read_stream
from gencodec.names import visible


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    options.add_inputs(parser, "FILE", "stream, or '-' for stdin; a folder with -r")
    options.add_recursive(parser, ".gnc files")
    options.add_limits(parser)
    options.add_model(parser, "weights to use, for streams made with weights that are not shipped")
    options.add_machine(parser)
    options.add_words(parser)


def run(args: argparse.Namespace) -> int:
    """Check every file; the exit code is 1 if one is not sound."""
    check_stdin_once(args.inputs)
    codec = CodecOnDemand(model=args.model, device=args.device, threads=args.threads)
    with Reporter("verify", json=args.json, quiet=args.quiet, verbose=args.verbose) as reporter:
        tell_of_coder(reporter)
        names, refused = in_folders(args.inputs, recursive=args.recursive)
        for folder in refused:
            reporter.failed(folder.name, folder.error)
        reporter.expect(len(names))
        for name in names:
            with reporter.attempt(name):
                verify_one(name, args, codec, reporter)
    return reporter.exit_code


def verify_one(
    name: str, args: argparse.Namespace, codec: CodecOnDemand, reporter: Reporter
) -> None:
    """Structure and checksum first, without torch; then the symbols. Raises what is wrong."""
    started = time.perf_counter()
    stream = read_stream(None if name == "-" else Path(name))
    header = unpack(stream, limits=options.limits_of(args)).header
    unloaded = codec.seconds
    codec.get().verify(stream, max_pixels=args.max_pixels)
    seconds = time.perf_counter() - started - (codec.seconds - unloaded)
    bpp = 8 * len(stream) / (header.width * header.height)
    reporter.done(
        f"{visible(name)}: ok, {len(stream)} bytes, {bpp:.3f} bpp, {seconds:.2f} s",
        {
            "input": name,
            "width": header.width,
            "height": header.height,
            "file_bytes": len(stream),
            "bpp": round(bpp, 6),
            "weights_id": header.weights_id.hex(),
            "weights": weights_name(header.weights_id),
            "seconds": round(seconds, 4),
        },
    )
