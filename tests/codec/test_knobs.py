"""Values as programs have them for quality, tile, effort, targets, scale and region."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

import gencodec
from gencodec.codec import Codec, Search, step_of
from gencodec.codec.tiles import choose_grid
from gencodec.codec.view import make_view

Photo = Callable[..., np.ndarray]

SMALL = [np.uint8, np.int8, np.float16, Decimal, Fraction, torch.tensor]


@pytest.mark.parametrize("kind", SMALL)
def test_numbers_of_other_kinds(kind: Any) -> None:
    """Since numpy 2, sums of its small integers and Python's wrap around or fail."""
    assert step_of(kind(60)) == step_of(60)
    assert choose_grid(300, 270, kind(64)) == choose_grid(300, 270, 64)
    view = make_view(300, 270, None, kind(2))
    assert view.reduced == make_view(300, 270, None, 2).reduced
    assert type(view.factor) is int and type(Search(kind(2)).effort) is int


@pytest.mark.parametrize("value", [None, "60", [60], np.array([1, 2])])
def test_what_is_no_number_is_refused_by_name(tiny: Codec, photo: Photo, value: Any) -> None:
    for name in ("quality", "effort"):
        with pytest.raises(TypeError, match=f"{name} must be a number, not"):
            tiny.compress(photo(16, 16), **{name: value})
    with pytest.raises(TypeError, match="target must be a number, not"):
        tiny.compress_to_size(photo(16, 16), value)


@pytest.mark.parametrize("value", [1.5, float("nan"), float("inf"), -(10**400)])
def test_numbers_of_no_use_are_refused_by_name(tiny: Codec, photo: Photo, value: Any) -> None:
    with pytest.raises(ValueError, match="effort must be from 0 to 1000 in whole rounds, not"):
        tiny.compress(photo(16, 16), effort=value)
    with pytest.raises(ValueError, match="tile must be a side in pixels, 'auto' or None, not"):
        tiny.compress(photo(16, 16), tile=value)
    if value != 1.5:
        with pytest.raises(ValueError, match="quality must be from 0 to 100, not"):
            tiny.compress(photo(16, 16), quality=value)


def test_a_target_that_is_not_a_number(tiny: Codec, photo: Photo) -> None:
    with pytest.raises(ValueError, match="target must be a number of bytes, not nan"):
        tiny.compress_to_size(photo(16, 16), float("nan"))  # type: ignore[arg-type]


@pytest.mark.parametrize("region", [(0, 0, 5), (0, 0, 5, 5, 5), (0, 0, 2.5, 5), "0,0,5,5", 5])
def test_a_region_of_another_form(tiny: Codec, photo: Photo, region: Any) -> None:
    stream = tiny.compress(photo(16, 16))
    with pytest.raises(ValueError, match=r"a region is .left, top, width, height. in whole"):
        tiny.decompress(stream, region=region)


def test_a_device_of_another_kind() -> None:
    with pytest.raises(gencodec.WeightsError, match="unknown device None"):
        Codec.load(device=None)  # type: ignore[arg-type]
