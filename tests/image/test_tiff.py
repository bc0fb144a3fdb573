"""TIFF files that Pillow takes for others than they are: read as they say, or refused."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest

from gencodec.errors import ImageError
from gencodec.image import Picture, read_picture, write_picture
from tests.image.tiffs import directory, entries, tiff

BITS, COMPRESSION, PHOTOMETRIC, SAMPLES, PLANES, FORMAT = 258, 259, 262, 277, 284, 339
SUBFILE, SUB_IFDS, EXTRA = 254, 330, 338
ORDERS = ["<", ">"]
RAMP = np.linspace(0, 255, 24).astype(np.uint8).reshape(4, 6)


def read_grey(kind: str, scale: float, photometric: int = 1, packed: bool = False) -> Picture:
    """A RAMP of samples of this type, scaled."""
    wide = RAMP * scale if kind[1] == "f" else RAMP.astype(int) * int(scale)
    data = wide.astype(kind).tobytes()
    formats = {"u": 1, "i": 2, "f": 3}
    tags = {
        BITS: (3, [8 * int(kind[2:])]),
        COMPRESSION: (3, [8 if packed else 1]),
        PHOTOMETRIC: (3, [photometric]),
        FORMAT: (3, [formats[kind[1]]]),
    }
    return read_picture(tiff((6, 4), [zlib.compress(data) if packed else data], tags, kind[0]))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("kind", "scale"), [("<u2", 257), ("<f4", 1 / 255), (">f4", 1 / 255), ("<f4", 1)]
)
def test_white_may_be_0(kind: str, scale: float, packed: bool) -> None:
    assert np.array_equal(read_grey(kind, scale, 0, packed).pixels, 255 - RAMP)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("kind", "scale"), [("f4", 1 / 255), ("f4", 1), ("i2", 128), ("i4", 257), ("u2", 257)]
)
def test_both_byte_orders(order: str, kind: str, scale: float, packed: bool) -> None:
    expected = np.rint(RAMP * (128 / 257)) if kind == "i2" else RAMP
    assert np.array_equal(read_grey(order + kind, scale, packed=packed).pixels, expected)


def planar(
    bits: int, photometric: int, planes: int, order: str, packed: bool = False, extra: int = 0
) -> bytes:
    """The RAMP in each plane; extra: what the last is for, where it is no colour."""
    plane = (RAMP * np.uint16(257)).astype(f"{order}u2") if bits == 16 else RAMP
    data = zlib.compress(plane.tobytes()) if packed else plane.tobytes()
    tags = {
        BITS: (3, [bits] * planes),
        COMPRESSION: (3, [8 if packed else 1]),
        PHOTOMETRIC: (3, [photometric]),
        SAMPLES: (3, [planes]),
        PLANES: (3, [2]),
    }
    if extra:
        tags[EXTRA] = 3, [extra]
    return tiff((6, 4), [data] * planes, tags, order)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("meaning", [1, 2])
def test_grey_and_alpha_in_planes(meaning: int, order: str, packed: bool) -> None:
    """Pillow reads an alpha of 0 where they are compressed; 11.3 knows no such files."""
    with pytest.raises(ImageError, match=r"separate planes|not a picture of a known format"):
        read_picture(planar(8, 1, 2, order, packed, meaning))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("photometric", "planes"), [(2, 3), (2, 4), (5, 4)])
def test_16_bit_planes(photometric: int, planes: int, order: str) -> None:
    with pytest.raises(ImageError, match="separate planes") as caught:
        read_picture(planar(16, photometric, planes, order))
    assert "\n" not in str(caught.value)
    if photometric == 2:
        assert np.array_equal(read_picture(planar(16, 2, 3, order, packed=True)).pixels, RAMP)
        assert np.array_equal(read_picture(planar(8, 2, 3, order)).pixels, RAMP)


def test_one_plane_in_which_white_is_0() -> None:
    with pytest.raises(ImageError, match="separate planes"):
        read_picture(planar(8, 0, 1, "<"))


def test_signed_bytes() -> None:
    with pytest.raises(ImageError, match="signed"):
        read_grey("<i1", 0.5)


@pytest.mark.parametrize("order", ORDERS)
def test_the_thumbnail_of_a_raw_photo_is_not_the_picture(order: str) -> None:
    tags = {BITS: (3, [8]), PHOTOMETRIC: (3, [1]), SUB_IFDS: (4, [8])}
    with pytest.raises(ImageError, match="reduced"):
        read_picture(tiff((6, 4), [RAMP.tobytes()], {**tags, SUBFILE: (4, [1])}, order))
    picture = read_picture(tiff((6, 4), [RAMP.tobytes()], {**tags, SUBFILE: (4, [0])}, order))
    assert np.array_equal(picture.pixels, RAMP)
    assert picture.notes == ("the file holds further images (SubIFDs); only the first is kept",)


def test_the_preview_of_a_raw_photo_is_not_the_picture() -> None:
    """Of CR2, where nothing but the beginning says what it is."""
    numbers = {256: 6, 257: 4, BITS: 8, COMPRESSION: 1, PHOTOMETRIC: 1, 273: 500, 278: 4, 279: 24}
    entries = {tag: (3, struct.pack("<H", number)) for tag, number in numbers.items()}
    rest = b"\0" * 4 + directory(16, entries)
    for mark in (b"CR\2\0", b"CR\0\0"):
        data = (b"II*\0\x10\0\0\0" + mark + rest).ljust(500, b"\0") + RAMP.tobytes()
        if mark[2]:
            with pytest.raises(ImageError, match="raw data; develop it first"):
                read_picture(data)
        else:
            assert np.array_equal(read_picture(data).pixels, RAMP)


@pytest.mark.parametrize("kind", [1, 2, 7])
def test_xmp_of_any_type(kind: int) -> None:
    """As BYTE, which it should be, as ASCII, or UNDEFINED."""
    xmp = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>Jörg</x:xmpmeta>".encode()
    text = [*xmp, 0] if kind == 2 else [*xmp]
    picture = read_picture(tiff((6, 4), [RAMP.tobytes()], {BITS: (3, [8]), 700: (kind, text)}, "<"))
    assert picture.xmp == xmp


def test_the_photos_tags_keep_their_bytes() -> None:
    """To a TIFF and from one they are written anew, by a Pillow that takes all text for ASCII."""
    ascii_text, short, long, undefined, name = 2, 3, 4, 7, "Jörg Müller\0".encode()
    inner = {37510: (undefined, b"UNICODE\0\xf6\0"), 41729: (undefined, b"\1"), 42032: (2, name)}
    interop = {1: (ascii_text, b"R03\0")}
    outer = {315: (ascii_text, name), 0x4746: (short, b"\4\0"), 0x9C9D: (1, b"J\0\xf6\0\0\0")}
    outer_at, inner_at, interop_at = 8, 200, 400
    outer[0x8769] = long, struct.pack("<I", inner_at)
    inner[0xA005] = long, struct.pack("<I", interop_at)
    block = b"II*\0" + struct.pack("<I", outer_at) + directory(outer_at, outer)
    block = block.ljust(inner_at, b"\0") + directory(inner_at, inner)
    block = block.ljust(interop_at, b"\0") + directory(interop_at, interop)
    memory = io.BytesIO()
    write_picture(Picture(RAMP, exif=block), memory, format="TIFF")
    exif = read_picture(memory.getvalue()).exif
    assert exif is not None
    for file in (memory.getvalue(), exif):
        found = entries(file)
        for expected, pointer in ((outer, 0x8769), (inner, 0xA005), (interop, None)):
            for tag in expected.keys() - {pointer}:
                assert found[tag] == expected[tag], tag
            if pointer is not None:
                found = entries(file, struct.unpack("<I", found[pointer][1])[0])
