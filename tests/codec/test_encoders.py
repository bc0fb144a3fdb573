"""Other weights and other encoders for a tune: what they make, everyone reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gencodec.bitstream import unpack
from gencodec.codec import Codec
from gencodec.codec.shelf import Tunes
from gencodec.errors import WeightsError
from gencodec.model.encoders import pack_encoder
from gencodec.model.registry import find_weights
from gencodec.model.transforms import Analysis

Photo = Callable[..., np.ndarray]
CPU = torch.device("cpu")


def write_encoder(codec: Codec, path: Path) -> Path:
    """One whose g_a is that of the codec with its finest detail turned down."""
    weights = codec.weights
    g_a = Analysis(weights.vae.config)
    g_a.load_state_dict(weights.vae.g_a.state_dict())
    with torch.no_grad():
        g_a.gain.log_gain[:, -g_a.gain.log_gain.shape[1] // 2 :] -= 1.0
    path.write_bytes(pack_encoder(g_a, weights))
    return path


@pytest.fixture
def tuned(tiny: Codec, tmp_path: Path) -> Codec:
    """The tiny codec with an encoder for ssim."""
    path = write_encoder(tiny, tmp_path / "tiny.ssim.safetensors")
    return Codec(tiny.weights, CPU, Tunes(encoders={"ssim": path}))


def test_tune_takes_the_encoder_there_is(tiny: Codec, tuned: Codec, photo: Photo) -> None:
    pixels = photo(70, 90)
    plain, other = (tuned.compress(pixels, tune=tune) for tune in ("mse", "ssim"))
    assert plain == tiny.compress(pixels) != other
    tiny.verify(other)
    assert np.array_equal(tiny.decompress(other), tuned.decompress(other))
    assert tuned.compress_batch([pixels], tune="ssim") == [other]
    assert tuned.compress_to_size(pixels, len(other), tune="ssim")
    with_effort = tuned.compress(pixels, tune="ssim", effort=2)
    assert with_effort != tiny.compress(pixels, tune="ssim", effort=2)
    tiny.verify(with_effort)


def test_weights_without_an_encoder_need_an_effort(tiny: Codec, photo: Photo) -> None:
    pixels = photo(20, 20)
    for compress in (tiny.compress, lambda image, tune: tiny.compress_batch([image], tune=tune)):
        with pytest.raises(ValueError, match="needs an effort of at least 1 with these weights"):
            compress(pixels, tune="ssim")
    tiny.verify(tiny.compress(pixels, tune="ssim", effort=1))


def test_an_encoder_file_is_a_model(
    codec: Codec, photo: Photo, tmp_path: Path, threads: Callable[[int], None]
) -> None:
    """Where the weights it was trained for are installed."""
    threads(1)
    path = write_encoder(Codec.load(device="cpu"), tmp_path / "own.safetensors")
    own, pixels = Codec.load(path, device="cpu"), photo(70, 90)
    assert own.weights_id == codec.weights_id
    stream = own.compress(pixels)
    assert stream != codec.compress(pixels)
    codec.verify(stream)


def test_an_encoder_for_weights_that_are_not_here(tiny: Codec, tmp_path: Path) -> None:
    path = write_encoder(tiny, tmp_path / "own.safetensors")
    with pytest.raises(WeightsError, match="which are not installed here"):
        Codec.load(path, device="cpu")


def test_the_default_weights_have_others_beside_them(codec: Codec, photo: Photo) -> None:
    """Where no weights are named, a tune takes those that were trained for it."""
    plain, tuned = find_weights(), find_weights(None, "ssim")
    assert (plain.default_for, tuned.default_for) == (("mse",), ("ssim",))
    assert (plain.tune, tuned.tune) == ("mse", "ssim")
    pixels = photo(64, 64)
    stream = codec.compress(pixels, tune="ssim")
    assert unpack(stream).header.weights_id.hex() == tuned.id_hex[:8] != codec.weights_id.hex()
    assert codec.compress_batch([pixels, pixels], tune="ssim") == [stream, stream]
    own = Codec.load(tuned.name, device="cpu")
    assert own.compress(pixels) == own.compress(pixels, tune="ssim") == stream
    assert np.array_equal(codec.decompress(stream), own.decompress(stream))
    assert unpack(codec.compress(pixels)).header.weights_id == codec.weights_id


def test_weights_that_are_named_are_the_ones_taken(codec: Codec, photo: Photo) -> None:
    """For a tune they take the encoder that they come with."""
    entry, pixels = find_weights("base-5"), photo(64, 64)
    named = Codec.load(entry.name, device="cpu")
    stream = named.compress(pixels, tune="ssim")
    assert unpack(stream).header.weights_id == named.weights_id
    assert stream != named.compress(pixels)
    assert Codec.load(entry.encoders["ssim"], device="cpu").compress(pixels) == stream
    codec.verify(stream)
