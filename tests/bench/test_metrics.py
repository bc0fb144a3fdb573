"""Metrics beside PSNR."""

from __future__ import annotations

import math
import sys
import tracemalloc
from types import ModuleType

import numpy as np
import pytest

from gencodec.bench import metrics


def test_luma_psnr_by_hand() -> None:
    black = np.zeros((3, 5, 3), np.uint8)
    assert metrics.psnr_y(black, black) == metrics.PSNR_OF_EQUALS
    for channel, weight in enumerate(metrics.LUMA):
        other = black.copy()
        other[..., channel] = 10
        expected = 20 * math.log10(255 / (10 * weight))
        assert metrics.psnr_y(black, other) == pytest.approx(expected)
    grey = np.zeros((3, 5), np.uint8)
    assert metrics.psnr_y(grey, grey + np.uint8(255)) == 0.0
    assert sum(metrics.LUMA) == pytest.approx(1.0)


def test_equal_pictures_have_a_finite_psnr() -> None:
    grey = np.zeros((3, 5), np.uint8)
    assert metrics.finite_psnr(grey, grey) == metrics.PSNR_OF_EQUALS


def test_psnr_is_exact_and_needs_little_memory() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 256, (2, 200, 300, 3), np.uint8)
    mse = np.mean((one.astype(np.float64) - other) ** 2)
    tracemalloc.start()
    found = metrics.finite_psnr(one, other[::-1][::-1])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == pytest.approx(10 * math.log10(255**2 / mse), abs=1e-12)
    assert most < 4 * one.nbytes
    black = np.zeros((700, 900), np.uint8)
    assert metrics.finite_psnr(black, black + np.uint8(255)) == 0.0


def test_ms_ssim_needs_size() -> None:
    assert (
        metrics.ms_ssim(np.zeros((160, 500, 3), np.uint8), np.zeros((160, 500, 3), np.uint8))
        is None
    )


def test_ms_ssim() -> None:
    pytest.importorskip("pytorch_msssim")
    rng = np.random.default_rng(0)
    for shape in ((161, 170, 3), (161, 170)):
        original = rng.integers(0, 256, shape, np.uint8)
        noisy = original // 2 + rng.integers(0, 128, shape, np.uint8)
        same, less = metrics.ms_ssim(original, original), metrics.ms_ssim(original, noisy)
        assert same == pytest.approx(1.0) and less is not None and less < 0.99


def test_a_package_that_does_not_load_is_not_one_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photo = np.zeros((metrics.MS_SSIM_LEAST_SIDE, metrics.MS_SSIM_LEAST_SIDE), np.uint8)
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    assert metrics.ms_ssim(photo, photo) is None
    monkeypatch.setitem(sys.modules, "pytorch_msssim", ModuleType("pytorch_msssim"))
    with pytest.raises(ImportError, match="cannot import name"):
        metrics.ms_ssim(photo, photo)


def test_ssimulacra2() -> None:
    pytest.importorskip("ssimulacra2")
    rng = np.random.default_rng(0)
    waves = np.sin(np.mgrid[:64, :80].sum(0) / 6.0)[:, :, None] * np.array([100, 60, 80])
    original = (128 + waves).astype(np.uint8)
    scores = [metrics.ssimulacra2(original, original)]
    for spread in (2, 8, 30):
        noise = rng.normal(0, spread, original.shape)
        noisy = (original + noise).clip(0, 255).astype(np.uint8)
        scores.append(metrics.ssimulacra2(original, noisy))
    assert scores[0] == pytest.approx(100.0)
    assert all(score is not None for score in scores)
    assert scores == sorted(scores, key=lambda score: -(score or 0.0))
    assert metrics.ssimulacra2(original[:7], original[:7]) is None
    grey = original[:, :, 0]
    assert metrics.ssimulacra2(grey, grey) == pytest.approx(100.0)


def test_grey_compares_with_colour() -> None:
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    colour = np.repeat(grey[:, :, None], 3, axis=2)
    assert metrics.compare(grey, colour) == metrics.compare(colour, grey)
    assert metrics.compare(grey, colour).psnr == metrics.PSNR_OF_EQUALS


def test_ms_ssim_stands_in_curves_as_decibels() -> None:
    by_name = {metric.name: metric for metric in metrics.METRICS}
    assert by_name["ms_ssim"].on_curve(0.99) == pytest.approx(20.0)
    assert by_name["psnr"].on_curve(33.0) == 33.0
    assert math.isfinite(by_name["ms_ssim"].on_curve(1.0))
