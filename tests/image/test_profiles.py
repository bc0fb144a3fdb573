"""A grey picture looks the same after a change of format, whatever its colour profile."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from gencodec.image import Picture, picture_from_pil, read_picture, write_picture

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
CURVE = b"para\0\0\0\0\0\3\0\0"  # a parametric curve of five numbers


def linear_srgb() -> bytes:
    """A profile named sRGB, as Pillow's is, with straight lines for curves."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    at = profile.index(CURVE) + len(CURVE)
    assert profile.count(CURVE) == 1  # the three colours share it
    return profile[:at] + struct.pack(">5i", 65536, 65536, 0, 65536, 0) + profile[at + 20 :]


def linear_grey() -> bytes:
    """A profile of one channel and gamma 1: a white point and a curve."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0" + bytes(4)
    entries = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 12)
    head = struct.pack(">I4sI", 188, b"lcms", 0x02100000) + b"mntrGRAYXYZ " + bytes(12) + b"acsp"
    return (head.ljust(68, b"\0") + white[8:]).ljust(128, b"\0") + entries + white + curve


def shown(image: Image.Image) -> np.ndarray:
    """(H, W) int: the greys that a viewer with colour management shows."""
    icc = image.info.get("icc_profile")
    if icc is None:
        return np.asarray(image.convert("L")).astype(int)
    target = ImageCms.createProfile("sRGB")
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    converted = ImageCms.profileToProfile(image, profile, target, outputMode="RGB")
    assert converted is not None
    return np.asarray(converted)[..., 1].astype(int)


def written(picture: Picture, format: str) -> Image.Image:
    memory = io.BytesIO()
    write_picture(picture, memory, format=format)
    return Image.open(memory)


def test_a_profile_that_is_srgb_by_name_only_is_kept() -> None:
    image = Image.fromarray(np.dstack([RAMP] * 3))
    image.info["icc_profile"] = linear_srgb()
    picture = picture_from_pil(image)
    assert picture.icc == linear_srgb() and not picture.grey
    assert np.array_equal(shown(written(picture, "PNG")), shown(image))
    assert np.abs(shown(image) - RAMP).max() > 50  # it does say something


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "PPM"])
@pytest.mark.parametrize("with_alpha", [False, True])
def test_grey_with_its_profile(format: str, with_alpha: bool) -> None:
    source = Image.fromarray(RAMP)
    source.info["icc_profile"] = linear_grey()
    picture = picture_from_pil(source)
    assert picture.icc == linear_grey()
    if with_alpha and format != "PPM":
        picture = Picture(picture.pixels, RAMP[::-1].copy(), picture.icc)
    image = written(picture, format)
    icc = image.info.get("icc_profile")
    assert icc is None or (icc[16:20] == b"GRAY" and image.mode in ("L", "LA"))
    assert np.abs(shown(image.convert("L") if icc else image) - shown(source)).max() <= 1
    memory = io.BytesIO()
    write_picture(picture, memory, format=format)
    assert read_picture(memory.getvalue()).notes == ()
