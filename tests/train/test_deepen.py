"""A deeper network begins as the same function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from gencodec.errors import WeightsError
from gencodec.model.config import CONFIGS
from gencodec.model.vae import learned_vae
from gencodec.train.deepen import deepened
from tests.train.runs import batch, fresh

TINY = CONFIGS["tiny"]


def test_new_blocks_change_nothing(photo: Callable[..., np.ndarray]) -> None:
    vae, x, step = fresh(), batch(photo), torch.tensor([30, 220])
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    deeper = deepened(vae, replace(TINY, depth8=3, depth16=2, prior_depth=3, hyper_depth=2))
    assert len(list(deeper.parameters())) > len(list(vae.parameters()))
    for before, after in zip(vae.rounded(x, step), deeper.rounded(x, step), strict=True):
        torch.testing.assert_close(before, after)


def test_contexts_of_z_that_say_nothing_yet() -> None:
    """A z told by tables alone is coded in four passes at the same cost, and learns from there."""
    torch.manual_seed(3)
    vae, step = learned_vae(replace(TINY, hyper_depth=0)), torch.tensor([30, 220])
    x = torch.rand(2, 3, 128, 128)  # z has a position of every phase
    with torch.no_grad():
        vae.prior.get_parameter("z_scale.knots").fill_(1.0)  # at 0 nothing is coded
        vae.h_a.down64.weight.mul_(30.0)  # and a z of zeros has nothing to say
    deeper = deepened(vae, TINY)
    for before, after in zip(vae.rounded(x, step), deeper.rounded(x, step), strict=True):
        torch.testing.assert_close(before, after)
    deeper(x, step).z_bits.sum().backward()
    grads = [head.weight.grad for head in (*deeper.prior.z_means, *deeper.prior.z_scales)]
    assert all(grad is not None and bool(grad.any()) for grad in grads)


@pytest.mark.parametrize("change", [{"trunk8": 48}, {"knots": 4}, {"latent": 96}])
def test_only_depth_can_grow(change: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="more blocks of the same width"):
        deepened(fresh(), replace(TINY, **change))


def test_depth_cannot_shrink() -> None:
    deeper = deepened(fresh(), replace(TINY, depth8=2))
    with pytest.raises(WeightsError, match="cannot become tiny"):
        deepened(deeper, TINY)
