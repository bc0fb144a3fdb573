from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from gencodec import bitstream
from gencodec.errors import ImageError, OutputError
from gencodec.image import (
    DEFAULT_MAX_PIXELS,
    SUFFIXES,
    Picture,
    picture_from_pil,
    read_picture,
    write_picture,
)
from gencodec.image.metadata import MAX_METADATA_BYTES

SHAPES = [(1, 1), (1, 257), (63, 65), (1, 1, 3), (257, 1, 3), (63, 65, 3)]
LOSSLESS = ["PNG", "WEBP", "TIFF"]


def noise(*shape: int) -> np.ndarray:
    array = np.random.default_rng(5).integers(0, 256, shape, np.uint8)
    array.flat[:1] = 4  # never grey nor opaque by chance
    return array


def written(picture: Picture, format: str) -> bytes:
    buffer = io.BytesIO()
    write_picture(picture, buffer, format=format)
    return buffer.getvalue()


def exif() -> bytes:
    block = Image.Exif()
    block[0x010F] = "A maker"
    block.get_ifd(0x8769)[0x8827] = 400
    return block.tobytes().removeprefix(b"Exif\0\0")


METADATA: dict[str, Any] = {
    "icc": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    "exif": exif(),
    "xmp": "<x:xmpmeta>\u00e4</x:xmpmeta>".encode(),
}


@pytest.mark.parametrize("format", LOSSLESS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("with_alpha", [False, True])
def test_lossless_round_trip(format: str, shape: tuple[int, ...], with_alpha: bool) -> None:
    alpha = noise(*shape[:2]) if with_alpha else None
    picture = Picture(noise(*shape), alpha)
    again = read_picture(written(picture, format))
    assert np.array_equal(again.pixels, picture.pixels)
    if alpha is None:
        assert again.alpha is None
    else:
        assert again.alpha is not None and np.array_equal(again.alpha, alpha)


@pytest.mark.parametrize("shape", SHAPES)
def test_ppm_round_trip(shape: tuple[int, ...]) -> None:
    data = written(Picture(noise(*shape)), "PPM")
    assert data[:2] == (b"P6" if len(shape) == 3 else b"P5")
    assert np.array_equal(read_picture(data).pixels, noise(*shape))


def test_jpeg_is_near() -> None:
    ramp = np.add.outer(np.arange(63), np.arange(65)).astype(np.uint8)
    for pixels in (ramp, np.dstack([ramp, ramp, ramp + 40])):
        again = read_picture(written(Picture(pixels), "JPEG"))
        assert again.pixels.shape == pixels.shape
        assert np.abs(again.pixels.astype(int) - pixels).mean() < 2


@pytest.mark.parametrize("format", [*LOSSLESS, "JPEG"])
def test_metadata_round_trip(format: str) -> None:
    again = read_picture(written(Picture(noise(20, 30, 3), **METADATA), format))
    assert again.icc == METADATA["icc"] and again.xmp == METADATA["xmp"]
    assert again.notes == () and again.exif is not None
    if format == "TIFF":  # a TIFF file is its own EXIF block, so its bytes are arranged anew
        block = Image.Exif()
        block.load(again.exif)
        assert block[0x010F] == "A maker" and block.get_ifd(0x8769)[0x8827] == 400
    else:
        assert again.exif == METADATA["exif"]


def test_xmp_that_is_no_text_survives_in_png() -> None:
    picture = Picture(noise(3, 3), xmp=b"\xff\xfe<\0x\0/\0>\0")
    assert read_picture(written(picture, "PNG")).xmp == picture.xmp


def test_ppm_drops_metadata() -> None:
    assert read_picture(written(Picture(noise(3, 4, 3), **METADATA), "PPM")).icc is None


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG", ""])
def test_the_suffix_decides(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"a{suffix}"
    write_picture(Picture(noise(9, 8, 3)), target)
    with Image.open(target) as image:
        assert image.format == SUFFIXES.get(suffix.lower(), "PNG")


def test_the_format_wins_over_the_suffix(tmp_path: Path) -> None:
    write_picture(Picture(noise(9, 8)), tmp_path / "a.jpg", format="png")
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.format == "PNG"


@pytest.mark.parametrize("name", ["a.xyz", "a.gnc", "a.pdf"])
def test_unknown_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match="known formats are jpeg, png"):
        write_picture(Picture(noise(3, 3)), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".jpg", ".ppm"])
def test_transparency_is_not_lost_silently(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(OutputError, match="transparency"):
        write_picture(Picture(noise(3, 3), noise(3, 3)), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_is_an_output_error() -> None:
    with pytest.raises(OutputError, match="WEBP"):
        written(Picture(np.zeros((1, 20000), np.uint8)), "WEBP")
    with pytest.raises(OutputError, match="JPEG"):
        written(Picture(noise(3, 3), exif=METADATA["exif"] + bytes(70000)), "JPEG")


def test_existing_files_are_kept_unless_told(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    write_picture(Picture(noise(3, 3)), target)
    before = target.read_bytes()
    with pytest.raises(OutputError, match="exists"):
        write_picture(Picture(noise(4, 4)), target)
    assert target.read_bytes() == before
    write_picture(Picture(noise(4, 4)), target, overwrite=True)
    assert read_picture(target).width == 4


def test_a_stream_that_fails_is_an_output_error() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space"):
        write_picture(Picture(noise(3, 3)), Full())


def test_sources(tmp_path: Path) -> None:
    picture = Picture(noise(3, 3, 3))
    target = tmp_path / "a.png"
    write_picture(picture, target)
    data = target.read_bytes()
    with target.open("rb") as stream:
        for source in (target, str(target), data, bytearray(data), stream):
            assert np.array_equal(read_picture(source).pixels, picture.pixels)  # type: ignore[arg-type]


def test_what_is_not_there_is_an_image_error(tmp_path: Path) -> None:
    for source in (tmp_path / "missing.png", tmp_path):
        with pytest.raises(ImageError, match="cannot read"):
            read_picture(source)


def test_metadata_over_the_bound_are_dropped_with_a_note() -> None:
    image = Image.new("RGB", (2, 2), (1, 2, 3))
    image.info["xmp"] = bytes(MAX_METADATA_BYTES + 1)
    picture = picture_from_pil(image)
    assert picture.xmp is None and "16 MiB" in picture.notes[0]


def test_bounds_are_those_of_the_stream() -> None:
    # Equal by rule, not by import: neither package stands above the other.
    assert MAX_METADATA_BYTES == bitstream.MAX_METADATA_BYTES
    assert DEFAULT_MAX_PIXELS == bitstream.Limits().max_pixels
