"""Compact weights: the numbers of a weights file in a third of its bytes or less, and back.

Those of a transform's matrix lie on a grid of its own, finer where they matter more, and all are
told by what differs from other weights, where there are such:

    value = reference's value + code * 2^(exponent of its row + exponent of its column)

Powers of two and one sum in float32, rounded to float16, are the same on every machine, so compact
weights have the content, and with it the identity, of the plain file that would hold them.  Codes
are zigzag numbers of 16 bits, their low bytes apart from their high ones, which are mostly zero.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

FORMAT = "gencodec-compact-1"
DEFLATED = "deflated"
"""The one tensor of a compact file: bytes of a safetensors file, as a zlib stream (RFC 1950)."""

ROWS, COLUMNS = "/rows", "/columns"
MAX_CODE = 2**15 - 1
MAX_INFLATED = 2**28

Exponents = npt.NDArray[np.int8]


class Grid(NamedTuple):
    """Powers of two between neighbouring values: of each row of a matrix, and of each column.

    rows: int8 (out,), columns: int8 (all else,) for a convolution's weight (out, in, k, k).
    """

    rows: Exponents
    columns: Exponents

    @property
    def exponents(self) -> npt.NDArray[np.int32]:
        """Of every number of the matrix: (out, all else)."""
        return self.rows.astype(np.int32)[:, None] + self.columns.astype(np.int32)[None]


def compacted(
    tensors: Mapping[str, Tensor], grids: Mapping[str, Grid], reference: Mapping[str, Tensor]
) -> Tensor:
    """The tensors of a weights file -> bytes, uint8 (n,), from which :func:`expanded` makes them.

    grids: of the float16 matrices that are put on one; everything else comes back as it was.
    reference: other weights, or nothing.  ValueError where a grid is too fine for 16 bits.
    """
    parts: dict[str, Tensor] = {}
    for name, value in tensors.items():
        before = _before(value.dtype, value.shape, reference.get(name))
        if name in grids:
            parts[name] = torch.from_numpy(_planes(_codes(value, before, grids[name])))
            parts[name + ROWS] = torch.from_numpy(grids[name].rows)
            parts[name + COLUMNS] = torch.from_numpy(grids[name].columns)
        else:
            parts[name] = value if value.is_floating_point() else value - before
    data = zlib.compress(save({name: part.contiguous() for name, part in parts.items()}), 9)
    return torch.frombuffer(bytearray(data), dtype=torch.uint8)


def expanded(deflated: Tensor, reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`compacted`; ValueError when these are no such bytes."""
    parts = _inflated(deflated)
    gridded = {name.removesuffix(ROWS) for name in parts if name.endswith(ROWS)}
    tensors = {}
    for name, part in parts.items():
        if name in gridded:
            if name + COLUMNS not in parts:
                raise ValueError(f"{name} has half a grid")
            on = parts[name + ROWS], parts[name + COLUMNS]
            tensors[name] = _on_grid(name, part, *on, reference.get(name))
        elif not name.endswith((ROWS, COLUMNS)):
            floating = part.is_floating_point()
            before = _before(part.dtype, part.shape, reference.get(name))
            tensors[name] = part if floating else part + before  # both wrap at the type's ends
    return tensors


def _before(dtype: torch.dtype, shape: torch.Size, found: Tensor | None) -> Tensor:
    """What a tensor of this type and shape is told against; zeros where there is none."""
    if found is None or found.dtype != dtype or found.shape != shape:
        return torch.zeros(shape, dtype=dtype, device="cpu")
    return found


def _codes(value: Tensor, before: Tensor, grid: Grid) -> npt.NDArray[np.int32]:
    difference = (value.float() - before.float()).numpy().reshape(len(value), -1)
    codes = np.rint(np.ldexp(difference, -grid.exponents))
    if not (np.abs(codes) <= MAX_CODE).all():
        raise ValueError(f"a grid is too fine: its codes exceed {MAX_CODE}")
    return codes.astype(np.int32).reshape(value.shape)


def _planes(codes: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Low bytes, then high bytes: uint8 (2, ...)."""
    zigzag = (codes << 1) ^ (codes >> 31)
    return np.stack([zigzag & 255, zigzag >> 8]).astype(np.uint8)


def _on_grid(
    name: str, planes: Tensor, rows: Tensor, columns: Tensor, found: Tensor | None
) -> Tensor:
    shape = planes.shape[1:]
    whole = planes.dtype == torch.uint8 and planes.ndim > 1 and planes.shape[0] == 2
    if not whole or {rows.dtype, columns.dtype} != {torch.int8}:
        raise ValueError(f"{name} is not of the types of a grid")
    flat = rows.ndim == columns.ndim == 1
    if not flat or len(rows) != shape[0] or len(rows) * len(columns) != shape.numel():
        raise ValueError(f"{name} and its grid differ in shape")
    low, high = planes.reshape(2, len(rows), len(columns))
    zigzag = (high.short() << 8) | low
    codes = ((zigzag >> 1) & MAX_CODE) ^ -(zigzag & 1)
    # In float64 every power of two that int8 can name, and what it makes of a code, is exact.
    steps = codes.double() * _powers(rows)[:, None] * _powers(columns)
    before = _before(torch.float16, shape, found).reshape(codes.shape)
    # What is not finite here is told where the network is built.
    return (before.float() + steps.float()).half().reshape(shape)


def _powers(exponents: Tensor) -> Tensor:
    """Of two, in float64 (n,).  NumPy's, which are exact: torch promises nothing of the kind."""
    return torch.from_numpy(np.ldexp(1.0, exponents.numpy().astype(np.int32)))


def _inflated(deflated: Tensor) -> dict[str, Tensor]:
    if deflated.dtype != torch.uint8 or deflated.ndim != 1:
        raise ValueError("its compact numbers are no bytes")
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(deflated.numpy().tobytes(), MAX_INFLATED)
        if not inflater.eof or inflater.unused_data:
            raise ValueError("its compact numbers end too early or too late")
        with torch.device("cpu"):  # as in reading a file
            return load(data)
    except (zlib.error, SafetensorError) as error:
        raise ValueError(f"its compact numbers are not readable: {error}") from None
