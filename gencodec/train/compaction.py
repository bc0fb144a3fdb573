"""Weights files made small: grids as fine as each number needs, and the command that takes them.

The step of a number is the one over the root of its sensitivity, taken apart into a power of two
for its row and one for its column, so that errors everywhere cost about alike
(:mod:`gencodec.train.sensitivity`); how fine altogether is what a share of the bits is given for.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gencodec.errors import WeightsError
from gencodec.image import Pixels, atomic_write
from gencodec.model.compact import MAX_CODE, Grid
from gencodec.model.registry import find_weights
from gencodec.model.weights import (
    files_of,
    installed,
    load_weights,
    pack_compact,
    read_weights,
    thaw,
)

from .options import add_every, new_file
from .rest import trained_pictures
from .sensitivity import sensitivities
from .store import PhotoStore

COST = 0.003
"""Share of the bits that the grids may cost by the estimate."""

CROPS = 100
SAMPLES = 96
SEED = 5
LEAST_SHARE = 1e-4
"""Of the mean sensitivity of a matrix: what a row or column has that no crop says anything of."""

Matrix = npt.NDArray[np.float64]


def compact_weights(
    path: Path, pictures: Sequence[Pixels], *, reference: str | None = None, cost: float = COST
) -> bytes:
    """The bytes of a compact file of the weights in ``path``, plain or compact themselves.

    pictures: (H, W, 3) uint8, of the kind the weights are for.  reference: the digest of installed
    weights, 64 digits, that the result needs to be read.  ValueError where it is not installed.
    """
    weights, (_, tensors) = load_weights(path), read_weights(path)
    before = {} if reference is None else installed(reference)
    cpu = torch.device("cpu")
    needs = sensitivities(thaw(weights), PhotoStore(pictures, cpu), CROPS, SEED)
    matrices = {
        name: _matrix(value)
        for name, value in tensors.items()
        if name in needs and value.ndim == 4 and value.dtype == torch.float16
    }
    apart = {
        name: value - _matrix(before[name])
        if name in before and before[name].shape == tensors[name].shape
        else value
        for name, value in matrices.items()
    }
    grids = fine_grids(apart, {name: _matrix(needs[name]) for name in matrices}, cost)
    return pack_compact(weights.vae.config, tensors, grids, reference)


def fine_grids(
    values: Mapping[str, Matrix], needs: Mapping[str, Matrix], cost: float
) -> dict[str, Grid]:
    """The coarsest grids that cost no more than a share of the bits, by the estimate.

    values: what is put on them; needs: its sensitivities, of the same shapes.
    """
    least, most = -40.0, 10.0  # powers of two that all steps are multiplied by
    for _ in range(30):
        middle = (least + most) / 2.0
        grids = {name: _grid(values[name], needs[name], middle) for name in values}
        if sum(_cost(grids[name], needs[name]) for name in values) > cost:
            most = middle
        else:
            least = middle
    return {name: _grid(values[name], needs[name], least) for name in values}


def _grid(value: Matrix, need: Matrix, fineness: float) -> Grid:
    of_rows, of_columns = (_floored(need.mean(axis)) for axis in (1, 0))
    rows = np.rint(fineness - np.log2(of_rows) / 2.0)
    columns = np.rint((np.log2(of_columns.mean()) - np.log2(of_columns)) / 2.0)
    # A row whose largest code would not fit gets a coarser one.
    largest = np.abs(np.ldexp(value, -columns.astype(int)[None])).max(1)
    rows = np.maximum(rows, np.ceil(np.log2(np.maximum(largest, 2.0**-100) / MAX_CODE)))
    return Grid(*(np.clip(each, -127, 127).astype(np.int8) for each in (rows, columns)))


def _floored(need: Matrix) -> Matrix:
    return np.maximum(need, max(LEAST_SHARE * float(need.mean()), 1e-30))


def _cost(grid: Grid, need: Matrix) -> float:
    """Half of sensitivity times squared error; a step's error is uniform within it."""
    rows, columns = (4.0 ** each.astype(np.float64) for each in grid)
    return float(rows @ need @ columns) / 24.0


def _matrix(value: Tensor) -> Matrix:
    return np.asarray(value.detach().double().numpy().reshape(len(value), -1))


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train compact``."""
    parser.add_argument("weights", type=Path, metavar="WEIGHTS", help="a weights file")
    parser.add_argument("dirs", type=Path, nargs="+", metavar="DIR", help="what was trained on")
    parser.add_argument("-o", "--output", type=new_file, required=True, metavar="FILE")
    add_reference(parser)
    add_every(parser, 4)


def add_reference(parser: argparse.ArgumentParser) -> None:
    """Which weights to tell the differences from."""
    parser.add_argument(
        "--reference",
        metavar="NAME",
        help="shipped weights, needed to read the result, that it is told as a difference from; "
        "not such as are told so themselves",
    )


def reference_of(args: argparse.Namespace) -> str | None:
    """The digest of the weights named by :func:`add_reference`; WeightsError if unknown, or told
    as a difference themselves."""
    if args.reference is None:
        return None
    entry = find_weights(args.reference)
    if files_of(entry.path) != (entry.path,):
        raise WeightsError(f"--reference {entry.name}: these are told as a difference themselves")
    return entry.id_hex


def run(args: argparse.Namespace) -> int:
    """Read, put on grids, write what is smaller."""
    reference = reference_of(args)
    pictures = trained_pictures(args.dirs, args.every)
    data = compact_weights(args.weights, pictures, reference=reference)
    atomic_write(args.output, data, overwrite=False)
    before = args.weights.stat().st_size
    print(f"{args.output}: {len(data)} bytes, {before} before", file=sys.stderr)
    return 0
