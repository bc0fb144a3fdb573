"""How much memory pictures without tiles ask for: ``python -m gencodec.bench memory``.

Each command is run by itself, with pictures of two heights: what the higher one takes more is the
picture's, the rest the program's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from gencodec.bench.environment import Environment, environment
from gencodec.bench.pictures import Census, Dataset, find_pictures, load_picture
from gencodec.bench.report import write_report
from gencodec.image import Picture, Pixels, check_place, write_picture

WHAT = (
    "megabytes: the most (10^6 bytes) that the command had in memory, for each picture; "
    "bytes_a_pixel: what the larger took more, by pixel; program: megabytes that this leaves"
)
WIDTH = 4096
HEIGHTS = (1024, 4096)

# A process of its own between this one and the command: Linux says of a process at least as much
# as the one had that began it.
_WATCH = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=sys.stderr); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


class _Way(NamedTuple):
    """A command, where {} is the name that the files of one picture have.

    half_of: a file that the command wants cut in half, as NAME-cut.gnc.
    """

    command: tuple[str, ...]
    half_of: str | None = None


_WAYS = {
    "compress": _Way(("compress", "{}.png", "--tile", "none")),
    "decompress": _Way(("decompress", "{}.gnc", "-o", "{}-out.png")),
    "decompress, cut": _Way(("decompress", "{}-cut.gnc", "--allow-truncated"), "{}.gnc"),
}


@dataclass(frozen=True)
class Size:
    """A picture."""

    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class Row:
    """One command, with the smaller picture and with the larger."""

    command: str
    sizes: tuple[Size, ...]
    megabytes: tuple[int, ...]
    bytes_a_pixel: float
    program: int


@dataclass(frozen=True)
class MemoryReport:
    """The measurement as it stands in benchmarks/memory.json."""

    what: str
    dataset: Dataset
    environment: Environment
    rows: tuple[Row, ...]


def measure(photo: Pixels, folder: Path) -> tuple[Row, ...]:
    """Every command, with pictures made of this one, (H, W, 3) or grey (H, W); their files stay in
    `folder`."""
    sizes = tuple(Size(WIDTH, height) for height in HEIGHTS)
    for size in sizes:
        write_picture(Picture(repeated(photo, size)), folder / f"{size.height}.png")
    rows = []
    for name, way in _WAYS.items():
        rows.append(_row(name, way, sizes, folder))
        print(rows[-1], file=sys.stderr, flush=True)
    return tuple(rows)


def repeated(photo: Pixels, size: Size) -> Pixels:
    """Copies of a picture, (H, W, 3) or (H, W), side by side, as many as this size takes."""
    across, down = -(-size.width // photo.shape[1]), -(-size.height // photo.shape[0])
    return np.tile(photo, (down, across, 1)[: photo.ndim])[: size.height, : size.width]


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="its first picture is taken")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="JSON", help="the report, replaced"
    )


def run(args: argparse.Namespace) -> int:
    """Measure, tell, write."""
    check_place(args.output)
    census = Census()
    sample = load_picture(find_pictures(args.folder, limit=1)[0])
    census.add(sample)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(sample.pixels, Path(folder))
    about = environment(torch.device("cpu"))
    write_report(MemoryReport(WHAT, census.dataset(args.folder), about, rows), args.output)
    return 0


def _row(name: str, way: _Way, sizes: tuple[Size, ...], folder: Path) -> Row:
    peaks = []
    for size in sizes:
        if way.half_of is not None:
            stream = (folder / way.half_of.format(size.height)).read_bytes()
            (folder / f"{size.height}-cut.gnc").write_bytes(stream[: len(stream) // 2])
        named = [part.format(size.height) for part in way.command]
        peaks.append(_peak([*named, "--quiet", "--device", "cpu"], folder))
    slope = (peaks[1] - peaks[0]) / (sizes[1].pixels - sizes[0].pixels)
    rest = peaks[0] - slope * sizes[0].pixels
    megabytes = tuple(round(peak / 1e6) for peak in peaks)
    return Row(name, sizes, megabytes, round(slope, 1), round(rest / 1e6))


def _peak(command: list[str], folder: Path) -> int:
    """Most bytes in memory of a gencodec command, run in a folder; OSError when it fails."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, sys.executable, "-m", "gencodec", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise OSError(f"gencodec {' '.join(command)}: {done.stderr.strip()}")
    most = int(done.stdout)
    return most if sys.platform == "darwin" else most * 1024
