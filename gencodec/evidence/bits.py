"""What every single symbol of a stream cost, where in the picture, and what it would cost else.

Shapes: z is (N, hz, wz), y is (M, h, w); the last four passes are y, those before them z, in the
order of FORMAT.md ("The prior").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gencodec.entropy import Pass, ScaleTables
from gencodec.entropy.ans import Symbols
from gencodec.entropy.coding import ESCAPE_LENGTHS, ScaleIndex
from gencodec.entropy.tables import CDF_BITS
from gencodec.model.config import GROUPS, HYPER_STRIDE, LATENT_STRIDE
from gencodec.model.partition import PHASES

Bits = npt.NDArray[np.float64]


def symbol_bits(symbols: Symbols, scale_index: ScaleIndex, tables: ScaleTables) -> Bits:
    """Information content of each symbol of a pass under its table, escapes included: (n,).

    Elements that are not coded cost nothing. The sum over passes is `entropy.ideal_bits`.
    """
    bits = np.zeros(symbols.size)
    for index in np.unique(scale_index[scale_index >= tables.skip_below]):
        places = np.flatnonzero(scale_index == index)
        values, half_width = symbols[places], int(tables.half_width[index])
        cost = CDF_BITS - np.log2(tables.table(int(index)))
        inside = np.abs(values) <= half_width
        bits[places] = cost[np.where(inside, values + half_width, -1)]
        excess = np.abs(values[~inside]) - half_width  # e + 1 in FORMAT.md, "Escapes"
        n_low = np.floor(np.log2(excess))
        bits[places[~inside]] += np.log2(ESCAPE_LENGTHS) + 1.0 + n_low
    return bits


def placed(per_pass: Sequence[npt.NDArray[np.generic]], channels: int, h: int, w: int) -> Bits:
    """Values of all passes of y or z, each (n,), at their places: (channels, h, w) float64."""
    if len(per_pass) == 1:  # a z that knows no passes
        return per_pass[0].reshape(channels, h, w).astype(np.float64)
    out = np.zeros((channels, h, w))
    group = channels // GROUPS
    for index, flat in enumerate(per_pass):
        start = 0
        for phase, (row, column) in enumerate(PHASES):
            first = (index ^ phase) * group
            place = out[first : first + group, row::2, column::2]
            place[...] = flat[start : start + place.size].reshape(place.shape)
            start += place.size
    return out


def bit_map(bits: Sequence[Bits], shapes: Shapes) -> Bits:
    """Bits of every pass -> bits at each position of y: (h, w).

    A position of z stands for up to 16 of y, which share its bits equally.
    """
    (_, hz, wz), (_, h, w) = shapes.z, shapes.y
    of_z = placed(bits[:-GROUPS], *shapes.z).sum(0)
    of_y = placed(bits[-GROUPS:], *shapes.y).sum(0)
    ones = np.ones((HYPER_STRIDE, HYPER_STRIDE))
    covered = np.kron(np.ones((hz, wz)), ones)[:h, :w]
    shares = np.add.reduceat(
        np.add.reduceat(covered, np.arange(0, h, HYPER_STRIDE), 0), np.arange(0, w, HYPER_STRIDE), 1
    )
    total: Bits = np.kron(of_z / shares, ones)[:h, :w] + of_y
    return total


def bits_per_pixel(of_positions: Bits, width: int, height: int) -> Bits:
    """Bits at positions of y over the pixels of each that the picture really has: (h, w)."""
    rows = np.minimum(LATENT_STRIDE, height - LATENT_STRIDE * np.arange(of_positions.shape[0]))
    columns = np.minimum(LATENT_STRIDE, width - LATENT_STRIDE * np.arange(of_positions.shape[1]))
    per_pixel: Bits = of_positions / np.outer(rows, columns)
    return per_pixel


@dataclass(frozen=True)
class CodeLengths:
    """Bits of the same symbols under three codes.

    prior: the model's own. factorised: one fixed table a channel, fitted to this very picture
    and not charged for. uniform: every value that a channel takes in this picture at equal
    length, tables not charged for either. So both rivals are better than a real one could be.
    """

    prior: float
    factorised: float
    uniform: float


def code_lengths(passes: Sequence[Pass], bits: Sequence[Bits], shapes: Shapes) -> CodeLengths:
    """The three lengths, in bits, for all passes of a picture."""
    symbols = [symbols for symbols, _ in passes]
    z, y = placed(symbols[:-GROUPS], *shapes.z), placed(symbols[-GROUPS:], *shapes.y)
    channels = [channel.ravel() for part in (z, y) for channel in part]
    return CodeLengths(
        prior=float(sum(part.sum() for part in bits)),
        factorised=float(sum(_entropy(channel) * channel.size for channel in channels)),
        uniform=float(sum(np.log2(np.ptp(channel) + 1) * channel.size for channel in channels)),
    )


@dataclass(frozen=True)
class Shapes:
    """(channels, rows, columns) of z and of y."""

    z: tuple[int, int, int]
    y: tuple[int, int, int]


def _entropy(values: npt.NDArray[np.generic]) -> float:
    """Empirical entropy, bits a value."""
    _, counts = np.unique(values, return_counts=True)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())
