"""Every pixel mode that Pillow knows ends as 8-bit grey or RGB with or without alpha."""

from __future__ import annotations

import io
import itertools
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from gencodec.errors import ImageError
from gencodec.image import colour, picture_from_pil, read_picture

SIZES = [(1, 1), (1, 257), (63, 65)]


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, shape, np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, colour_type: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG of rows that each begin with filter byte 0, for what Pillow cannot write."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = zlib.crc32(name + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + name + body + check

    start = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    between = b"".join(chunk(part[:4], part[4:]) for part in extra)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", start)
        + between
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("mode", "channels"), [("L", ()), ("LA", (2,)), ("RGB", (3,)), ("RGBA", (4,))]
)
def test_plain_modes_keep_every_value(
    size: tuple[int, int], mode: str, channels: tuple[int, ...]
) -> None:
    array = noise(*size, *channels)
    array.flat[:1] = 3  # no picture of one pixel is opaque or grey by chance
    image = Image.fromarray(array)
    assert image.mode == mode
    picture = read_picture(encoded(image))
    assert picture.notes == ()
    colours = array if mode == "L" else array[..., 0] if mode == "LA" else array[..., :3]
    assert np.array_equal(picture.pixels, colours)
    if mode.endswith("A"):
        assert picture.alpha is not None and np.array_equal(picture.alpha, array[..., -1])
    else:
        assert picture.alpha is None


def test_one_bit() -> None:
    bits = noise(63, 65) > 127
    picture = read_picture(encoded(Image.fromarray(bits)))
    assert picture.grey and np.array_equal(picture.pixels, bits * np.uint8(255))


def palette_image() -> Image.Image:
    image = Image.fromarray(noise(20, 30) % 4).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    return image


def test_palette() -> None:
    image = palette_image()
    picture = read_picture(encoded(image))
    assert np.array_equal(picture.pixels, np.array(image.convert("RGB")))
    assert picture.alpha is None


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palette_with_a_transparent_entry(kind: str) -> None:
    image = palette_image()
    picture = read_picture(encoded(image, kind, transparency=2))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, np.asarray(image) == 2)


def test_palette_with_half_transparent_entries() -> None:
    image = palette_image()
    picture = read_picture(encoded(image, transparency=bytes((255, 128, 0, 7))))
    assert picture.alpha is not None
    expected = np.array((255, 128, 0, 7), np.uint8)[np.asarray(image)]
    assert np.array_equal(picture.alpha, expected)


def test_a_grey_palette_becomes_grey() -> None:
    image = palette_image()
    image.putpalette([value for level in (0, 80, 160, 240) for value in (level,) * 3])
    assert read_picture(encoded(image)).grey


def test_a_transparent_colour_in_rgb() -> None:
    array = noise(20, 30, 3) % 2
    picture = read_picture(encoded(Image.fromarray(array), transparency=(1, 0, 1)))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, (array == (1, 0, 1)).all(axis=2))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_a_transparent_level_in_grey(depth: int) -> None:
    # four samples a row: 0, 1, highest, 0
    top = 2**depth - 1
    samples = [0, 1, top, 0]
    packed = sum(value << (depth * (3 - index)) for index, value in enumerate(samples))
    row = (packed << (-4 * depth % 8)).to_bytes(-(-4 * depth // 8), "big")
    data = png(4, 1, depth, 0, b"\0" + row, b"tRNS" + struct.pack(">H", top))
    picture = read_picture(data)
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[0 if value == top else 255 for value in samples]]
    assert picture.pixels.tolist() == [[value * 255 // top for value in samples]]


def test_16_bit_grey_is_rounded_with_a_note() -> None:
    wide = np.array([[0, 127, 128, 129, 257, 385, 386, 32768, 65406, 65407, 65535]], np.uint16)
    picture = read_picture(encoded(Image.fromarray(wide)))
    assert picture.notes == (colour.NOTE_16_BIT,)
    assert picture.pixels.tolist() == [[0, 0, 0, 1, 1, 1, 2, 128, 254, 255, 255]]


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_16_bit_grey_in_tiff(order: str) -> None:
    wide = (np.arange(800) * 81).astype(order).reshape(200, 4)
    image = Image.frombuffer("I;16B" if order == ">u2" else "I;16", (4, 200), wide.tobytes())
    picture = read_picture(encoded(image, "TIFF"))
    assert picture.notes == (colour.NOTE_16_BIT,)
    assert np.array_equal(picture.pixels, np.rint(wide / 257).astype(np.uint8))


def test_16_bit_grey_with_a_transparent_level() -> None:
    row = struct.pack(">4H", 0, 1000, 1001, 65535)
    picture = read_picture(png(4, 1, 16, 0, b"\0" + row, b"tRNS" + struct.pack(">H", 1000)))
    assert picture.alpha is not None and picture.alpha.tolist() == [[255, 0, 255, 255]]


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_png_is_noted(colour_type: int, channels: int) -> None:
    wide = (np.arange(5 * channels) * 3000).astype(">u2").reshape(1, 5, channels)
    picture = read_picture(png(5, 1, 16, colour_type, b"\0" + wide.tobytes()))
    assert picture.notes == (colour.NOTE_16_BIT,)
    expected = wide.astype(float) / 257
    pixels = picture.pixels if channels != 2 else picture.pixels[..., None]
    colours = 1 if channels == 2 else 3
    assert np.abs(pixels - expected[..., :colours]).max() <= 1
    if channels != 3:
        assert picture.alpha is not None
        assert np.abs(picture.alpha - expected[..., -1]).max() <= 1


def test_16_bit_colour_with_a_transparent_colour() -> None:
    row = struct.pack(">6H", 65535, 512, 0, 65535, 1024, 0)
    key = b"tRNS" + struct.pack(">3H", 65535, 512, 0)
    picture = read_picture(png(2, 1, 16, 2, b"\0" + row, key))
    assert picture.alpha is not None and picture.alpha.tolist() == [[0, 255]]


def test_16_bit_ppm_is_noted() -> None:
    wide = (np.arange(12) * 5000).astype(">u2")
    picture = read_picture(b"P6 2 2 65535\n" + wide.tobytes())
    assert picture.notes == (colour.NOTE_16_BIT,)
    assert np.abs(picture.pixels.ravel() - wide / 257).max() <= 1
    assert read_picture(b"P6 2 2 255\n" + bytes(range(12))).notes == ()


def test_integer_and_float_samples() -> None:
    wide = np.array([[0, 257, 65535, 70000, -5]], np.int32)
    picture = read_picture(encoded(Image.fromarray(wide), "TIFF"))
    assert picture.pixels.tolist() == [[0, 1, 255, 255, 0]]
    assert picture.notes == (colour.NOTE_32_BIT,)
    for values, expected in (
        ([0, 0.5, 1, 0.25], [0, 128, 255, 64]),
        ([0, 100.4, 255, 300], [0, 100, 255, 255]),
        ([-1, float("nan"), float("inf"), 7], [0, 0, 255, 7]),
    ):
        picture = read_picture(encoded(Image.fromarray(np.array([values], np.float32)), "TIFF"))
        assert picture.pixels.tolist() == [expected]
        assert picture.notes == (colour.NOTE_FLOAT,)


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def labelled(space: bytes) -> bytes:
    """A profile that calls its colour space `space`; its tables are sRGB's."""
    profile = srgb()
    return profile[:16] + space + profile[20:]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_without_a_profile(kind: str) -> None:
    image = Image.fromarray(noise(16, 16, 3)).resize((64, 64)).convert("CMYK")
    picture = read_picture(encoded(image, kind))
    assert picture.notes == (colour.NOTE_CMYK_PLAIN,)
    difference = np.abs(picture.pixels.astype(int) - np.asarray(image.convert("RGB")))
    assert difference.mean() < (12 if kind == "JPEG" else 1)


def test_cmyk_with_a_damaged_profile() -> None:
    image = Image.fromarray(noise(16, 16, 3)).convert("CMYK")
    picture = read_picture(encoded(image, "TIFF", icc_profile=labelled(b"CMYK")))
    assert picture.notes == (colour.NOTE_CMYK_PLAIN,) and picture.icc is None


def cmyk_profile() -> bytes:
    """A printer whose inks only darken: a lut8 table from the 16 ink corners to grey Lab."""
    ramp = bytes(range(256))
    corners = itertools.product((0, 1), repeat=4)
    grid = b"".join(
        bytes((round(255 * (1 - black) * (1 - (cyan + magenta + yellow) / 3)), 128, 128))
        for cyan, magenta, yellow, black in corners
    )
    identity = struct.pack(">9i", *(65536 * (index % 4 == 0) for index in range(9)))
    table = b"mft1\0\0\0\0\x04\x03\x02\0" + identity + ramp * 4 + grid + ramp * 3
    size = 128 + 4 + 12 + len(table)
    d50 = struct.pack(">3i", 63190, 65536, 54061)
    header = struct.pack(">I4sI", size, b"lcms", 0x02400000) + b"prtrCMYKLab " + bytes(12)
    header = (header + b"acsp").ljust(68, b"\0") + d50
    return header.ljust(128, b"\0") + struct.pack(">I4sII", 1, b"A2B0", 144, len(table)) + table


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_through_its_profile(kind: str) -> None:
    for inks, level in (((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0), ((255, 0, 0, 0), 161)):
        image = Image.new("CMYK", (8, 8), inks)
        picture = read_picture(encoded(image, kind, icc_profile=cmyk_profile()))
        assert picture.notes == (colour.NOTE_CMYK_MANAGED,) and picture.icc is None
        assert np.abs(picture.pixels.astype(int) - level).max() <= 3


def test_lab_and_other_colour_modes() -> None:
    image = Image.fromarray(noise(8, 8, 3) // 2 + 64)
    for mode in ("YCbCr", "HSV"):
        picture = picture_from_pil(image.convert(mode))
        assert np.abs(picture.pixels.astype(int) - np.asarray(image)).mean() < 6
    white = picture_from_pil(Image.new("LAB", (3, 2), (255, 128, 128)))
    assert white.pixels.min() > 250 and white.notes == (colour.NOTE_LAB,)


def test_premultiplied_and_padded_modes() -> None:
    image = Image.new("RGBA", (3, 2), (200, 100, 50, 128))
    for mode, alpha in (("RGBa", 128), ("RGBX", None)):
        picture = picture_from_pil(image.convert(mode) if alpha else image.convert("RGB"))
        assert (picture.alpha is None) == (alpha is None)
        assert np.abs(picture.pixels.astype(int) - (200, 100, 50)).max() <= 1


def test_an_rgb_profile_is_kept() -> None:
    picture = read_picture(encoded(Image.fromarray(noise(8, 8, 3)), icc_profile=srgb()))
    assert picture.icc == srgb() and picture.notes == ()


def test_a_profile_of_another_colour_space_is_dropped() -> None:
    for image, space in (
        (Image.fromarray(noise(8, 8, 3)), b"CMYK"),
        (Image.fromarray(noise(8, 8, 3)), b"GRAY"),
        (Image.fromarray(noise(8, 8)), b"RGB "),
    ):
        picture = read_picture(encoded(image, icc_profile=labelled(space)))
        assert picture.icc is None and "does not fit" in picture.notes[0]


def test_a_grey_profile_is_kept_with_grey_pixels() -> None:
    picture = read_picture(encoded(Image.fromarray(noise(8, 8)), icc_profile=labelled(b"GRAY")))
    assert picture.icc == labelled(b"GRAY")


def test_a_damaged_profile_is_dropped() -> None:
    for profile in (b"short", bytes(200)):
        picture = read_picture(encoded(Image.fromarray(noise(8, 8, 3)), icc_profile=profile))
        assert picture.icc is None and "damaged" in picture.notes[0]


def test_equal_channels_are_grey_only_where_it_keeps_their_colours() -> None:
    image = Image.fromarray(np.dstack([noise(8, 8)] * 3))
    assert read_picture(encoded(image)).grey
    picture = read_picture(encoded(image, icc_profile=srgb()))
    assert picture.grey and picture.icc is None and picture.notes == ()
    foreign = srgb().replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be"))
    foreign = foreign.replace(b"sRGB", b"xRGB")
    picture = read_picture(encoded(image, icc_profile=foreign))
    assert not picture.grey and picture.icc == foreign


def test_a_bare_gamma_is_noted() -> None:
    linear = b"gAMA" + (100000).to_bytes(4, "big")
    usual = b"gAMA" + (45455).to_bytes(4, "big")
    assert "gamma" in read_picture(png(1, 1, 8, 0, b"\0\x05", linear)).notes[0]
    assert read_picture(png(1, 1, 8, 0, b"\0\x05", usual)).notes == ()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_images_the_first_is_kept(kind: str) -> None:
    first = Image.new("RGB", (20, 10), (255, 0, 0))
    rest = [Image.new("RGB", (20, 10), (0, 0, level)) for level in (100, 200)]
    options: dict[str, object] = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(first, kind, save_all=True, append_images=rest, **options)
    picture = read_picture(data)
    assert (picture.pixels == (255, 0, 0)).all()
    assert picture.notes == ("the file holds several images; only the first is kept",)


def test_an_unknown_mode_is_an_image_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Image.Image, mode: str) -> Image.Image:
        raise ValueError("conversion not supported")

    image = Image.new("HSV", (2, 2))
    monkeypatch.setattr(Image.Image, "convert", refuse)
    with pytest.raises(ImageError, match="HSV"):
        picture_from_pil(image)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "CMYK", "P", "I;16"])
def test_bands_of_rows_are_the_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = noise(63, 65, 4)
    image = Image.fromarray(samples)
    if mode == "I;16":
        image = Image.frombytes(mode, (65, 63), noise(63, 65, 2).tobytes())
    elif mode == "P":
        image = image.convert("RGB").quantize(200)
        image.info["transparency"] = 7
    else:
        image = image.convert(mode)
    whole = picture_from_pil(image)
    monkeypatch.setattr(colour, "_BAND_PIXELS", 650)  # seven bands, the last of three rows
    banded = picture_from_pil(image)
    assert np.array_equal(banded.pixels, whole.pixels)
    if mode not in ("LA", "RGBA", "P"):
        assert whole.alpha is None and banded.alpha is None
        return
    assert whole.alpha is not None and banded.alpha is not None
    assert np.array_equal(banded.alpha, whole.alpha)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK", "I;16"])
def test_samples_are_in_memory_once_beside_pillows(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colour, "_BAND_PIXELS", 100_000)
    image = Image.new(mode, (2000, 1000), 5 if mode == "I;16" else (1, 2, 3, 4)[: len(mode)])
    tracemalloc.start()
    picture = picture_from_pil(image)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    held = picture.pixels.nbytes + (0 if picture.alpha is None else picture.alpha.nbytes)
    assert held < most < 1.5 * held
