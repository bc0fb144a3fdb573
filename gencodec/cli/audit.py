"""gencodec audit: what the weights alone know."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gencodec.cli import options
from gencodec.cli.failures import UsageError
from gencodec.cli.pages import add_page, command_line, free_target, load_measured
from gencodec.cli.reporter import Reporter
from gencodec.cli.streams import encoded, print_text, write_target
from gencodec.model.quality import DEFAULT_QUALITY

if TYPE_CHECKING:
    from gencodec.evidence.audit import Audit
    from gencodec.evidence.collection import Collection


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "pictures",
        nargs="*",
        metavar="PICTURE",
        help="pictures (or folders) that the weights never saw, to code and to compare on",
    )
    group = parser.add_argument_group(
        "training pictures",
        "folders or tar files; without them the parts that need them are left out",
    )
    group.add_argument(
        "--collection",
        nargs="+",
        metavar="DIR",
        help="trained and held-out pictures together, told apart by --list or by the rule that "
        "'gencodec train' follows",
    )
    group.add_argument(
        "--list",
        metavar="CSV",
        help="columns file, sha256 and split ('trained', 'held out'), such as the list published "
        "with the weights, or a run's pictures.csv",
    )
    group.add_argument("--trained", nargs="+", metavar="DIR", help="pictures trained on")
    group.add_argument("--held-out", nargs="+", metavar="DIR", help="pictures kept from training")
    options.add_model(parser, "weights to examine: a name that 'gencodec models' lists, or a file")
    parser.add_argument(
        "-q",
        "--quality",
        type=options.quality,
        default=DEFAULT_QUALITY,
        metavar="0..100",
        help=f"for files whose size is told (default: {DEFAULT_QUALITY:g})",
    )
    parser.add_argument(
        "--report", metavar="FILE.json", help="write the figures, indented, to this file"
    )
    add_page(parser)
    options.add_words(parser)


def run(args: argparse.Namespace) -> int:
    """Examine the weights; the exit code is 1 if they fail a part."""
    check_groups(args)
    if args.output and args.report and Path(args.output).resolve() == Path(args.report).resolve():
        raise UsageError("-o and --report name the same file")
    page, report = (free_target(n, force=args.force) for n in (args.output, args.report))
    with Reporter("audit", json=args.json, quiet=True) as reporter:
        codec = load_measured(args, args.quality)
        from gencodec.bench.report import to_text
        from gencodec.codec.shelf import weights_files
        from gencodec.evidence.audit import audit
        from gencodec.evidence.collection import decoded, sources

        def say(line: str) -> None:
            if not args.quiet:
                print(f"gencodec: {line}", file=sys.stderr, flush=True)

        figures, pictures = audit(
            codec,
            weights_files(args.model),
            collection_of(args),
            decoded(sources([Path(place) for place in args.pictures])),
            command=command_of(args),
            seed=args.seed,
            say=say,
        )
        if report is not None:
            write_target(report, encoded(to_text(figures)), force=args.force)
        if page is not None:
            from gencodec.evidence.audit_page import audit_page

            write_target(page, encoded(audit_page(figures, pictures)), force=args.force)
        if not args.json:
            print_text(summary(figures))
        reporter.done("", dataclasses.asdict(figures))
    return 0 if figures.passed else 1


def check_groups(args: argparse.Namespace) -> None:
    """One way of naming the training pictures, and a whole one."""
    if args.collection is not None and (args.trained is not None or args.held_out is not None):
        raise UsageError("--collection cannot be combined with --trained or --held-out")
    if (args.trained is None) != (args.held_out is None):
        raise UsageError("--trained and --held-out go together")
    if args.list is not None and args.collection is None:
        raise UsageError("--list tells the pictures of a --collection apart, and there is none")


def collection_of(args: argparse.Namespace) -> Collection | None:
    """The training pictures, or None if none were given."""
    from gencodec.evidence.collection import given_collection, read_collection

    def places(names: list[str]) -> list[Path]:
        return [Path(name) for name in names]

    if args.collection is not None:
        listing = None if args.list is None else Path(args.list)
        return read_collection(places(args.collection), listing)
    if args.trained is not None:
        return given_collection(places(args.trained), places(args.held_out))
    return None


def command_of(args: argparse.Namespace) -> str:
    """The command to repeat."""
    words: list[str] = [Path(name).name for name in args.pictures]
    for option in ("collection", "list", "trained", "held_out"):
        value = getattr(args, option)
        if value is not None:
            names = [value] if isinstance(value, str) else value
            words += [f"--{option.replace('_', '-')}", *(Path(name).name for name in names)]
    return command_line("audit", args, *words)


def summary(a: Audit) -> str:
    """For a terminal: the verdict, then a line for each part."""

    def line(name: str, passed: bool | None, finding: str) -> str:
        seal = {True: "passed", False: "FAILED", None: "-"}[passed]
        return f"  {name:16} {seal:7} {finding}"

    lines = [a.verdict, f"  weights {a.weights} ({a.weights_id[:8]}), seed {a.seed}"]
    if a.copies is not None:
        lines.append(line("copies", a.copies.passed, a.copies.finding))
    if a.membership is not None:
        lines.append(line("membership", a.membership.passed, a.membership.finding))
    if a.control is not None:
        lines.append(line("  its control", a.control.caught, a.control.finding))
    lines.append(line("accounting", None, a.accounting.finding))
    for row in a.accounting.break_even:
        pays = "never" if row.files is None else f"after {row.files:,} files"
        lines.append(
            f"    against {row.rival}: {row.bytes_ours:,.0f} bytes a file for "
            f"{row.bytes_rival:,.0f}; sharing the weights pays {pays}"
        )
    lines.append(line("anything", a.anything.passed, a.anything.finding))
    lines.append(line("order", a.order.passed, a.order.finding))
    lines += [f"  left out: {words}" for words in a.left_out]
    return "\n".join(lines)
