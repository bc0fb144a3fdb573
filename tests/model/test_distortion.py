"""What is weighed against bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gencodec.model.distortion import LOST_STRUCTURE, luma_chroma, squared_error, structural

Photo = Callable[..., np.ndarray]


def batch(photo: Photo, height: int, width: int) -> Tensor:
    pixels = np.stack([photo(height, width, seed) for seed in (50, 51)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0


def noisy(x: Tensor, amount: float) -> Tensor:
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return (x + amount * noise).clamp(0.0, 1.0)


@pytest.mark.parametrize("size", [(1, 1), (5, 40), (11, 9), (64, 64), (133, 200)])
def test_structure_is_lost_the_more_the_stronger_the_noise(
    photo: Photo, size: tuple[int, int]
) -> None:
    x = batch(photo, *size)
    lost = torch.stack([structural(noisy(x, amount), x) for amount in (0.0, 0.02, 0.1, 0.3)])
    assert torch.allclose(lost[0], torch.zeros(2), atol=1e-6)
    assert bool((lost.diff(dim=0) > 0).all())
    assert bool((lost < 2.0 * LOST_STRUCTURE + squared_error(noisy(x, 0.3), x)).all())


def test_what_the_eye_misses_counts_less(photo: Photo) -> None:
    """The same noise: less is lost where there is texture to hide it than on a flat wall."""
    rng = np.random.default_rng(1)
    texture = torch.tensor(rng.uniform(0.2, 0.8, (1, 1, 96, 96)).astype(np.float32))
    texture, wall = texture.repeat(1, 3, 1, 1), torch.full((1, 3, 96, 96), 0.5)
    noise = 0.02 * torch.randn((1, 3, 96, 96), generator=torch.Generator().manual_seed(0))
    errors = [squared_error(x + noise, x) for x in (texture, wall)]
    torch.testing.assert_close(*errors)
    hidden, seen = (float(structural(x + noise, x)) for x in (texture, wall))
    assert hidden < 0.5 * seen


@pytest.mark.parametrize("corner", [(0, 0), (-1, -1), (-1, 0), (64, 96)])
def test_every_pixel_counts(photo: Photo, corner: tuple[int, int]) -> None:
    """The last ones too, where windows do not come out even."""
    x = batch(photo, 101, 107)
    x_hat = x.clone().requires_grad_()
    structural(x_hat * 0.9, x).sum().backward()
    assert x_hat.grad is not None
    flat = LOST_STRUCTURE * 1e-9
    assert float(x_hat.grad[(slice(None), slice(None), *corner)].abs().sum()) > flat


def test_the_slope_is_finite_where_nothing_is_alike() -> None:
    x = torch.zeros((1, 3, 64, 64))
    x[:, :, ::2] = 1.0
    x_hat = (1.0 - x).requires_grad_()
    structural(x_hat, x).sum().backward()
    assert x_hat.grad is not None and bool(torch.isfinite(x_hat.grad).all())


def test_luma_and_chroma_are_those_of_jpeg(photo: Photo) -> None:
    pixels = photo(24, 40)
    theirs = np.asarray(Image.fromarray(pixels).convert("YCbCr")).astype(float)
    theirs[..., 1:] -= 128.0
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255.0
    ours = 255.0 * luma_chroma(x)[0].permute(1, 2, 0).numpy()
    assert float(np.abs(ours - theirs).max()) < 1.0
