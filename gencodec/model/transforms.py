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
from .layers import StepGain, TransformBlock

PATCH = 8
"""Pixels of the picture to one position of the trunk's finer half, in each direction."""


def _blocks(channels: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(TransformBlock(channels) for _ in range(depth)))


class Analysis(nn.Module):
    """g_a: x (B, 3, H, W) in 0..1, sides multiples of 16 -> y (B, M, h, w) = (B, M, H/16, W/16)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3 * PATCH * PATCH, config.trunk8, 1)
        self.blocks8 = _blocks(config.trunk8, config.depth8)
        self.gain8 = StepGain(config.trunk8, config.knots)
        self.down = nn.Conv2d(4 * config.trunk8, config.latent, 1)
        self.blocks16 = _blocks(config.latent, config.depth16)
        self.gain = StepGain(config.latent, config.knots)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """step: (B,) integers 0..255."""
        u = self.enter(functional.pixel_unshuffle(x, PATCH).sub_(0.5))
        u = self.blocks8(u)
        u = u * self.gain8(step).to(u.dtype)
        u = self.blocks16(self.down(functional.pixel_unshuffle(u, 2)))
        return u.float() * self.gain(step)


class Synthesis(nn.Module):
    """g_s: y_hat (B, M, H/16, W/16) -> x_hat (B, 3, H, W), in 0..1 but for overshoot."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gain = StepGain(config.latent, config.knots)
        self.blocks16 = _blocks(config.latent, config.depth16)
        self.up = nn.Conv2d(config.latent, 4 * config.trunk8, 1)
        self.gain8 = StepGain(config.trunk8, config.knots)
        self.blocks8 = _blocks(config.trunk8, config.depth8)
        self.leave = nn.Conv2d(config.trunk8, 3 * PATCH * PATCH, 1)

    def forward(self, y_hat: Tensor, step: Tensor) -> Tensor:
        """step: (B,) integers 0..255."""
        u = (y_hat * self.gain(step)).to(self.up.weight.dtype)
        u = functional.pixel_shuffle(self.up(self.blocks16(u)), 2)
        u = self.blocks8(u * self.gain8(step).to(u.dtype))
        return functional.pixel_shuffle(self.leave(u), PATCH).float() + 0.5


def receptive_margin(config: ModelConfig) -> int:
    """Pixels beyond which neither transform can see: each block reaches one position further."""
    return PATCH * config.depth8 + 2 * PATCH * (config.depth16 + 1)


def channel_order(channels: int, groups: int) -> Tensor:
    """Deal components sorted by energy out to contiguous groups: position -> component."""
    return torch.arange(channels).view(-1, groups).t().reshape(-1)
