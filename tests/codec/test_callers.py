"""Whatever the caller's torch is set to, streams and pixels are the same, and it stays so."""

from __future__ import annotations

import contextlib
import gc
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gencodec.codec import Codec, device, refine, search
from gencodec.errors import ImageError
from gencodec.model.registry import find_weights
from gencodec.model.transforms import Analysis

Photo = Callable[..., np.ndarray]
Mode = Callable[[], contextlib.AbstractContextManager[object]]


@contextlib.contextmanager
def default_type() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def reduced_precision() -> Iterator[None]:
    """On a CPU that knows bfloat16, products of float32 have eight bits then."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


MODES: dict[str, Mode] = {
    "inference": torch.inference_mode,
    "no gradients": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "default type": default_type,
    "default device": lambda: torch.device("meta"),
    "reduced precision": reduced_precision,
}


@pytest.fixture(scope="module")
def plain(codec: Codec, photo: Photo) -> tuple[list[bytes], np.ndarray]:
    streams = made(codec, photo(64, 80))
    return streams, codec.decompress(streams[0])


def made(codec: Codec, pixels: np.ndarray) -> list[bytes]:
    searched = codec.compress(pixels, quality=90, effort=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refine, "ANNEAL_FROM", 3)
        drawn = codec.compress(pixels, quality=90, effort=3, tune="ssim")
    return [codec.compress(pixels, quality=90), searched, drawn]


@pytest.mark.parametrize("mode", MODES)
def test_used_in_a_mode(
    codec: Codec, photo: Photo, plain: tuple[list[bytes], np.ndarray], mode: str
) -> None:
    with MODES[mode]():
        streams = made(codec, photo(64, 80))
        decoded = codec.decompress(streams[0])
    assert streams == plain[0]
    assert np.array_equal(decoded, plain[1])


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_in_a_mode(codec: Codec, photo: Photo, mode: str) -> None:
    pixels = photo(128, 160, 1)  # with half the digits, its z would round otherwise
    stream = codec.compress(pixels, quality=90)
    with MODES[mode]():
        assert codec.compress_batch([pixels], quality=90) == [stream]


@pytest.mark.parametrize("mode", MODES)
def test_loaded_in_a_mode(photo: Photo, plain: tuple[list[bytes], np.ndarray], mode: str) -> None:
    device.multiplies_bfloat16.cache_clear()  # also what is measured once in a process
    with MODES[mode]():
        codec = Codec.load(device="cpu")
        codec.compress(photo(16, 16), tune="ssim")
    assert made(codec, photo(64, 80)) == plain[0]


def test_an_encoder_loaded_in_inference_mode(photo: Photo) -> None:
    file: Path = find_weights("base-5").encoders["ssim"]
    with torch.inference_mode():
        codec = Codec.load(file, device="cpu")
    assert codec.compress(photo(32, 32), effort=1)


def test_the_callers_random_numbers_stay_in_step(photo: Photo) -> None:
    """Also where weights are loaded in the middle of something: for a tune, or for a file."""
    before = torch.get_rng_state()
    codec = Codec.load("base-5", device="cpu")
    streams = [codec.compress(photo(32, 32), tune="ssim")]
    streams.append(
        Codec.load(device="cpu").compress(photo(32, 32), effort=search.ANNEAL_FROM, tune="ssim")
    )
    for stream in streams:
        codec.decompress(stream)
    assert torch.equal(torch.get_rng_state(), before)


def test_threads_share_a_codec(photo: Photo, plain: tuple[list[bytes], np.ndarray]) -> None:
    """From its first use on, when each asks for weights that are not loaded yet."""
    pixels, tuned = photo(64, 80), Codec.load(find_weights(tune="ssim").name, device="cpu")
    wanted = plain[0][0], tuned.compress(pixels, quality=90)
    codec = Codec.load(device="cpu")

    def use(_: int) -> bool:
        made = tuple(codec.compress(pixels, quality=90, tune=tune) for tune in ("mse", "ssim"))
        decoded = [codec.decompress(stream) for stream in wanted]
        same = np.array_equal(decoded[1], tuned.decompress(wanted[1]))
        return made == wanted and same and np.array_equal(decoded[0], plain[1])

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(use, range(8)))


def test_what_fails_leaves_no_mode_behind(
    codec: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Analysis, "at_step", fail)
    with pytest.raises(MemoryError):
        codec.compress(photo(64, 64))
    gc.collect()
    assert not torch.is_inference_mode_enabled()
    assert (torch.ones(1, requires_grad=True) * 2).requires_grad


@pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="came with torch 2.9")
@pytest.mark.parametrize("before", ["none", "tf32"])
def test_what_followed_torchs_precision_follows_it_again(
    codec: Codec, photo: Photo, before: str
) -> None:
    """A setting put back to what it was by name would never again follow the caller's."""
    backends: Any = torch.backends
    owners = [backends.mkldnn.conv, backends.cuda.matmul, backends.cudnn.conv]
    try:
        backends.fp32_precision = before
        codec.compress(photo(16, 16))
        backends.fp32_precision = "ieee"
        assert [owner.fp32_precision for owner in owners] == ["ieee"] * 3
    finally:
        backends.fp32_precision = "none"


@pytest.mark.parametrize("effort", [0, 1])
def test_arrays_that_run_backwards(codec: Codec, photo: Photo, effort: int) -> None:
    """As OpenCV's pixels do, turned from blue-green-red."""
    pixels = photo(48, 64)
    for view in (pixels[:, :, ::-1], pixels[::-1], pixels[:, ::-1]):
        stream = codec.compress(view, effort=effort)
        assert stream == codec.compress(np.ascontiguousarray(view), effort=effort)


def test_a_path_of_any_kind(codec: Codec, photo: Photo, tmp_path: Path) -> None:
    Image.fromarray(photo(16, 16)).save(tmp_path / "a.png")
    with os.scandir(tmp_path) as entries:
        assert [codec.compress(entry) for entry in entries] == [codec.compress(photo(16, 16))]
    with pytest.raises(ImageError, match="cannot read : No such file"):
        codec.compress("")


def test_what_is_no_picture_is_told_what_is(codec: Codec) -> None:
    for image in (io.BytesIO(), torch.zeros(3, 4, 4), [[0]], b"x", None):
        with pytest.raises(ImageError, match="give a path, a PIL image"):
            codec.compress(image)  # type: ignore[arg-type]
