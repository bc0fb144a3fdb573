"""How near a decoded picture is to its original, beside :func:`gencodec.bench.curves.psnr`."""

from __future__ import annotations

import numpy as np
import torch

from gencodec.bench.curves import psnr
from gencodec.image import Pixels

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma, ITU-R BT.601."""

PSNR_OF_EQUALS = 100.0
"""Stands for the infinite PSNR of equal pictures, which JSON cannot hold, in dB."""

MS_SSIM_LEAST_SIDE = 161
"""Five scales with an 11-tap window need this many pixels in each direction."""


def finite_psnr(original: Pixels, decoded: Pixels) -> float:
    """PSNR over all samples, at most PSNR_OF_EQUALS, in dB."""
    return min(psnr(original, decoded), PSNR_OF_EQUALS)


def psnr_y(original: Pixels, decoded: Pixels) -> float:
    """PSNR of luma (unrounded) of two uint8 pictures of equal shape, in dB."""
    error = _luma(original) - _luma(decoded)
    mse = float(np.mean(error**2))
    return PSNR_OF_EQUALS if mse == 0.0 else min(10.0 * float(np.log10(255.0**2 / mse)), 100.0)


def ms_ssim(original: Pixels, decoded: Pixels) -> float | None:
    """Multi-scale structural similarity over RGB, 0 to 1.

    None where pytorch-msssim is not installed or a side is under MS_SSIM_LEAST_SIDE.
    """
    if min(original.shape[:2]) < MS_SSIM_LEAST_SIDE:
        return None
    try:
        from pytorch_msssim import ms_ssim as of_tensors
    except ImportError:
        return None
    pair = (_planes(original), _planes(decoded))
    return float(of_tensors(*pair, data_range=255.0, size_average=True))


def _luma(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return pixels.astype(np.float64) @ np.array(LUMA) if pixels.ndim == 3 else pixels.astype(float)


def _planes(pixels: Pixels) -> torch.Tensor:
    """(H, W, C) or (H, W) -> (1, C, H, W) float32."""
    planes = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return torch.from_numpy(planes.astype(np.float32)).permute(2, 0, 1)[None]
