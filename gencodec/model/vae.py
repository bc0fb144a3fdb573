"""The variational autoencoder: transforms and prior in one module, and its training pass."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .config import FINE_STEPS, STEPS, ModelConfig
from .hyperprior import MEAN_UNITS, Gaussians, HyperAnalysis, Passes, Prior, learned_prior
from .partition import apart, assemble
from .region import region
from .scales import LOG_STEP, SCALE_MIN, SKIP_BELOW
from .straight import round_through
from .transforms import Analysis, Synthesis

Z_MAX = 15.0
"""z is clamped to what the first exact layer can tell apart."""


class Estimate(NamedTuple):
    """What a training pass yields, a row for each picture of the batch."""

    x_hat: Tensor  # (B, 3, H, W)
    y_bits: Tensor  # (B,)
    z_bits: Tensor  # (B,)


Quantiser = Callable[[Tensor, Gaussians], Tensor]
"""Values of y or z and what the prior says of them -> symbols, which need not be whole."""


class Quantised(NamedTuple):
    """What a decoder will have of y and z, and what the prior says of both."""

    y_hat: Tensor  # (B, M, h, w)
    z_hat: Tensor  # (B, N, ceil(h/4), ceil(w/4))
    of_y: Gaussians
    of_z: Gaussians


class ImageVae(nn.Module):
    """g_a, h_a, prior and g_s of one configuration."""

    def __init__(self, config: ModelConfig, prior: Prior | None = None) -> None:
        super().__init__()
        self.config = config
        self.g_a = Analysis(config)
        self.h_a = HyperAnalysis(config)
        self.prior = Prior(config) if prior is None else prior
        self.g_s = Synthesis(config)

    def forward(
        self,
        x: Tensor,
        step: Tensor,
        *,
        amp: torch.dtype | None = None,
    ) -> Estimate:
        """x: (B, 3, H, W) in 0..1, sides multiples of 64; step: (B,) integers 0..255.

        Bits are those of the rounded y and z, with a stand-in for the gradient that rounding
        has not (:func:`trainable_bits`); g_s and the context see rounded values with
        straight-through gradients.  ``amp`` is the autocast dtype of the transforms; the prior,
        whose integers nothing less renders exactly, is float32.
        """
        with _autocast(x, amp):
            y = self.g_a(x, step).float()
            z = self.h_a(y).float().clamp(-Z_MAX, Z_MAX)
        y_hat, _, of_y, of_z = self.quantised(y, z, table_rows(step))
        with _autocast(x, amp):
            x_hat = self.g_s(y_hat, step).float()
        return Estimate(x_hat, trainable_bits(y, of_y), trainable_bits(z, of_z))

    @torch.no_grad()
    def rounded(self, x: Tensor, step: Tensor) -> Estimate:
        """The same with real rounding and the bits of the symbols themselves, in float32."""
        y = self.g_a(x, step)
        z = self.h_a(y).clamp(-Z_MAX, Z_MAX)
        y_hat, z_hat, of_y, of_z = self.quantised(y, z, table_rows(step))
        return Estimate(self.g_s(y_hat, step), bits_of(y_hat, of_y), bits_of(z_hat, of_z))

    def quantised(
        self,
        y: Tensor,
        z: Tensor,
        row: Tensor,
        quantise_y: Quantiser | None = None,
        quantise_z: Quantiser | None = None,
    ) -> Quantised:
        """y (B, M, h, w) and z (B, N, ceil(h/4), ceil(w/4)) as a decoder will have them.

        row: (B,) as of :func:`table_rows`. quantise_y and quantise_z: make the symbols, in place of
        :func:`quantise_symbols`.
        """
        prior = self.prior
        z_hat16, of_z = in_passes(z, prior.z_passes(row), quantise_z or quantise_symbols)
        features = prior.features(z_hat16, row, *y.shape[-2:])
        y_hat16, of_y = in_passes(y, prior.y_passes(features, row), quantise_y or quantise_symbols)
        return Quantised(y_hat16 / MEAN_UNITS, z_hat16 / MEAN_UNITS, of_y, of_z)


def in_passes(values: Tensor, passes: Passes, quantise: Quantiser) -> tuple[Tensor, Gaussians]:
    """What a decoder will have of y or z, in sixteenths, and what the prior says of it."""
    known16 = torch.zeros_like(values)
    all_places = [place for places in passes.places for place in places]
    all_parts = apart(values, all_places)
    said: list[Gaussians] = []
    decoded: list[Tensor] = []
    for index, places in enumerate(passes.places):
        of_pass = passes.say(index, known16)
        parts = all_parts[len(said) : len(said) + len(places)]
        said += of_pass
        decoded += _decoded(parts, of_pass, quantise)
        known16 = _together(values, all_places[: len(said)], decoded)
    return known16, Gaussians(
        *(_together(values, all_places, each) for each in zip(*said, strict=True))
    )


@region
def _decoded(parts: Sequence[Tensor], said: list[Gaussians], quantise: Quantiser) -> list[Tensor]:
    """What a decoder will have of the parts of a pass, in sixteenths."""
    return [
        quantise(part, gaussians) * MEAN_UNITS + gaussians.mean16
        for part, gaussians in zip(parts, said, strict=True)
    ]


_together = region(assemble)


def table_rows(step: Tensor) -> Tensor:
    """Rows of the prior's tables for a file's quality steps 0..255: (B,) -> (B,) int64."""
    return step.long() * STEPS // FINE_STEPS


def quantise_symbols(values: Tensor, gaussians: Gaussians) -> Tensor:
    """Symbols of y or z: round(value - mean), 0 where the scale is below the skip threshold."""
    symbols = round_through(values - gaussians.mean16 / MEAN_UNITS)
    return symbols * (gaussians.scale_index >= SKIP_BELOW)


def _autocast(
    x: Tensor, dtype: torch.dtype | None
) -> torch.autocast | contextlib.nullcontext[None]:
    if x.is_meta:
        return contextlib.nullcontext()  # tensors without data, whose arithmetic is only counted
    return torch.autocast(x.device.type, dtype=dtype, enabled=dtype is not None)


@region
def trainable_bits(values: Tensor, gaussians: Gaussians) -> Tensor:
    """Bits of each picture's rounded values, with a gradient for all they depend on: (B,).

    The scales learn from the symbols that will be coded.  Values and means, in which those are
    steps, learn from additive uniform noise (Balle et al., arXiv:1611.01704): not from a draw of
    it, but from its mean, the bits of all that lies within half a step, whose slope is the
    difference of the bits at both ends.  The scales must not: to sure symbols noise adds bits that
    no file holds, and the scales bend to them (the mismatch that Guo et al., arXiv:2104.05168,
    train away at the end).
    """
    mean16, scale_index = gaussians
    centred = values - mean16 / MEAN_UNITS
    around = Gaussians(torch.zeros_like(mean16), scale_index)
    with torch.no_grad():
        slope = bits_of_each(centred + 0.5, around) - bits_of_each(centred - 0.5, around)
        # Not quantise_symbols: a scale that skips a symbol would never hear what it loses.
        symbols = torch.floor(centred + 0.5)
    of_values = (slope * centred).flatten(1).sum(1)
    return bits_of(symbols, around) + (of_values - of_values.detach())


def bits_of(values: Tensor, gaussians: Gaussians) -> Tensor:
    """Bits of each picture's values, as of :func:`bits_of_each`: (B,) float32."""
    return bits_of_each(values, gaussians).flatten(1).sum(1)


def bits_of_each(values: Tensor, gaussians: Gaussians) -> Tensor:
    """Bits of values, under the mass within half a step of them: their shape, float32.

    Those of a Gaussian, which the tables of a weights file come within 1 % of.
    """
    centred = (values - gaussians.mean16 / MEAN_UNITS).abs()
    scale = SCALE_MIN * torch.exp(LOG_STEP * gaussians.scale_index)
    # Differences of upper tails: accurate far from the mean, where the rate's gradient lives.
    root = math.sqrt(0.5)
    upper = torch.erfc((centred - 0.5) / scale * root)
    lower = torch.erfc((centred + 0.5) / scale * root)
    probability = 0.5 * (upper - lower)
    return -torch.log2(probability.clamp_min(2.0**-18))


def learned_vae(config: ModelConfig) -> ImageVae:
    """A model to be trained: random, its prior quantised in every forward pass."""
    return ImageVae(config, learned_prior(config))
