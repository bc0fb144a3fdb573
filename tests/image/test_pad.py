from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gencodec.image import crop, pad

SIZES = [(1, 1), (1, 257), (257, 1), (63, 65), (64, 64)]

shapes = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40).flatmap(
    lambda sides: st.sampled_from([sides, (*sides, 3)])
)


@given(hnp.arrays(np.uint8, shapes), st.sampled_from([1, 2, 16, 64]))
def test_round_trip(pixels: np.ndarray, multiple: int) -> None:
    padded = pad(pixels, multiple)
    height, width = pixels.shape[:2]
    assert padded.shape[0] % multiple == 0 and padded.shape[1] % multiple == 0
    assert padded.shape[0] - height < multiple and padded.shape[1] - width < multiple
    assert padded.shape[2:] == pixels.shape[2:] and padded.dtype == np.uint8
    assert np.array_equal(crop(padded, width, height), pixels)


@pytest.mark.parametrize("size", SIZES)
def test_edges_are_repeated(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    padded = pad(pixels, 64)
    assert (padded[size[0] :, : size[1]] == pixels[-1]).all()
    assert (padded[: size[0], size[1] :] == pixels[:, -1:]).all()
    assert (padded[size[0] :, size[1] :] == pixels[-1, -1]).all()


def test_nothing_to_do_copies_nothing() -> None:
    pixels = np.zeros((64, 128, 3), np.uint8)
    assert pad(pixels, 64) is pixels


@pytest.mark.parametrize("size", [(0, 1), (1, 0), (11, 1), (1, 21), (-1, 1)])
def test_crop_checks_its_range(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="cannot crop"):
        crop(np.zeros((20, 10, 3), np.uint8), *size)


def test_pad_checks_its_multiple() -> None:
    with pytest.raises(ValueError, match="multiple"):
        pad(np.zeros((2, 2), np.uint8), 0)
