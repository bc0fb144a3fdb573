"""From argv to one command, and from every way of failing to one line and an exit code."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from gencodec.cli.failures import (
    AbortError,
    UsageError,
    describe,
    exit_on_signals,
    file_named_by,
    is_fatal,
    show_traceback,
)
from gencodec.cli.folders import without_wildcards
from gencodec.cli.libraries import collect_rarely, keep_memory, wait_briefly
from gencodec.cli.options import CommandParser, after_dashes
from gencodec.cli.streams import drop_stdout, print_text
from gencodec.names import visible

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 128 + int(signal.SIGINT)
EXIT_BROKEN_PIPE = 141  # what a shell reports for a program ended by SIGPIPE


@dataclass(frozen=True)
class Command:
    """One row of the table: the module holding `register` and `run`, and its line in the help."""

    module: str
    summary: str


COMMANDS: dict[str, Command] = {
    "compress": Command("gencodec.cli.compress", "pictures to .gnc files"),
    "decompress": Command("gencodec.cli.decompress", ".gnc files to pictures"),
    "info": Command("gencodec.cli.info", "what a .gnc file says about itself, without decoding it"),
    "verify": Command("gencodec.cli.verify", "every check on .gnc files, all symbols decoded"),
    "thumbnail": Command("gencodec.cli.thumbnail", "a small PNG of a .gnc file"),
    "models": Command("gencodec.cli.models", "the weights that come with gencodec"),
    "explain": Command("gencodec.cli.explain", "where a picture came from: its file or the model"),
    "audit": Command(
        "gencodec.cli.audit", "what the weights alone know of their training pictures"
    ),
    "train": Command("gencodec.cli.train", "weights from your own pictures"),
    "bench": Command("gencodec.cli.bench", "rate, distortion and speed beside other codecs"),
}

EXIT_CODES = "exit code: 0 all done, 1 some failed, 2 wrong usage, 130 interrupted"


def short_help() -> str:
    """The text of `gencodec` without arguments and the body of `gencodec --help`."""
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:{width}}  {row.summary}" for name, row in COMMANDS.items())
    return (
        "usage: gencodec COMMAND [options] FILE...\n"
        "\n"
        "A learned image codec with a file format.\n"
        "\n"
        f"commands:\n{rows}\n"
        "\n"
        "  gencodec compress photo.jpg              writes photo.gnc\n"
        "  gencodec decompress photo.gnc            writes photo.png\n"
        "  gencodec COMMAND --help                  the options of a command\n"
        "  gencodec --version"
    )


def long_help() -> str:
    """The text of `gencodec --help`."""
    return (
        f"{short_help()}\n\n{EXIT_CODES}\n"
        "GENCODEC_TRACEBACK=1 in the environment adds the traceback to error lines."
    )


def version_text() -> str:
    """The text of `gencodec --version`."""
    import gencodec

    return f"gencodec {gencodec.__version__}"


def dispatch(argv: Sequence[str]) -> int:
    """Run the command that argv names; errors leave as exceptions."""
    if not argv:
        return _say(short_help() + "\n", EXIT_USAGE)
    first, rest = argv[0], argv[1:]
    if first in ("-h", "--help"):
        print_text(long_help())
        return EXIT_DONE
    if first in ("-V", "--version"):
        print_text(version_text())
        return EXIT_DONE
    if first not in COMMANDS:
        raise UsageError(f"{unknown_command(first)} (see 'gencodec --help')")

    row = COMMANDS[first]
    parser = CommandParser(first, summary=row.summary, epilog=EXIT_CODES)
    module = importlib.import_module(row.module)
    module.register(parser)
    try:
        args = parser.parse_intermixed_args(after_dashes(rest))
        if sys.platform == "win32" and "inputs" in args:
            args.inputs = without_wildcards(args.inputs)
        return int(module.run(args))
    except UsageError as error:
        raise UsageError(f"{first}: {error} (see 'gencodec {first} --help')") from error


def unknown_command(word: str) -> str:
    """Say what is wrong with a first argument that is no command; a file name gets a hint."""
    if word.startswith("-") and word != "-":
        return f"unknown option '{visible(word)}'"
    if os.path.exists(word):
        verb = "decompress" if word.endswith(".gnc") else "compress"
        return f"'{visible(word)}' is not a command; to {verb} it: gencodec {verb} {visible(word)}"
    return f"'{visible(word)}' is not a command"


def main(argv: Sequence[str] | None = None) -> int:
    """Run gencodec with these arguments (default: the process's) and return its exit code.

    Nothing is raised for errors of any kind: the process ends with a line on stderr and a code.
    """
    try:
        prepare_process(owned=argv is None)
        if argv is None:
            exit_on_signals()
        return dispatch(sys.argv[1:] if argv is None else argv)
    except SystemExit as error:  # argparse after --help; a signal
        return error.code if isinstance(error.code, int) else EXIT_DONE
    except KeyboardInterrupt:
        return _end("interrupted", EXIT_INTERRUPTED)
    except BrokenPipeError:
        drop_stdout()
        return EXIT_BROKEN_PIPE
    except UsageError as error:
        return _end(str(error), EXIT_USAGE)
    except BaseException as error:
        if is_fatal(error):
            raise
        said = str(error) if isinstance(error, AbortError) else describe(error)
        code = _end(file_named_by(error) + said, EXIT_FAILED)
        show_traceback(error)
        return code


def prepare_process(*, owned: bool) -> None:
    """Make output safe for any file name, and tell libraries what they need to know.

    The warning filter and the environment are set only where gencodec owns the process.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if not owned:
        return
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    collect_rarely()
    wait_briefly()
    keep_memory()


def _end(message: str, code: int) -> int:
    return _say(f"gencodec: {message}\n", code)


def _say(text: str, code: int) -> int:
    try:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except OSError:
        pass  # nobody is listening; the exit code still speaks
    return code
