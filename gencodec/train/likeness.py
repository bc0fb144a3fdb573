"""Finding one picture in another: whole, cropped, scaled, recoded or mirrored.

A perceptual hash in two steps.  Coarse: the 8x8 block means of many windows of a picture, less
their mean and slope, are compared with those of the pictures looked for (one matrix product).
Fine: the best windows are moved and scaled a little, and compared by what 16x16 block means
hold beyond 4x4 ones, which pictures that are merely alike in their layout do not share.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gencodec.image import Pixels

LONG_SIDE = 224
COARSE, FINE, FLOOR = 8, 16, 4
LEAST_SIDE = 0.35
"""The smallest windows looked at, as a share of the largest that fits."""
SCALE_STEP, STRIDE = 1.12, 0.08
COARSE_LEAST, FINE_LEAST = 0.8, 0.8
"""Correlations from which two windows are looked at closely, and from which they are the same."""
FLAT = 2.0
"""Levels; windows with less structure than this (sky, paper) look like anything."""
LEAST_CELLS = 8
CLOSER = 5
"""Windows of each needle, and needles of each picture, that are looked at closely."""
ASPECT_STEP = 0.04

Array = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Match:
    """Where a picture was found: the window of ``haystack`` that shows ``needle``."""

    needle: str
    haystack: str
    window: str
    score: float


class Likeness:
    """One picture, small and grey, ready to be searched and to be searched for."""

    def __init__(self, name: str, pixels: Pixels) -> None:
        self.name = name
        image = Image.fromarray(pixels).convert("L")
        image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BOX)
        grey = np.asarray(image, np.float64)
        self.height, self.width = grey.shape
        # float32 is exact for sums below 2^24, which those of pictures this small are.
        self.sums = np.pad(grey.cumsum(0).cumsum(1), ((1, 0), (1, 0))).astype(np.float32)

    @property
    def aspect_bin(self) -> int:
        """Pictures of nearly the same shape share their windows."""
        return round(np.log(self.width / self.height) / ASPECT_STEP)

    @cached_property
    def whole(self) -> Array:
        """The window that is everything: (1, 4)."""
        return np.array([[0.0, 0.0, self.height, self.width]])

    @cached_property
    def parts(self) -> Array:
        """Everything, its middle and its quarters: (6, 4)."""
        half = np.array([[0.0, 0.0], [0.0, 0.5], [0.5, 0.0], [0.5, 0.5], [0.25, 0.25]])
        corner = half * (self.height, self.width)
        size = np.full_like(corner, 0.5) * (self.height, self.width)
        return np.concatenate((self.whole, np.concatenate((corner, size), 1)))

    def windows(self, aspect_bin: int) -> Array:
        """Windows of that shape at many places and sizes: (N, 4) as top, left, height, width."""
        aspect = np.exp(aspect_bin * ASPECT_STEP)
        full = min(self.width, self.height * aspect)
        found = []
        share = 1.0
        while share >= LEAST_SIDE:
            width, height = full * share, full * share / aspect
            places = [
                np.linspace(0.0, room, 1 + int(np.ceil(room / (STRIDE * size))))
                for room, size in (
                    (max(0.0, self.height - height), height),
                    (max(0.0, self.width - width), width),
                )
            ]
            top, left = (grid.ravel() for grid in np.meshgrid(*places, indexing="ij"))
            found.append(
                np.stack((top, left, np.full_like(top, height), np.full_like(top, width)), 1)
            )
            share /= SCALE_STEP
        return np.concatenate(found)

    def block_means(self, windows: Array, grid: int) -> Array:
        """(N, grid, grid): means over equal blocks of each window."""
        share = np.arange(grid + 1) / grid
        rows = np.rint(windows[:, :1] + windows[:, 2:3] * share).astype(np.int64)
        columns = np.rint(windows[:, 1:2] + windows[:, 3:] * share).astype(np.int64)
        rows, columns = rows.clip(0, self.height), columns.clip(0, self.width)
        corners = self.sums[rows[:, :, None], columns[:, None, :]]
        total = np.diff(np.diff(corners, axis=1), axis=2)
        area = np.diff(rows, axis=1)[:, :, None] * np.diff(columns, axis=1)[:, None, :]
        means: Array = total / np.maximum(area, 1).astype(np.float32)
        return means


def _coarse(means: Array) -> Array:
    """(N, 8, 8) -> (N, 64) of unit length, without mean and slope; zero where it is flat."""
    ramp = np.linspace(-1.0, 1.0, COARSE)
    down, across = (part.ravel() for part in np.meshgrid(ramp, ramp, indexing="ij"))
    basis = np.stack([np.ones_like(down), down, across])
    basis = (basis / np.linalg.norm(basis, axis=1, keepdims=True)).astype(np.float32)
    flat = means.reshape(len(means), -1)
    return _unit(flat - (flat @ basis.T) @ basis, FLAT * COARSE)


def _fine(means: Array) -> Array:
    """(N, 16, 16) -> (N, 16, 16): each of 4x4 cells less its mean, of unit length; flat ones zero.

    Every cell counts alike, or one strong edge would outvote all the rest.
    """
    side = FINE // FLOOR
    cells = means.reshape(-1, FLOOR, side, FLOOR, side).transpose(0, 1, 3, 2, 4)
    cells = cells.reshape(len(means), FLOOR**2, side**2)
    return _unit(cells - cells.mean(2, keepdims=True), FLAT * side)


def _same_cells(one: Array, many: Array) -> Array:
    """one (16, 16), many (N, 16, 16) -> (N,): mean correlation of the cells not flat in both.

    A cell that is flat in one alone counts as 0.  Too few cells settle nothing: 0.
    """
    active = one.any(1) | many.any(2)
    total = (many * one).sum((1, 2))
    same: Array = np.where(active.sum(1) < LEAST_CELLS, 0.0, total / np.maximum(active.sum(1), 1))
    return same


def _unit(vectors: Array, least: float) -> Array:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    unit: Array = np.where(length < least, 0.0, vectors / np.maximum(length, 1e-9))
    return unit


def _mirrored(means: Array) -> Array:
    """Each as it is, then each mirrored."""
    return np.concatenate((means, means[:, :, ::-1]))


def find(
    needles: Sequence[Likeness], haystack: Sequence[Likeness], *, parts: bool
) -> Iterator[Match]:
    """Every pair of which one shows the other, at most one match a pair.

    parts: look for the quarters and the middle of a needle as well.
    """
    by_shape: dict[int, list[Likeness]] = {}
    for needle in needles:
        by_shape.setdefault(needle.aspect_bin, []).append(needle)
    for shape, group in by_shape.items():
        boxes = [needle.parts if parts else needle.whole for needle in group]
        coarse = [
            _mirrored(needle.block_means(box, COARSE))
            for needle, box in zip(group, boxes, strict=True)
        ]
        owner = np.repeat(np.arange(len(group)), [len(means) for means in coarse])
        within = np.concatenate([np.arange(len(means)) for means in coarse])
        wanted = _coarse(np.concatenate(coarse))
        for hay in haystack:
            windows = hay.windows(shape)
            likeness = wanted @ _coarse(hay.block_means(windows, COARSE)).T
            best: dict[int, Match] = {}
            peak = likeness.max(1)
            rows = [r for r in np.argsort(-peak)[: CLOSER * 2] if peak[r] >= COARSE_LEAST]
            for row in rows:
                needle, box = group[owner[row]], boxes[owner[row]]
                number, mirrored = within[row] % len(box), within[row] >= len(box)
                close = windows[np.argsort(-likeness[row])[:CLOSER]]
                match = _closer(needle, box[number], bool(mirrored), hay, close)
                if match.score >= FINE_LEAST and (
                    owner[row] not in best or best[owner[row]].score < match.score
                ):
                    best[owner[row]] = match
            yield from best.values()


def _closer(needle: Likeness, box: Array, mirrored: bool, hay: Likeness, windows: Array) -> Match:
    """The best match near some windows, moved by up to a stride and scaled by up to a step."""
    moves = np.array([-0.06, -0.03, 0.0, 0.03, 0.06])
    scales = np.array([0.95, 1.0, 1.05])
    down, across, scale = (part.ravel() for part in np.meshgrid(moves, moves, scales))
    top, left, height, width = (column[:, None] for column in windows.T)
    tried = np.stack(
        (
            top + height * (down + (1.0 - scale) / 2.0),
            left + width * (across + (1.0 - scale) / 2.0),
            height * scale,
            width * scale,
        ),
        axis=-1,
    ).reshape(-1, 4)
    inside = (
        (tried[:, :2] > -0.5).all(1)
        & (tried[:, 0] + tried[:, 2] < hay.height + 0.5)
        & (tried[:, 1] + tried[:, 3] < hay.width + 0.5)
    )
    tried = np.concatenate((windows, tried[inside]))
    means = needle.block_means(box[None], FINE)
    (wanted,) = _fine(means[:, :, ::-1] if mirrored else means)
    score = _same_cells(wanted, _fine(hay.block_means(tried, FINE)))
    place = tried[int(score.argmax())] / (hay.height, hay.width, hay.height, hay.width)
    text = "{:.2f},{:.2f} {:.2f}x{:.2f}".format(*place) + (" mirrored" if mirrored else "")
    return Match(needle.name, hay.name, text, round(float(score.max()), 3))
