"""Which part of a picture is decoded, and how much smaller it becomes."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from gencodec.bitstream import Box
from gencodec.image import Pixels

Region: TypeAlias = tuple[int, int, int, int]
"""left, top, width, height, in pixels of the whole picture."""

FACTORS = (1, 2, 4, 8)
"""By how much a picture can be reduced while it is decoded."""


@dataclass(frozen=True)
class View:
    """A box of a picture's pixels, reduced by a factor: each pixel the mean of a square.

    box: in pixels of the whole picture. Reduced pixels lie on the grid of the whole picture, so
    a view shows every square that its box touches.
    """

    box: Box
    factor: int

    @property
    def reduced(self) -> Box:
        """The box in reduced pixels."""
        return self.box.reduced(self.factor)

    def of(self, plane: Pixels) -> Pixels:
        """The same view of another plane (H, W) of the picture."""
        factor, box = self.factor, self.reduced
        part = plane[box.top * factor : box.bottom * factor, box.left * factor : box.right * factor]
        if factor == 1:
            return np.ascontiguousarray(part)
        sides = (box.height * factor - part.shape[0], box.width * factor - part.shape[1])
        part = np.pad(part, ((0, sides[0]), (0, sides[1])), mode="edge")
        squares = part.reshape(box.height, factor, box.width, factor).astype(np.uint32)
        return ((squares.sum((1, 3)) * 2 + factor**2) // (2 * factor**2)).astype(np.uint8)


def make_view(width: int, height: int, region: Region | None, factor: int) -> View:
    """A view of a picture; region None is all of it.

    ValueError when the region is empty or not inside, or the factor none of FACTORS.
    """
    if factor not in FACTORS:
        raise ValueError(f"a picture can be reduced by {FACTORS}, not by {factor}")
    factor = int(factor)  # it may be numpy's, and of eight bits
    if region is None:
        return View(Box(0, 0, width, height), factor)
    try:
        # Not as they come: numpy's unsigned integers have no negatives.
        left, top, wide, high = map(operator.index, region)
    except (TypeError, ValueError):
        raise ValueError(
            f"a region is (left, top, width, height) in whole pixels, not {region!r}"
        ) from None
    inside = left >= 0 <= top and left + wide <= width and top + high <= height
    if not inside or wide < 1 or high < 1:
        raise ValueError(
            f"the region {left},{top},{wide},{high} does not lie inside the picture "
            f"of {width}x{height} pixels"
        )
    return View(Box(left, top, left + wide, top + high), factor)
