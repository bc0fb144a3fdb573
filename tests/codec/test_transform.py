"""Whole pictures in windows of bounded memory, and pictures in batches."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import gencodec
from gencodec.codec import Codec, batch, transform
from gencodec.codec.transform import Window, analyze, synthesize
from gencodec.errors import ChecksumError, ImageError, TruncatedError
from gencodec.model.vae import ImageVae

Photo = Callable[..., np.ndarray]
Psnr = Callable[[np.ndarray, np.ndarray], float]
STEP = torch.tensor([200])


@pytest.mark.parametrize(("height", "width"), [(400, 33), (261, 400), (33, 700), (700, 1)])
def test_windows_are_the_whole(
    codec: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch, height: int, width: int
) -> None:
    vae, pixels = codec.weights.vae, photo(height, width)[None]
    y = analyze(vae, pixels, STEP)
    x_hat = synthesize(vae, torch.round(y), STEP, width, height)
    monkeypatch.setattr(transform, "WINDOW_PIXELS", 1)
    assert len(windows(vae, y.shape[2], y.shape[3])) > 1
    y_again = analyze(vae, pixels, STEP)
    assert y_again.shape == y.shape
    assert float((y_again - y).abs().max()) <= 1e-3 * float(y.abs().max())
    again = synthesize(vae, torch.round(y), STEP, width, height)
    assert np.abs(again.astype(int) - x_hat).max() <= 1


def test_windows_need_their_margin(
    tiny: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test above can fail: with too small a margin the seams show."""
    vae, pixels = tiny.weights.vae, photo(300, 300)[None]
    y = analyze(vae, pixels, STEP)
    monkeypatch.setattr(transform, "WINDOW_PIXELS", 9 * 256)
    assert torch.allclose(analyze(vae, pixels, STEP), y, atol=1e-3)
    monkeypatch.setattr(transform, "latent_margin", lambda _: 0)
    assert not torch.allclose(analyze(vae, pixels, STEP), y, atol=1e-2)


def windows(vae: ImageVae, rows: int, columns: int) -> list[tuple[Window, Window]]:
    return list(transform._windows(vae, slice(0, rows), rows, slice(0, columns), columns))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (9, 300), (15, 16), (100, 7), (90, 80)])
@pytest.mark.parametrize("pixels", [1, 100_000, 1_500_000])
def test_windows_keep_every_position_once(
    codec: Codec, monkeypatch: pytest.MonkeyPatch, rows: int, columns: int, pixels: int
) -> None:
    monkeypatch.setattr(transform, "WINDOW_PIXELS", pixels)
    vae = codec.weights.vae
    margin = transform.latent_margin(vae)
    kept = np.zeros((rows, columns), int)
    for down, across in windows(vae, rows, columns):
        for window, end in ((down, rows), (across, columns)):
            assert window.first == max(0, window.start - margin)
            assert window.last == min(end, window.stop + margin)
            assert range(window.first, window.last)[window.inner] == range(
                window.start, window.stop
            )
        kept[down.start : down.stop, across.start : across.stop] += 1
        area = (down.last - down.first) * (across.last - across.first)
        assert area * 256 <= 2.5 * max(pixels, 256 * (4 * margin) ** 2)
    assert (kept == 1).all()


def test_y_is_bounded_and_finite(tiny: Codec) -> None:
    """Whatever the transform yields, what is rounded fits the coder."""
    with torch.inference_mode():
        vae = tiny.weights.vae
        bias = vae.g_a.down.bias
        assert bias is not None
        before = bias.clone()
        try:
            bias[0], bias[1], bias[2] = float("inf"), float("nan"), -1e30
            y = analyze(vae, np.full((1, 20, 20, 3), 255, np.uint8), STEP)
        finally:
            bias.copy_(before)
    assert bool(torch.isfinite(y).all()) and float(y.abs().max()) <= transform.Y_MAX


# Batches ---------------------------------------------------------------------------------------


def test_a_batch_is_its_pictures(codec: Codec, photo: Photo, psnr: Psnr) -> None:
    """Order, sizes, grey and alpha are kept; each stream stands alone."""
    alpha = np.dstack([photo(40, 56, 5), np.full((40, 56), 7, np.uint8)])
    pictures = [
        photo(40, 56, 0),
        photo(40, 56, 1),
        photo(17, 9, 2),
        photo(40, 56, 3),
        photo(40, 56, 4)[:, :, 0],
        alpha,
    ]
    streams = codec.compress_batch(pictures, quality=85)
    decoded = codec.decompress_batch(streams)
    assert len(streams) == len(decoded) == len(pictures)
    for picture, stream, pixels in zip(pictures, streams, decoded, strict=True):
        single = codec.compress(picture, quality=85)
        assert pixels.shape == picture.shape
        assert gencodec.info(stream).step == gencodec.info(single).step
        # g_a is float: a batch may round a symbol differently, a decoder never decodes it so.
        assert len(stream) == pytest.approx(len(single), rel=0.01, abs=8)
        assert np.abs(codec.decompress(stream).astype(int) - pixels).max() <= 1
        assert psnr(picture, pixels) > 25


def test_batches_of_other_qualities_and_sizes_decode_together(codec: Codec, photo: Photo) -> None:
    streams = [codec.compress(photo(30, 40, q), quality=q) for q in (0, 50, 100)]
    streams.insert(1, codec.compress(photo(40, 30), quality=50))
    for stream, pixels in zip(streams, codec.decompress_batch(streams), strict=True):
        assert np.abs(codec.decompress(stream).astype(int) - pixels).max() <= 1


def test_large_batches_go_in_parts(
    tiny: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [photo(20, 20, seed) for seed in range(7)]
    monkeypatch.setattr(batch, "BATCH_PIXELS", 3 * 400)
    groups = list(batch._groups([(20, 20, None)] * 7))
    assert [len(group) for group in groups] == [3, 3, 1]
    decoded = tiny.decompress_batch(tiny.compress_batch(pictures))
    assert len(decoded) == 7 and not np.array_equal(decoded[0], decoded[6])
    monkeypatch.setattr(batch, "BATCH_PIXELS", 1)  # a picture larger than a batch
    assert len(tiny.compress_batch(pictures[:2])) == 2


def test_empty_batches_and_bad_members(tiny: Codec, photo: Photo) -> None:
    assert tiny.compress_batch([]) == [] and tiny.decompress_batch([]) == []
    good = tiny.compress(photo(20, 20))
    with pytest.raises(ImageError):
        tiny.compress_batch([photo(20, 20), "no such file.png"])
    with pytest.raises(TruncatedError):
        tiny.decompress_batch([good, good[:-9]])
    with pytest.raises(ChecksumError):
        tiny.decompress_batch([good, good[:-1] + bytes((good[-1] ^ 1,))])
