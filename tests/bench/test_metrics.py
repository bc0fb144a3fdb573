"""Metrics beside PSNR."""

from __future__ import annotations

import math

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
