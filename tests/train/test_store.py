"""Cutting crops from the pictures to train on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import numpy as np
import pytest
import torch
from torch.nn import functional

from gencodec.train.store import PhotoStore, shrunk

Make = Callable[..., np.ndarray]
CPU = torch.device("cpu")


def test_shrunk_crops_are_not_of_a_few_large_pictures_only(photo: Make) -> None:
    store = PhotoStore([photo(64, 64, seed) for seed in range(4)] + [photo(128, 128)], CPU)
    assert (store.largest_side(), store.usual_side()) == (128, 64)
    assert store.largest_side(48) == 96
    asked: list[int] = []

    def windows(count: int, source: int, rng: np.random.Generator) -> NoReturn:
        asked.append(source)
        raise LookupError

    store._windows = windows  # type: ignore[method-assign]
    for seed in range(30):
        with pytest.raises(LookupError):
            store.crops(2, 48, np.random.default_rng(seed))
    assert min(asked) == 48 and max(asked) == 64


def test_crops_are_as_large_as_most_pictures_allow(photo: Make) -> None:
    """One large picture among many small ones, or a tiny one, does not decide for all."""
    small = [photo(120, 130, seed) for seed in range(8)]
    store = PhotoStore([*small, photo(256, 256)], CPU)
    assert (store.crop_side(192), store.crop_side(96), store.too_small(112)) == (112, 96, 0)
    assert PhotoStore([*small, photo(10, 300)], CPU).crop_side(192) == 112
    assert PhotoStore([photo(20, 20)] * 3 + [photo(200, 200)], CPU).crop_side(192) == 64
    assert PhotoStore([photo(40, 50)], CPU).crop_side(192) == 32


def test_crops_are_pieces_of_the_pictures(photo: Make) -> None:
    pictures = [photo(64, 96, 0), photo(150, 70, 1), photo(30, 200, 2)]
    store = PhotoStore(pictures, CPU)
    assert len(store) == 3
    assert (store.largest_side(), store.too_small(48)) == (70, 1)
    plain = 0
    for seed in range(12):
        crops = store.crops(5, 48, np.random.default_rng(seed))
        assert crops.shape == (5, 3, 48, 48) and crops.dtype == torch.float32
        assert 0.0 <= float(crops.min()) and float(crops.max()) <= 1.0
        levels = crops * 255
        if torch.allclose(levels, levels.round(), atol=1e-4):  # not shrunk, maybe turned
            plain += 1
            for crop in levels.round().to(torch.uint8):
                assert is_in(crop.permute(1, 2, 0).numpy(), pictures)
    assert 2 <= plain <= 10


def is_in(crop: np.ndarray, pictures: list[np.ndarray]) -> bool:
    """Whether a crop stands somewhere in a picture, perhaps mirrored or transposed."""
    mirrored = [crop, crop[::-1], crop[:, ::-1], crop[::-1, ::-1]]
    turned = mirrored + [part.swapaxes(0, 1) for part in mirrored]
    side = crop.shape[0]
    for picture in pictures:
        height, width = picture.shape[:2]
        for candidate in turned:
            corner = (picture[: height - side + 1, : width - side + 1] == candidate[0, 0]).all(2)
            for row, column in np.argwhere(corner) if min(height, width) >= side else ():
                piece = picture[row : row + side, column : column + side]
                if np.array_equal(piece, candidate):
                    return True
    return False


def test_crops_repeat_with_their_seed(photo: Make) -> None:
    store = PhotoStore([photo(80, 90, seed) for seed in range(3)], CPU)
    first, again, other = (store.crops(4, 32, np.random.default_rng(s)) for s in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_shrinking_is_torchs(photo: Make) -> None:
    x = torch.from_numpy(photo(93, 93)).permute(2, 0, 1)[None].float() / 255.0
    for side in (92, 64, 47):
        wanted = functional.interpolate(x, (side, side), mode="bicubic", antialias=True)
        assert float((shrunk(x, side) - wanted.clamp(0, 1)).abs().max()) < 1e-5


def test_a_store_grows(photo: Make) -> None:
    pictures = [photo(50, 60, seed) for seed in range(4)]
    whole, grown = PhotoStore(pictures, CPU), PhotoStore(pictures[:1], CPU)
    grown.extend(pictures[1:])
    grown.extend([])
    assert len(grown) == 4 and grown.megapixels() == pytest.approx(4 * 3000 / 1e6)
    for index, pixels in enumerate(pictures):
        assert np.array_equal(grown.photo(index), pixels)
    first, second = (store.crops(6, 32, np.random.default_rng(1)) for store in (whole, grown))
    assert torch.equal(first, second)
    assert [len(whole.spread(count)) for count in (1, 3, 9)] == [1, 3, 4]


def test_no_pictures_at_all() -> None:
    with pytest.raises(ValueError, match="no pictures"):
        PhotoStore([], CPU)
