from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gencodec.errors import ImageError
from gencodec.image import Picture, picture_from_array, picture_from_pil, to_pil

SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, shape, np.uint8)


@given(hnp.arrays(np.uint8, SHAPES.flatmap(lambda s: st.sampled_from([s, (*s, 3), (*s, 4)]))))
def test_arrays_keep_their_values(array: np.ndarray) -> None:
    picture = picture_from_array(array)
    assert (picture.height, picture.width) == array.shape[:2]
    rgba = np.dstack([array] * 3) if array.ndim == 2 else array
    assert np.array_equal(np.array(to_pil(picture).convert("RGB")), rgba[..., :3])
    if array.ndim == 3 and array.shape[2] == 4 and array[..., 3].min() < 255:
        assert picture.alpha is not None and np.array_equal(picture.alpha, array[..., 3])
    else:
        assert picture.alpha is None


@pytest.mark.parametrize(
    ("shape", "grey", "alpha"),
    [
        ((5, 7), True, False),
        ((5, 7, 1), True, False),
        ((5, 7, 2), True, True),
        ((5, 7, 3), False, False),
        ((5, 7, 4), False, True),
    ],
)
def test_shapes(shape: tuple[int, ...], grey: bool, alpha: bool) -> None:
    picture = picture_from_array(noise(*shape))
    assert picture.grey == grey and (picture.alpha is not None) == alpha
    assert (picture.width, picture.height) == (7, 5)


def test_equal_channels_become_grey_and_opaque_alpha_none() -> None:
    grey = noise(63, 65)
    opaque = np.full((63, 65), 255, np.uint8)
    picture = picture_from_array(np.dstack([grey, grey, grey, opaque]))
    assert picture.grey and picture.alpha is None and np.array_equal(picture.pixels, grey)
    almost = np.dstack([grey] * 3)
    almost[-1, -1, 2] += 1
    assert not picture_from_array(almost).grey


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint16),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros((4,), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 0), np.uint8),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError):
        picture_from_array(array)


def test_a_picture_checks_its_arrays() -> None:
    for pixels in (noise(4, 4, 4), noise(4), np.zeros((4, 4), bool)):
        with pytest.raises(ImageError):
            Picture(pixels)
    for alpha in (noise(4, 5), np.zeros((4, 4), np.float32)):
        with pytest.raises(ImageError):
            Picture(noise(4, 4), alpha)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(1, 1), (1, 257, 3), (63, 65, 4), (63, 65, 2)])
def test_pillow_round_trip(shape: tuple[int, ...]) -> None:
    picture = picture_from_array(noise(*shape))
    again = picture_from_pil(to_pil(picture))
    assert np.array_equal(again.pixels, picture.pixels)
    if picture.alpha is None or again.alpha is None:
        assert again.alpha is picture.alpha
    else:
        assert np.array_equal(again.alpha, picture.alpha)


def test_pixels_are_writable() -> None:
    # torch.from_numpy warns of arrays that are not
    picture = picture_from_pil(to_pil(picture_from_array(noise(4, 4, 4))))
    assert picture.alpha is not None
    assert picture.pixels.flags.writeable and picture.alpha.flags.writeable
