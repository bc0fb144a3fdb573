"""What a stream has no place for is told: one note each."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from gencodec.image import Picture, read_picture, write_picture

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "test" / "oddformats"


def notes(format: str, **options: Any) -> str:
    memory = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(memory, format, **options)
    return "; ".join(read_picture(memory.getvalue()).notes)


def test_a_plain_file_loses_nothing() -> None:
    for format in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM"):
        assert notes(format) == ""


def test_jpeg_comment() -> None:
    assert notes("JPEG", comment=b"my garden") == "the comment in the JPEG is not kept"


def test_png_texts() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "my garden")
    texts.add_itxt("Author", "me")
    texts.add_text("date:create", "2020")
    assert notes("PNG", pnginfo=texts) == "texts in the PNG are not kept (Title, Author)"


@pytest.mark.parametrize(("red", "said"), [(64000, ""), (68000, "the primary colours")])
def test_png_primaries(red: int, said: str) -> None:
    chunk = PngImagePlugin.PngInfo()
    values = (31270, 32900, red, 33000, 30000, 60000, 15000, 6000)
    chunk.add(b"cHRM", b"".join(value.to_bytes(4, "big") for value in values))
    assert notes("PNG", pnginfo=chunk).startswith(said)
    assert bool(notes("PNG", pnginfo=chunk)) == bool(said)


@pytest.mark.parametrize(("points", "told"), [((1, 13), False), ((9, 16), True)])
def test_code_points_of_png(points: tuple[int, int], told: bool) -> None:
    chunk = PngImagePlugin.PngInfo()
    chunk.add(b"cICP", bytes((*points, 0, 1)))
    assert ("CICP" in notes("PNG", pnginfo=chunk)) == told


@pytest.mark.skipif(not FOLDER.is_dir(), reason="needs ../shared/data/test/oddformats")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("imagers/iptc.jpg", "IPTC"),
        ("libavif/paris_extended_xmp.jpg", "not its extension"),
        ("libavif/seine_sdr_gainmap_srgb.jpg", "gain map"),
        ("libavif/ArcTriomphe-cHRM-red-green-swap.png", "primary colours"),
    ],
)
def test_real_files(name: str, said: str) -> None:
    assert any(said in note for note in read_picture(FOLDER / name).notes)


def test_heif_with_metadata() -> None:
    heif = pytest.importorskip("pillow_heif")
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    ramp = Image.linear_gradient("L")
    picture = Image.merge("RGB", (ramp, ramp.rotate(90), ramp))
    coded = heif.from_pillow(picture)
    memory = io.BytesIO()
    coded.save(memory, quality=90, exif=exif.tobytes(), icc_profile=icc, xmp=b"<x/>")
    back = read_picture(memory.getvalue())
    assert (back.width, back.height, back.icc, back.xmp) == (256, 256, icc, b"<x/>")
    assert back.exif is not None and b"maker" in back.exif
    assert back.notes == ()


def test_the_depth_of_heif_is_told() -> None:
    heif = pytest.importorskip("pillow_heif")
    deep = np.linspace(0, 1023, 64 * 64 * 3).astype(np.uint16).reshape(64, 64, 3)
    coded = heif.from_bytes("RGB;16", (64, 64), (deep << 6).tobytes())
    memory = io.BytesIO()
    coded.save(memory, quality=90, save_nclx_profile=False)
    assert any("-bit samples reduced" in note for note in read_picture(memory.getvalue()).notes)


def test_ppm_has_the_colours_of_the_profile() -> None:
    """Red and green of a profile that swaps them are swapped in a format without profiles."""
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[..., 0] = 250
    swapped = swapped_profile()
    memory = io.BytesIO()
    write_picture(Picture(pixels, icc=swapped), memory, format="ppm")
    red, green, blue = read_picture(memory.getvalue()).pixels[0, 0]
    assert green > 200 and red < 60 and blue < 60


def swapped_profile() -> bytes:
    """sRGB with its red and green columns exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    entries = {}
    for index in range(int.from_bytes(profile[128:132], "big")):
        at = 132 + 12 * index
        entries[bytes(profile[at : at + 4])] = at
    red, green = entries[b"rXYZ"], entries[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)
