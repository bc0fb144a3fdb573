"""What the loss calls distortion: squared error, or structure, which the eye goes by.

Either is one number a picture in units of squared error, so that an lmbda leads to about the same
rate under both.  MS-SSIM is written out here because training runs on bare machines; a test holds
it to pytorch-msssim, which measuring uses.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Distortion = Callable[[Tensor, Tensor], Tensor]
"""(x_hat, x), each (B, 3, H, W) in 0..1 -> (B,)."""

WINDOW = 11
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Window, constants and exponents of MS-SSIM, from its paper."""

LEAST = 1e-3
"""The slope of a small power has no bound at 0; means of contrast below this count as this."""

SQUARED_SHARE = 0.2
"""Of the squared error in the structural distortion: it keeps colours and flat areas in place."""

LOST_STRUCTURE = 1200.0 / 255.0**2
"""Squared error that 1 - MS-SSIM = 1 stands for: what Kodak pictures have of both, between
0.1 and 2 bits a pixel, differs by this factor within a tenth."""

PLANE_SHARES = (0.8, 0.1, 0.1)
"""Of luma and the two chroma planes."""

TO_LUMA_CHROMA = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)
"""Rec. ITU-R BT.601, as in JPEG, chroma around 0."""


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error over all samples: (B, 3, H, W) twice -> (B,)."""
    return (x_hat - x).square().mean((1, 2, 3))


def structural(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mostly 1 - MS-SSIM over luma and chroma, in units of squared error: (B,)."""
    planes = x.new_tensor(TO_LUMA_CHROMA)
    shares = x.new_tensor(PLANE_SHARES)
    y_hat, y = (torch.einsum("pc,bchw->bphw", planes, picture) for picture in (x_hat, x))
    lost = ((1.0 - ms_ssim(y_hat, y)) * shares).sum(1)
    squared = squared_error(x_hat, x)
    return SQUARED_SHARE * squared + (1.0 - SQUARED_SHARE) * LOST_STRUCTURE * lost


def ms_ssim(x_hat: Tensor, x: Tensor) -> Tensor:
    """Multi-scale structural similarity of each plane, range 1: (B, C, H, W) twice -> (B, C).

    Wang, Simoncelli and Bovik, "Multiscale structural similarity for image quality assessment",
    Asilomar 2003; with as many of its five scales as there is room for, of at least one.
    ValueError for sides under 11.
    """
    if min(x.shape[-2:]) < WINDOW:
        raise ValueError(f"MS-SSIM needs sides of at least {WINDOW}, not {tuple(x.shape[-2:])}")
    count = 1
    while count < len(SCALE_WEIGHTS) and min(x.shape[-2:]) >> count >= WINDOW:
        count += 1
    weights = [weight / sum(SCALE_WEIGHTS[:count]) for weight in SCALE_WEIGHTS[:count]]
    total = torch.ones(x.shape[:2], device=x.device)
    for scale, weight in enumerate(weights):
        if scale:
            x_hat, x = (functional.avg_pool2d(picture, 2) for picture in (x_hat, x))
        luminance, contrast = _similarity(x_hat, x)
        last = scale == count - 1
        part = (luminance * contrast if last else contrast).mean((2, 3))
        total = total * part.clamp_min(LEAST) ** weight
    return total


def _similarity(x_hat: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Maps of likeness of brightness, and of contrast and structure."""
    moments = torch.stack((x_hat, x, x_hat * x_hat, x * x, x_hat * x))
    mean_hat, mean, square_hat, square, product = _blurred(moments)
    luminance = (2 * mean_hat * mean + C1) / (mean_hat**2 + mean**2 + C1)
    variances = square_hat - mean_hat**2 + square - mean**2
    contrast = (2 * (product - mean_hat * mean) + C2) / (variances + C2)
    return luminance, contrast


def _blurred(x: Tensor) -> Tensor:
    """By a Gaussian window, without the borders that it cannot cover: (..., H, W)."""
    offsets = torch.arange(WINDOW, device=x.device) - WINDOW // 2
    window = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    window = (window / window.sum()).to(x.dtype)
    planes = x.reshape(-1, 1, *x.shape[-2:])
    planes = functional.conv2d(planes, window.view(1, 1, -1, 1))
    planes = functional.conv2d(planes, window.view(1, 1, 1, -1))
    return planes.view(*x.shape[:-2], *planes.shape[-2:])


DISTORTIONS: dict[str, Distortion] = {"mse": squared_error, "ssim": structural}
"""By the names that a plan knows."""
