"""gencodec info: what a .gnc file says about itself, without weights, torch or numpy."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from gencodec.bitstream import StreamInfo, describe
from gencodec.cli import options
from gencodec.cli.failures import one_line
from gencodec.cli.inputs import check_stdin_once, in_folders
from gencodec.cli.loading import weights_label, weights_name
from gencodec.cli.reporter import Reporter
from gencodec.cli.streams import print_text, read_stream
from gencodec.errors import FormatError
from gencodec.model.quality import quality_of
from gencodec.names import visible


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    options.add_inputs(parser, "FILE", "stream, or '-' for stdin; a folder with -r")
    options.add_recursive(parser, ".gnc files")
    options.add_words(parser, quiet=False)


def run(args: argparse.Namespace) -> int:
    """Describe every file; the exit code is 1 if one cannot be read or fails its checks."""
    check_stdin_once(args.inputs)
    with Reporter("info", json=args.json, quiet=True) as reporter:
        names, refused = in_folders(args.inputs, recursive=args.recursive)
        for folder in refused:
            reporter.failed(folder.name, folder.error)
        for index, name in enumerate(names):
            with reporter.attempt(name):
                stream = describe(read_stream(None if name == "-" else Path(name)))
                if not args.json:
                    text = info_text(name, stream)
                    print_text(text if index == 0 else f"\n{text}")
                if stream.problem is None:
                    reporter.done("", info_record(name, stream))
                else:
                    error = FormatError(stream.problem)
                    reporter.failed(name, error, info_record(name, stream))
    return reporter.exit_code


def info_record(name: str, stream: StreamInfo) -> dict[str, object]:
    """The JSON record: every field of StreamInfo and the name of the weights."""
    weights = weights_name(bytes.fromhex(stream.weights_id))
    quality = round(quality_of(stream.step), 1)
    return {"input": name, **dataclasses.asdict(stream), "quality": quality, "weights": weights}


def info_text(name: str, stream: StreamInfo) -> str:
    """The same for people, one fact a line."""
    colour = "grey" if stream.grey else "RGB"
    weights = weights_label(bytes.fromhex(stream.weights_id))
    lines = [
        f"{visible(name)}: gencodec stream, format version {stream.version}",
        f"  picture   {stream.width} x {stream.height}, {colour}, {stream.bit_depth} bits",
        f"  quality   {quality_of(stream.step):.0f} (step {stream.step} of 0..255)",
        f"  weights   {weights}",
        f"  file      {stream.file_bytes} bytes, {stream.bpp:.3f} bpp",
        f"  header    {stream.header_bytes} bytes",
    ]
    if stream.tile_side is not None:
        lines.append(f"  tiles     {stream.tiles} of {stream.tile_side} x {stream.tile_side}")
    for section in stream.sections:
        missing = section.declared_bytes - section.bytes
        cut = f" ({missing} missing)" if missing else ""
        lines.append(f"  {section.name:9} {section.bytes} bytes{cut}")
    lines.append(f"  checks    {'ok' if stream.problem is None else one_line(stream.problem)}")
    return "\n".join(lines)
