"""The small picture in EXIF, which must not outlive what was cut away."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gencodec.image import read_picture, without_thumbnail
from gencodec.image.resolution import with_dpi

MAKER = b"a maker\0"


def small() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (200, 30, 30)).save(buffer, "JPEG")
    return buffer.getvalue()


def block(order: str, jpeg: bytes) -> bytes:
    """A TIFF block with a maker, and a second directory that holds a JPEG."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    second = 8 + 2 + 12 + 4 + len(MAKER)
    pixels = second + 2 + 24 + 4
    return b"".join(
        (
            start,
            struct.pack(order + "IHHHIII", 8, 1, 0x010F, 2, len(MAKER), 26, second),
            MAKER,
            struct.pack(order + "HHHIIHHIII", 2, 0x0201, 4, 1, pixels, 0x0202, 4, 1, len(jpeg), 0),
            jpeg,
        )
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_it_goes_and_nothing_else(order: str) -> None:
    exif = block(order, small())
    left = without_thumbnail(exif)
    assert len(left) == len(exif) and small() in exif
    assert b"\xff\xd8" not in left and not left[-len(small()) :].strip(b"\0")
    assert left[:22] == exif[:22] and MAKER in left
    found = Image.Exif()
    found.load(left)
    assert found[0x010F] == "a maker"
    assert without_thumbnail(left) == left


@pytest.mark.parametrize("kind", ["JPEG", "HEIF"])
@pytest.mark.parametrize("turned", [1, 6])
def test_it_does_not_stay_on_its_side(turned: int, kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = turned
    start = exif.tobytes().removeprefix(b"Exif\0\0")
    order = "<" if start[:2] == b"II" else ">"
    # Behind the directory of one entry comes the place of the next.
    second = len(start)
    pixels = second + 2 + 24 + 4
    told = bytearray(start)
    struct.pack_into(order + "I", told, 8 + 2 + 12, second)
    jpeg = small()
    tail = struct.pack(order + "HHHIIHHIII", 2, 513, 4, 1, pixels, 514, 4, 1, len(jpeg), 0)
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30)).save(buffer, kind, exif=b"Exif\0\0" + bytes(told) + tail + jpeg)
    data = buffer.getvalue()
    if kind == "HEIF":  # whose writer turns the picture itself; phones leave EXIF as it was
        assert data.count(tail) == 1
        data = data[: data.index(tail) - len(told)] + told + data[data.index(tail) :]
    kept = read_picture(data).exif
    assert kept is not None and (jpeg in kept) == (turned == 1)


def test_a_directory_behind_it() -> None:
    """As where a resolution was added."""
    longer = with_dpi(block("<", small()), (300.0, 300.0))
    assert longer is not None and small() in longer
    left = without_thumbnail(longer)
    assert b"\xff\xd8" not in left and len(left) == len(longer)
    found = Image.Exif()
    found.load(left)
    assert (found[0x010F], found[0x011A]) == ("a maker", 300)


@given(st.binary(max_size=120), st.sampled_from([b"II*\0", b"MM\0*", b""]))
def test_any_bytes(data: bytes, start: bytes) -> None:
    assert len(without_thumbnail(start + data)) == len(start + data)
