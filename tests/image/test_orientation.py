from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from gencodec.image import picture_from_pil, read_picture, to_pil
from gencodec.image.orientation import reset_in_exif, reset_in_xmp, upright

TAG = 0x0112
TURNS = range(1, 9)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, np.uint8)


def exif_of(turned: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "A maker"
    exif[TAG] = turned
    return exif


def xmp_of(turned: int) -> bytes:
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="'
        + str(turned).encode()
        + b'"/></rdf:RDF></x:xmpmeta>'
    )


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("turned", TURNS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 257, 3), (63, 65, 3)])
def test_pixels_turn_as_pillow_turns_them(turned: int, shape: tuple[int, ...]) -> None:
    image = Image.fromarray(noise(*shape))
    image.getexif()[TAG] = turned
    expected = np.asarray(ImageOps.exif_transpose(image))
    result = upright(np.asarray(image), turned)
    assert np.array_equal(result, expected) and result.flags.c_contiguous


@pytest.mark.parametrize("turned", TURNS)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_files_come_out_upright(turned: int, kind: str) -> None:
    array = noise(5, 7, 4)
    options: dict[str, object] = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(array), kind, exif=exif_of(turned), **options)
    picture = read_picture(data)
    assert np.array_equal(picture.pixels, upright(array[..., :3], turned))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, upright(array[..., 3], turned))
    assert picture.exif is not None and picture.notes == ()
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[0x010F] == "A maker" and kept.get(TAG, 1) == 1
    # Read once more, it does not turn again.
    assert np.array_equal(picture_from_pil(to_pil(picture)).pixels, picture.pixels)


@pytest.mark.parametrize("turned", TURNS)
def test_jpeg_comes_out_upright(turned: int) -> None:
    array = np.zeros((64, 96, 3), np.uint8)
    array[:32, :48] = 255
    picture = read_picture(encoded(Image.fromarray(array), "JPEG", exif=exif_of(turned)))
    expected = upright(array[..., 0], turned).astype(int)
    assert picture.grey and np.abs(picture.pixels - expected).mean() < 4


@pytest.mark.parametrize("turned", TURNS)
def test_xmp_alone_turns_the_picture(turned: int) -> None:
    array = noise(5, 7, 3)
    options = {"lossless": True, "xmp": xmp_of(turned)}
    picture = read_picture(encoded(Image.fromarray(array), "WEBP", **options))
    assert np.array_equal(picture.pixels, upright(array, turned))
    assert picture.xmp == xmp_of(1)


def test_every_spelling_in_xmp_is_reset() -> None:
    assert reset_in_xmp(b"<tiff:Orientation>8</tiff:Orientation>") == (
        b"<tiff:Orientation>1</tiff:Orientation>"
    )
    assert reset_in_xmp(b"tiff:Orientation = '6' a='6'") == b"tiff:Orientation = '1' a='6'"
    assert reset_in_xmp(b"tiff:Orientation>16<") == b"tiff:Orientation>16<"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "code"), [(1, "B"), (3, "H"), (4, "I")])
def test_only_the_orientation_changes_in_exif(order: str, kind: int, code: str) -> None:
    value = struct.pack(order + code, 6).ljust(4, b"\0")
    one = struct.pack(order + code, 1).ljust(4, b"\0")
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HIH", 42, 8, 2)
    other = struct.pack(order + "HHI", 0x0100, 4, 1) + b"abcd"
    entry = struct.pack(order + "HHI", TAG, kind, 1)
    note = b"\0\0\0\0 maker note with offsets"
    exif = start + other + entry + value + note
    assert reset_in_exif(exif) == start + other + entry + one + note


@given(st.binary(max_size=80))
def test_broken_exif_comes_back_with_its_length(tail: bytes) -> None:
    for start in (b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II*\0"):
        assert len(reset_in_exif(start + tail)) == len(start + tail)


@given(st.binary(max_size=60))
def test_broken_exif_never_stops_a_picture(tail: bytes) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0" + tail
    picture = read_picture(encoded(Image.fromarray(noise(3, 4, 3)), "PNG", exif=exif))
    assert picture.width * picture.height == 12


def test_exif_that_is_no_tiff_block_is_dropped_with_a_note() -> None:
    data = encoded(Image.fromarray(noise(3, 4, 3)), "PNG", exif=b"Exif\0\0nonsense")
    picture = read_picture(data)
    assert picture.exif is None and picture.notes == ("damaged EXIF dropped",)
