"""Ending a run between two steps when somebody asks for it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType

from gencodec.processes import hangup

INSISTING = (signal.SIGINT, signal.SIGTERM)
"""Signals that end the process at once where one has been before."""


class Stop:
    """True once the process has been asked to end; asked a second time, it ends at once.

    A terminal that closes asks as well, and never insists: shell and terminal send a SIGHUP each,
    and where a session is cleared away SIGTERM follows.
    """

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self.signal: int | None = None
        self._next_ends_it = False
        self._say = say

    def __call__(self) -> bool:
        return self.signal is not None

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within, SIGINT, SIGTERM and SIGHUP are the question; only for the main thread."""
        names = (*INSISTING, hangup())
        before = {name: signal.signal(name, self._asked) for name in names if name is not None}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        insists = number in INSISTING
        if self._next_ends_it and insists:
            os._exit(128 + number)
        self._next_ends_it = self._next_ends_it or insists
        if self.signal is None:
            self.signal = number
            self._say("stopping with a checkpoint; ask once more to stop at once")
