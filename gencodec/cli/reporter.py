"""Words on stderr, JSON lines on stdout, progress on a terminal, and the exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal

from gencodec.cli.failures import (
    AbortError,
    UsageError,
    describe,
    is_fatal,
    one_line,
    show_traceback,
    visible,
)
from gencodec.cli.streams import print_text

Record = Mapping[str, Any]


class Reporter:
    """What happened to each file, told as it happens.

    Used as a context manager around the whole work of a command. With `json` every file gives
    one JSON object on stdout, and of the words only errors (and, if verbose, notes) remain.
    """

    def __init__(
        self, command: str, *, json: bool, quiet: bool = False, verbose: bool = False
    ) -> None:
        self._command = command
        self._json = json
        self._quiet = quiet
        self._verbose = verbose
        self._failures = 0
        self._bar: Any = None

    @property
    def exit_code(self) -> int:
        """0 if nothing failed, 1 otherwise."""
        return 1 if self._failures else 0

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        if self._bar is not None:
            self._bar.close()
        return False

    def expect(self, files: int) -> None:
        """Show a progress bar if there is more than one file and somebody is watching."""
        if files < 2 or self._quiet or sys.stderr is None or not sys.stderr.isatty():
            return
        from tqdm import tqdm

        self._bar = tqdm(total=files, unit="file", file=sys.stderr, leave=False, smoothing=0.1)

    def done(self, line: str, record: Record) -> None:
        """One file is done: its line (name already made visible) and its JSON record."""
        if self._json:
            self._emit({"command": self._command, "ok": True, **record})
        if self._verbose or not (self._json or self._quiet):
            self._say(line)

    def note(self, name: str, text: str) -> None:
        """A warning about a file that did not fail."""
        if not self._quiet:
            self._say(f"gencodec: {visible(name)}: note: {one_line(text)}")

    def detail(self, text: str) -> None:
        """Something only `--verbose` tells."""
        if self._verbose:
            self._say(f"gencodec: {text}")

    def failed(self, name: str, error: BaseException, record: Record | None = None) -> None:
        """One file failed: one line, whatever the exception."""
        self._failures += 1
        why = describe(error, name)
        self._say(f"gencodec: {visible(name)}: {why}")
        show_traceback(error)
        if self._json:
            failure = {"input": name, "error": why, "error_type": type(error).__name__}
            self._emit({"command": self._command, "ok": False, **(record or {}), **failure})

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Run the work on one file; its failure is reported and the next file goes on.

        What passes through: interruption, usage errors, what would fail for every file, and a
        reader of stdout that went away.
        """
        try:
            yield
        except (AbortError, UsageError, BrokenPipeError):
            raise
        except BaseException as error:
            if is_fatal(error):
                raise
            self.failed(name, error)
        finally:
            if self._bar is not None:
                self._bar.update()

    def _emit(self, record: Record) -> None:
        # ASCII escapes: a file name may hold bytes that no encoding of stdout can say.
        print_text(json.dumps(record, ensure_ascii=True, allow_nan=False))

    def _say(self, line: str) -> None:
        if sys.stderr is None:
            return
        try:
            if self._bar is not None:
                self._bar.write(line, file=sys.stderr)
            else:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
        except BrokenPipeError:
            pass  # losing the words must not lose the work
