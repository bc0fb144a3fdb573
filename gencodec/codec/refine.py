"""Symbols that suit one picture better than rounding does: steps down its own gradient.

g_a and h_a answer for all pictures at once, and rounding knows neither what a symbol costs nor what
g_s makes of it together with its neighbours.  Each round of a search computes bits + lmbda *
distortion of this picture and moves y, and where it anneals z too (:mod:`gencodec.codec.search`).
A file made so is one like any other: what decodes it is the same.

Refining latents at encoding time follows Campos et al., arXiv:1906.01200.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from gencodec.image import Pixels
from gencodec.model.config import HYPER_STRIDE
from gencodec.model.distortion import DISTORTIONS
from gencodec.model.exact import own_gradients, strict_precision
from gencodec.model.quality import EFFORT_MAX, lmbda_of, plain_number
from gencodec.model.vae import Z_MAX, ImageVae, Quantiser, bits_of, table_rows

from .latents import hyper_latents, hyper_positions
from .search import ANNEAL_FROM, SHARPNESS, Values, anneal, descend
from .transform import Window

SHARES = (1.0, 0.5, 0.25)
"""Of the way that all rounds went together, tried in turn: on smooth pictures they overshoot."""

WINDOW_SIDE = 56
"""Positions of y that are refined together, in each direction: memory stays bounded."""

REACH = 4
"""Positions around a window that take part in it without being kept: as far as g_s sees, and a
whole position of z."""

POSITIONS: tuple[Callable[[slice], slice], ...] = (lambda part: part, hyper_positions)
"""Where positions of y lie in y and in z."""


def _unwatched(share: float) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Search:
    """How long to look for better symbols, and what is better.

    effort: rounds, 0 to EFFORT_MAX; each takes about as long as three decodings.  tune: a name in
    :data:`gencodec.model.distortion.DISTORTIONS`.  watch: told now and then what further share of
    the picture's search is done, 1 in all.  ValueError when effort or tune is out of range.
    """

    effort: int = 0
    tune: str = "mse"
    watch: Callable[[float], None] = field(default=_unwatched, compare=False, repr=False)

    def __post_init__(self) -> None:
        effort = plain_number("effort", self.effort)
        if not (0 <= effort <= EFFORT_MAX and effort.is_integer()):
            raise ValueError(
                f"effort must be from 0 to {EFFORT_MAX} in whole rounds, not {self.effort}"
            )
        object.__setattr__(self, "effort", int(effort))
        if self.tune not in DISTORTIONS:
            raise ValueError(f"tune must be one of {', '.join(DISTORTIONS)}, not '{self.tune}'")


NO_SEARCH = Search()


def refine(
    vae: ImageVae, y: Tensor, pixels: Pixels, step: Tensor, search: Search
) -> tuple[Tensor, Tensor]:
    """y (B, M, h, w) of these pixels (B, H, W, 3) -> y and z (B, N, ceil(h/4), ceil(w/4)) for less.

    step: (B,) quality steps. If they would cost more after all, by hard rounding, y stays, and z
    is h_a's.
    """
    if search.effort == 0:
        return y, hyper_latents(vae, y)
    sides = (hyper_positions(slice(0, side)).stop for side in y.shape[2:])
    with own_gradients(step.device):
        found = y.clone(), y.new_zeros((len(y), vae.config.hyper, *sides))
        _refine_into(found, vae, y, pixels, step, search)
    return found


def _refine_into(
    found: Values, vae: ImageVae, y: Tensor, pixels: Pixels, step: Tensor, search: Search
) -> None:
    """Put into found, window by window, what is better there."""
    for rows in _windows(y.shape[2]):
        for columns in _windows(y.shape[3]):
            for one in (slice(index, index + 1) for index in range(len(y))):
                part = y[one, :, rows.all, columns.all]
                covered = pixels[one, rows.pixels(rows.all), columns.pixels(columns.all)]
                size = (rows.stop - rows.start) * (columns.stop - columns.start)
                watch = partial(search.watch, size / (y[:, 0].numel() * search.effort))
                better = _refined(vae, part, covered, step[one], search, watch)
                for values, of_window, at in zip(found, better, POSITIONS, strict=True):
                    inner = of_window[:, :, at(rows.inner), at(columns.inner)]
                    values[one, :, at(rows.kept), at(columns.kept)] = inner


def _windows(length: int) -> list[Window]:
    """A side in about equal windows; each begins with a position of z, as the picture does."""
    count = max(1, -(-(length - REACH) // WINDOW_SIDE))
    starts = (length * index // count // HYPER_STRIDE * HYPER_STRIDE for index in range(count))
    return [
        Window(max(0, start - REACH), min(length, stop + REACH), start, stop)
        for start, stop in pairwise((*starts, length))
    ]


def _refined(
    vae: ImageVae,
    y: Tensor,
    pixels: Pixels,
    step: Tensor,
    search: Search,
    watch: Callable[[], None],
) -> Values:
    """y and z of one window of one picture; the prior may be on another device than the rest.

    watch: called after each round.
    """
    x = torch.tensor(np.ascontiguousarray(pixels), device=step.device).permute(0, 3, 1, 2)
    x = x.float() / 255.0
    distortion = DISTORTIONS[search.tune]
    weight = lmbda_of(step) * 255.0**2 * x.shape[2] * x.shape[3]  # of distortion, in bits
    row = table_rows(step).to(vae.prior.device)
    start = tuple(each.to(row.device).clone() for each in (y, hyper_latents(vae, y)))

    def cost(
        values: Values, quantise_y: Quantiser | None = None, quantise_z: Quantiser | None = None
    ) -> Tensor:
        y, z = _bounded(values)
        y_hat, z_hat, of_y, of_z = vae.quantised(y, z, row, quantise_y, quantise_z)
        # In float32 on a CPU: against bfloat16's error of x_hat, x_hat - x is small.
        x_hat = vae.g_s(y_hat.to(step.device), step)
        shown = x_hat[:, :, : x.shape[2], : x.shape[3]].float().clamp(0.0, 1.0)
        distorted = (weight * distortion(shown, x)).to(row.device)
        return bits_of(y_hat, of_y) + bits_of(z_hat, of_z) + distorted

    if search.effort < ANNEAL_FROM:
        # Steps that suit y are too long for z, and shorter ones were not seen to gain anything.
        only_y, z = start[:1], start[1:]
        sharpness = SHARPNESS[search.tune]
        moved = descend(only_y, lambda y, q: cost((*y, *z), q), search.effort, sharpness, watch)
        moved = *moved, *z
    else:
        moved = anneal(start, lambda both, q: cost(both, q, q), search.effort, watch)
    with strict_precision, torch.no_grad():
        return tuple(each.to(step.device) for each in _bounded(_cheapest(start, moved, cost)))


def _bounded(values: Values) -> Values:
    y, z = values
    return y, z.clamp(-Z_MAX, Z_MAX)


def _cheapest(start: Values, moved: Values, cost: Callable[[Values], Tensor]) -> Values:
    """Where the whole way costs more than none, a part of it may still pay."""
    bound = cost(start)
    for share in SHARES:
        candidate = tuple(a + share * (b - a) for a, b in zip(start, moved, strict=True))
        if cost(candidate) < bound:
            return candidate
    return start
