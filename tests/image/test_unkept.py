"""What a stream has no place for is told: one note each."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin, features

from gencodec.image import Picture, picture_from_pil, read_picture, write_picture
from gencodec.image.unkept import unkept
from tests.image.tiffs import tiff

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "test" / "oddformats"
SEVERAL = "the file holds several images; only the first is kept"
BEHIND = "what follows the end of the JPEG is not kept (9 bytes)"


def notes(format: str, **options: Any) -> str:
    memory = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(memory, format, **options)
    return "; ".join(read_picture(memory.getvalue()).notes)


def test_a_plain_file_loses_nothing() -> None:
    for format in ("PNG", "JPEG", "JPEG2000", "WEBP", "TIFF", "BMP", "PPM", "GIF"):
        assert notes(format) == ""


@pytest.mark.parametrize("format", ["JPEG", "GIF"])
def test_comments(format: str) -> None:
    assert notes(format, comment=b"my garden") == f"the comment in the {format} is not kept"


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("across", "down", "told"), [(4, 1, True), (72, 73, True), (1, 1, False), (0, 9, False)]
)
def test_pixels_that_are_not_square(format: str, across: int, down: int, told: bool) -> None:
    memory = io.BytesIO()
    tags = {282: float(across), 283: float(down), 296: 1}
    Image.linear_gradient("L").convert("RGB").save(memory, format, tiffinfo=tags)
    data = memory.getvalue()
    if format == "PNG":
        chunk = b"pHYs" + struct.pack(">LLB", across, down, 0)
        data = (
            data[:33] + struct.pack(">L", 9) + chunk + struct.pack(">L", crc32(chunk)) + data[33:]
        )
    if format == "JPEG":
        data = data[:14] + struct.pack(">HH", across, down) + data[18:]
    note = f"pixels that are not square ({across} across to {down} down) are taken as square"
    assert read_picture(data).notes == ((note,) * told)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize(
    ("behind", "told"),
    [
        (b"\0\0\0\x18ftypmp42", True),
        (b"\xff" * 9 + bytes(99), False),
        (b"\xff\xd9\r\n", False),
        (b"", False),
    ],
)
def test_what_follows_the_end_of_a_jpeg(progressive: bool, behind: bytes, told: bool) -> None:
    """The thumbnail in its EXIF ends before that."""
    memory, small, exif = io.BytesIO(), io.BytesIO(), Image.Exif()
    image = Image.effect_noise((99, 99), 60).convert("RGB")
    image.resize((9, 9)).save(small, "JPEG")
    exif[0x010E] = small.getvalue()
    image.save(memory, "JPEG", progressive=progressive, exif=exif, restart_marker_rows=1)
    assert read_picture(memory.getvalue() + behind).notes == ((BEHIND,) * told)


@pytest.mark.parametrize(
    ("kind", "behind", "told"),
    [
        (0, b"", [SEVERAL]),
        (0x010001, b"", []),
        (0x010002, bytes(99), []),
        (0x010002, b"\0\0\0\x18ftypmp42", [BEHIND]),
    ],
)
def test_a_preview_behind_a_jpeg(kind: int, behind: bytes, told: list[str]) -> None:
    """As cameras put it there, of the size of a screen: nothing is lost with it."""
    memory = io.BytesIO()
    image = Image.linear_gradient("L").convert("RGB")
    image.save(memory, "MPO", save_all=True, append_images=[image.resize((64, 64))])
    data = memory.getvalue()
    length = len(data) - data.rindex(b"\xff\xd8")
    entry, of_a_kind = (struct.pack("<2L", each, length) for each in (0, kind))
    assert data.count(entry) == 1
    assert [*read_picture(data.replace(entry, of_a_kind) + behind).notes] == told


def test_segments_of_a_jpeg() -> None:
    """As of thermal cameras, which have their measurements there, many segments long. That a gain
    map follows is told of the map."""
    memory = io.BytesIO()
    heat, blank = b"\xff\xe1\0\x0cFLIR\0heat!", b"\xff\xe5\0\4\0\0"
    gain_map = b"\xff\xe2\0\x22urn:iso:std:iso:ts:21496:-1\0" + bytes(4)
    Image.linear_gradient("L").save(memory, "JPEG", exif=Image.Exif(), xmp=b"<x/>", dpi=(72, 72))
    data = memory.getvalue()
    said = read_picture(
        data[:2] + heat * 9 + blank + gain_map + b"\xff\xeb\0\4\0\1" + data[2:]
    ).notes
    assert said == ("segments of the JPEG are not kept (APP1 FLIR, APP11)",)


@pytest.mark.parametrize("sizes", [[(16, 16)], [(16, 16), (64, 64)]])
def test_the_sizes_of_an_icon(sizes: list[tuple[int, int]]) -> None:
    told = notes("ICO", sizes=sizes)
    assert told == ("the file holds several images; only the largest is kept" * (len(sizes) > 1))


@pytest.mark.parametrize(("kind", "told"), [("MBED", True), ("LINK", True), ("sRGB", False)])
def test_the_profile_of_a_bmp(kind: str, told: bool) -> None:
    colours = kind.encode()[::-1]
    header = struct.pack("<IiiHHIIiiII", 124, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) + bytes(16) + colours
    whole = header.ljust(124, b"\0") + bytes(4)
    said = read_picture(b"BM" + struct.pack("<IHHI", 14 + len(whole), 0, 0, 138) + whole).notes
    assert said == (("the colour profile in the BMP is not kept",) if told else ())


def jpeg_2000(bits: int, method: int, no_jp2: bool) -> bytes:
    """Pillow's file of 8 bits without a profile, said to have others."""
    memory = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(memory, "JPEG2000", no_jp2=no_jp2)
    data = bytearray(memory.getvalue())
    depths = data.index(b"\xff\x4f\xff\x51") + 42
    data[depths : depths + 9 : 3] = bytes((bits - 1,)) * 3
    if not no_jp2:
        data[data.index(b"ihdr") + 14] = bits - 1
        data[data.index(b"colr") + 4] = method
    return bytes(data)


@pytest.mark.parametrize("no_jp2", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_the_depth_of_jpeg_2000(bits: int, no_jp2: bool) -> None:
    said = read_picture(jpeg_2000(bits, 1, no_jp2)).notes
    assert said == ((f"{bits}-bit samples reduced to 8 bits",) if bits > 8 else ())


def test_the_profile_of_jpeg_2000() -> None:
    said = read_picture(jpeg_2000(8, 2, no_jp2=False)).notes
    assert said == ("the colour profile in the JPEG 2000 is not kept",)


def test_wide_grey_jpeg_2000_is_told_once() -> None:
    memory = io.BytesIO()
    Image.new("I;16", (8, 8), 4000).save(memory, "JPEG2000")
    assert read_picture(memory.getvalue()).notes == ("16-bit samples reduced to 8 bits",)


@pytest.mark.parametrize(
    ("tag", "said"), [(33723, "IPTC"), (34377, "Photoshop"), (37724, "Photoshop")]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_what_a_tiff_holds_beside_photo_tags(tag: int, said: str, order: str) -> None:
    bytes_of_any_kind = 7
    tags = {258: (3, [8]), 262: (3, [1]), tag: (bytes_of_any_kind, list(b"my garden"))}
    (note,) = read_picture(tiff((1, 1), [bytes(1)], tags, order)).notes
    assert said in note and "not kept" in note


def test_tags_of_a_tiff_that_speak_of_no_photo() -> None:
    """Where a picture lies on a map, say."""
    plain = {258: (3, [8]), 262: (3, [1])}
    kept = {269: (2, list(b"name\0")), 0x4746: (3, [4]), 0x9C9B: (1, list(b"t\0\0\0"))}
    assert read_picture(tiff((1, 1), [bytes(1)], plain | kept, "<")).notes == ()
    lost = {34735: (3, [1, 1, 0, 0]), 65000: (3, [1])}
    said = read_picture(tiff((1, 1), [bytes(1)], plain | kept | lost, "<")).notes
    assert said == ("tags of the TIFF are not kept (GeoKeyDirectory, 65000)",)


@pytest.mark.parametrize(("extra", "told"), [([0], True), ([2], False), ([2, 0], True)])
def test_a_channel_of_unspecified_meaning(extra: list[int], told: bool) -> None:
    samples = 3 + len(extra)
    tags = {258: (3, [8] * samples), 262: (3, [2]), 277: (3, [samples]), 338: (3, extra)}
    picture = read_picture(tiff((1, 1), [bytes(range(samples))], tags, "<"))
    assert picture.pixels.tolist() == [[[0, 1, 2]]]
    assert any("unspecified meaning" in note for note in picture.notes) == told


def test_png_texts() -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "my garden")
    texts.add_itxt("Author", "me")
    texts.add_text("boxes", "10 20 30 40")
    texts.add_text("date:create", "2020")
    assert notes("PNG", pnginfo=texts) == "texts in the PNG are not kept (Title, Author, boxes)"


@pytest.mark.parametrize("block", [False, True])
def test_png_texts_that_repeat_exif(block: bool) -> None:
    """ImageMagick's; without the block they are all that is left of it."""
    exif, texts = Image.Exif(), PngImagePlugin.PngInfo()
    exif[0x013B] = "me"
    texts.add_text("exif:Artist", "me")
    told = notes("PNG", pnginfo=texts, exif=exif if block else None)
    assert told == ("" if block else "texts in the PNG are not kept (exif:Artist)")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b'GCamera:MotionPhoto="1"', True),
        (b"<GCamera:MicroVideo>1</GCamera:MicroVideo>", True),
        (b'GCamera:MotionPhoto="0" GCamera:MotionPhotoVersion="1"', False),
    ],
)
@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_the_video_of_a_motion_photo(format: str, said: bytes, told: bool) -> None:
    memory = io.BytesIO()
    Image.linear_gradient("L").save(memory, format, xmp=b"<x " + said + b"/>")
    video = b"\0\0\0\x18ftypmp42" if told else b""
    (*notes,) = read_picture(memory.getvalue() + video).notes
    assert notes == ["the video of the motion photo is not kept"] * told


def test_a_motion_photo_that_was_edited_has_no_video_to_lose() -> None:
    assert notes("JPEG", xmp=b'<x GCamera:MotionPhoto="1"/>') == ""


def test_content_credentials() -> None:
    told = ("content credentials (C2PA) are not kept",)
    memory, other = io.BytesIO(), io.BytesIO()
    Image.linear_gradient("L").save(memory, "JPEG")
    data = memory.getvalue()
    other_boxes = ("segments of the JPEG are not kept (APP11 JP)",)
    for body, expected in ((b"JP..jumb..c2pa", told), (b"JP..jumb", other_boxes)):
        segment = struct.pack(">HH", 0xFFEB, 2 + len(body)) + body
        assert read_picture(data[:2] + segment + data[2:]).notes == expected
    chunk = PngImagePlugin.PngInfo()
    chunk.add(b"caBX", b"jumb")
    Image.linear_gradient("L").save(other, "PNG", pnginfo=chunk)
    assert read_picture(other.getvalue()).notes == told


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
        ("imagers/rgb24prof.bmp", "colour profile in the BMP"),
        ("imagers/smile.ico", "only the largest"),
        ("pillow/hopper.Lab.tif", "Photoshop's own data"),
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


def test_wide_grey_heif_is_told_once() -> None:
    heif = pytest.importorskip("pillow_heif")
    memory = io.BytesIO()
    heif.from_bytes("L;16", (64, 64), bytes(2 * 64 * 64)).save(memory)
    assert read_picture(memory.getvalue()).notes == ("16-bit samples reduced to 8 bits",)


@pytest.mark.parametrize("key", ["aux", "depth_images"])
def test_what_belongs_to_the_picture_of_a_heif(key: str) -> None:
    """No writer at hand adds them, so what pillow-heif says of a phone's file is put there."""
    heif = pytest.importorskip("pillow_heif")
    memory = io.BytesIO()
    heif.from_pillow(Image.linear_gradient("L")).save(memory)
    heif.register_heif_opener()
    with Image.open(memory) as image:
        assert not image.info[key]
        assert picture_from_pil(image.copy()).notes == ()
    with Image.open(memory) as image:
        image.info[key] = {"urn:com:apple:photo:2020:aux:hdrgainmap": [52]}
        (note,) = picture_from_pil(image).notes
    assert "gain map" in note


def test_iptc_of_a_heif() -> None:
    heif = pytest.importorskip("pillow_heif")
    memory = io.BytesIO()
    heif.from_pillow(Image.linear_gradient("L")).save(memory, exif=b"Exif\0\0II*\0")
    told = read_picture(memory.getvalue().replace(b"Exif", b"iptc", 1)).notes
    assert told == ("IPTC data (captions, keywords) are not kept",)


@pytest.mark.skipif(not features.check("avif"), reason="needs a Pillow with AVIF")
def test_the_gain_map_of_an_avif() -> None:
    """libavif refuses the brand without the map, which nothing at hand writes."""
    memory = io.BytesIO()
    Image.linear_gradient("L").save(memory, "AVIF")
    front = memory.getvalue()
    with Image.open(memory) as image:
        assert unkept(image, front, managed=False) == []
        (note,) = unkept(image, front.replace(b"miaf", b"tmap", 1), managed=False)
    assert "gain map" in note


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
