"""What is weighed against bits: squared error, or structure, which the eye goes by.

Either is one number a picture in units of squared error, so that an lmbda leads to about the same
rate under both.  Training weighs them, and so does the search for a picture's best symbols.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

Distortion = Callable[[Tensor, Tensor], Tensor]
"""(x_hat, x), each (B, 3, H, W) float32 in 0..1 -> (B,)."""

WINDOW, STRIDE = 8, 4
"""Side and distance of the windows in which pictures are compared: all pixels are covered.

Of flat windows, as SSIM's forerunner and video encoders have them (Wang and Bovik, "A universal
image quality index", 2002): Gaussian ones around every pixel say much the same for 70 times the
time.
"""

C1, C2 = 0.01**2, 0.03**2
"""Of SSIM, for a range of 1: Wang et al., "Image quality assessment", 2004."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of MS-SSIM, from full size down to a sixteenth: Wang, Simoncelli and Bovik, 2003."""

SQUARED_SHARE = 0.5
"""Of the squared error in the structural distortion: it keeps colours and flat areas in place.

With a tenth, an encoder trained for it was no better by SSIMULACRA 2 and far worse by PSNR.
"""

LOST_STRUCTURE = 1900.0 / 255.0**2
"""Squared error that 1 - SSIM = 1 stands for: what Kodak pictures have of both at qualities from
0 to 90 differs by this factor within a tenth."""

PLANE_SHARES = (0.8, 0.1, 0.1)
"""Of luma and the two chroma planes."""


def squared_error(x_hat: Tensor, x: Tensor) -> Tensor:
    """Mean squared error over all samples: (B, 3, H, W) twice -> (B,)."""
    return (x_hat - x).square().mean((1, 2, 3))


def structural(x_hat: Tensor, x: Tensor) -> Tensor:
    """Half 1 - SSIM over scales, luma and chroma, half squared error, in units of the latter: (B,).

    As many of the five scales count as have room for a window, the first in any case.
    """
    squared = squared_error(x_hat, x)
    x_hat, x = luma_chroma(x_hat), luma_chroma(x)
    lost, total = torch.zeros_like(squared), 0.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        if scale:
            x_hat, x = (functional.avg_pool2d(picture, 2, ceil_mode=True) for picture in (x_hat, x))
        if total > 0.0 and min(x.shape[2:]) < WINDOW:
            break
        planes = _dissimilarity(x_hat, x).unbind(1)
        lost = lost + weight * sum(share * p for share, p in zip(PLANE_SHARES, planes, strict=True))
        total += weight
    return SQUARED_SHARE * squared + (1.0 - SQUARED_SHARE) * LOST_STRUCTURE / total * lost


def luma_chroma(x: Tensor) -> Tensor:
    """R, G, B in 0..1 -> Rec. ITU-R BT.601 Y', and Cb, Cr around 0, as in JPEG: (B, 3, H, W)."""
    red, green, blue = x.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack((luma, (blue - luma) / 1.772, (red - luma) / 1.402), 1)


def _dissimilarity(x_hat: Tensor, x: Tensor) -> Tensor:
    """1 - SSIM, the mean over windows: (B, C, H, W) twice -> (B, C)."""
    moments = torch.stack((x_hat, x, x_hat * x_hat, x * x, x_hat * x))
    window = [min(WINDOW, side) for side in x.shape[2:]]
    means = functional.avg_pool2d(moments.flatten(0, 1), window, STRIDE, ceil_mode=True)
    mean_hat, mean, square_hat, square, product = means.unflatten(0, moments.shape[:2])
    brightness = (2.0 * mean_hat * mean + C1) / (mean_hat.square() + mean.square() + C1)
    variances = square_hat - mean_hat.square() + square - mean.square()
    contrast = (2.0 * (product - mean_hat * mean) + C2) / (variances + C2)
    return (1.0 - brightness * contrast).mean((2, 3))


DISTORTIONS: dict[str, Distortion] = {"mse": squared_error, "ssim": structural}
"""By the names that options and plans know."""
