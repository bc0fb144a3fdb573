"""Pictures of every shape through the codec and back, with all that comes with them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import gencodec
from gencodec.bitstream import LATENTS, Container, Section, pack, unpack
from gencodec.codec import Codec
from gencodec.errors import ImageError
from gencodec.image import Picture

Photo = Callable[..., np.ndarray]
Psnr = Callable[[np.ndarray, np.ndarray], float]

# (height, width); 16 and 64 are the strides of y and z.
SIZES = [(1, 1), (1, 257), (257, 1), (65, 63), (16, 17), (15, 64), (33, 32), (120, 200)]


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_sizes(codec: Codec, photo: Photo, psnr: Psnr, height: int, width: int) -> None:
    pixels = photo(height, width)
    stream = codec.compress(pixels, quality=90)
    decoded = codec.decompress(stream)
    assert decoded.shape == pixels.shape and decoded.dtype == np.uint8
    assert psnr(pixels, decoded) > 25
    assert np.array_equal(codec.decompress(stream), decoded)
    codec.verify(stream)


@pytest.mark.parametrize("size", [(1, 1), (40, 50)])
def test_grey(codec: Codec, photo: Photo, psnr: Psnr, size: tuple[int, int]) -> None:
    grey = photo(*size)[:, :, 1]
    for given in (grey, grey[:, :, None], np.repeat(grey[:, :, None], 3, axis=2)):
        stream = codec.compress(given, quality=90)
        assert gencodec.info(stream).grey
        decoded = codec.decompress(stream)
        assert decoded.shape == grey.shape
        assert psnr(grey, decoded) > 25


def test_what_is_hidden_costs_nothing_and_shows_nowhere(codec: Codec, photo: Photo) -> None:
    """Whatever stands under transparent pixels, the stream is the same."""
    alpha = np.zeros((48, 64), np.uint8)
    alpha[10:40, 20:50] = 200
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    streams = []
    for hidden in (noise, np.zeros_like(noise), 255 - noise):
        pixels = np.where(alpha[..., None] > 0, photo(48, 64), hidden)
        streams.append(codec.compress(np.dstack([pixels, alpha])))
        streams.append(codec.compress_batch([np.dstack([pixels, alpha])])[0])
    assert len(set(streams)) == 1


@pytest.mark.parametrize("size", [(1, 1), (47, 33)])
def test_alpha_is_exact(codec: Codec, photo: Photo, size: tuple[int, int]) -> None:
    alpha = np.random.default_rng(0).integers(0, 250, size, np.uint8)
    given = np.dstack([photo(*size), alpha])
    decoded = codec.decompress(codec.compress(given))
    assert decoded.shape == given.shape
    assert np.array_equal(decoded[:, :, 3], alpha)


def test_alpha_over_grey_and_constant_alpha(codec: Codec, photo: Photo) -> None:
    grey = photo(20, 30)[:, :, 0]
    decoded = codec.decompress(codec.compress(np.dstack([grey, np.full_like(grey, 99)])))
    assert decoded.shape == (20, 30, 4) and (decoded[:, :, 3] == 99).all()
    assert np.array_equal(decoded[:, :, 0], decoded[:, :, 2])
    opaque = np.dstack([photo(20, 30), np.full((20, 30), 255, np.uint8)])
    assert codec.decompress(codec.compress(opaque)).shape == (20, 30, 3)


def test_metadata(codec: Codec, photo: Photo) -> None:
    exif = b"II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    picture = Picture(photo(30, 20), icc=b"profile" * 90, exif=exif, xmp=b"<x/>")
    decoded = codec.decompress_picture(codec.compress_picture(picture))
    assert (decoded.icc, decoded.exif, decoded.xmp) == (picture.icc, exif, b"<x/>")
    assert decoded.notes == () and decoded.alpha is None
    assert (decoded.width, decoded.height) == (20, 30)


def test_everything_that_is_a_picture(codec: Codec, photo: Photo, tmp_path: Path) -> None:
    pixels = photo(24, 40)
    image = Image.fromarray(pixels)
    image.save(tmp_path / "a.png")
    streams = {
        codec.compress(given)
        for given in (pixels, image, Picture(pixels), tmp_path / "a.png", str(tmp_path / "a.png"))
    }
    assert len(streams) == 1
    for wrong in (3, None, [pixels], pixels.astype(np.float32), pixels[:0], tmp_path / "none.png"):
        with pytest.raises(ImageError):
            codec.compress(wrong)  # type: ignore[arg-type]


def test_arrays_that_are_views(codec: Codec, photo: Photo) -> None:
    pixels = photo(40, 60)
    view = pixels[::-1, 3:50:2]
    read_only = np.ascontiguousarray(view)
    read_only.setflags(write=False)
    before = pixels.copy()
    assert codec.compress(view) == codec.compress(read_only)
    assert np.array_equal(pixels, before)


@pytest.mark.parametrize("quality", [0, 0.0, 33.3, 100, np.float64(50), np.int64(7)])
def test_quality_is_any_number_in_range(tiny: Codec, photo: Photo, quality: float) -> None:
    step = gencodec.info(tiny.compress(photo(8, 8), quality=quality)).step
    assert abs(step - float(quality) * 2.55) < 0.51


@pytest.mark.parametrize("quality", [-0.1, 100.1, float("nan"), float("inf")])
def test_quality_out_of_range(tiny: Codec, photo: Photo, quality: float) -> None:
    with pytest.raises(ValueError, match="quality"):
        tiny.compress(photo(8, 8), quality=quality)
    with pytest.raises(ValueError, match="quality"):
        tiny.compress_batch([photo(8, 8)], quality=quality)


def test_an_unknown_optional_section_is_skipped(codec: Codec, photo: Photo) -> None:
    stream = codec.compress(photo(20, 20))
    container = unpack(stream)
    (latents,) = container.sections
    assert latents.tag == LATENTS
    other = pack(Container(container.header, (Section(0xF0, b"from the future"), latents)))
    assert np.array_equal(codec.decompress(other), codec.decompress(stream))


def test_the_functions_of_the_package(codec: Codec, photo: Photo, tmp_path: Path) -> None:
    pixels = photo(30, 44)
    stream = gencodec.compress(pixels, quality=70, device="cpu")
    assert stream == codec.compress(pixels, quality=70)
    assert np.array_equal(gencodec.decompress(stream, device="cpu"), codec.decompress(stream))
    info = gencodec.info(stream)
    assert (info.width, info.height, info.file_bytes) == (44, 30, len(stream))
    assert info.weights_id == codec.weights_id.hex()
    assert info.checks_ok and info.complete and info.problem is None
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path)
    assert gencodec.compress(str(path), quality=70, device="cpu") == stream
    assert gencodec.compress(Image.open(io.BytesIO(path.read_bytes())), quality=70) == stream


def test_other_weights_by_their_path(codec: Codec, tiny_path: Path, photo: Photo) -> None:
    """A codec reads streams of its own weights even where they are not installed."""
    pixels = photo(20, 30)
    stream = gencodec.compress(pixels, model=tiny_path, device="cpu")
    tiny = Codec.load(tiny_path, device="cpu")
    assert gencodec.info(stream).weights_id == tiny.weights_id.hex()
    assert tiny.decompress(stream).shape == pixels.shape
    # and those of the installed weights as well
    shipped = codec.compress(pixels)
    assert np.array_equal(tiny.decompress(shipped), codec.decompress(shipped))
