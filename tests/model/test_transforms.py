"""g_a, g_s and their blocks: shapes, what a fresh block does, and how far they see."""

from __future__ import annotations

import pytest
import torch

from gencodec.model.config import CONFIGS, FINE_STEPS, GROUPS
from gencodec.model.layers import StepGain, TransformBlock
from gencodec.model.transforms import channel_order, receptive_margin
from gencodec.model.vae import ImageVae


def test_shapes(tiny_vae: ImageVae) -> None:
    x = torch.rand(2, 3, 48, 80)
    step = torch.tensor([3, 250])
    with torch.no_grad():
        y = tiny_vae.g_a(x, step)
        assert y.shape == (2, tiny_vae.config.latent, 3, 5) and y.dtype == torch.float32
        assert tiny_vae.h_a(y).shape == (2, tiny_vae.config.hyper, 1, 2)
        assert tiny_vae.g_s(y, step).shape == x.shape


def test_a_new_block_is_the_identity() -> None:
    x = torch.randn(1, 12, 5, 7)
    with torch.no_grad():
        assert torch.equal(TransformBlock(12)(x), x)


def test_gains_are_positive_and_follow_their_knots() -> None:
    gain = StepGain(6, 8)
    with torch.no_grad():
        gain.log_gain.copy_(torch.randn(8, 6).cumsum(0))
        curve = gain(torch.arange(FINE_STEPS))[:, :, 0, 0]
    assert curve.shape == (FINE_STEPS, 6) and bool((curve > 0).all())
    assert torch.allclose(curve[[0, -1]].log(), gain.log_gain[[0, -1]], atol=1e-5)
    between = curve[1:].log() - curve[:-1].log()
    largest = (gain.log_gain[1:] - gain.log_gain[:-1]).abs().amax(0) * 7 / 255
    assert bool((between.abs() <= largest + 1e-5).all())  # no jump anywhere


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_channels_are_dealt_out_once_each(name: str) -> None:
    channels = CONFIGS[name].latent
    order = channel_order(channels, GROUPS)
    assert sorted(order.tolist()) == list(range(channels))
    # Every group gets its share of the components with most energy.
    for group in order.view(GROUPS, -1):
        assert int(group[0]) < GROUPS and int(group.max()) >= channels - GROUPS


def test_nothing_is_seen_beyond_the_margin(tiny_vae: ImageVae) -> None:
    """Bands are cut with this margin: one pixel changed must reach no further."""
    margin = receptive_margin(tiny_vae.config)
    side = 16 * (2 * (margin // 16) + 5)
    x = torch.rand(1, 3, side, 32)
    changed = x.clone()
    row = side // 2
    changed[:, :, row] = 1 - changed[:, :, row]
    step = torch.tensor([128])
    with torch.no_grad():
        y, y_changed = tiny_vae.g_a(x, step), tiny_vae.g_a(changed, step)
        rows = torch.nonzero((y - y_changed).abs().amax((0, 1, 3)) > 1e-5).flatten()
        assert len(rows) > 1  # the blocks do mix neighbours
        assert row - margin <= int(rows.min()) * 16 + 15 and int(rows.max()) * 16 <= row + margin

        bumped = y.clone()
        bumped[:, :, row // 16] += 1.0
        x_hat, x_bumped = tiny_vae.g_s(y, step), tiny_vae.g_s(bumped, step)
        rows = torch.nonzero((x_hat - x_bumped).abs().amax((0, 1, 3)) > 1e-6).flatten()
        top, bottom = row // 16 * 16, row // 16 * 16 + 15
        assert int(rows.min()) < top and int(rows.max()) > bottom
        assert top - margin <= int(rows.min()) and int(rows.max()) <= bottom + margin
