"""A warm start: g_s after g_a as an orthonormal block transform, everything learned on top.

With the residual branches at zero the trunk is linear; its 1x1 layers are set to the principal
components of 8x8 and then 16x16 blocks, the gains to the step sizes that the range of lmbda
implies, and the prior's tables to the components' standard deviations.  Training thus begins
as a transform codec of JPEG's kind and spends no step on finding one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from gencodec.model.config import GROUPS
from gencodec.model.exact import FEATURE_SCALE
from gencodec.model.quality import lmbda_of
from gencodec.model.scales import SCALE_LEVELS, index_of
from gencodec.model.step_tables import LearnedStepTable
from gencodec.model.transforms import PATCH, channel_order
from gencodec.model.vae import ImageVae

TRUNK_SCALE = 3.0
"""Trunk units to a unit of picture brightness: brings typical activations near one."""


def step_size(lmbda: float) -> float:
    """The uniform quantiser's step, in units of full brightness, at which R + lmbda D is least.

    At high rate each of the 3 coefficients a pixel costs -log2(step) bits and step^2/12 of
    squared error, a third of it in the mean over channels; setting the derivative to zero gives
    step^2 = 18 / (lmbda ln 2) in 8-bit units.
    """
    return math.sqrt(18.0 / (lmbda * math.log(2.0))) / 255.0


@torch.no_grad()
def start_from_block_transform(vae: ImageVae, x: Tensor) -> None:
    """Set a fresh model to the principal components of ``x`` (B, 3, H, W) in 0..1."""
    config = vae.config
    basis8, _ = _principal(functional.pixel_unshuffle(x - 0.5, PATCH), config.trunk8)
    _set(vae.g_a.enter, basis8.t() * TRUNK_SCALE)
    _set(vae.g_s.leave, basis8 / TRUNK_SCALE)
    u = functional.pixel_unshuffle(vae.g_a.enter(functional.pixel_unshuffle(x - 0.5, PATCH)), 2)
    basis16, deviations = _principal(u, config.latent)
    order = channel_order(config.latent, GROUPS)
    basis16, deviations = basis16[:, order], deviations[order]
    _set(vae.g_a.down, basis16.t())
    _set(vae.g_s.up, basis16)
    vae.h_a.down64.weight.mul_(0.3)  # a quiet z: it has to earn its bits
    for knot in range(config.knots):
        lmbda = float(lmbda_of(torch.tensor(255.0 * knot / (config.knots - 1))))
        log_gain = -math.log(step_size(lmbda) * TRUNK_SCALE)
        vae.g_a.gain.log_gain[knot] = log_gain
        vae.g_s.gain.log_gain[knot] = -log_gain
        scales = (deviations * math.exp(log_gain)).clamp(min=1e-3)
        indices = torch.tensor([index_of(float(s)) for s in scales]).clamp(0, SCALE_LEVELS - 1)
        _set_knot(vae.prior.step_scale, knot, indices)
        _set_knot(vae.prior.z_scale, knot, index_of(0.7))


def _principal(features: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Leading eigenvectors (C, count) and root eigenvalues (count,) of the second moments."""
    samples = features.permute(1, 0, 2, 3).flatten(1).double()
    values, vectors = torch.linalg.eigh(samples @ samples.t() / samples.shape[1])
    return vectors.flip(1)[:, :count].float(), values.flip(0)[:count].clamp_min(0).sqrt().float()


def _set_knot(table: nn.Module, knot: int, rows: Tensor | float) -> None:
    assert isinstance(table, LearnedStepTable)
    table.knots[knot] = rows / (FEATURE_SCALE * table.gain)


def _set(layer: nn.Conv2d, weight: Tensor) -> None:
    layer.weight.copy_(weight[:, :, None, None])
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
