"""Pillow opens and saves .gnc files, and what builds on Pillow does so too."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile, PngImagePlugin, UnidentifiedImageError

import gencodec.pillow
from gencodec.bitstream import LATENTS, Container, Header, Section, pack
from gencodec.image import colour, files

CHECKOUT = Path(__file__).resolve().parents[2]
PHOTO = CHECKOUT / "tests" / "vectors" / "golden" / "base" / "photo.gnc"


def ramps(width: int = 70, height: int = 50) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    parts = [rows * 4 % 256, columns * 3 % 256, (rows + columns) * 2 % 256]
    return Image.fromarray(np.stack(parts, 2).astype(np.uint8))


def saved(image: Image.Image, **options: Any) -> bytes:
    memory = io.BytesIO()
    image.save(memory, "GNC", **options)
    return memory.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def test_open_reads_the_header_without_torch() -> None:
    script = (
        "import sys, gencodec.pillow\n"
        "from PIL import Image\n"
        f"with Image.open({str(PHOTO)!r}) as image:\n"
        "    print(image.format, image.size, image.mode, image.get_format_mimetype())\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=CHECKOUT)
    assert done.stderr == b""
    with Image.open(PHOTO.with_suffix(".png")) as image:
        size = image.size
    expected = f"GNC {size} RGB image/x-gencodec\nFalse False\n"
    assert done.stdout.decode().splitlines() == expected.splitlines()


@pytest.mark.parametrize("name", [row.stem for row in sorted(PHOTO.parent.glob("*.gnc"))])
def test_pixels_are_those_of_the_codec(name: str) -> None:
    expected = np.asarray(Image.open(PHOTO.parent / f"{name}.png")).astype(int)
    pixels = np.asarray(Image.open(PHOTO.parent / f"{name}.gnc")).astype(int)
    assert pixels.shape == expected.shape and np.abs(pixels - expected).max() <= 1


def test_quality_is_passed_on() -> None:
    sizes = [len(saved(ramps(), quality=quality)) for quality in (10, 60, 95)]
    assert sizes == sorted(set(sizes))
    assert saved(ramps()) == saved(ramps(), quality=60)
    with pytest.raises(ValueError, match="quality"):
        saved(ramps(), quality=101)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "1", "CMYK", "I;16"])
def test_modes(mode: str) -> None:
    image = ramps().convert("L").convert(mode) if mode == "I;16" else ramps().convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    back = opened(saved(image))
    wanted = {"LA": "LA", "RGBA": "RGBA", "L": "L", "1": "L", "I;16": "L"}.get(mode, "RGB")
    assert (back.size, back.mode) == (image.size, wanted)
    back.load()
    if mode.endswith("A"):
        assert back.getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_metadata_come_back_and_can_be_replaced_or_left_out() -> None:
    image = ramps()
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "my garden"
    image.info.update(icc_profile=icc, xmp=b"<x/>")
    back = opened(saved(image, exif=exif))
    assert back.info["icc_profile"] == icc and back.info["xmp"] == b"<x/>"
    assert back.getexif()[0x010E] == "my garden"
    again = opened(saved(back))
    assert {name: again.info[name] for name in ("icc_profile", "exif", "xmp")} == back.info
    bare = opened(saved(back, icc_profile=None, exif=None, xmp=None))
    assert bare.info == {} and len(bare.getexif()) == 0
    exif[0x010E] = "yours"
    assert opened(saved(image, exif=Image.Exif())).info.get("exif") is None
    inner = Image.Exif()
    inner.get_ifd(0x8769)[0x8827] = 400
    assert len(opened(saved(image, exif=inner)).info["exif"]) > 40
    other = opened(saved(back, exif=exif.tobytes(), xmp=b"<y/>"))
    assert other.getexif()[0x010E] == "yours" and other.info["xmp"] == b"<y/>"


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_metadata_in_other_bytes(kind: Any) -> None:
    exif = Image.Exif()
    exif[0x010E] = "my garden"
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    blocks = {"icc_profile": icc, "exif": exif.tobytes(), "xmp": b"<x/>"}
    image = opened(saved(ramps(), **{name: kind(block) for name, block in blocks.items()}))
    assert image.info == blocks
    exif[0x0112] = 6
    assert opened(saved(ramps(), exif=kind(exif.tobytes()))).size == (50, 70)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("exif", "Raw profile type exif"),
        ("xmp", "Raw profile type xmp"),
        ("xmp", "XML:com.adobe.xmp"),
    ],
)
def test_what_a_png_holds_as_text_can_be_left_out(name: str, key: str) -> None:
    """As ImageMagick writes it, or libvips."""
    exif = Image.Exif()
    exif[0x010E] = "my garden"
    block = {"exif": exif.tobytes(), "xmp": "<x>Jörg</x>".encode()}[name]
    texts, memory = PngImagePlugin.PngInfo(), io.BytesIO()
    text = f"\n{name}\n{len(block):8}\n{block.hex()}\n"
    texts.add_text(key, text if key.startswith("Raw") else block.decode("latin-1"), zip=True)
    ramps().save(memory, "PNG", pnginfo=texts)
    image = Image.open(memory)
    assert opened(saved(image)).info == {name: block}
    assert opened(saved(image, **{name: None})).info == {}


@pytest.mark.parametrize("compression", ["raw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("given", [False, True])
def test_of_a_tiff_the_tags_of_the_photo_are_saved(compression: str, given: bool) -> None:
    xmp, icc = b"<x>SECRET</x>", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    tags = {0x010E: "my garden", 0x0131: "a program", 700: xmp, 33723: "SECRET too"}
    memory = io.BytesIO()
    ramps().save(
        memory,
        "TIFF",
        tiffinfo=tags,
        icc_profile=icc,
        dpi=(300, 300),
        compression=compression,
    )
    image = Image.open(memory)
    options = {"exif": image.getexif()} if given else {}
    back = opened(saved(image, xmp=None, icc_profile=None, **options))
    assert list(back.info) == ["exif"] and b"SECRET" not in back.info["exif"]
    exif = back.getexif()
    assert sorted(exif) == [0x010E, 0x011A, 0x011B, 0x0128, 0x0131]
    assert (exif[0x010E], exif[0x011A]) == ("my garden", 300)
    back = opened(saved(Image.open(memory)))
    assert (back.info["xmp"], back.info["icc_profile"]) == (xmp, icc)
    assert b"SECRET" not in back.info["exif"]


def test_a_turned_picture_is_written_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    memory = io.BytesIO()
    ramps().save(memory, "PNG", exif=exif)
    back = opened(saved(Image.open(memory)))
    assert back.size == (50, 70) and back.getexif().get(0x0112) == 1


@pytest.mark.parametrize(
    ("asked", "scale"), [((70, 50), 1), ((35, 25), 2), ((20, 10), 2), ((10, 7), 4), ((9, 7), 8)]
)
def test_draft(asked: tuple[int, int], scale: int) -> None:
    data = saved(ramps())
    image = opened(data)
    drafted = image.draft("RGB", asked)
    assert (drafted is None) == (scale == 1)
    assert image.size == (-(-70 // scale), -(-50 // scale))
    if scale > 1:  # the codec promises the mean of each square: see tests/codec
        whole = np.asarray(opened(data).reduce(scale)).astype(int)
        assert np.abs(np.asarray(image).astype(int) - whole).mean() < 12


def test_thumbnail_uses_the_draft() -> None:
    image = opened(saved(ramps()))
    image.thumbnail((16, 16))
    assert image.size == (16, 11)


def test_damage() -> None:
    data = bytearray(saved(ramps()))
    with pytest.raises(UnidentifiedImageError):
        opened(bytes(data[:9]))
    with pytest.raises(OSError, match="cut"):
        opened(bytes(data[:-40])).load()
    data[-30] ^= 1
    with pytest.raises(OSError, match="damaged"):
        opened(bytes(data)).load()


def test_verify_finds_damage_without_decoding() -> None:
    """What Django asks of an upload."""
    data = bytearray(saved(ramps(), xmp=b"<x/>"))
    opened(bytes(data)).verify()
    loaded = opened(bytes(data))
    loaded.load()
    loaded.verify()
    with pytest.raises(OSError, match="cut"):
        opened(bytes(data[:-40])).verify()
    with pytest.raises(OSError, match="follow"):
        opened(bytes(data) + b"x").verify()
    data[-30] ^= 1
    with pytest.raises(OSError, match="damaged"):
        opened(bytes(data)).verify()


def test_a_cut_file_where_pillow_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    image = opened(saved(ramps())[:-40])
    image.load()
    assert image.size == (70, 50)


def test_decompression_bombs_are_told_as_pillow_tells_them(monkeypatch: pytest.MonkeyPatch) -> None:
    header = Header(weights_id=b"none", step=0, width=4000, height=3000)
    data = pack(Container(header, (Section(LATENTS, bytes(40)),)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000_000)
    with pytest.warns(Image.DecompressionBombWarning):
        opened(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5_000_000)
    with pytest.raises(Image.DecompressionBombError):
        opened(data)


def test_while_a_small_picture_is_saved_larger_ones_can_be_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By other threads, whose limit is the same: they were told of decompression bombs."""
    limits: list[int] = []
    decode = colour.decode_colours

    def watched(image: Image.Image, raw: str) -> colour.Decoded:
        limits.append(Image.MAX_IMAGE_PIXELS or 0)
        return decode(image, raw)

    monkeypatch.setattr(files, "decode_colours", watched)
    saved(ramps())
    assert limits and limits[0] >= (Image.MAX_IMAGE_PIXELS or 0)


def test_a_file_of_weights_that_is_written_anew_is_another(tmp_path: Path) -> None:
    model, weights_ids = tmp_path / "mine.safetensors", []
    for name in ("base-5", "base-6"):
        shutil.copyfile(CHECKOUT / "weights" / f"{name}.safetensors", model)
        stream = saved(ramps(), model=model)
        assert stream == gencodec.compress(ramps(), model=model)
        weights_ids.append(gencodec.info(stream).weights_id)
    assert weights_ids[0] != weights_ids[1]


@pytest.mark.parametrize("piece", [40, 10**6])
def test_files_that_arrive_in_pieces(piece: int) -> None:
    data, parser = saved(ramps(), xmp=b"<x/>"), ImageFile.Parser()
    for start in range(0, len(data), piece):
        parser.feed(data[start : start + piece])
    assert parser.image is not None and parser.image.size == (70, 50)
    image = parser.close()
    assert image.tobytes() == opened(data).tobytes() and image.info == {"xmp": b"<x/>"}


def test_a_suffix_is_enough(tmp_path: Path) -> None:
    ramps().save(tmp_path / "a.gnc", quality=40)
    with Image.open(tmp_path / "a.gnc") as image:
        assert image.format == gencodec.pillow.FORMAT


def test_imageio(tmp_path: Path) -> None:
    iio = pytest.importorskip("imageio.v3")
    ramps().save(tmp_path / "a.gnc")
    expected = np.asarray(Image.open(tmp_path / "a.gnc"))
    assert np.array_equal(iio.imread(tmp_path / "a.gnc"), expected)
    properties = iio.improps(tmp_path / "a.gnc")
    assert (properties.shape, properties.dtype) == ((50, 70, 3), np.uint8)
    iio.imwrite(tmp_path / "b.gnc", expected, extension=".gnc", plugin="pillow", quality=80)
    assert iio.imread(tmp_path / "b.gnc").shape == (50, 70, 3)


def test_scikit_image(tmp_path: Path) -> None:
    io_module = pytest.importorskip("skimage.io")
    ramps().save(tmp_path / "a.gnc")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels = io_module.imread(tmp_path / "a.gnc")
    assert np.array_equal(pixels, np.asarray(Image.open(tmp_path / "a.gnc")))
