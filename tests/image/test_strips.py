"""PPM files read and written a strip at a time."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.errors import ImageError
from gencodec.image import Picture, PictureRows, PpmRows, is_plain_ppm, write_ppm_strips

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(1, 1, 3), (300, 7, 3), (5, 9), (600, 2)])
def test_rows(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = RNG.integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.ppm")
    assert is_plain_ppm(tmp_path / "a.ppm")
    for rows in (PpmRows(tmp_path / "a.ppm"), PictureRows(Picture(pixels))):
        assert (rows.height, rows.width) == shape[:2] and rows.grey == (len(shape) == 2)
        full = pixels if len(shape) == 3 else np.repeat(pixels[:, :, None], 3, 2)
        for top, bottom in ((0, shape[0]), (0, 1), (shape[0] - 1, shape[0]), (shape[0] // 2,) * 2):
            assert np.array_equal(rows.rows(top, bottom), full[top:bottom])


def test_equal_channels_are_grey(tmp_path: Path) -> None:
    grey = np.repeat(RNG.integers(0, 256, (700, 3, 1), np.uint8), 3, 2)
    Image.fromarray(grey).save(tmp_path / "a.ppm")
    assert PpmRows(tmp_path / "a.ppm").grey
    grey[650, 1, 2] ^= 1
    Image.fromarray(grey).save(tmp_path / "a.ppm")
    assert not PpmRows(tmp_path / "a.ppm").grey


@pytest.mark.parametrize("grey", [True, False])
def test_writing(grey: bool) -> None:
    pixels = RNG.integers(0, 256, (50, 20) if grey else (50, 20, 3), np.uint8)
    file = io.BytesIO()
    write_ppm_strips(file, [pixels[:7], pixels[7:40], pixels[40:]], 20, 50, grey=grey)
    file.seek(0)
    with Image.open(file) as image:
        assert np.array_equal(np.asarray(image), pixels)


@pytest.mark.parametrize(
    "header",
    [b"P6 # a comment\n2 # another\n3\n255\n", b"P6\n#\n\n 2\t3 255 ", b"P6\r\n2 3\r\n255\n"],
)
def test_odd_headers(tmp_path: Path, header: bytes) -> None:
    samples = bytes(range(18))
    (tmp_path / "a.ppm").write_bytes(header + samples)
    rows = PpmRows(tmp_path / "a.ppm")
    assert rows.rows(0, 3).tobytes() == samples


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"P6",
        b"P6\n2 3\n65535\n" + bytes(36),
        b"P6\n2 3\n",
        b"P6\n0 3\n255\n",
        b"P6\n-2 3\n255\n",
        b"P6 #" + b"x" * 5000,
        b"P3\n1 1\n255\n1 2 3",
        b"P4\n8 1\n\x00",
        b"\x89PNG",
        b"P6\n2 3 255",
    ],
)
def test_other_files_are_left_to_pillow(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.ppm").write_bytes(data)
    assert not is_plain_ppm(tmp_path / "a.ppm")
    with pytest.raises(ImageError):
        PpmRows(tmp_path / "a.ppm")


def test_a_file_that_is_cut(tmp_path: Path) -> None:
    (tmp_path / "a.ppm").write_bytes(b"P6\n200 300\n255\n" + bytes(100))
    with pytest.raises(ImageError, match="cut"):
        PpmRows(tmp_path / "a.ppm")
    assert not is_plain_ppm(tmp_path) and not is_plain_ppm(tmp_path / "none.ppm")
