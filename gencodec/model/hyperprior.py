"""h_a and the exact prior: z and the steps already decoded -> means and scale indices of y.

    y --h_a--> z --round--> z_hat --h_s--> features --+--> pass 0 --> y_hat (1/4)
      (float)                (integers only from here)+--> pass 1 <--/  --> y_hat (2/4)
                                                      +--> pass 2 <--/  ...
                                                      +--> pass 3 <--/

Everything after z_hat computes on integers held in float32 (:mod:`gencodec.model.exact`).
Means are sixteenths of a quantisation step; ``y_hat = symbol + mean`` is therefore exact too,
and context passes can build on it.  A hyperprior after Balle et al., arXiv:1802.01436, with
means after Minnen et al., arXiv:1809.02736.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import GROUPS, HYPER_STRIDE, STEPS, ModelConfig
from .exact import (
    ACTIVATION_MAX,
    FEATURE_SCALE,
    ExactConv,
    LearnedExactConv,
    compand,
    convolve,
    round_through,
    rounded,
)
from .layers import TransformBlock
from .partition import coded_slices, phase_slices

MEAN_UNITS = 16
"""Means are integers in units of 1/16 of a symbol."""

MEAN_MAX = 2**15 - 1
SCALE_INDEX_MAX = 63
SCALE_GAIN = 0.5
"""Scale indices to a sixteenth of a float unit: 8 indices (a factor 3.2 in scale) to one."""


class Gaussians(NamedTuple):
    """Integer parameters of one slice of symbols, float32 tensors of equal shape."""

    mean16: Tensor
    scale_index: Tensor


class HyperAnalysis(nn.Module):
    """h_a: y (B, M, H/16, W/16), in quantisation steps -> z (B, N, H/64, W/64), float."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.prior
        self.enter = nn.Conv2d(config.latent, width, 1)
        self.block16 = TransformBlock(width)
        self.down32 = nn.Conv2d(4 * width, width, 1)
        self.block32 = TransformBlock(width)
        self.down64 = nn.Conv2d(4 * width, config.hyper, 1)

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[-2:]
        pad = (0, -width % HYPER_STRIDE, 0, -height % HYPER_STRIDE)
        y = functional.pad(y, pad, mode="replicate") if any(pad) else y
        # y spans five orders of magnitude over the quality steps; its logarithm does not.
        x = self.enter(torch.sign(y) * torch.log1p(y.abs()))
        x = self.down32(functional.pixel_unshuffle(self.block16(x), 2))
        return self.down64(functional.pixel_unshuffle(self.block32(x), 2))


class StepTable(nn.Module):
    """Frozen integers, one row of ``channels`` for each of the 64 gain indices."""

    rows: Tensor

    def __init__(self, channels: int, *, knots: int, gain: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros((STEPS, channels), dtype=torch.int32))

    def forward(self, row: Tensor) -> Tensor:
        """row: (B,) int64 -> (B, channels, 1, 1) float32 holding integers."""
        return self.rows[row].float()[:, :, None, None]


class LearnedStepTable(nn.Module):
    """The same table while it is learned: a piecewise linear curve through a few knots."""

    def __init__(self, channels: int, *, knots: int, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.knots = nn.Parameter(torch.zeros((knots, channels)))

    def _curve(self, row: Tensor) -> Tensor:
        position = row.float() * ((len(self.knots) - 1) / (STEPS - 1))
        left = position.floor().long().clamp(max=len(self.knots) - 2)
        part = (position - left)[:, None]
        curve = self.knots[left] * (1 - part) + self.knots[left + 1] * part
        return self._round(curve * (FEATURE_SCALE * self.gain))

    def _round(self, curve: Tensor) -> Tensor:
        return round_through(curve)

    def forward(self, row: Tensor) -> Tensor:
        return self._curve(row)[:, :, None, None]

    @torch.no_grad()
    def frozen(self) -> dict[str, Tensor]:
        rows = self._curve(torch.arange(STEPS, device=self.knots.device))
        return {"rows": rows.to(torch.int32).cpu()}

    @torch.no_grad()
    def thaw(self, frozen: dict[str, Tensor]) -> None:
        spacing = (STEPS - 1) // (len(self.knots) - 1)
        self.knots.copy_(frozen["rows"][::spacing].float() / (FEATURE_SCALE * self.gain))


ConvFactory = Callable[..., nn.Module]


class ExactBlock(nn.Module):
    """x + 1x1(relu(dw3x3(x))), clamped to 0..255: all integers."""

    def __init__(self, channels: int, conv: ConvFactory) -> None:
        super().__init__()
        self.depthwise = conv(channels, channels, kernel=3)
        self.pointwise = conv(channels, channels, gain=0.5)

    def forward(self, x: Tensor) -> Tensor:
        return _relu(x + self.pointwise(_relu(self.depthwise(x))))


class Context(nn.Module):
    """Features of one pass: those of h_s and all of y that earlier passes have decoded."""

    def __init__(self, config: ModelConfig, conv: ConvFactory) -> None:
        super().__init__()
        width = config.prior
        self.enter = conv(width + config.latent, width)
        self.blocks = nn.Sequential(*(ExactBlock(width, conv) for _ in range(config.prior_depth)))

    def forward(self, features: Tensor, y_hat16: Tensor) -> Tensor:
        joined = torch.cat((features, compand(y_hat16)), 1)
        return self.blocks(_relu(self.enter(joined)))


class Prior(nn.Module):
    """The exact part of the model, with frozen layers or with learned ones in their place."""

    def __init__(
        self,
        config: ModelConfig,
        conv: ConvFactory = ExactConv,
        table: Callable[..., nn.Module] = StepTable,
    ) -> None:
        super().__init__()
        width, half, knots = config.prior, config.prior // 2, config.knots
        self.config = config
        self.z_mean = table(config.hyper, knots=knots)
        self.z_scale = table(config.hyper, knots=knots, gain=SCALE_GAIN)
        self.step_features = table(width, knots=knots)
        self.step_scale = table(config.latent, knots=knots, gain=SCALE_GAIN)
        self.up32 = conv(config.hyper, 4 * half)
        self.block32 = ExactBlock(half, conv)
        self.up16 = conv(half, 4 * width)
        self.blocks16 = nn.Sequential(*(ExactBlock(width, conv) for _ in range(config.prior_depth)))
        self.contexts = nn.ModuleList(Context(config, conv) for _ in range(GROUPS - 1))
        group = config.latent // GROUPS
        self.means = self._heads(conv, width, group, 1.0)
        self.scales = self._heads(conv, width, group, SCALE_GAIN)

    @property
    def device(self) -> torch.device:
        """Where the frozen prior computes."""
        return next(self.buffers()).device

    @staticmethod
    def _heads(conv: ConvFactory, width: int, group: int, gain: float) -> nn.ModuleList:
        """One 1x1 layer for each pass and phase, pass-major."""
        return nn.ModuleList(conv(width, group, gain=gain) for _ in range(GROUPS * GROUPS))

    def of_z(self, row: Tensor) -> Gaussians:
        """row: (B,) int64, the table row of each picture -> (B, N, 1, 1) each."""
        return Gaussians(_mean(self.z_mean(row)), _scale_index(self.z_scale(row)))

    def features(self, z_hat16: Tensor, row: Tensor, height: int, width: int) -> Tensor:
        """h_s: z_hat (B, N, h, w) in sixteenths -> (B, P, height, width), integers 0..255."""
        x = functional.pixel_shuffle(_relu(self.up32(compand(z_hat16))), 2)
        x = self.up16(self.block32(x))
        x = functional.pixel_shuffle(x, 2)[..., :height, :width]
        return self.blocks16(_relu(x + self.step_features(row)))

    def context(self, index: int, features: Tensor, y_hat16: Tensor) -> Tensor:
        """Features for pass ``index`` from y_hat (B, M, H, W) in sixteenths, 0 where unknown."""
        return features if index == 0 else self.contexts[index - 1](features, y_hat16)

    def gaussians(self, index: int, phase: int, context: Tensor, row: Tensor) -> Gaussians:
        """Parameters of the elements ``coded_slices(index, phase)`` of y, in their order."""
        # One copy for both heads; each would make its own of a strided view.
        at_phase = context[phase_slices(phase)].contiguous(memory_format=torch.channels_last)
        head = index * GROUPS + phase
        _, channels, _, _ = coded_slices(index, phase, self.config.latent)
        scale = self.scales[head](at_phase) + self.step_scale(row)[:, channels]
        return Gaussians(_mean(self.means[head](at_phase)), _scale_index(scale))

    def of_pass(self, index: int, context: Tensor, row: Tensor) -> list[Gaussians]:
        """:meth:`gaussians` of every phase."""
        return [self.gaussians(index, phase, context, row) for phase in range(GROUPS)]


class LearnedPrior(Prior):
    """The prior with layers that are learned."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, LearnedExactConv, LearnedStepTable)

    def of_pass(self, index: int, context: Tensor, row: Tensor) -> list[Gaussians]:
        """The same numbers from fewer and larger operations: a GPU waits for each."""
        heads = slice(index * GROUPS, (index + 1) * GROUPS)
        joint = [_joint(layers[heads]) for layers in (self.means, self.scales)]
        weight, bias = (torch.cat(both, 1) for both in zip(*joint, strict=True))
        offset, said = self.step_scale(row), []
        for phase in range(GROUPS):
            at_phase = context[phase_slices(phase)].contiguous(memory_format=torch.channels_last)
            out = round_through(convolve(at_phase, weight[phase], bias[phase]).float())
            mean, scale = out.chunk(2, 1)
            _, channels, _, _ = coded_slices(index, phase, self.config.latent)
            said.append(Gaussians(_mean(mean), _scale_index(scale + offset[:, channels])))
        return said


def _joint(modules: nn.ModuleList) -> tuple[Tensor, Tensor]:
    """Weights and biases of equal layers, rounded to what they will be: one row a layer."""
    layers = [module for module in modules if isinstance(module, LearnedExactConv)]
    real = [layer.real() for layer in layers]
    weight, bias = (torch.cat(each) for each in zip(*real, strict=True))
    weight, bias = rounded(weight, bias, layers[0].x_max)
    return weight.unflatten(0, (len(layers), -1)), bias.unflatten(0, (len(layers), -1))


def learned_prior(config: ModelConfig) -> Prior:
    """The prior as training sees it, its heads nearly silent: the tables speak first."""
    prior = LearnedPrior(config)
    with torch.no_grad():
        for head in (*prior.means, *prior.scales):
            head.weight.mul_(0.1)
    return prior


def _relu(x: Tensor) -> Tensor:
    return x.clamp(0, ACTIVATION_MAX)


def _mean(x: Tensor) -> Tensor:
    return x.clamp(-MEAN_MAX, MEAN_MAX)


def _scale_index(x: Tensor) -> Tensor:
    return x.clamp(0, SCALE_INDEX_MAX)
