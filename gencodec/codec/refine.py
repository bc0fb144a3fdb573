"""Symbols that suit one picture better than rounding does: steps down its own gradient.

g_a answers for all pictures at once, and rounding knows neither what a symbol costs nor what g_s
makes of it together with its neighbours.  Each round of a search computes bits + lmbda * distortion
of this picture and moves y (:mod:`gencodec.codec.search`).  A file made so is one like any other:
what decodes it is the same.

Refining latents at encoding time follows Campos et al., arXiv:1906.01200.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from gencodec.image import Pixels
from gencodec.model.config import HYPER_STRIDE
from gencodec.model.distortion import DISTORTIONS
from gencodec.model.exact import strict_precision
from gencodec.model.hyperprior import MEAN_UNITS
from gencodec.model.quality import lmbda_of
from gencodec.model.vae import ImageVae, Quantiser, bits_of, quantise_symbols, table_rows

from .latents import hyper_latents
from .search import ANNEAL_FROM, SHARPNESS, anneal, descend
from .transform import Window

EFFORT_MAX = 1000

SHARES = (1.0, 0.5, 0.25)
"""Of the way that all rounds went together, tried in turn: on smooth pictures they overshoot."""

WINDOW_SIDE = 56
"""Positions of y that are refined together, in each direction: memory stays bounded."""

REACH = 4
"""Positions around a window that take part in it without being kept: as far as g_s sees."""


@dataclass(frozen=True)
class Search:
    """How long to look for better symbols, and what is better.

    effort: rounds, 0 to EFFORT_MAX; each takes about as long as four decodings.  tune: a name in
    :data:`gencodec.model.distortion.DISTORTIONS`.  ValueError when either is out of range.
    """

    effort: int = 0
    tune: str = "mse"

    def __post_init__(self) -> None:
        if not 0 <= self.effort <= EFFORT_MAX:
            raise ValueError(f"effort must be from 0 to {EFFORT_MAX}, not {self.effort}")
        if self.tune not in DISTORTIONS:
            raise ValueError(f"tune must be one of {', '.join(DISTORTIONS)}, not '{self.tune}'")


NO_SEARCH = Search()


def refine(vae: ImageVae, y: Tensor, pixels: Pixels, step: Tensor, search: Search) -> Tensor:
    """y (B, M, h, w) of these pixels (B, H, W, 3) -> y of the same shape that costs less.

    step: (B,) quality steps. If it would cost more after all, by hard rounding, y stays.
    """
    if search.effort == 0:
        return y
    refined = y.clone()
    for rows in _windows(y.shape[2]):
        for columns in _windows(y.shape[3]):
            for one in (slice(index, index + 1) for index in range(len(y))):
                part = y[one, :, rows.all, columns.all]
                covered = pixels[one, rows.pixels(rows.all), columns.pixels(columns.all)]
                better = _refined(vae, part, covered, step[one], search)
                kept = better[:, :, rows.inner, columns.inner]
                refined[one, :, rows.start : rows.stop, columns.start : columns.stop] = kept
    return refined


def _windows(length: int) -> list[Window]:
    """A side in about equal windows; each begins with a position of z, as the picture does."""
    count = max(1, -(-(length - REACH) // WINDOW_SIDE))
    starts = (length * index // count // HYPER_STRIDE * HYPER_STRIDE for index in range(count))
    return [
        Window(max(0, start - REACH), min(length, stop + REACH), start, stop)
        for start, stop in pairwise((*starts, length))
    ]


def _refined(vae: ImageVae, y: Tensor, pixels: Pixels, step: Tensor, search: Search) -> Tensor:
    """One window of one picture; the prior may be on another device than the transforms."""
    x = torch.tensor(pixels, device=step.device).permute(0, 3, 1, 2) / 255.0
    distortion = DISTORTIONS[search.tune]
    weight = lmbda_of(step) * 255.0**2 * x.shape[2] * x.shape[3]  # of distortion, in bits
    row = table_rows(step).to(vae.prior.device)
    start = y.to(row.device).clone()
    z = hyper_latents(vae, start).to(row.device)

    def distortion_bits(y_hat: Tensor) -> Tensor:
        # In float32 on a CPU: against bfloat16's error of x_hat, x_hat - x is small.
        x_hat = vae.g_s(y_hat.to(step.device), step)
        shown = x_hat[:, :, : x.shape[2], : x.shape[3]].float().clamp(0.0, 1.0)
        return (weight * distortion(shown, x)).to(row.device)

    def soft_cost(y: Tensor, quantise: Quantiser) -> Tensor:
        y_hat, of_y, _ = vae.quantised(y, z, row, quantise)
        return bits_of(y_hat, of_y) + distortion_bits(y_hat)

    def cost(y: Tensor) -> Tensor:
        z = hyper_latents(vae, y).to(row.device)  # as it will be when y is coded
        y_hat, of_y, of_z = vae.quantised(y, z, row)
        z_hat = of_z.mean16 / MEAN_UNITS + quantise_symbols(z, of_z)
        return bits_of(y_hat, of_y) + bits_of(z_hat, of_z) + distortion_bits(y_hat)

    if search.effort < ANNEAL_FROM:
        moved = descend(start, soft_cost, search.effort, SHARPNESS[search.tune])
    else:
        moved = anneal(start, soft_cost, search.effort)
    with strict_precision, torch.no_grad():
        return _cheapest(start, moved, cost).to(y.device)


def _cheapest(start: Tensor, moved: Tensor, cost: Callable[[Tensor], Tensor]) -> Tensor:
    """Where the whole way costs more than none, a part of it may still pay."""
    bound = cost(start)
    for share in SHARES:
        candidate = start + share * (moved - start)
        if cost(candidate) < bound:
            return candidate
    return start
