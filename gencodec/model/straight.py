"""Rounding and cutting off, forward as always and backward as training wants it.

Straight-through gradients (Bengio et al., arXiv:1308.3432).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Floor(torch.autograd.Function):
    """floor forward, identity backward."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return torch.floor(x)

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad


class _Clamp(torch.autograd.Function):
    """clamp forward, backward the gradient of what was not cut off."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, low: float, high: float) -> Tensor:
        within = x.clamp(low, high)
        ctx.save_for_backward(x == within)
        return within

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (kept,) = ctx.saved_tensors
        return torch.where(kept, grad, 0.0), None, None


def floor_through(x: Tensor) -> Tensor:
    """``floor(x)``, with the gradient of the identity."""
    return _Floor.apply(x)


def round_through(x: Tensor) -> Tensor:
    """``floor(x + 1/2)``, with the gradient of the identity."""
    return _Floor.apply(x + 0.5)


def clamp_through(x: Tensor, low: float, high: float) -> Tensor:
    """``x.clamp(low, high)``, with the gradient of the identity from low to high, both included.

    torch's own gradient is that up to 2.13; since then it is zero at the bounds, where integers
    often are.
    """
    return _Clamp.apply(x, low, high) if torch.is_grad_enabled() else x.clamp(low, high)
