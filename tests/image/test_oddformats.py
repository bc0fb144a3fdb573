"""Odd files collected by other projects: each is read, or refused with an ImageError."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gencodec.errors import ImageError
from gencodec.image import Picture, read_picture

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "test" / "oddformats"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="needs the odd files in ../shared/data/test/oddformats"
)

COLLECTIONS = sorted(entry.name for entry in FOLDER.iterdir()) if FOLDER.is_dir() else ["none"]


def read_or_none(path: Path) -> Picture | None:
    message = ""
    try:
        return read_picture(path)
    except ImageError as error:
        message = str(error)
    assert message.startswith("cannot read ") and "\n" not in message
    return None


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_every_file_is_read_or_refused(collection: str) -> None:
    files = [path for path in sorted((FOLDER / collection).iterdir()) if path.is_file()]
    pictures = [read_or_none(path) for path in files]
    # Most are sound: a reader that refuses everything must not pass.
    assert sum(picture is not None for picture in pictures) > 0.8 * len(files)


def difference(first: str, second: str) -> float:
    one, two = read_picture(FOLDER / first).pixels, read_picture(FOLDER / second).pixels
    assert one.shape == two.shape
    return float(np.abs(one.astype(int) - two).mean())


@pytest.mark.parametrize("turned", range(9))
def test_jpeg_orientations(turned: int) -> None:
    folder = "exif_orientation/Portrait"
    assert difference(f"{folder}_{turned}.jpg", f"{folder}_1.jpg") < 4


@pytest.mark.parametrize("turned", range(2, 9))
def test_tiff_orientations(turned: int) -> None:
    assert difference(f"pillow/g4_orientation_{turned}.tif", "pillow/g4_orientation_1.tif") < 2


def test_lab_is_near_rgb() -> None:
    assert difference("pillow/hopper.Lab.tif", "pillow/hopper.tif") < 4


@pytest.mark.parametrize("name", ["tbbn0g04", "tbwn0g16", "tbbn2c16", "tbrn2c08", "tbbn3p08"])
def test_transparent_colours(name: str) -> None:
    alpha = read_picture(FOLDER / "pngsuite" / f"{name}.png").alpha
    assert alpha is not None and 0.4 < (alpha == 0).mean() < 0.5


@pytest.mark.parametrize("name", ["xs1n0g01", "xcrn0g04", "xhdn0g08", "xdtn0g01", "xd9n2c08"])
def test_invalid_pngs_are_refused(name: str) -> None:
    with pytest.raises(ImageError):
        read_picture(FOLDER / "pngsuite" / f"{name}.png")


def test_metadata_in_every_place() -> None:
    for name in ("exif_xmp_icc.jpg", "icc_exif_xmp.png", "icc_exif_xmp_at_end.png"):
        picture = read_picture(FOLDER / "libavif" / f"paris_{name}")
        assert picture.icc is not None and len(picture.icc) == 596
        assert picture.exif is not None and len(picture.exif) == 1126
        assert picture.xmp is not None and len(picture.xmp) == 3898
