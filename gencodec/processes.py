"""How many processes there may be at work, on what memory, and when they end."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def usable_cores() -> int:
    """Cores that this process may run on: fewer than the machine has where it is kept to some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_memory() -> int | None:
    """Bytes of memory that this process and its like may take, taken or not; None if unknown.

    The machine's, or less where a control group (Linux, version 2) around the process allows less.
    """
    if sys.platform == "win32":
        import ctypes

        kilobytes = ctypes.c_ulonglong()
        tells = ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
        return kilobytes.value * 1024 if tells else None
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    own, root = _GROUPS
    with suppress(OSError, StopIteration):
        # As bytes: names of groups need not be text in the encoding of this process.
        lines = own.read_bytes().splitlines()
        path = os.fsdecode(next(line[4:] for line in lines if line.startswith(b"0::/")))
        for folder in (root / path, *(root / path).parents):
            if folder.is_relative_to(root):
                with suppress(OSError, ValueError):  # the outermost has no limit, most say "max"
                    memory = min(memory, int((folder / "memory.max").read_bytes()))
    return memory


def can_share_work() -> bool:
    """Whether work can be shared out among processes, which takes locks that they share.

    Linux keeps those in /dev/shm; some places have none or let nobody write there (AWS Lambda).
    """
    try:
        multiprocessing.get_context("spawn").Lock()
    except (ImportError, OSError):
        return False
    return True


def hangup() -> signal.Signals | None:
    """The signal of a terminal that closes; None on Windows, and if ignored, as after nohup."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        return None
    return signal.SIGHUP


def follow_parent() -> None:
    """At the start of a worker process: end when its parent ends, and for no other reason.

    A terminal's Ctrl-C, and its closing, reach every process; the parent decides what they mean.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A parent that was killed cannot say so, and its workers would wait for ever, memory and all.
    # By SIGTERM: where a system has no nameless files, a job's partial one goes first.
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
