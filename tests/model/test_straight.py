"""Rounding and cutting off let gradients through."""

from __future__ import annotations

import torch

from gencodec.model.straight import clamp_through, floor_through, round_through


def test_rounding_goes_down_at_every_sign_and_lets_gradients_through() -> None:
    x = torch.tensor([-1.5, -0.5, -0.25, 0.5, 1.5], requires_grad=True)
    assert floor_through(x).tolist() == [-2.0, -1.0, -1.0, 0.0, 1.0]
    assert round_through(x).tolist() == [-1.0, 0.0, 0.0, 1.0, 2.0]  # halves go up
    (floor_through(x) * torch.arange(5.0)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_cutting_off_keeps_the_gradient_at_its_bounds_whatever_torch_does() -> None:
    x = torch.tensor([-3.0, 0.0, 2.0, 5.0, 5.5, torch.nan], requires_grad=True)
    cut = clamp_through(x, 0, 5)
    assert cut[:5].tolist() == [0.0, 0.0, 2.0, 5.0, 5.0] and bool(cut[5].isnan())
    (cut * torch.arange(1.0, 7.0)).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0.0, 2.0, 3.0, 4.0, 0.0, 0.0]
    with torch.no_grad():
        assert clamp_through(x, 0, 5)[:5].equal(cut[:5])
