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
from gencodec.train.deepen import deepened
from tests.train.runs import batch, fresh

TINY = CONFIGS["tiny"]


def test_new_blocks_change_nothing(photo: Callable[..., np.ndarray]) -> None:
    vae, x, step = fresh(), batch(photo), torch.tensor([30, 220])
    with torch.no_grad():
        for parameter in vae.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    deeper = deepened(vae, replace(TINY, depth8=3, depth16=2, prior_depth=3))
    assert len(list(deeper.parameters())) > len(list(vae.parameters()))
    for before, after in zip(vae.rounded(x, step), deeper.rounded(x, step), strict=True):
        torch.testing.assert_close(before, after)


@pytest.mark.parametrize("change", [{"trunk8": 48}, {"knots": 4}, {"latent": 96}])
def test_only_depth_can_grow(change: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="more blocks of the same width"):
        deepened(fresh(), replace(TINY, **change))


def test_depth_cannot_shrink() -> None:
    deeper = deepened(fresh(), replace(TINY, depth8=2))
    with pytest.raises(WeightsError, match="cannot become tiny"):
        deepened(deeper, TINY)
