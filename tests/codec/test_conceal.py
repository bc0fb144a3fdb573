"""What is shown in place of latents that are missing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from gencodec.bitstream import LATENTS, unpack
from gencodec.codec import Codec, latents
from gencodec.codec.conceal import conceal

Photo = Callable[..., np.ndarray]
Psnr = Callable[[np.ndarray, np.ndarray], float]


def test_what_is_known_stays() -> None:
    y_hat = torch.randn(1, 5, 9, 7)
    known = torch.rand(y_hat.shape) < 0.3
    filled = conceal(y_hat, known)
    assert torch.equal(filled[known], y_hat[known]) and bool(torch.isfinite(filled).all())
    assert torch.equal(conceal(y_hat, torch.ones_like(known)), y_hat)


def test_slow_channels_are_interpolated_and_wild_ones_left_to_the_prior() -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(40.0), indexing="ij")
    slow = 3 * torch.sin(rows / 8) + 2 * torch.cos(columns / 9)
    y = torch.stack([slow, torch.randn(40, 40, generator=torch.Generator().manual_seed(0))])[None]
    known = torch.zeros(y.shape, dtype=torch.bool)
    known[:, :, ::2, ::2] = True
    filled = conceal(torch.where(known, y, 0.0), known)
    missing = ~known[0, 0]
    error = (filled - y)[0, :, missing].square().mean(1)
    assert error[0] < 0.05 * slow[missing].square().mean()
    assert error[1] < 1.3


def test_a_channel_of_which_nothing_is_known_becomes_flat() -> None:
    y_hat = torch.randn(1, 3, 8, 8)
    filled = conceal(y_hat, torch.zeros_like(y_hat, dtype=torch.bool))
    assert torch.allclose(filled, y_hat.mean((2, 3), keepdim=True).expand_as(y_hat))


def test_each_channel_is_filled_by_itself() -> None:
    y_hat = torch.randn(1, 40, 8, 9)
    known = torch.rand(y_hat.shape) < 0.4
    filled = conceal(y_hat, known)
    for channel in (0, 15, 16, 39):
        alone = slice(channel, channel + 1)
        assert torch.allclose(filled[:, alone], conceal(y_hat[:, alone], known[:, alone]))


def test_a_preview_gains(
    codec: Codec, photo: Photo, psnr: Psnr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pictures are smooth: nearer to them than what the prior makes of the symbols alone."""
    gains = []
    for seed in (1, 2, 3):
        smooth = Image.fromarray(photo(384, 384, seed)).filter(ImageFilter.GaussianBlur(16))
        pixels = np.asarray(smooth)
        stream = codec.compress(pixels, quality=70, tile=384)
        container = unpack(stream)
        payload = container.section(LATENTS)
        assert container.tiles is not None and payload is not None
        cut = stream[: stream.index(payload) + container.tiles.starts[1][0]]
        shown = codec.decompress_picture(cut, allow_truncated=True).pixels
        with monkeypatch.context() as patch:
            patch.setattr(latents, "conceal", lambda y_hat, _: y_hat)
            plain = codec.decompress_picture(cut, allow_truncated=True).pixels
        gains.append(psnr(pixels, shown) - psnr(pixels, plain))
    assert np.mean(gains) > 1.0
