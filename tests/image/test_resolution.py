"""The resolution of a scan survives, whatever the formats on both sides."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from gencodec.image import Picture, read_picture, write_picture


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


def test_exif_goes_first() -> None:
    exif = Image.Exif()
    exif[0x010E] = "my garden"
    picture = read("PNG", dpi=(300, 300), exif=exif)
    assert picture.exif == exif.tobytes().removeprefix(b"Exif\0\0")


def test_centimetres() -> None:
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = 100.0, 100.0, 3
    dpi = written(read("PNG", exif=exif), "PNG").info["dpi"]
    assert [round(float(value)) for value in dpi] == [254, 254]


@pytest.mark.parametrize("dpi", [(0, 0), (-3, 5), (float("nan"), 300), (1e9, 1e9)])
def test_nonsense_is_left_out(dpi: tuple[float, float]) -> None:
    from gencodec.image.resolution import exif_of_dpi

    assert exif_of_dpi(dpi) is None
