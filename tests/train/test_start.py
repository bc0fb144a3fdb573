"""The block transform that training starts from."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gencodec.model.quality import lmbda_of
from gencodec.train.start import step_size
from tests.train.runs import Photo, batch, block_transform


def test_the_start_is_a_codec_already(photo: Photo) -> None:
    """Before the first step: fidelity and rate that rise with quality, on pictures not seen."""
    vae = block_transform(photo)
    x = batch(photo, count=3, side=128)
    decibels, rates = [], []
    for step in (0, 85, 170, 255):
        estimate = vae.rounded(x, torch.full((3,), step))
        mse = float((estimate.x_hat.clamp(0, 1) - x).square().mean())
        decibels.append(-10.0 * float(np.log10(mse)))
        rates.append(float((estimate.y_bits + estimate.z_bits).sum()) / x[:, 0].numel())
    assert decibels[-1] > 25.0
    assert decibels == sorted(decibels) and decibels[-1] > decibels[0] + 5
    assert rates == sorted(rates) and rates[-1] < 8.0


def test_the_start_is_orthonormal(photo: Photo) -> None:
    """Without rounding nothing is lost but the components that are left out."""
    vae = block_transform(photo)
    x, step = batch(photo, side=64), torch.tensor([255, 255])
    with torch.no_grad():
        y = vae.g_a(x, step)
        once = vae.g_s(y, step)
        twice = vae.g_s(vae.g_a(once, step), step)
    assert float((twice - once).abs().max()) < 1e-3  # a projection
    assert float((once - x).square().mean()) < float((x - 0.5).square().mean()) * 0.05


def test_step_sizes_and_weights_of_the_loss() -> None:
    lmbda = lmbda_of(torch.arange(256))
    assert float(lmbda[0]) == pytest.approx(0.0007) and float(lmbda[-1]) == pytest.approx(0.25)
    assert bool((lmbda.diff() > 0).all())
    assert step_size(0.0007) / step_size(0.25) == pytest.approx((0.25 / 0.0007) ** 0.5)
