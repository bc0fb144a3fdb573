"""Two ways down a picture's own cost: a few steps of descent, or annealing where there is time.

Both move values against the gradient of bits + lmbda * distortion, and differ in what stands in for
rounding, which has none.  Descent has a steep curve through the same points, flat around whole
symbols, so that only values which rounding was unsure of change sides.  Annealing draws lots
between the two nearest symbols, less and less at random (Yang, Bamler and Mandt, arXiv:2006.04240):
poor with few rounds, but what it finds gets better with every one, where descent soon stands still.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor

from gencodec.model.exact import strict_precision
from gencodec.model.hyperprior import MEAN_UNITS, Gaussians
from gencodec.model.scales import SKIP_BELOW
from gencodec.model.vae import Quantiser

Values: TypeAlias = tuple[Tensor, ...]
"""What may move: y, or y and z, (B, C, h, w) each."""

SoftCost: TypeAlias = Callable[[Values, Quantiser], Tensor]
"""Values and what makes their symbols -> the cost of each picture, (B,)."""

LOSS_SCALE = 1.0 / 256.0
"""Keeps gradients inside half precision, which g_s has on a GPU."""

SHARPNESS = {"mse": 8.0, "ssim": 6.0}
"""Of the soft rounding: its slope between two symbols is this over 2."""

STEP_SIZE = 1.0 / 350.0
"""Symbols moved for a gradient of one bit a symbol, where there are few rounds.

Where bits + lmbda * squared error is least, an orthonormal transform has a curvature of
12 / ln 2 = 17 bits a squared symbol, whatever the quality; a step goes a twentieth of the way that
it suggests, as g_s is not orthonormal and neighbours move together.  This, SHARPNESS, FEW_ROUNDS
and LAST_STEP were chosen on two or three Kodak pictures for mse, and on held-out ones for ssim.
"""

FEW_ROUNDS = 2.5
"""More than these take shorter steps each: there is time to go slowly."""

LAST_STEP = 0.3
"""Share of the first step that the last one has."""

MOVE_MAX = 0.25
"""Symbols that a value moves at most in a round, however steep the slope."""

ANNEAL_FROM = 32
"""Rounds from which annealing finds about as much as descent with one fewer, or more.  With 24 it
did so with earlier weights; with `base-9` and `base-9-ssim` it found less on most pictures."""

HOT, COLD = 0.4, 0.15
"""Temperatures of the first lot and the last.  This and what follows was chosen on four held-out
pictures at three qualities."""

ANNEALED_STEP = 0.03
"""Symbols that a value moves in the first of 100 rounds; the last one has a tenth of it."""

BETAS = (0.8, 0.99)
"""Memories of Adam: lots make gradients noisy, but few rounds leave no time for a long one."""

EPSILON = 1e-8
"""Of Adam: keeps a value still that has no gradient."""

SUREST = 1e-4
"""How near a whole symbol a value may be thought to be: nearer ones would never hear of others."""


def descend(
    start: Values, cost: SoftCost, rounds: int, sharpness: float, watch: Callable[[], None]
) -> Values:
    """Moved by plain gradient descent, the same every time; watch: called after each round."""
    soften = partial(soft_symbols, sharpness=sharpness)
    moved = start
    for index in range(rounds):
        size = _step_size(rounds, index) / LOSS_SCALE
        moves = [size * gradient for gradient in _gradients(moved, cost, soften)]
        moved = tuple(
            values - move.clamp(-MOVE_MAX, MOVE_MAX)
            for values, move in zip(moved, moves, strict=True)
        )
        watch()
    return moved


def anneal(start: Values, cost: SoftCost, rounds: int, watch: Callable[[], None]) -> Values:
    """Moved by Adam while symbols are drawn by lot; a device repeats its lots."""
    lots = torch.Generator(start[0].device).manual_seed(0)
    moved = tuple(values.clone() for values in start)
    first = ANNEALED_STEP * math.sqrt(100.0 / rounds)
    optimizers = [_Adam(values) for values in moved]
    for index in range(rounds):
        part = index / rounds
        draw = partial(drawn_symbols, lots=lots, temperature=HOT * (COLD / HOT) ** part)
        gradients = _gradients(moved, cost, draw)
        for optimizer, gradient in zip(optimizers, gradients, strict=True):
            optimizer.step(gradient, first * (1.0 - 0.9 * part))
        watch()
    return moved


class _Adam:
    """Moves values in place, of which nothing else is asked (Kingma and Ba, arXiv:1412.6980).

    Step by step as ``torch.optim.Adam``, which loads torch's compiler before its first: that takes
    as long as a search of a small picture.
    """

    def __init__(self, values: Tensor) -> None:
        self._values = values
        self._mean, self._square = torch.zeros_like(values), torch.zeros_like(values)
        self._steps = 0

    def step(self, gradient: Tensor, rate: float) -> None:
        self._steps += 1
        short, long = BETAS
        self._mean.lerp_(gradient, 1.0 - short)
        self._square.mul_(long).addcmul_(gradient, gradient, value=1.0 - long)
        size = (self._square.sqrt() / math.sqrt(1.0 - long**self._steps)).add_(EPSILON)
        self._values.addcdiv_(self._mean, size, value=-rate / (1.0 - short**self._steps))


def _gradients(values: Values, cost: SoftCost, quantise: Quantiser) -> Values:
    """Of LOSS_SCALE * cost; 0 where it is no number."""
    with strict_precision, torch.enable_grad():
        leaves = tuple(each.detach().requires_grad_() for each in values)
        gradients = torch.autograd.grad(LOSS_SCALE * cost(leaves, quantise).sum(), leaves)
    return tuple(gradient.nan_to_num(0.0, 0.0, 0.0) for gradient in gradients)


def _step_size(rounds: int, index: int) -> float:
    """Shrinks towards the last round, and with the root of their number where they are many."""
    shrunk = 1.0 - (1.0 - LAST_STEP) * index / rounds
    return STEP_SIZE * shrunk * min(1.0, math.sqrt(FEW_ROUNDS / rounds))


def soft_symbols(values: Tensor, gaussians: Gaussians, sharpness: float) -> Tensor:
    """As ``quantise_symbols``, but that the way from one symbol to the next has a slope.

    Soft rounding after Agustsson and Theis, arXiv:2006.09952.
    """
    offset = values - gaussians.mean16 / MEAN_UNITS
    middle = torch.floor(offset.detach()) + 0.5
    slope = torch.tanh(sharpness * (offset - middle)) / (2.0 * math.tanh(sharpness / 2.0))
    return (middle + slope) * (gaussians.scale_index >= SKIP_BELOW)


def drawn_symbols(
    values: Tensor, gaussians: Gaussians, lots: torch.Generator, temperature: float
) -> Tensor:
    """As ``quantise_symbols``, but drawn between the symbols above and below each value.

    The nearer one is the likelier, the more so the lower the temperature.  A lot is not all or
    nothing but a share of each, so that it has a gradient (the concrete distribution of Maddison
    et al., arXiv:1611.00712, at a temperature of 1; at 2, or as cold as the lots, less was found).
    """
    offset = values - gaussians.mean16 / MEAN_UNITS
    below = torch.floor(offset.detach())
    part = (offset - below).clamp(SUREST, 1.0 - SUREST)
    leaning = (torch.atanh(part) - torch.atanh(1.0 - part)) / temperature
    chance = torch.empty_like(values).uniform_(generator=lots).clamp(1e-6, 1.0 - 1e-6)
    above = torch.sigmoid(leaning + torch.logit(chance))
    return (below + above) * (gaussians.scale_index >= SKIP_BELOW)
