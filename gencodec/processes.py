"""How many processes there may be at work, and when they end."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal


def usable_cores() -> int:
    """Cores that this process may run on: fewer than the machine has where it is kept to some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def end_with_parent() -> None:
    """For a thread of a worker process: a parent that was killed cannot say so.

    Its workers would wait for ever, memory and all.  By SIGTERM: where a system has no nameless
    files, a job's partial one goes first.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
