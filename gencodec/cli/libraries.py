"""What the libraries and what is under them are told, best before they load."""

from __future__ import annotations

import atexit
import gc
import os
import sys

MALLOC = (("MALLOC_MMAP_THRESHOLD_", -3, 2**27), ("MALLOC_TRIM_THRESHOLD_", -1, 2**29))
"""Of mallopt(3): variables read by new processes, parameters, and bytes: blocks from which on each
is a mapping of its own, and what may stay free at the top of the heap."""

OBJECTS_BETWEEN = 20_000
"""New ones, of those that can hold others, before Python looks for rings of them to free."""


def use_threads(count: int | None) -> None:
    """Bound the CPU threads of the numeric libraries; None leaves them as they are."""
    if count is None:
        return
    # Read when the libraries load, which has not happened yet in a process of the command line.
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(count)
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)


def wait_briefly() -> None:
    """Have threads sleep soon after they began to wait for each other, unless the user chose.

    PyTorch's OpenMP (libgomp) lets them spin for milliseconds by default.  Where another program
    wants the cores, they spin in the place of the thread they wait for: files took several times as
    long beside another program that kept both of two cores busy.  A fifth of this (libgomp's own
    where cores are too few) is no better there, and shorter than what often lies between two
    waits: training steps took a quarter longer with it.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "5000")


def keep_memory() -> None:
    """Have memory that was given back serve again, unless the user chose.

    Every layer gives back and takes tensors of some ten megabytes.  glibc returns those to the
    system, and for large pictures getting fresh pages takes a good part of the time.
    """
    chosen = "glibc.malloc." in os.environ.get("GLIBC_TUNABLES", "")
    wanted = [row for row in MALLOC if row[0] not in os.environ]
    if sys.platform != "linux" or chosen or not wanted:
        return
    import ctypes

    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # glibc has it
    for name, parameter, count in wanted:
        os.environ[name] = str(count)  # for processes to come
        if mallopt is not None:
            mallopt(parameter, count)


def collect_rarely() -> None:
    """Have Python look for garbage less often, and not through everything as the process ends.

    Torch is a quarter of a million objects that stay.  To look through them twenty times while it
    loads, and once more at the end, took a quarter of the time of a command for one small picture.
    """
    gc.set_threshold(OBJECTS_BETWEEN)
    atexit.register(_leave_all)


def _leave_all() -> None:
    # Triton, which training loads from PyTorch's builds with CUDA, is bound by nanobind, and that
    # calls on stderr a leak what nobody looked through.
    if "triton" not in sys.modules:
        gc.freeze()
