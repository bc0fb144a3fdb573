"""What the loss weighs against bits."""

from __future__ import annotations

import pytest
import torch

from gencodec.train.distortion import LOST_STRUCTURE, ms_ssim, squared_error, structural
from tests.train.runs import Photo, batch


def noisy(x: torch.Tensor, amount: float) -> torch.Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + amount * noise).clamp(0.0, 1.0)


@pytest.mark.parametrize("amount", [0.01, 0.1, 0.4])
def test_ms_ssim_is_that_of_the_library(photo: Photo, amount: float) -> None:
    library = pytest.importorskip("pytorch_msssim")
    x = batch(photo, 2, 192)
    x_hat = noisy(x, amount)
    ours = ms_ssim(x_hat, x)
    for plane in range(3):
        pair = (picture[:, plane : plane + 1] for picture in (x_hat, x))
        theirs = library.ms_ssim(*pair, data_range=1.0, size_average=False)
        assert torch.allclose(ours[:, plane], theirs, atol=2e-4)


@pytest.mark.parametrize("side", [11, 16, 64, 200])
def test_structure_is_lost_the_more_the_stronger_the_noise(photo: Photo, side: int) -> None:
    x = batch(photo, 2, side)
    lost = torch.stack([structural(noisy(x, amount), x) for amount in (0.0, 0.02, 0.1, 0.3)])
    assert torch.allclose(lost[0], torch.zeros(2), atol=1e-6)
    assert bool((lost.diff(dim=0) > 0).all())
    assert bool((lost < LOST_STRUCTURE + squared_error(noisy(x, 0.3), x)).all())


def test_the_slope_is_finite_where_nothing_is_alike() -> None:
    x = torch.zeros((1, 3, 64, 64))
    x[:, :, ::2] = 1.0
    x_hat = (1.0 - x).requires_grad_()
    structural(x_hat, x).sum().backward()
    assert x_hat.grad is not None and bool(torch.isfinite(x_hat.grad).all())


def test_a_side_without_room_for_the_window() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        ms_ssim(torch.zeros(1, 3, 10, 64), torch.zeros(1, 3, 10, 64))
