"""Words on stderr, JSON lines on stdout, progress on a terminal, and the exit code."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Literal

from gencodec.amounts import percent
from gencodec.cli.failures import (
    AbortError,
    UsageError,
    describe,
    is_fatal,
    one_line,
    show_traceback,
)
from gencodec.cli.streams import print_text
from gencodec.names import visible

Record = Mapping[str, Any]

# From so many files on, a sum is worth a line, and failures have scrolled by when all is done.
BATCH = 10


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
        self._failures: list[str] = []
        self._done = self._skipped = 0
        self._bytes_in = self._bytes_out = 0
        self._expected = 0
        self._started = time.perf_counter()
        self._several = False
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
            self._bar = None
        # Where all failed, the failures are all that was said.
        some = self._done + self._skipped > 0
        if some and self._expected >= BATCH and not self._quiet and not self._json:
            self._summarise()
        return False

    def expect(self, files: int) -> None:
        """Show a progress bar if there is more than one file and somebody is watching."""
        self._expected = files + self._skipped + len(self._failures)
        self._several = files > 1
        if self._several and self._watched:
            from tqdm import tqdm

            self._bar = tqdm(total=files, unit="file", file=sys.stderr, leave=False, smoothing=0.1)

    @property
    def _watched(self) -> bool:
        return not self._quiet and sys.stderr is not None and sys.stderr.isatty()

    def progress(self) -> Callable[[float], None]:
        """Show a progress bar for a long work on the only file, if somebody is watching.

        What is returned takes the shares of the work as they are done, 1 in all.
        """
        if self._several or not self._watched:
            return lambda share: None
        from tqdm import tqdm

        form = "{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
        self._bar = tqdm(total=1.0, bar_format=form, file=sys.stderr, leave=False)
        return self._bar.update

    def advance(self) -> None:
        """One file less to do."""
        if self._bar is not None and not self._several:
            self._bar.close()
            self._bar = None
        elif self._bar is not None:
            saved = self._bytes_in - self._bytes_out
            if saved > 0:  # decompressing, there is nothing to boast of
                self._bar.set_postfix_str(f"saved {size(saved)}", refresh=False)
            self._bar.update()

    def done(self, line: str, record: Record) -> None:
        """One file is done: its line (name already made visible) and its JSON record."""
        self._done += 1
        self._bytes_in += record.get("bytes_in", 0)
        self._bytes_out += record.get("bytes_out", 0)
        if self._json:
            self._emit({"command": self._command, "ok": True, **record})
        if self._verbose or not (self._json or self._quiet):
            self._say(line)

    def skipped(self, name: str, target: str) -> None:
        """One file was done already."""
        self._skipped += 1
        if self._json:
            record = {"command": self._command, "ok": True, "skipped": True}
            self._emit({**record, "input": name, "output": target})
        if self._verbose:
            self._say(f"{visible(name)} -> {visible(target)}: done already")

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
        self.failed_because(name, describe(error, name), type(error).__name__, record=record)
        show_traceback(error)

    def failed_because(
        self,
        name: str,
        why: str,
        error_type: str,
        *,
        trace: str = "",
        record: Record | None = None,
    ) -> None:
        """As `failed`, for an exception that stayed in another process."""
        line = f"gencodec: {visible(name)}: {why}"
        self._failures.append(line)
        self._say(line)
        if trace:
            self._say(trace.rstrip())
        if self._json:
            failure = {"input": name, "error": why, "error_type": error_type}
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
            self.advance()

    def _summarise(self) -> None:
        """Counts and bytes of the whole, and the failures once more where they have scrolled by."""
        parts = [f"{self._done} done"]
        if self._skipped:
            parts.append(f"{self._skipped} done already")
        if self._failures:
            parts.append(f"{len(self._failures)} failed")
        unreached = self._expected - self._done - self._skipped - len(self._failures)
        if unreached > 0:
            parts.append(f"{unreached} not reached")
        text = f"gencodec: {', '.join(parts)}"
        if self._done and self._bytes_in:
            saved = self._bytes_in - self._bytes_out
            text += f"; {size(self._bytes_in)} -> {size(self._bytes_out)}"
            if saved > 0:
                text += f", saved {size(saved)} ({percent(saved / self._bytes_in)})"
        self._say(f"{text}, {duration(time.perf_counter() - self._started)}")
        if self._failures:
            self._say("gencodec: these failed:")
            for line in self._failures:
                self._say(f"  {line.removeprefix('gencodec: ')}")

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
        except OSError:
            pass  # losing the words (a reader gone, a full disk) must not lose the work


def size(count: int) -> str:
    """Bytes for people: 999 bytes, 1.0 kB, 12.3 MB, also negative."""
    if abs(count) < 1000:
        return f"{count} bytes"
    value = float(count)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if abs(value) < 999.95:
            return f"{value:.1f} {unit}"
    return f"{value / 1000:.1f} TB"


def duration(seconds: float) -> str:
    """Seconds for people: 4.2 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
