"""What to show where symbols are missing: likelier latents than the prior's bare guess.

Each pass codes every channel of y at a quarter of the positions.  When the words run out, what
follows has the prior's mean, which knows little of the mean brightness around it, and the picture
shows a chequerboard.  Channels that vary slowly are better filled from their known neighbours;
how slowly a channel varies is told by the positions of it that are known.

This is for the eye only: no symbol is decoded from what is filled in.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

REACH = (1.0, 4.0, 6.0, 4.0, 1.0)
"""Binomial weights over five positions: the known ones lie at most two apart."""

CAUTION = 4
"""Power of the correlation: with 1, edges suffer where a well trained prior guesses better than
the neighbours do; without any of it, skies show a chequerboard."""

_CHANNELS = 16
"""Filled in at a time: what that takes is several times the channels themselves."""


def conceal(y_hat: Tensor, known: Tensor) -> Tensor:
    """y_hat (1, M, h, w) float32 and where it was decoded (bool, the same shape) -> y_hat filled.

    A channel of which nothing is known becomes its own mean: flat rather than patterned.
    """
    filled = torch.empty_like(y_hat)
    for first in range(0, y_hat.shape[1], _CHANNELS):
        part = slice(first, first + _CHANNELS)
        filled[:, part] = _filled(y_hat[:, part], known[:, part])
    return filled


def _filled(y_hat: Tensor, known: Tensor) -> Tensor:
    """:func:`conceal` of a few channels."""
    some = known.any(dim=(2, 3), keepdim=True)
    present = known.to(y_hat.dtype)
    count = present.sum((2, 3), keepdim=True).clamp_min(1.0)
    centre = (y_hat * present).sum((2, 3), keepdim=True) / count
    value = (y_hat - centre) * present
    weight = _spread(present)
    around = _spread(value) / weight.clamp_min(1e-6)
    # How known elements correlate with the mean of their known neighbours, themselves left out.
    met = present * (weight > 0)
    products = (value * around, value.square(), around.square())
    both, own, theirs = ((product * met).sum((2, 3), keepdim=True) for product in products)
    share = (both / (own * theirs).sqrt().clamp_min(1e-6)).clamp(0.0, 1.0)
    filled = y_hat + share**CAUTION * (centre + around - y_hat)
    flat = y_hat.mean((2, 3), keepdim=True).expand_as(y_hat)
    return torch.where(known, y_hat, torch.where(some, filled, flat))


def _spread(x: Tensor) -> Tensor:
    """The weighted sum over the neighbours of each position, the position itself left out."""
    line = torch.tensor(REACH, dtype=x.dtype, device=x.device)
    kernel = torch.outer(line, line)
    kernel[2, 2] = 0.0
    channels = x.shape[1]
    return functional.conv2d(
        x, kernel.expand(channels, 1, 5, 5).contiguous(), padding=2, groups=channels
    )
