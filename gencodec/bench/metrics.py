"""How near a decoded picture is to its original, and how each metric is named and averaged."""

from __future__ import annotations

import importlib.util
import io
import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from gencodec.bench.curves import psnr
from gencodec.image import Pixels, three_channels

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in luma, ITU-R BT.601."""

PSNR_OF_EQUALS = 100.0
"""Stands for the infinite PSNR of equal pictures, which JSON cannot hold, in dB."""

MS_SSIM_LEAST_SIDE = 161
"""Five scales with an 11-tap window need this many pixels in each direction."""

SSIMULACRA2_LEAST_SIDE = 8


@dataclass(frozen=True)
class Metric:
    """name: the field of a row; package: what has to be installed for it, if anything."""

    name: str
    label: str
    unit: str
    package: str | None = None

    def on_curve(self, mean: float) -> float:
        """A mean as it stands in curves: MS-SSIM in dB, -10 log10(1 - mean), the rest as it is."""
        if self.name == "ms_ssim":
            return -10.0 * math.log10(max(1.0 - mean, 1e-10))
        return mean


METRICS = (
    Metric("psnr", "PSNR", "dB"),
    Metric("psnr_y", "luma PSNR", "dB"),
    Metric("ms_ssim", "MS-SSIM", "dB", "pytorch-msssim"),
    Metric("ssimulacra2", "SSIMULACRA 2", "", "ssimulacra2"),
)


@dataclass(frozen=True)
class Scores:
    """All metrics of one decoded picture; None where one cannot be computed here."""

    psnr: float
    psnr_y: float
    ms_ssim: float | None
    ssimulacra2: float | None


def compare(original: Pixels, decoded: Pixels) -> Scores:
    """Every metric; ValueError when sizes differ.  Grey and colour compare as colour."""
    if original.ndim != decoded.ndim:
        original, decoded = three_channels(original), three_channels(decoded)
    structure, perceived = ms_ssim(original, decoded), ssimulacra2(original, decoded)
    return Scores(
        psnr=round(finite_psnr(original, decoded), 4),
        psnr_y=round(psnr_y(original, decoded), 4),
        ms_ssim=None if structure is None else round(structure, 6),
        ssimulacra2=None if perceived is None else round(perceived, 3),
    )


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
    except ModuleNotFoundError:  # one that is there but does not load is told as a bug
        return None
    pair = (_planes(original), _planes(decoded))
    return float(of_tensors(*pair, data_range=255.0, size_average=True))


def ssimulacra2(original: Pixels, decoded: Pixels) -> float | None:
    """SSIMULACRA 2 by the Python package of that name: 100 is equal, 90 hard to tell, 30 poor.

    None where the package is not installed or a side is under SSIMULACRA2_LEAST_SIDE.
    """
    if min(original.shape[:2]) < SSIMULACRA2_LEAST_SIDE:
        return None
    if importlib.util.find_spec("ssimulacra2") is None:
        return None
    from ssimulacra2 import compute_ssimulacra2

    return float(compute_ssimulacra2(_file(original), _file(decoded)))


def _luma(pixels: Pixels) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return pixels.astype(np.float64) @ np.array(LUMA) if pixels.ndim == 3 else pixels.astype(float)


def _planes(pixels: Pixels) -> torch.Tensor:
    """(H, W, C) or (H, W) -> (1, C, H, W) float32."""
    planes = pixels if pixels.ndim == 3 else pixels[:, :, None]
    return torch.from_numpy(planes.astype(np.float32)).permute(2, 0, 1)[None]


def _file(pixels: Pixels) -> io.BytesIO:
    """A picture as an open PPM file, for what reads files only."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PPM")
    file.seek(0)
    return file
