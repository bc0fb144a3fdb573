"""g_a and g_s: the picture to its latents and back, in floating point.

    x (B,3,H,W) --unshuffle 8, 1x1--blocks--gain--unshuffle 2, 1x1--blocks--gain--> y (B,M,h,w)
    x_hat <--1x1, shuffle 8--blocks--gain--1x1, shuffle 2--blocks--inverse gain--   y_hat

A single low-resolution trunk, after Jia et al., "Towards Practical Real-Time Neural Video
Compression", CVPR 2025.  y leaves g_a in quantisation steps: rounding it is quantising it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import ModelConfig
from .layers import Conv2d, StepGain, TransformBlock

PATCH = 8
"""Pixels of the picture to one position of the trunk's finer half, in each direction."""


def _blocks(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(TransformBlock(channels) for _ in range(depth)))


class Analysis(nn.Module):
    """g_a: x (B, 3, H, W) in 0..1, sides multiples of 16 -> y (B, M, h, w) = (B, M, H/16, W/16)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.enter = Conv2d(3 * PATCH * PATCH, config.trunk8, 1)
        self.blocks8 = _blocks(config.trunk8, config.depth8)
        self.gain8 = StepGain(config.trunk8, config.knots)
        self.down = Conv2d(4 * config.trunk8, config.latent, 1)
        self.blocks16 = _blocks(config.latent, config.depth16)
        self.gain = StepGain(config.latent, config.knots)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """step: (B,) integers 0..255."""
        return self.at_step(self.trunk(x), step)

    def trunk(self, x: Tensor) -> Tensor:
        """The half that knows of no quality: u (B, trunk8, H/8, W/8)."""
        return self.blocks8(self.enter(functional.pixel_unshuffle(x, PATCH).sub_(0.5)))

    def at_step(self, u: Tensor, step: Tensor) -> Tensor:
        """The other half: the trunk's u and (B,) integers 0..255 -> y."""
        u = u * self.gain8(step).to(u.dtype)
        u = self.blocks16(self.down(functional.pixel_unshuffle(u, 2)))
        return u.float() * self.gain(step)


class Synthesis(nn.Module):
    """g_s: y_hat (B, M, H/16, W/16) -> x_hat (B, 3, H, W), in 0..1 but for overshoot."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gain = StepGain(config.latent, config.knots)
        self.blocks16 = _blocks(config.latent, config.depth16)
        self.up = Conv2d(config.latent, 4 * config.trunk8, 1)
        self.gain8 = StepGain(config.trunk8, config.knots)
        self.blocks8 = _blocks(config.trunk8, config.depth8)
        self.leave = Conv2d(config.trunk8, 3 * PATCH * PATCH, 1)

    def forward(self, y_hat: Tensor, step: Tensor) -> Tensor:
        """step: (B,) integers 0..255."""
        return self.scaled(y_hat, step, 1)

    def scaled(self, y_hat: Tensor, step: Tensor, factor: int) -> Tensor:
        """x_hat reduced by a factor of 1, 2, 4 or 8: the mean of each square of pixels.

        The last layer is linear, so its means cost less than its pixels: (B, 3, H/factor, ...).
        """
        u = (y_hat * self.gain(step)).to(self.up.weight.dtype)
        u = functional.pixel_shuffle(self.up(self.blocks16(u)), 2)
        u = self.blocks8(u * self.gain8(step).to(u.dtype))
        return functional.pixel_shuffle(self._leave(u, factor), PATCH // factor).float() + 0.5

    def _leave(self, u: Tensor, factor: int) -> Tensor:
        if factor == 1:
            return self.leave(u)
        side = PATCH // factor
        weight, bias = self.leave.weight, self.leave.bias
        assert bias is not None
        means = [
            part.view(3, side, factor, side, factor, -1).float().mean((2, 4)).to(part.dtype)
            for part in (weight, bias)
        ]
        return functional.conv2d(u, means[0].view(3 * side**2, -1, 1, 1), means[1].view(-1))


def receptive_margin(config: ModelConfig) -> int:
    """Pixels beyond which neither transform can see: each block reaches one position further."""
    return PATCH * config.depth8 + 2 * PATCH * config.depth16


def channel_order(channels: int, groups: int) -> Tensor:
    """Deal components sorted by energy out to contiguous groups: position -> component."""
    return torch.arange(channels).view(-1, groups).t().reshape(-1)
