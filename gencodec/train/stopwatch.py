"""Seconds that a run spends, less those in which its process was stopped."""

from __future__ import annotations

import time

LONGEST_WAIT = 20.0
"""Seconds; what is longer and left the processor idle was a stopped process or a machine asleep."""


class Stopwatch:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self._cpu = time.process_time()

    def seconds(self) -> float:
        """Those gone, of idle ones at most LONGEST_WAIT: compiling for minutes counts in full."""
        gone = time.perf_counter() - self._begun
        return min(gone, max(LONGEST_WAIT, time.process_time() - self._cpu))
