"""The float building blocks of the transforms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import FINE_STEPS


class Conv2d(nn.Conv2d):
    """A convolution that draws no numbers where it has no memory for any: a model that awaits
    those of a file is made twice as fast."""

    def reset_parameters(self) -> None:
        """PyTorch's, but not on the device "meta"."""
        if not self.weight.is_meta:
            super().reset_parameters()


class TransformBlock(nn.Module):
    """Depthwise-separable mixing of space, then gated mixing of channels, both residual.

        x --1x1--lrelu--dw3x3--1x1--(+)--1x1--split: a * sigmoid(b)--1x1--(+)-->
        \\__________________________/ \\___________________________________/

    The last layer of each branch starts at zero: a new block is the identity, so a deeper
    network can begin where a shallower one ended.

    Weights in bfloat16 make the branches compute in it, while x keeps its own type: what a
    branch adds is rounded, never the sum that runs through all blocks.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.enter = Conv2d(channels, channels, 1)
        self.depthwise = Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.leave = Conv2d(channels, channels, 1)
        self.gate = Conv2d(channels, 2 * channels, 1)
        self.mix = Conv2d(channels, channels, 1)
        for last in (self.leave, self.mix):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        spatial = self.depthwise(functional.leaky_relu_(self.enter(self._inner(x)), 0.1))
        x = _add(self.leave(spatial), x)
        return _add(self.mix(_gated(self.gate(self._inner(x)))), x)

    def _inner(self, x: Tensor) -> Tensor:
        return x.bfloat16() if self.enter.weight.dtype == torch.bfloat16 else x


def _gated(x: Tensor) -> Tensor:
    """The first half of the channels times the sigmoid of the second."""
    if x.requires_grad and x.device.type == "cpu":
        # There the library's own gradient of this takes longer than the layers around it.
        values, gates = x.chunk(2, 1)
        return values * gates.sigmoid()
    return functional.glu(x, 1)


def _add(branch: Tensor, x: Tensor) -> Tensor:
    # In place where that keeps x's type: fresh memory costs more than the arithmetic.
    return branch.add_(x) if branch.dtype == x.dtype else x + branch


def channels_last(module: nn.Module) -> None:
    """Lay out every convolution's weights as the fast kernels want them, in place."""
    for parameter in module.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class StepGain(nn.Module):
    """A positive gain a channel that follows the quality step: exp of a curve through knots.

    One network thus serves every rate (after Cui et al., "Asymmetric Gained Deep Image
    Compression With Continuous Rate Adaptation", CVPR 2021).
    """

    def __init__(self, channels: int, knots: int) -> None:
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros((knots, channels)))

    def forward(self, step: Tensor) -> Tensor:
        """step: (B,) integers 0..255 -> (B, channels, 1, 1) float32."""
        return torch.exp(through(self.log_gain, step, FINE_STEPS))[:, :, None, None]


def through(knots: Tensor, step: Tensor, steps: int) -> Tensor:
    """The straight lines through knots (K, channels), evenly spread over 0..steps - 1, at (B,)
    whole steps: (B, channels)."""
    position = step.float() * ((len(knots) - 1) / (steps - 1))
    left = position.floor().long().clamp(max=len(knots) - 2)
    part = (position - left)[:, None]
    return knots[left] * (1 - part) + knots[left + 1] * part
