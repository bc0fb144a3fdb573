"""Frozen integer probability tables, one for each scale index.

The tables are made once, when weights are exported, and travel with them. Nothing is computed
in floating point while coding, so every machine codes with the same integers.

Layout of one table with half-width h (2h + 2 entries, each >= 1, sum exactly 2^24):

    entry    0    1   ...   h   ...  2h     2h+1
    symbol  -h  -h+1        0        +h   escape: the symbol lies outside -h..h
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

Integer = TypeVar("Integer", bound=np.integer[Any])

CDF_BITS = 24
CDF_TOTAL = 1 << CDF_BITS
N_SCALES = 64
MAX_SYMBOL = 65535
"""Largest magnitude of a symbol; the escape code reaches it from every half-width."""

# A symbol outside the table costs -log2(tail) bits plus its escape. At 2^-18 a true Gaussian
# spends under 1e-4 bit a symbol there, and the support stays near 4.6 standard deviations.
TAIL_MASS = 2.0**-18
TAKEN_AS_SEEN = 4096.0


@dataclass(frozen=True, eq=False)
class ScaleTables:
    """The probability tables of all scale indices; checked when made, then read-only.

    Args:
        pmf: integer weights of all tables end to end, uint32 (sum of 2*half_width + 2,).
        half_width: half-width h of each table, int32 (N_SCALES,).
        skip_below: elements with a scale index under this are never coded (symbol 0).

    Raises:
        ValueError: when the arrays do not form valid tables.
    """

    ARRAYS: ClassVar = ("pmf", "half_width", "skip_below")

    pmf: npt.NDArray[np.uint32]
    half_width: npt.NDArray[np.int32]
    skip_below: int
    offsets: npt.NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        pmf = _integers("pmf", self.pmf, np.uint32)
        half_width = _integers("half_width", self.half_width, np.int32)
        offsets = np.zeros(half_width.size + 1, np.int64)
        np.cumsum(2 * half_width.astype(np.int64) + 2, out=offsets[1:])
        for name, array in (("pmf", pmf), ("half_width", half_width), ("offsets", offsets)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "skip_below", int(self.skip_below))
        self.validate()

    def validate(self) -> None:
        """Raise ValueError unless every table is one that the coder represents exactly."""
        if self.half_width.size != N_SCALES:
            raise ValueError(f"{self.half_width.size} tables given, {N_SCALES} needed")
        if not 0 <= self.skip_below <= N_SCALES:
            raise ValueError(f"skip_below is {self.skip_below}, not in 0..{N_SCALES}")
        if self.half_width.min() < 1 or self.half_width.max() >= MAX_SYMBOL:
            raise ValueError(f"a half-width lies outside 1..{MAX_SYMBOL - 1}")
        if self.pmf.size != self.offsets[-1]:
            raise ValueError(f"pmf has {self.pmf.size} entries, {self.offsets[-1]} needed")
        if self.pmf.min() < 1:
            raise ValueError("a weight of zero: its symbol could not be coded")
        sums = np.add.reduceat(self.pmf.astype(np.uint64), self.offsets[:-1])
        if (sums != CDF_TOTAL).any():
            bad = int(np.flatnonzero(sums != CDF_TOTAL)[0])
            raise ValueError(f"table {bad} sums to {sums[bad]}, not 2^{CDF_BITS}")

    def table(self, scale_index: int) -> npt.NDArray[np.uint32]:
        """Weights of one scale index, uint32 (2h + 2,): symbols -h..h, then the escape."""
        return self.pmf[self.offsets[scale_index] : self.offsets[scale_index + 1]]

    def to_arrays(self) -> dict[str, npt.NDArray[np.int32]]:
        """The tables as plain int32 arrays, for storage beside the weights."""
        return {
            "pmf": self.pmf.astype(np.int32),
            "half_width": self.half_width.copy(),
            "skip_below": np.array([self.skip_below], np.int32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.integer[Any]]]) -> ScaleTables:
        """Inverse of `to_arrays`; any integer dtype will do.

        Raises:
            ValueError: when an array is missing or the tables are not valid.
        """
        missing = set(cls.ARRAYS) - set(arrays)
        if missing:
            raise ValueError(f"missing from the tables: {', '.join(sorted(missing))}")
        skip_below = _integers("skip_below", arrays["skip_below"].reshape(-1), np.int32)
        if skip_below.size != 1:
            raise ValueError("skip_below must be one number")
        pmf = _integers("pmf", arrays["pmf"], np.uint32)
        half_width = _integers("half_width", arrays["half_width"], np.int32)
        return cls(pmf, half_width, int(skip_below[0]))


def gaussian_tables(scales: npt.ArrayLike, skip_below: int = 0) -> ScaleTables:
    """Tables of the zero-mean Gaussian integrated over unit bins. For export, never for load.

    Args:
        scales: standard deviations, positive and ascending, float (N_SCALES,).
        skip_below: see `ScaleTables`.

    Raises:
        ValueError: when `scales` cannot be tabled.
    """
    sigmas = np.asarray(scales, np.float64)
    if sigmas.shape != (N_SCALES,):
        raise ValueError(f"scales has shape {sigmas.shape}, ({N_SCALES},) needed")
    if not (np.isfinite(sigmas).all() and sigmas[0] > 0 and (np.diff(sigmas) > 0).all()):
        raise ValueError("scales must be finite, positive and ascending")
    if sigmas[-1] > MAX_SYMBOL / 8:
        raise ValueError(f"scale {sigmas[-1]:g} is too large to be tabled")
    tables = [_gaussian_table(float(sigma)) for sigma in sigmas]
    half_width = np.array([table.size // 2 - 1 for table in tables], np.int32)
    return ScaleTables(np.concatenate(tables), half_width, skip_below)


def fitted_tables(tables: ScaleTables, histograms: Sequence[npt.NDArray[np.int64]]) -> ScaleTables:
    """The same tables bent towards counted symbols. For export, never for load.

    Args:
        tables: the starting point, of which TAKEN_AS_SEEN observations are.
        histograms: for each scale index the counts of its entries, int64 (2h + 2,) in the order
            of the table; both signs are pooled, as a symbol's sign carries nothing.
    """
    fitted = []
    for index, counts in enumerate(histograms):
        start = tables.table(index)
        if counts.shape != start.shape:
            raise ValueError(f"histogram {index} has shape {counts.shape}, not {start.shape}")
        pooled = counts.astype(np.float64)
        pooled[:-1] = (pooled[:-1] + pooled[-2::-1]) / 2
        share = pooled + TAKEN_AS_SEEN * (start / CDF_TOTAL)
        weights = 1 + np.floor(share / share.sum() * (CDF_TOTAL - start.size)).astype(np.int64)
        weights[start.size // 2 - 1] += CDF_TOTAL - weights.sum()  # the rest to symbol 0
        fitted.append(weights.astype(np.uint32))
    return ScaleTables(np.concatenate(fitted), tables.half_width, tables.skip_below)


def _gaussian_table(sigma: float) -> npt.NDArray[np.uint32]:
    """Integer weights of symbols -h..h and the escape, uint32 (2h + 2,)."""

    def upper_tail(x: float) -> float:
        # erfc, not 1 - erf: the latter loses every digit where the tail is small.
        return 0.5 * math.erfc(x / (sigma * math.sqrt(2.0)))

    tails = [upper_tail(0.5), upper_tail(1.5)]
    while 2.0 * tails[-1] > TAIL_MASS:
        tails.append(upper_tail(len(tails) + 0.5))
    # One unit for every entry, the rest shared out. Rounding the sums and not the parts keeps
    # every entry within one unit of its share, so that none has to take up what others lost.
    n_entries = 2 * len(tails)
    sums = np.rint(np.array(tails) * (CDF_TOTAL - n_entries)).astype(np.int64)
    side = 1 - np.diff(sums)  # symbols 1..h
    escape = 1 + 2 * sums[-1]
    centre = CDF_TOTAL - 2 * side.sum() - escape
    return np.concatenate([side[::-1], [centre], side, [escape]]).astype(np.uint32)


def _integers(name: str, array: npt.ArrayLike, dtype: type[Integer]) -> npt.NDArray[Integer]:
    """A private one-dimensional copy of `array` as `dtype`; ValueError if that alters a value."""
    given = np.asarray(array)
    if given.ndim != 1 or not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"{name} must be a one-dimensional integer array")
    if given.size == 0:
        raise ValueError(f"{name} is empty")
    bounds = np.iinfo(dtype)
    if int(given.min()) < bounds.min or int(given.max()) > bounds.max:
        raise ValueError(f"{name} holds a value that is no {np.dtype(dtype).name}")
    return given.astype(dtype)
