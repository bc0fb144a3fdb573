"""Argument types, the parser every command uses, and the options several commands share."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

from gencodec.bitstream import Limits
from gencodec.cli.failures import UsageError
from gencodec.cli.streams import print_text
from gencodec.names import visible

DEFAULT_LIMITS = Limits()
DEFAULT_MAX_PIXELS = DEFAULT_LIMITS.max_pixels


class Once(argparse.Action):
    """Store a value, and refuse the option a second time: neither first nor last may win."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        given: set[str] = namespace.__dict__.setdefault("_given", set())
        if self.dest in given:
            parser.error(f"option {option_string} given twice")
        given.add(self.dest)
        setattr(namespace, self.dest, values)


class CommandParser(argparse.ArgumentParser):
    """argparse with errors as `UsageError`, no abbreviations and no option given twice."""

    def __init__(self, command: str, *, summary: str, epilog: str) -> None:
        super().__init__(
            prog=f"gencodec {command}",
            description=summary[:1].upper() + summary[1:] + ".",
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.register("action", None, Once)

    def print_help(self, file: object = None) -> None:
        """Print the help on stdout; unlike argparse's own, not silent where that fails."""
        print_text(self.format_help().rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        """Raise UsageError: the caller prints one line instead of the whole usage."""
        raise UsageError(visible(message))


def after_dashes(argv: Sequence[str]) -> list[str]:
    """argv with what follows `--` made unmistakable for options: `-- -x` becomes `./-x`.

    argparse loses the `--` when options and inputs may stand in any order.
    """
    if "--" not in argv:
        return list(argv)
    split = list(argv).index("--")
    names = argv[split + 1 :]
    plain = [f"./{name}" if name.startswith("-") and name != "-" else name for name in names]
    return [*argv[:split], *plain]


def quality(text: str) -> float:
    """A number from 0 to 100."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise argparse.ArgumentTypeError(f"'{visible(text)}' is not a number from 0 to 100")
    return value


def positive(text: str) -> int:
    """A whole number from 1 to 2^48."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 1 <= value <= 2**48:
        raise argparse.ArgumentTypeError(f"'{visible(text)}' is not a positive whole number")
    return value


def file_name(text: str) -> str:
    """A name that is not empty: `pathlib` would take that of a script's unset variable for the
    current folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return text


def add_inputs(parser: argparse.ArgumentParser, metavar: str, text: str) -> None:
    """The positional arguments: one or more files."""
    parser.add_argument("inputs", nargs="+", type=file_name, metavar=metavar, help=text)


def add_output(parser: argparse.ArgumentParser, *, output: str, wanted: str) -> None:
    """Where results go: -o, --output-dir, -r and -f; `wanted` names what -r looks for."""
    group = parser.add_argument_group("output")
    group.add_argument("-o", "--output", metavar="OUT", help=output)
    group.add_argument(
        "--output-dir",
        metavar="DIR",
        help="write into this folder, made if missing; with -r it mirrors the tree",
    )
    add_recursive(group, wanted)
    group.add_argument(
        "-f", "--force", action="store_true", help="overwrite outputs that exist already"
    )
    group.add_argument(
        "--resume",
        action="store_true",
        help="pass over inputs whose output is there, sound and up to date (with -f: make the "
        "outdated ones again)",
    )


def add_recursive(parser: argparse._ActionsContainer, wanted: str) -> None:
    """-r; `wanted` names what it looks for."""
    parser.add_argument(
        "-r",
        "--recursive",
        action="store_true",
        help=f"go through folders for {wanted}; hidden ones and the libraries of photo programs "
        "are passed over",
    )


def add_model(parser: argparse.ArgumentParser, text: str) -> None:
    """Which weights."""
    parser.add_argument("-m", "--model", metavar="NAME|FILE", help=text)


def add_machine(parser: argparse.ArgumentParser) -> None:
    """Which device and how much of it."""
    group = parser.add_argument_group("machine")
    group.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where the networks run (default: auto, cuda if there is one)",
    )
    group.add_argument(
        "--threads", type=positive, metavar="N", help="CPU threads (default: all cores)"
    )


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """How many files at a time."""
    parser.add_argument(
        "-j",
        "--jobs",
        type=positive,
        metavar="N",
        help="files at a time, each in a process of its own (default: as many as pay, up to one a "
        "core, one for each 2 GB of memory, and eight in all; each takes 350 MB, and up to 100 "
        "bytes a pixel)",
    )


def add_max_pixels(parser: argparse.ArgumentParser) -> None:
    """The bound on picture size, which is a bound on memory."""
    parser.add_argument(
        "--max-pixels",
        type=positive,
        default=DEFAULT_MAX_PIXELS,
        metavar="N",
        help=f"refuse pictures of more pixels than this (default: {DEFAULT_MAX_PIXELS})",
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """What a file may ask of its reader."""
    add_max_pixels(parser)
    parser.add_argument(
        "--max-section-bytes",
        type=positive,
        default=DEFAULT_LIMITS.max_section_bytes,
        metavar="N",
        help="refuse files with a longer section, such as metadata or the coded picture "
        f"(default: {DEFAULT_LIMITS.max_section_bytes})",
    )


def limits_of(args: argparse.Namespace) -> Limits:
    """The limits of `add_limits`."""
    return replace(
        DEFAULT_LIMITS, max_pixels=args.max_pixels, max_section_bytes=args.max_section_bytes
    )


def add_words(parser: argparse.ArgumentParser, *, quiet: bool = True) -> None:
    """How much is said, and in which form."""
    group = parser.add_argument_group("messages")
    group.add_argument(
        "--json",
        action="store_true",
        help="one JSON object a file on stdout, a line each (JSON Lines)",
    )
    if quiet:
        loudness = group.add_mutually_exclusive_group()
        loudness.add_argument("-v", "--verbose", action="store_true", help="say more on stderr")
        loudness.add_argument("--quiet", action="store_true", help="say only errors on stderr")
