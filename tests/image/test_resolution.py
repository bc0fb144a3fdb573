"""The resolution of a scan survives, whatever the formats on both sides."""

from __future__ import annotations

import io
import struct
from typing import Any

import pytest
from PIL import Image

from gencodec.image import Picture, read_picture, write_picture
from tests.image.tiffs import tiff


def read(format: str, **options: Any) -> Picture:
    memory = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(memory, format, **options)
    return read_picture(memory.getvalue())


def written(picture: Picture, format: str) -> Image.Image:
    memory = io.BytesIO()
    write_picture(picture, memory, format=format)
    return Image.open(memory)


@pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("target", ["PNG", "JPEG", "TIFF"])
def test_a_scan(source: str, target: str) -> None:
    picture = read(source, dpi=(300, 600))
    assert picture.exif is not None and len(picture.exif) < 90
    dpi = written(picture, target).info["dpi"]
    assert [round(float(value)) for value in dpi] == [300, 600]


@pytest.mark.parametrize("options", [{}, {"dpi": (72, 72)}, {"dpi": (96, 96)}])
@pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_of_a_screen_there_is_nothing_to_keep(source: str, options: dict[str, Any]) -> None:
    assert read(source, **options).exif is None


@pytest.mark.parametrize("source", ["PNG", "JPEG"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_it_is_added_to_exif_without_one(source: str, order: str) -> None:
    exif = Image.Exif()
    exif.endian = order
    exif[0x010E], exif[0x0132] = "my garden", "2020:01:01 00:00:00"
    exif.get_ifd(0x8769)[0x927C] = b"a maker's note"
    block = exif.tobytes().removeprefix(b"Exif\0\0")
    picture = read(source, dpi=(300, 600), exif=exif)
    assert picture.notes == () and picture.exif is not None
    # Every byte but the place of the first directory is where it was.
    assert picture.exif[:4] == block[:4] and picture.exif[8 : len(block)] == block[8:]
    again = Image.Exif()
    again.load(picture.exif)
    (at,) = struct.unpack_from(order + "I", picture.exif, 4)
    (count,) = struct.unpack_from(order + "H", picture.exif, at)
    tags = [struct.unpack_from(order + "H", picture.exif, at + 2 + 12 * i)[0] for i in range(count)]
    assert tags == sorted(again) == [0x010E, 0x011A, 0x011B, 0x0128, 0x0132, 0x8769]
    assert (again[0x010E], again[0x0132]) == ("my garden", "2020:01:01 00:00:00")
    assert again.get_ifd(0x8769)[0x927C] == b"a maker's note"
    for target in ("PNG", "JPEG", "TIFF"):
        dpi = written(picture, target).info["dpi"]
        assert [round(float(value)) for value in dpi] == [300, 600]


def test_a_turned_picture_keeps_what_was_added() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    picture = read("JPEG", dpi=(300, 300), exif=exif)
    again = Image.Exif()
    again.load(picture.exif or b"")
    assert (again[0x0112], round(float(again[0x011A]))) == (1, 300)


def test_exif_that_says_otherwise_goes_first_with_a_note() -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 72.0, 72.0, 2
    picture = read("JPEG", dpi=(300, 300), exif=exif)
    assert picture.exif == exif.tobytes().removeprefix(b"Exif\0\0")
    assert picture.notes == ("the resolution of 300 x 300 dpi is not kept: EXIF says otherwise",)


def test_exif_that_has_no_room_is_kept_as_it_is_with_a_note() -> None:
    exif = Image.Exif()
    exif[0x010E] = "x" * 65450  # 64 KiB are the most that JPEG holds
    picture = read("JPEG", dpi=(300, 300), exif=exif)
    assert picture.exif == exif.tobytes().removeprefix(b"Exif\0\0")
    assert len(picture.notes) == 1 and "300 dpi is not kept" in picture.notes[0]


@pytest.mark.parametrize("stated", [None, (1, 1), (72, 72), (96, 96), (300, 300)])
@pytest.mark.parametrize("across_only", [False, True])
def test_what_cameras_write_is_no_contradiction(
    stated: tuple[int, int] | None, across_only: bool
) -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x0128] = 300.0, 2
    if not across_only:
        exif[0x011B] = 300.0
    for source in ("JPEG", "PNG"):
        picture = read(source, exif=exif, **({} if stated is None else {"dpi": stated}))
        assert picture.exif == exif.tobytes().removeprefix(b"Exif\0\0") and picture.notes == ()
        assert round(written(picture, "JPEG").info["dpi"][1]) == 300


def test_a_camera_without_jfif_may_have_oblong_pixels() -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 300.0, 600.0, 2
    memory = io.BytesIO()
    Image.linear_gradient("L").save(memory, "JPEG", exif=exif)
    data = memory.getvalue()
    assert data[2:4] == b"\xff\xe0"  # JFIF, of 18 bytes
    assert read_picture(data[:2] + data[20:]).notes == ()


@pytest.mark.parametrize("tag", [0x010F, 0x0131, 0x0132])
@pytest.mark.parametrize("compression", ["raw", "tiff_adobe_deflate"])
def test_a_tiff_keeps_it_beside_other_tags(tag: int, compression: str) -> None:
    tags = {tag: "someone", 0x0128: 3, 0x011A: 118.11, 0x011B: 59.05}
    picture = read("TIFF", tiffinfo=tags, compression=compression)
    assert picture.notes == ()
    for target in ("PNG", "JPEG", "TIFF"):
        dpi = written(picture, target).info["dpi"]
        assert [round(float(value)) for value in dpi] == [300, 150]


def test_broken_values_in_a_tiff_do_not_cost_the_other_tags() -> None:
    nonsense = (5, [0, 0])  # a fraction
    tags = {258: (3, [8]), 0x0131: (2, list(b"me\0\0")), 0x011A: nonsense, 0x011B: nonsense}
    picture = read_picture(tiff((1, 1), [bytes(1)], tags, "<"))
    assert picture.notes == () and b"me" in (picture.exif or b"")


def test_centimetres() -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 100.0, 100.0, 3
    dpi = written(read("PNG", exif=exif), "PNG").info["dpi"]
    assert [round(float(value)) for value in dpi] == [254, 254]


@pytest.mark.parametrize("dpi", [(0, 0), (-3, 5), (float("nan"), 300), (1e9, 1e9)])
def test_nonsense_is_left_out(dpi: tuple[float, float]) -> None:
    from gencodec.image.resolution import exif_of_dpi

    assert exif_of_dpi(dpi) is None
