"""Ending a run between two steps when somebody asks for it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from types import FrameType


class Stop:
    """True once the process has been asked to end; asked a second time, it ends at once."""

    def __init__(self, say: Callable[[str], None] = lambda line: None) -> None:
        self.signal: int | None = None
        self._say = say

    def __call__(self) -> bool:
        return self.signal is not None

    @contextlib.contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within, SIGINT and SIGTERM are taken as the question; only for the main thread."""
        names = (signal.SIGINT, signal.SIGTERM)
        before = {name: signal.signal(name, self._asked) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        self._say("stopping with a checkpoint; ask once more to stop at once")
