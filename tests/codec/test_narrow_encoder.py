"""bfloat16 in the encoder's blocks: other roundings, same files for every decoder."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle

import numpy as np
import pytest
import torch

from gencodec.codec import Codec, device
from gencodec.model.layers import TransformBlock
from gencodec.model.vae import ImageVae

Photo = Callable[..., np.ndarray]
Psnr = Callable[[np.ndarray, np.ndarray], float]


@pytest.fixture(scope="module")
def by_arithmetic() -> dict[bool, Codec]:
    """The shipped codec with and without bfloat16, whatever this machine would choose."""
    with pytest.MonkeyPatch.context() as patch:
        codecs = {}
        for narrow in (False, True):
            patch.setattr(device, "multiplies_bfloat16", lambda narrow=narrow: narrow)
            codecs[narrow] = Codec.load(device="cpu")
        return codecs


@pytest.mark.parametrize(("share", "taken"), [(0.5, True), (0.9, False), (2.0, False)])
def test_bfloat16_has_to_pay(monkeypatch: pytest.MonkeyPatch, share: float, taken: bool) -> None:
    """Instructions may be there and slow; one slow moment decides nothing."""
    waits = cycle([1.0, 5.0, 1.2])

    def seconds(a: torch.Tensor, b: torch.Tensor) -> float:
        return next(waits) * (share if a.dtype == torch.bfloat16 else 1.0)

    monkeypatch.setattr(device, "_has_bfloat16", lambda: True)
    monkeypatch.setattr(device, "_seconds", seconds)
    assert device.multiplies_bfloat16.__wrapped__() is taken


def test_bfloat16_needs_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_has_bfloat16", lambda: False)
    assert device.multiplies_bfloat16.__wrapped__() is False


def block_types(part: torch.nn.Module) -> set[torch.dtype]:
    blocks = [module for module in part.modules() if isinstance(module, TransformBlock)]
    return {parameter.dtype for block in blocks for parameter in block.parameters()}


def test_only_the_encoder_is_narrow(by_arithmetic: dict[bool, Codec]) -> None:
    wide, narrow = (by_arithmetic[key].weights.vae for key in (False, True))
    assert isinstance(narrow, ImageVae)
    for part in (wide.g_a, wide.h_a, wide.g_s, narrow.g_s):
        assert block_types(part) == {torch.float32}
    for part in (narrow.g_a, narrow.h_a):
        assert block_types(part) == {torch.bfloat16}
        assert part.enter.weight.dtype == torch.float32


@pytest.mark.parametrize("quality", [20, 90])
def test_nothing_is_lost(
    by_arithmetic: dict[bool, Codec], photo: Photo, psnr: Psnr, quality: int
) -> None:
    pictures = [photo(97, 161, seed) for seed in range(4)]  # in one, chance alone moves 0.15 dB
    sizes, distances = [], []
    for codec in by_arithmetic.values():
        streams = [codec.compress(picture, quality=quality) for picture in pictures]
        for decoder in by_arithmetic.values():
            for stream in streams:
                decoder.verify(stream)
        sizes.append(sum(map(len, streams)))
        decoded = map(by_arithmetic[False].decompress, streams)
        distances.append(float(np.mean([*map(psnr, pictures, decoded)])))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.01)
    assert distances[1] == pytest.approx(distances[0], abs=0.08)
