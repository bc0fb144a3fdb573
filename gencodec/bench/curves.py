"""Rate-distortion curves and what lies between two of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LEAST_POINTS = 3
"""Points a curve needs to be interpolated."""

Points = tuple[npt.ArrayLike, npt.ArrayLike]


@dataclass(frozen=True)
class Curve:
    """Mean bits per pixel (of whole files) and mean score, by ascending rate.

    score: PSNR in dB, or another metric that grows with fidelity.
    """

    bpp: tuple[float, ...]
    score: tuple[float, ...]


def psnr(original: npt.NDArray[np.uint8], decoded: npt.NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio over all samples of two uint8 pictures, in dB; inf if equal."""
    if original.shape != decoded.shape:
        raise ValueError(f"shapes differ: {original.shape} and {decoded.shape}")
    difference = np.subtract(original, decoded, dtype=np.int16).ravel()
    mse = int(np.einsum("i,i->", difference, difference, dtype=np.int64)) / difference.size
    return float("inf") if mse == 0.0 else 10.0 * float(np.log10(255.0**2 / mse))


def common_range(curve: Curve, anchor: Curve) -> tuple[float, float]:
    """The scores that both curves span; ValueError when they do not overlap."""
    return _overlap(curve.score, anchor.score, "score")


def overlap_share(curve: Curve, anchor: Curve) -> float:
    """How much of the scores that either curve spans both do, 0 to 1."""
    low, high = common_range(curve, anchor)
    both = (*curve.score, *anchor.score)
    return (high - low) / (max(both) - min(both))


def bd_rate(curve: Curve, anchor: Curve) -> float:
    """Bjontegaard delta rate in percent (VCEG-M33): negative means fewer bits than the anchor.

    Piecewise cubic Hermite interpolation (PCHIP) of log rate over score, integrated over the
    range both curves span; nothing is extrapolated.  ValueError without such a range, or with
    fewer than three points of different score.
    """
    low, high = common_range(curve, anchor)
    difference = _mean_difference(
        (curve.score, np.log(curve.bpp)), (anchor.score, np.log(anchor.bpp)), low, high
    )
    return (float(np.exp(difference)) - 1.0) * 100.0


def bd_score(curve: Curve, anchor: Curve) -> float:
    """Mean advantage in score at equal rate (BD-PSNR for curves of PSNR), as :func:`bd_rate`.

    PCHIP of score over log rate, over the rates that both curves span.
    """
    rate, other = np.log(curve.bpp), np.log(anchor.bpp)
    low, high = _overlap(rate, other, "rate")
    return _mean_difference((rate, curve.score), (other, anchor.score), low, high)


def score_at(curve: Curve, bpp: float) -> float:
    """The score of a curve at a rate within it, by the same interpolation."""
    if not min(curve.bpp) <= bpp <= max(curve.bpp):
        raise ValueError(f"{bpp} bpp is outside the curve")
    return float(_pchip(np.log(curve.bpp), curve.score, np.array([np.log(bpp)]))[0])


def rate_at(curve: Curve, score: float) -> float:
    """The bits per pixel at which a curve reaches a score within it, as :func:`bd_rate` sees it."""
    if not min(curve.score) <= score <= max(curve.score):
        raise ValueError(f"a score of {score} is outside the curve")
    return float(np.exp(_pchip(curve.score, np.log(curve.bpp), np.array([score]))[0]))


def _overlap(ours: npt.ArrayLike, theirs: npt.ArrayLike, what: str) -> tuple[float, float]:
    our, their = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    low, high = float(max(our.min(), their.min())), float(min(our.max(), their.max()))
    if high <= low:
        raise ValueError(f"the curves share no range of {what}")
    return low, high


def _mean_difference(ours: Points, theirs: Points, low: float, high: float) -> float:
    """Mean of one interpolated function less the other over a range, by the trapezoidal rule."""
    grid = np.linspace(low, high, 2001)
    difference = _pchip(*ours, grid) - _pchip(*theirs, grid)
    return float(np.sum((difference[1:] + difference[:-1]) / 2) / (len(grid) - 1))


def _pchip(
    xs: npt.ArrayLike, ys: npt.ArrayLike, at: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """y at given x, by PCHIP (Fritsch and Butland 1984, as in SciPy)."""
    order = np.argsort(xs)
    x = np.asarray(xs, np.float64)[order]
    y = np.asarray(ys, np.float64)[order]
    if len(x) < LEAST_POINTS or np.any(np.diff(x) <= 0):
        raise ValueError("a curve needs at least three points, no two alike")
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
