"""EXIF, XMP and resolution of files in which Pillow does not look for them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, features

from gencodec.image import Picture, read_picture

LYING, EXIF = (
    b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, turned, 0) + bytes(4)
    for turned in (6, 1)
)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">garden</x:xmpmeta>'
IPTC = b"\x1c\x02\x50\x00\x02me"
UUIDS = {
    "exif": b"JpgTiffExif->JP2",
    "xmp": bytes.fromhex("be7acfcb97a942e89c71999491e3afac"),
    "iptc": bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"),
    "geotiff": bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03"),
}
NOTE_IPTC = "IPTC data (captions, keywords) are not kept"


def jpeg_2000(*boxes: bytes) -> bytes:
    """Boxes before the pixels' and, once more, a plain one behind."""
    memory = io.BytesIO()
    Image.linear_gradient("L").save(memory, "JPEG2000")
    data = memory.getvalue()
    pixels = data.index(b"jp2c") - 4
    return data[:pixels] + b"".join(boxes) + data[pixels:] + box(b"free", b"")


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def long_box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body


def photoshop(resources: dict[int, bytes]) -> bytes:
    """One pixel, grey 7."""
    blocks = b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)
        for number, data in resources.items()
    )
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 1, 1, 1, 8, 1)
    return head + struct.pack(">II", 0, len(blocks)) + blocks + struct.pack(">IH", 0, 0) + b"\7"


def of(data: bytes) -> tuple[bytes | None, bytes | None, tuple[str, ...]]:
    picture: Picture = read_picture(data)
    assert np.array_equal(picture.pixels, read_picture(without(data)).pixels)
    return picture.exif, picture.xmp, picture.notes


def without(data: bytes) -> bytes:
    if data[:4] == b"8BPS":
        return photoshop({})
    return jpeg_2000()


@pytest.mark.parametrize("kind", [box, long_box])
def test_boxes_of_jpeg_2000(kind: Callable[[bytes, bytes], bytes]) -> None:
    blocks = {"exif": EXIF, "xmp": XMP, "iptc": IPTC}
    boxes = {name: kind(b"uuid", UUIDS[name] + data) for name, data in blocks.items()}
    assert of(jpeg_2000()) == (None, None, ())
    assert of(jpeg_2000(boxes["exif"], boxes["xmp"])) == (EXIF, XMP, ())
    assert of(jpeg_2000() + boxes["xmp"] + boxes["iptc"]) == (None, XMP, (NOTE_IPTC,))
    _, _, (note,) = of(jpeg_2000(kind(b"uuid", UUIDS["geotiff"] + b"II*\0")))
    assert "map" in note


def test_boxes_cut_short_are_no_hindrance() -> None:
    whole = box(b"uuid", UUIDS["xmp"] + XMP)
    assert of(jpeg_2000() + whole[:6]) == (None, None, ())
    assert of(jpeg_2000() + whole[:20])[0] is None


def test_a_jpeg_2000_is_turned_upright_by_its_exif() -> None:
    picture = read_picture(jpeg_2000(box(b"uuid", UUIDS["exif"] + LYING)))
    assert picture.exif == EXIF
    assert np.array_equal(picture.pixels, np.rot90(read_picture(jpeg_2000()).pixels, -1))


@pytest.mark.skipif(not features.check("avif"), reason="needs a Pillow with AVIF")
def test_the_exif_of_an_avif_that_lies_otherwise_than_it_says() -> None:
    """Its boxes turn nothing, so its pixels stand upright, and EXIF loses no letter."""
    name = "Jörg\0".encode()
    another_tag, memory = 0x0113, io.BytesIO()
    block = b"II*\0" + struct.pack("<IHHHIHH", 8, 2, another_tag, 3, 1, 6, 0)
    block += struct.pack("<HHII", 0x013B, 2, len(name), 38) + bytes(4) + name
    Image.new("RGB", (40, 30)).save(memory, "AVIF", exif=block)
    data = memory.getvalue()
    assert data.count(block) == 1
    lying = block.replace(struct.pack("<H", another_tag), struct.pack("<H", 0x0112))
    picture = read_picture(data.replace(block, lying))
    upright = lying.replace(struct.pack("<IH", 1, 6), struct.pack("<IH", 1, 1))
    assert (picture.width, picture.exif) == (40, upright)


def test_resources_of_photoshop() -> None:
    assert of(photoshop({1058: EXIF, 1060: XMP})) == (EXIF, XMP, ())
    assert of(photoshop({1028: IPTC})) == (None, None, (NOTE_IPTC,))
    _, _, (note,) = of(photoshop({2000: bytes(26)}))
    assert "paths" in note
    exif, _, _ = of(photoshop({1005: struct.pack(">IHHIHH", 300 << 16, 1, 1, 300 << 16, 1, 1)}))
    block = Image.Exif()
    assert exif is not None
    block.load(exif)
    assert (block[0x011A], block[0x011B], block[0x0128]) == (300, 300, 2)


def test_the_xmp_of_a_gif() -> None:
    memory = io.BytesIO()
    Image.linear_gradient("L").save(memory, "GIF")
    data = memory.getvalue()
    frame = data.index(b"\x2c\0\0\0\0")
    ramp = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    held = data[:frame] + b"\x21\xff\x0bXMP DataXMP" + XMP + ramp + data[frame:]
    picture = read_picture(held)
    assert (picture.xmp, picture.notes) == (XMP, ())
    assert np.array_equal(picture.pixels, read_picture(data).pixels)


def test_the_paths_in_a_jpeg_are_told() -> None:
    memory = io.BytesIO()
    Image.linear_gradient("L").save(memory, "JPEG")
    data = memory.getvalue()
    for number, told in ((2000, True), (2999, False), (1005, False)):
        body = b"8BIM" + struct.pack(">HHI", number, 0, 26) + bytes(26)
        segment = b"Photoshop 3.0\0" + body
        marked = data[:2] + b"\xff\xed" + struct.pack(">H", 2 + len(segment)) + segment + data[2:]
        assert bool(read_picture(marked).notes) == told
