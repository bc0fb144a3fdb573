"""What a measurement ran on: machine, threads and the versions of everything involved."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

SOFTWARE = ("torch", "numpy", "pillow", "constriction")


@dataclass(frozen=True)
class Environment:
    """device: where the networks ran.  threads: of torch on the CPU; the coder uses one.
    vectors: what torch uses of the CPU's instructions, such as AVX2 or AVX512, in which processors
    of one name ("AMD EPYC" and no more, on a hired machine) differ; None in older reports.
    """

    cpu: str
    cores: int
    device: str
    threads: int
    system: str
    versions: dict[str, str]
    vectors: str | None = None


def environment(device: torch.device, packages: Sequence[str] = ()) -> Environment:
    """The present one; `packages` are named besides what every measurement uses."""
    versions = {"python": platform.python_version(), "gencodec": own_version()}
    versions |= {name: version_of(name) for name in (*SOFTWARE, *packages)}
    on_gpu = device.type == "cuda"
    return Environment(
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        device=torch.cuda.get_device_name(device) if on_gpu else "cpu",
        threads=torch.get_num_threads(),
        system=f"{platform.system()} {platform.machine()}",
        versions=versions,
        vectors=torch.backends.cpu.get_cpu_capability(),
    )


def peak_memory() -> int:
    """Most bytes of this process that were ever in memory at once; 0 where nothing tells."""
    if sys.platform == "win32":
        return _peak_on_windows()
    # Not getrusage on Linux: a process started by a large one inherits that one's maximum.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024


def _peak_on_windows() -> int:
    """PeakWorkingSetSize, by GetProcessMemoryInfo."""
    if sys.platform != "win32":
        return 0
    import ctypes
    from ctypes import wintypes

    class Counters(ctypes.Structure):
        """PROCESS_MEMORY_COUNTERS; the seven sizes after the first are of no interest here."""

        _fields_ = (
            ("cb", wintypes.DWORD),
            ("PageFaultCount", wintypes.DWORD),
            ("PeakWorkingSetSize", ctypes.c_size_t),
            ("others", ctypes.c_size_t * 7),
        )

    kernel = ctypes.WinDLL("kernel32")
    kernel.GetCurrentProcess.restype = wintypes.HANDLE
    counters = Counters(cb=ctypes.sizeof(Counters))
    tells = kernel.K32GetProcessMemoryInfo
    tells.argtypes = wintypes.HANDLE, ctypes.POINTER(Counters), wintypes.DWORD
    if not tells(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return 0
    return int(counters.PeakWorkingSetSize)


def own_version() -> str:
    """Of this package."""
    # bench may not import the package above it, which is there whenever a part of it is.
    return str(getattr(sys.modules["gencodec"], "__version__", "unknown"))


def version_of(package: str) -> str:
    """Of an installed package, or that it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
