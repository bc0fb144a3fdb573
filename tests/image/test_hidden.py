"""Colours under transparent pixels: smooth, cheap, and never at the cost of a visible pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gencodec.image import Picture, smooth_hidden


@given(st.data(), st.integers(1, 19), st.integers(1, 19), st.booleans())
def test_visible_pixels_and_alpha_stay(
    data: st.DataObject, height: int, width: int, grey: bool
) -> None:
    shape = (height, width) if grey else (height, width, 3)
    pixels = data.draw(arrays(np.uint8, shape))
    alpha = data.draw(arrays(np.uint8, (height, width), elements=st.sampled_from([0, 1, 255])))
    smooth = smooth_hidden(Picture(pixels, alpha))
    assert smooth.alpha is not None and np.array_equal(smooth.alpha, alpha)
    assert np.array_equal(smooth.pixels[alpha > 0], pixels[alpha > 0])
    if (alpha > 0).any():  # a continuation leaves the range of the visible colours nowhere
        assert smooth.pixels.min() >= pixels[alpha > 0].min()
        assert smooth.pixels.max() <= pixels[alpha > 0].max()


@pytest.mark.parametrize("alpha", [None, np.full((3, 5), 255, np.uint8)])
def test_nothing_hidden_nothing_done(alpha: np.ndarray | None) -> None:
    picture = Picture(np.arange(45, dtype=np.uint8).reshape(3, 5, 3), alpha)
    assert smooth_hidden(picture) is picture


def test_noise_under_transparency_becomes_the_colour_beside_it() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 96, 3), np.uint8)
    alpha = np.zeros((64, 96), np.uint8)
    noise[:, :48], alpha[:, :48] = (200, 40, 90), 255
    assert (smooth_hidden(Picture(noise, alpha)).pixels == (200, 40, 90)).all()
    alpha[:] = 0
    assert np.unique(smooth_hidden(Picture(noise, alpha)).pixels).size == 1
