"""h_a and the exact prior: z and the steps already decoded -> means and scale indices of y.

    y --h_a--> z --round--> z_hat --h_s--> features --+--> pass 0 --> y_hat (1/4)
      (float)                (integers only from here)+--> pass 1 <--/  --> y_hat (2/4)
                                                      +--> pass 2 <--/  ...
                                                      +--> pass 3 <--/

z comes in four passes too, each told by the ones before, unless its tables are all there is
(``hyper_depth`` 0).  Everything after z_hat computes on integers held in float32
(:mod:`gencodec.model.exact`).
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

from .config import GROUPS, HYPER_STRIDE, ModelConfig
from .exact import (
    ACTIVATION_MAX,
    ExactConv,
    LearnedExactConv,
    compand,
    convolve,
    in_output_units,
    rounded,
)
from .layers import Conv2d, TransformBlock
from .partition import PHASE_PLACES, WHOLE, Slices, apart, pass_places, phase_slices
from .region import region
from .step_tables import LearnedStepTable, StepTable
from .straight import clamp_through, round_through

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


class Passes(NamedTuple):
    """How z or y is coded.

    places: for each pass the slices of its parts, in order.  say: the index of a pass and what
    earlier ones have decoded, in sixteenths and 0 where it is not known -> each part's Gaussians.
    """

    places: tuple[tuple[Slices, ...], ...]
    say: Callable[[int, Tensor], list[Gaussians]]


class HyperAnalysis(nn.Module):
    """h_a: y (B, M, H/16, W/16), in quantisation steps -> z (B, N, H/64, W/64), float."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width = config.prior
        self.enter = Conv2d(config.latent, width, 1)
        self.block16 = TransformBlock(width)
        self.down32 = Conv2d(4 * width, width, 1)
        self.block32 = TransformBlock(width)
        self.down64 = Conv2d(4 * width, config.hyper, 1)

    def forward(self, y: Tensor) -> Tensor:
        height, width = y.shape[-2:]
        pad = (0, -width % HYPER_STRIDE, 0, -height % HYPER_STRIDE)
        y = functional.pad(y, pad, mode="replicate") if any(pad) else y
        # y spans five orders of magnitude over the quality steps; its logarithm does not.
        x = self.enter(torch.sign(y) * torch.log1p(y.abs()))
        x = self.down32(functional.pixel_unshuffle(self.block16(x), 2))
        return self.down64(functional.pixel_unshuffle(self.block32(x), 2))


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
    """Features of one pass from what it is told: (B, c_in, h, w) -> (B, width, h, w), integers."""

    def __init__(self, c_in: int, width: int, depth: int, conv: ConvFactory) -> None:
        super().__init__()
        self.enter = conv(c_in, width)
        self.blocks = nn.Sequential(*(ExactBlock(width, conv) for _ in range(depth)))

    def forward(self, told: Tensor) -> Tensor:
        return self.blocks(_relu(self.enter(told)))


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
        hyper, latent, later = config.hyper, config.latent, GROUPS - 1
        self.config = config
        self.z_mean = table(hyper, knots=knots)
        self.z_scale = table(hyper, knots=knots, gain=SCALE_GAIN)
        self.step_features = table(width, knots=knots)
        self.step_scale = table(latent, knots=knots, gain=SCALE_GAIN)
        self.up32 = conv(hyper, 4 * half)
        self.block32 = ExactBlock(half, conv)
        self.up16 = conv(half, 4 * width)
        self.blocks16 = nn.Sequential(*(ExactBlock(width, conv) for _ in range(config.prior_depth)))
        self.contexts = nn.ModuleList(
            Context(width + latent, width, config.prior_depth, conv) for _ in range(later)
        )
        self.means = _heads(conv, GROUPS, width, latent, 1.0)
        self.scales = _heads(conv, GROUPS, width, latent, SCALE_GAIN)
        if config.hyper_depth:
            self.z_contexts = nn.ModuleList(
                Context(hyper, hyper, config.hyper_depth, conv) for _ in range(later)
            )
            self.z_means = _heads(conv, later, hyper, hyper, 1.0)
            self.z_scales = _heads(conv, later, hyper, hyper, SCALE_GAIN)

    @property
    def device(self) -> torch.device:
        """Where the frozen prior computes."""
        return next(self.buffers()).device

    def z_passes(self, row: Tensor) -> Passes:
        """row: (B,) int64, the table row of each picture.  Passes of z, (B, N, h, w)."""
        tables = Gaussians(self.z_mean(row), self.z_scale(row))
        places = pass_places(self.config.hyper) if self.config.hyper_depth else WHOLE

        def say(index: int, z_hat16: Tensor) -> list[Gaussians]:
            if index:
                context = self.z_contexts[index - 1](compand(z_hat16))
                heads = _of_pass(index - 1)
                means, scales = self.z_means[heads], self.z_scales[heads]
                return self._said(means, scales, context, places[index], tables)
            parts = ((z_hat16[place], place) for place in places[0])
            return [_bounded(*(t[:, at[1]].expand_as(z) for t in tables)) for z, at in parts]

        return Passes(places, say)

    def features(self, z_hat16: Tensor, row: Tensor, height: int, width: int) -> Tensor:
        """h_s: z_hat (B, N, h, w) in sixteenths -> (B, P, height, width), integers 0..255."""
        x = functional.pixel_shuffle(_relu(self.up32(compand(z_hat16))), 2)
        x = self.up16(self.block32(x))
        x = functional.pixel_shuffle(x, 2)[..., :height, :width]
        return self.blocks16(_relu(x + self.step_features(row)))

    def y_passes(self, features: Tensor, row: Tensor) -> Passes:
        """Passes of y, (B, M, height, width), from h_s's features of it."""
        tables = Gaussians(features.new_zeros(1, self.config.latent, 1, 1), self.step_scale(row))
        places = pass_places(self.config.latent)

        def say(index: int, y_hat16: Tensor) -> list[Gaussians]:
            context = features
            if index:
                told = torch.cat((features, compand(y_hat16)), 1)
                context = self.contexts[index - 1](told)
            heads = _of_pass(index)
            means, scales = self.means[heads], self.scales[heads]
            return self._said(means, scales, context, places[index], tables)

        return Passes(places, say)

    def _said(
        self,
        means: nn.ModuleList,
        scales: nn.ModuleList,
        context: Tensor,
        places: tuple[Slices, ...],
        tables: Gaussians,
    ) -> list[Gaussians]:
        """What the heads of one pass, one of each kind a phase, add to the tables."""
        return _with_tables(self._of_heads(means, scales, context), places, tables)

    def _of_heads(
        self, means: nn.ModuleList, scales: nn.ModuleList, context: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """What both heads of each phase make of the context at its positions."""
        outputs = []
        for phase, heads in enumerate(zip(means, scales, strict=True)):
            # One copy for both heads; each would make its own of a strided view.
            at_phase = _at_phase(context, phase)
            mean, scale = (head(at_phase) for head in heads)
            outputs.append((mean, scale))
        return outputs


class LearnedPrior(Prior):
    """The prior with layers that are learned."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config, LearnedExactConv, LearnedStepTable)

    def _of_heads(
        self, means: nn.ModuleList, scales: nn.ModuleList, context: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """The same numbers from fewer and larger operations: a GPU waits for each."""
        return _of_joint_heads(context, _layers(means), _layers(scales))


def _heads(conv: ConvFactory, passes: int, width: int, channels: int, gain: float) -> nn.ModuleList:
    """One 1x1 layer for each pass and phase, pass-major, to a group of the channels."""
    group = channels // GROUPS
    return nn.ModuleList(conv(width, group, gain=gain) for _ in range(passes * GROUPS))


def _of_pass(index: int) -> slice:
    """Where the heads of a pass are among all."""
    return slice(index * GROUPS, (index + 1) * GROUPS)


def _at_phase(context: Tensor, phase: int) -> Tensor:
    return context[phase_slices(phase)].contiguous(memory_format=torch.channels_last)


class _Layers(NamedTuple):
    """Equal layers, their parameters before they are put in output units."""

    weights: list[Tensor]
    biases: list[Tensor]
    gain: float
    x_max: int


def _layers(modules: nn.ModuleList) -> _Layers:
    layers = [module for module in modules if isinstance(module, LearnedExactConv)]
    first = layers[0]
    return _Layers(
        [each.weight for each in layers], [each.bias for each in layers], first.gain, first.x_max
    )


@region
def _of_joint_heads(
    context: Tensor, means: _Layers, scales: _Layers
) -> list[tuple[Tensor, Tensor]]:
    joint = [_joint(*heads) for heads in (means, scales)]
    weight, bias = (torch.cat(both, 1) for both in zip(*joint, strict=True))
    outputs = []
    for phase, at_phase in enumerate(apart(context, PHASE_PLACES)):
        at_phase = at_phase.contiguous(memory_format=torch.channels_last)
        out = round_through(convolve(at_phase, weight[phase], bias[phase]))
        mean, scale = out.chunk(2, 1)
        outputs.append((mean, scale))
    return outputs


def _joint(
    weights: list[Tensor], biases: list[Tensor], gain: float, x_max: int
) -> tuple[Tensor, Tensor]:
    """Weights and biases of equal layers, rounded to what they will be: one row a layer."""
    weight, bias = in_output_units(torch.cat(weights), torch.cat(biases), gain)
    weight, bias = rounded(weight, bias, x_max)
    return weight.unflatten(0, (len(weights), -1)), bias.unflatten(0, (len(weights), -1))


@region
def _with_tables(
    outputs: list[tuple[Tensor, Tensor]], places: tuple[Slices, ...], tables: Gaussians
) -> list[Gaussians]:
    said = []
    for (mean16, scale_index), (_, channels, _, _) in zip(outputs, places, strict=True):
        of_mean, of_scale = (table[:, channels] for table in tables)
        said.append(_bounded(mean16 + of_mean, scale_index + of_scale))
    return said


def learned_prior(config: ModelConfig) -> Prior:
    """The prior as training sees it, its heads nearly silent: the tables speak first."""
    prior = LearnedPrior(config)
    heads = [*prior.means, *prior.scales]
    if config.hyper_depth:
        heads += [*prior.z_means, *prior.z_scales]
    with torch.no_grad():
        for head in heads:
            head.weight.mul_(0.1)
    return prior


def _relu(x: Tensor) -> Tensor:
    return clamp_through(x, 0, ACTIVATION_MAX)


def _bounded(mean16: Tensor, scale_index: Tensor) -> Gaussians:
    return Gaussians(
        clamp_through(mean16, -MEAN_MAX, MEAN_MAX), clamp_through(scale_index, 0, SCALE_INDEX_MAX)
    )
