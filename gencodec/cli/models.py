"""gencodec models: the weights that come with gencodec."""

from __future__ import annotations

import argparse

from gencodec.cli import options
from gencodec.cli.reporter import Reporter
from gencodec.cli.streams import print_text
from gencodec.errors import WeightsError
from gencodec.model.registry import PLAIN, WeightsEntry, list_weights


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    options.add_words(parser, quiet=False)


def run(args: argparse.Namespace) -> int:
    """List the weights of the manifest; an installation without any is a failure."""
    entries = list_weights()
    if not entries:
        raise WeightsError("no weights are installed")
    with Reporter("models", json=args.json, quiet=True) as reporter:
        if not args.json:
            width = max(len("name"), *(len(entry.name) for entry in entries))
            config = max(len("config"), *(len(entry.config_name) for entry in entries))
            print_text(f"{'name':{width}}  {'id':8}  {'config':{config}}  {'bytes':>10}  released")
        for entry in entries:
            if not args.json:
                print_text(
                    f"{entry.name:{width}}  {entry.id_hex[:8]:8}  {entry.config_name:{config}}  "
                    f"{entry.bytes:>10}  {entry.released}{_remarks(entry)}"
                )
            reporter.done(
                "",
                {
                    "name": entry.name,
                    "weights_id": entry.id_hex[:8],
                    "content_sha256": entry.id_hex,
                    "config": entry.config_name,
                    "bytes": entry.bytes,
                    "released": entry.released,
                    "default": entry.default,
                    "tune": entry.tune,
                    "default_for": list(entry.default_for),
                    "encoders": sorted(entry.encoders),
                },
            )
    return reporter.exit_code


def _remarks(entry: WeightsEntry) -> str:
    """What they are taken for unless others are named, and what they have other encoders for."""
    remarks = [
        "default" if tune == PLAIN else f"default with --tune {tune}" for tune in entry.default_for
    ]
    remarks += [f"encoder for {tune}" for tune in entry.encoders]
    return f"  ({', '.join(remarks)})" if remarks else ""
