"""A larger network begins as the same function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from gencodec.errors import WeightsError
from gencodec.model.config import CONFIGS
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.train.grow import grown
from tests.train.runs import batch, fresh

TINY = CONFIGS["tiny"]


WIDER: dict[str, Any] = {"trunk8": 48, "prior": 44}
DEEPER: dict[str, Any] = {"depth8": 3, "depth16": 2, "prior_depth": 3, "hyper_depth": 2}


def moved() -> ImageVae:
    """The smallest network with no layer at zero and no latent silent."""
    vae = fresh()
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        vae.h_a.down64.weight.mul_(30.0)  # a fresh z is silent
    return vae


@pytest.mark.parametrize("change", [WIDER, DEEPER, WIDER | DEEPER])
def test_what_is_new_changes_nothing(
    photo: Callable[..., np.ndarray], change: dict[str, Any]
) -> None:
    vae, x, step = moved(), batch(photo), torch.tensor([30, 220])
    larger = grown(vae, replace(TINY, **change))
    assert sum(p.numel() for p in larger.parameters()) > sum(p.numel() for p in vae.parameters())
    for before, after in zip(vae.rounded(x, step), larger.rounded(x, step), strict=True):
        torch.testing.assert_close(before, after)


def test_new_channels_learn_soon(photo: Callable[..., np.ndarray]) -> None:
    """A gradient reaches them all once the zeros around them have moved."""
    vae, x, step = moved(), batch(photo, side=128), torch.tensor([30, 220])
    larger = grown(vae, replace(TINY, **WIDER))
    optimizer = torch.optim.Adam(larger.parameters(), lr=1e-3)
    for _ in range(4):
        optimizer.zero_grad()
        estimate = larger(x, step)
        distortion = (estimate.x_hat - x).square().mean()
        ((estimate.y_bits + estimate.z_bits).mean() + 1e5 * distortion).backward()
        optimizer.step()
    known = vae.state_dict()
    for name, parameter in larger.named_parameters():
        assert parameter.grad is not None
        for axis, (old, new) in enumerate(zip(known[name].shape, parameter.shape, strict=True)):
            if new > old:
                assert parameter.grad.narrow(axis, old, new - old).any(), (name, axis)


def test_contexts_of_z_that_say_nothing_yet() -> None:
    """A z told by tables alone is coded in four passes at the same cost, and learns from there."""
    torch.manual_seed(3)
    vae, step = learned_vae(replace(TINY, hyper_depth=0)), torch.tensor([30, 220])
    x = torch.rand(2, 3, 128, 128)  # z has a position of every phase
    with torch.no_grad():
        vae.prior.get_parameter("z_scale.knots").fill_(1.0)  # at 0 nothing is coded
        vae.h_a.down64.weight.mul_(30.0)  # and a z of zeros has nothing to say
    larger = grown(vae, TINY)
    for before, after in zip(vae.rounded(x, step), larger.rounded(x, step), strict=True):
        torch.testing.assert_close(before, after)
    larger(x, step).z_bits.sum().backward()
    grads = [head.weight.grad for head in (*larger.prior.z_means, *larger.prior.z_scales)]
    assert all(grad is not None and bool(grad.any()) for grad in grads)


@pytest.mark.parametrize("change", [{"knots": 4}, {"latent": 96}, {"trunk8": 16}])
def test_only_some_of_it_can_grow(change: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="can be added"):
        grown(fresh(), replace(TINY, **change))


def test_base_can_grow_to_high() -> None:
    """Without their numbers, of which there are many."""
    with torch.device("meta"):
        base = learned_vae(CONFIGS["base"])
        high = grown(base, CONFIGS["high"])
    assert high.config == CONFIGS["high"]


def test_depth_cannot_shrink() -> None:
    larger = grown(fresh(), replace(TINY, depth8=2))
    with pytest.raises(WeightsError, match="cannot become tiny"):
        grown(larger, TINY)
