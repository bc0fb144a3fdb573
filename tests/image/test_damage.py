"""Broken, cut and hostile pictures give one ImageError of one line, never anything else."""

from __future__ import annotations

import io
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gencodec.errors import ImageError
from gencodec.image import Picture, picture_from_pil, read_picture

KINDS = ["PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM", "TGA", "QOI", "ICO", "SGI", "PCX", "JPEG2000"]


def sample(kind: str) -> bytes:
    ramp = np.add.outer(np.arange(16), np.arange(24)).astype(np.uint8)
    image = Image.fromarray(np.dstack([ramp, ramp * 3, 255 - ramp]))
    exif = Image.Exif()
    exif[0x0112] = 6
    options = {"exif": exif} if kind in ("PNG", "JPEG", "WEBP") else {}
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


SAMPLES = {kind: sample(kind) for kind in KINDS}


def read_or_refuse(data: bytes) -> Picture | None:
    message = ""
    try:
        return read_picture(data, max_pixels=10_000)
    except ImageError as error:
        message = str(error)
    assert message.startswith("cannot read the picture: ") and "\n" not in message
    return None


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_read(kind: str) -> None:
    assert read_or_refuse(SAMPLES[kind]) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_cut_files(kind: str) -> None:
    data = SAMPLES[kind]
    for size in range(0, len(data), max(1, len(data) // 60)):
        read_or_refuse(data[:size])


def test_a_cut_heif_is_refused() -> None:
    """Of a phone's, which consists of tiles, libheif shows those that are there."""
    heif = pytest.importorskip("pillow_heif")
    memory = io.BytesIO()
    heif.from_pillow(Image.linear_gradient("L")).save(memory)
    data = memory.getvalue()
    assert read_picture(data).width == read_picture(data + bytes(9)).width == 256
    for size in (len(data) - 1, data.index(b"mdat") + 5):
        with pytest.raises(ImageError, match="the file is cut"):
            read_picture(data[:size])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "PPM"])
def test_a_file_cut_in_half_is_refused(kind: str) -> None:
    with pytest.raises(ImageError):
        read_picture(SAMPLES[kind][: len(SAMPLES[kind]) // 2])


@given(st.data())
def test_damaged_files(data: st.DataObject) -> None:
    damaged = bytearray(SAMPLES[data.draw(st.sampled_from(KINDS))])
    for _ in range(data.draw(st.integers(1, 5))):
        # Most of what can go wrong is in the first bytes.
        place = data.draw(st.integers(0, 60) | st.integers(0, len(damaged) - 1))
        damaged[place % len(damaged)] = data.draw(st.integers(0, 255))
    read_or_refuse(bytes(damaged))


@given(st.binary(max_size=200))
def test_random_bytes(data: bytes) -> None:
    read_or_refuse(data)


def test_the_size_is_checked_before_pixels_are_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("L", (8000, 8000)).save(buffer, "PNG")
    tracemalloc.start()
    try:
        for limit in (63_999_999, 40_000_000, 1000):
            with pytest.raises(ImageError, match="pixels"):
                read_picture(buffer.getvalue(), max_pixels=limit)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_the_limit_holds_for_pillow_images_too() -> None:
    with pytest.raises(ImageError, match="limit is 11"):
        picture_from_pil(Image.new("L", (3, 4)), max_pixels=11)


def test_a_bomb_is_refused() -> None:
    width = (100_000).to_bytes(4, "big")
    data = SAMPLES["PNG"]
    with pytest.raises(ImageError):
        read_picture(data[:16] + width + width + data[24:])
    with pytest.raises(ImageError, match="pixels"):
        read_picture(b"P6 100000 100000 255\n")


def test_pillows_own_limits_come_back() -> None:
    before = Image.MAX_IMAGE_PIXELS
    read_picture(SAMPLES["PNG"], max_pixels=10_000)
    with pytest.raises(ImageError):
        read_picture(b"P6 9000 9000 255\n", max_pixels=5)
    assert Image.MAX_IMAGE_PIXELS == before


@pytest.mark.parametrize("name", ["", "missing.png", "a\0b.png", "a\ud800b.png"])
def test_names_of_no_file(name: str) -> None:
    for path in (name, Path(name)):
        with pytest.raises(ImageError, match="cannot read") as caught:
            read_picture(path)
        assert "\0" not in str(caught.value)
        if os.name != "nt":  # where files may have the last of these names
            assert str(caught.value).encode()


@pytest.mark.parametrize(
    "front",
    [
        b"II*\0\x10\0\0\0CR\2\0",
        b"\0\0\0\x18ftypcrx \0\0\0\1",
        b"II\x1a\0\0\0HEAPCCDR",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"IIU\0\x18\0\0\0",
        b"\0MRM\0\1",
        b"FOVb\1\0\2\0",
    ],
)
def test_raw_data_of_cameras_is_called_so(front: bytes) -> None:
    with pytest.raises(ImageError, match="raw data; develop it first"):
        read_picture(front.ljust(1000, b"\0"))


def test_formats_that_run_programs_are_not_read() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "EPS")
    with pytest.raises(ImageError, match="known format"):
        read_picture(buffer.getvalue())


def test_reading_in_threads() -> None:
    pictures: list[Picture] = []

    def read(kind: str) -> None:
        for _ in range(5):
            pictures.append(read_picture(SAMPLES[kind]))

    threads = [threading.Thread(target=read, args=(kind,)) for kind in KINDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pictures) == 5 * len(KINDS)
