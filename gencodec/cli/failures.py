"""Exceptions of the command line, and one line of plain words for any exception at all."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from types import FrameType

from gencodec.errors import GencodecError
from gencodec.names import visible
from gencodec.processes import hangup

TRACEBACK_VARIABLE = "GENCODEC_TRACEBACK"


class UsageError(Exception):
    """The arguments make no sense together; nothing was done. Exit code 2."""


class AbortError(Exception):
    """Going on to the next file would fail in the same way (no weights, no device). Exit code 1."""


def is_fatal(error: BaseException) -> bool:
    """True for what must end the process instead of being reported as one file's failure.

    Not simply "is no Exception": constriction raises pyo3's PanicException, which derives from
    BaseException, on some damaged input, and that is one file's failure.
    """
    return isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit))


def exit_on_signals() -> None:
    """From here on SIGTERM, and a terminal that closes, end the process by `exit_on_signal`."""
    for number in (signal.SIGTERM, hangup()):
        if number is not None:
            signal.signal(number, exit_on_signal)


def exit_on_signal(number: int, frame: FrameType | None) -> None:
    """Signal handler: end by an exception, so that partial files are removed on the way out."""
    if number != signal.SIGTERM:
        signal.signal(number, signal.SIG_IGN)  # shell and terminal send a SIGHUP each
    raise SystemExit(128 + number)


def describe(error: BaseException, subject: str = "") -> str:
    """Why, in one line without the traceback; `subject` is the file that the line begins with.

    Errors of gencodec and of the operating system speak for themselves, as do packages that do
    not load; anything else is a defect of gencodec and says so, with the way to a traceback.
    """
    if isinstance(error, (GencodecError, UsageError, AbortError)):
        text = str(error)
        for prefix in (
            f"cannot read {subject}: ",
            f"{subject}: ",
            f"{os.path.basename(subject)}: ",
        ):
            text = text.removeprefix(prefix) if subject else text
        return one_line(text) or type(error).__name__
    if isinstance(error, FileNotFoundError):
        return "no such file or directory"
    if isinstance(error, OSError) and error.strerror:
        return one_line(error.strerror[:1].lower() + error.strerror[1:])
    if isinstance(error, MemoryError) or _is_torch_memory(error):
        return "not enough memory"
    if type(error).__name__ == "OutOfMemoryError":  # torch may not be imported here
        return "not enough memory on the device (try --device cpu, or a smaller picture)"
    text = one_line(str(error))
    if isinstance(error, ImportError):
        package = (error.name or "").split(".")[0]
        if package == "gencodec":  # a file is gone, of another release, or left out of a bundle
            return f"this installation of gencodec is not whole: {text}"
        if isinstance(error, ModuleNotFoundError) and package:
            return f"the Python package '{package}' is needed and not installed"
        # It is there, but a shared library of its own is not or finds no memory, or its release
        # does not fit.
        return (
            f"a Python package that is needed does not load: {text} "
            f"({TRACEBACK_VARIABLE}=1 shows which)"
        )
    return (
        f"unexpected {type(error).__name__}{': ' if text else ''}{text} "
        f"(a defect of gencodec; {TRACEBACK_VARIABLE}=1 shows where)"
    )


def file_named_by(error: BaseException) -> str:
    """The file whose name an error of the operating system bears, as a line begins; or nothing."""
    name = error.filename if isinstance(error, OSError) else None
    return f"{visible(os.fsdecode(name))}: " if isinstance(name, (str, bytes)) else ""


def show_traceback(error: BaseException) -> None:
    """Print the traceback to stderr if the user asked for it through the environment."""
    if wants_traceback() and sys.stderr is not None:
        traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)


def wants_traceback() -> bool:
    """Whether the environment asks for tracebacks."""
    return os.environ.get(TRACEBACK_VARIABLE, "") not in ("", "0")


def one_line(text: str) -> str:
    """The text with every run of white space and control characters as one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _is_torch_memory(error: BaseException) -> bool:
    # By its text: for the memory of a CPU torch raises a bare RuntimeError.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
