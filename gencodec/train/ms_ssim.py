"""MS-SSIM, by which held-out pictures are judged beside PSNR.

Written out here because training runs on bare machines; a test holds it to pytorch-msssim, which
benchmarks use.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

WINDOW = 11
SIGMA = 1.5
C1, C2 = 0.01**2, 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Window, constants and exponents of MS-SSIM, from its paper."""


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
        total = total * part.clamp_min(0.0) ** weight
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
