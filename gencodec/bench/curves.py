"""Rate-distortion curves and what lies between two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Curve:
    """Mean bits per pixel (of whole files) and mean PSNR in dB, by ascending rate."""

    bpp: tuple[float, ...]
    psnr: tuple[float, ...]


def psnr(original: npt.NDArray[np.uint8], decoded: npt.NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio over all samples of two uint8 pictures, in dB; inf if equal."""
    if original.shape != decoded.shape:
        raise ValueError(f"shapes differ: {original.shape} and {decoded.shape}")
    mse = float(np.mean((original.astype(np.float64) - decoded.astype(np.float64)) ** 2))
    return float("inf") if mse == 0.0 else 10.0 * float(np.log10(255.0**2 / mse))


def common_range(curve: Curve, anchor: Curve) -> tuple[float, float]:
    """The PSNR that both curves span, in dB; ValueError when they do not overlap."""
    low = max(min(curve.psnr), min(anchor.psnr))
    high = min(max(curve.psnr), max(anchor.psnr))
    if high <= low:
        raise ValueError("the curves share no range of PSNR")
    return low, high


def bd_rate(curve: Curve, anchor: Curve) -> float:
    """Bjontegaard delta rate in percent (VCEG-M33): negative means fewer bits than the anchor.

    Piecewise cubic Hermite interpolation (PCHIP) of log rate over PSNR, integrated over the
    range both curves span; nothing is extrapolated.
    """
    low, high = common_range(curve, anchor)
    grid = np.linspace(low, high, 2001)
    difference = _log_rate(curve, grid) - _log_rate(anchor, grid)
    mean = float(np.sum((difference[1:] + difference[:-1]) / 2) / (len(grid) - 1))
    return (float(np.exp(mean)) - 1.0) * 100.0


def _log_rate(curve: Curve, at: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log of the rate at given PSNRs, by PCHIP (Fritsch and Butland 1984, as in SciPy)."""
    order = np.argsort(curve.psnr)
    x = np.asarray(curve.psnr, np.float64)[order]
    y = np.log(np.asarray(curve.bpp, np.float64)[order])
    if len(x) < 3 or np.any(np.diff(x) <= 0):
        raise ValueError("a curve needs at least three points of different PSNR")
    h, slope = np.diff(x), np.diff(y) / np.diff(x)
    derivative = np.zeros_like(x)
    same = slope[1:] * slope[:-1] > 0
    left, right = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = (left + right) / (left / slope[:-1] + right / slope[1:])
    derivative[1:-1] = np.where(same, harmonic, 0.0)
    derivative[0] = _end_slope(h[0], h[1], slope[0], slope[1])
    derivative[-1] = _end_slope(h[-1], h[-2], slope[-1], slope[-2])
    i = np.clip(np.searchsorted(x, at) - 1, 0, len(h) - 1)
    t, step = (at - x[i]) / h[i], h[i]
    return (
        (1 + 2 * t) * (1 - t) ** 2 * y[i]
        + t * (1 - t) ** 2 * step * derivative[i]
        + t**2 * (3 - 2 * t) * y[i + 1]
        + t**2 * (t - 1) * step * derivative[i + 1]
    )


def _end_slope(h0: float, h1: float, slope0: float, slope1: float) -> float:
    """Three-point end derivative, kept from overshooting."""
    value = ((2 * h0 + h1) * slope0 - h0 * slope1) / (h0 + h1)
    if np.sign(value) != np.sign(slope0):
        return 0.0
    if np.sign(slope0) != np.sign(slope1) and abs(value) > 3 * abs(slope0):
        return 3.0 * float(slope0)
    return float(value)
