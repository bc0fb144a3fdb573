"""Pillow's pixel modes brought to 8-bit grey or RGB with a separate alpha.

::

    1 L LA La | I I;16 F ──────────────> grey (H, W)    + alpha (H, W) or None
    P PA RGB RGBX RGBA RGBa ───────────> RGB (H, W, 3)  + alpha (H, W) or None
    CMYK LAB ──colour management──> RGB
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from gencodec.errors import ImageError
from gencodec.image.picture import Picture, Pixels

try:
    from PIL import ImageCms
except ImportError:  # a Pillow built without LittleCMS
    ImageCms = None  # type: ignore[assignment]

NOTE_16_BIT = "16-bit samples reduced to 8 bits"
NOTE_32_BIT = "integer samples read as 0..65535 and reduced to 8 bits"
NOTE_FLOAT = "floating-point samples reduced to 8 bits"
NOTE_CMYK_MANAGED = "CMYK converted to sRGB through its colour profile"
NOTE_LAB = "CIE Lab converted to sRGB: colours that sRGB does not have are not kept"
NOTE_CMYK_PLAIN = "CMYK converted to RGB without a usable colour profile (colours are approximate)"

_BAND_PIXELS = 2**21

# Raw modes of 16-bit samples; "BGR;16" without a byte order letter is 5+6+5 bits.
_DEEP_RAW_MODE = re.compile(r";16[BLNRS]$")
# Grey PNGs of 2 and 4 bits: Pillow scales the samples but not the transparent value.
_GREY_SCALE = {"L;2": 85, "L;4": 17}


@dataclass(frozen=True, eq=False)
class Decoded:
    """Pixels (H, W) or (H, W, 3), alpha (H, W) or None, notes, and whether the colour profile of
    the source was used up by the conversion."""

    pixels: Pixels
    alpha: Pixels | None = None
    notes: tuple[str, ...] = ()
    profile_used: bool = False


def raw_mode(image: Image.Image) -> str:
    """Return how the file stores its samples, "" when unknown. Ask before the pixels are loaded."""
    tiles: Any = getattr(image, "tile", None) or ()
    for tile in tiles:
        if tile[0] == "SGI16":
            return "SGI;16B"
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if arguments and isinstance(arguments[0], str):
            # PPM readers carry the largest sample value behind the mode.
            if tile[0].startswith("ppm") and arguments[-1] > 255:
                return f"{arguments[0]};16B"
            return arguments[0]
    return ""


def decode_colours(image: Image.Image, raw: str) -> Decoded:
    """Convert a loaded image of any mode; `raw` is what `raw_mode` said before.

    ImageError for a mode that has no conversion.
    """
    mode = image.mode
    deep = (NOTE_16_BIT,) if _DEEP_RAW_MODE.search(raw) else ()
    if mode.startswith(("I", "F")):
        return _decode_wide(image, raw)
    if mode in ("1", "L"):
        grey = _samples(image, "L")
        return Decoded(grey, _keyed(grey, _grey_key(image, raw)), deep)
    if mode in ("LA", "La"):
        return Decoded(*_split(image, "LA"), deep)
    if mode == "RGB":
        rgb = _samples(image, "RGB")
        return Decoded(rgb, _keyed(rgb, _rgb_key(image, bool(deep))), deep)
    if mode in ("RGBA", "RGBa", "PA") or (mode == "P" and _palette_has_alpha(image)):
        return Decoded(*_split(image, "RGBA"), deep)
    if mode == "CMYK":
        return _decode_cmyk(image, deep)
    if mode == "LAB":
        rgb = _samples(_managed(image, None), "RGB")
        return Decoded(rgb, None, (*deep, NOTE_LAB), profile_used=True)
    try:
        return Decoded(_samples(image, "RGB"), None, deep)
    except ValueError as error:
        raise ImageError(f"pixel mode {mode} is not supported") from error


def is_srgb(icc: bytes) -> bool:
    """Whether a profile calls itself sRGB, and greys through it stay what they are to one level.

    The name alone says too little: there are profiles named "Linear sRGB".
    """
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if "sRGB" not in ImageCms.getProfileDescription(profile):
            return False
        ramp = np.arange(256, dtype=np.uint8).reshape(1, 256, 1).repeat(3, axis=2)
        shown = np.array(_managed(Image.fromarray(ramp), icc)).astype(int)
        return int(np.abs(shown - ramp).max()) <= 1
    except Exception:  # whatever LittleCMS makes of a damaged profile, it is not sRGB
        return False


def to_srgb(picture: Picture) -> Picture:
    """The picture with its profile applied and gone; as it is where the profile is of no use."""
    if picture.icc is None or ImageCms is None:
        return replace(picture, icc=None)
    try:
        pixels = _samples(_managed(Image.fromarray(picture.pixels), picture.icc), "RGB")
    except (OSError, ValueError, ImageCms.PyCMSError):
        return replace(picture, icc=None)
    return replace(picture, pixels=pixels[..., 1] if picture.grey else pixels, icc=None)


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    """Some rows at a time of a loaded image, and which these are.

    Whatever Pillow converts or hands to numpy is twice more in memory until it is done.
    """
    rows = max(1, _BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _samples(image: Image.Image, mode: str) -> Pixels:
    """An image as L (H, W) or as RGB (H, W, 3)."""
    size = (image.height, image.width)
    samples = np.empty(size if mode == "L" else (*size, 3), np.uint8)
    for rows, band in _bands(image):
        samples[rows] = np.asarray(band.convert(mode))
    return samples


def _split(image: Image.Image, mode: str) -> tuple[Pixels, Pixels]:
    """An image as LA or RGBA: (pixels, alpha)."""
    size = (image.height, image.width)
    pixels = np.empty(size if mode == "LA" else (*size, 3), np.uint8)
    alpha = np.empty(size, np.uint8)
    for rows, band in _bands(image):
        samples = np.asarray(band.convert(mode))
        pixels[rows] = samples[..., 0] if mode == "LA" else samples[..., :3]
        alpha[rows] = samples[..., -1]
    return pixels, alpha


def _decode_wide(image: Image.Image, raw: str) -> Decoded:
    """Grey samples wider than 8 bits, rounded to the nearest of 256 levels."""
    if image.mode == "F":
        values = np.nan_to_num(np.asarray(image).astype(np.float32))
        # The mode says nothing of its range; these two conventions are the common ones.
        unit = bool(values.min() >= 0 and values.max() <= 1)
        scaled = np.rint(values * 255 if unit else values)
        return Decoded(np.clip(scaled, 0, 255).astype(np.uint8), None, (NOTE_FLOAT,))
    key = image.info.get("transparency")
    alpha = _keyed(np.asarray(image), key) if isinstance(key, int) else None
    white = 4095 if raw.startswith("I;12") else 65535
    # A 12-bit raw mode cannot exceed its white, but a wrong label must not wrap around.
    levels = np.minimum((np.arange(65536) * 255 + white // 2) // white, 255).astype(np.uint8)
    grey = np.empty((image.height, image.width), np.uint8)
    for rows, band in _bands(image):
        grey[rows] = levels[np.clip(np.asarray(band), 0, 65535)]
    return Decoded(grey, alpha, (NOTE_32_BIT if image.mode == "I" else NOTE_16_BIT,))


def _grey_key(image: Image.Image, raw: str) -> int | None:
    key = image.info.get("transparency")
    if not isinstance(key, int):
        return None
    if image.mode == "1":
        return 255 if key else 0  # as Pillow has it from 12.1 on
    return key * _GREY_SCALE.get(raw, 1) if image.format == "PNG" else key


def _rgb_key(image: Image.Image, deep: bool) -> tuple[int, ...] | None:
    key = image.info.get("transparency")
    if not isinstance(key, tuple) or len(key) != 3:
        return None
    # Pillow keeps the high byte of 16-bit samples; the key has to follow.
    return tuple(part >> 8 for part in key) if deep else key


def _keyed(samples: npt.NDArray[Any], key: int | tuple[int, ...] | None) -> Pixels | None:
    """The alpha of a picture in which one sample value or colour is transparent."""
    if key is None:
        return None
    equal = samples == np.asarray(key)
    if equal.ndim == 3:
        equal = equal.all(axis=2)
    return np.where(equal, 0, 255).astype(np.uint8)


def _palette_has_alpha(image: Image.Image) -> bool:
    palette = image.palette
    return "transparency" in image.info or (palette is not None and palette.mode.endswith("A"))


def _decode_cmyk(image: Image.Image, notes: tuple[str, ...]) -> Decoded:
    icc = image.info.get("icc_profile")
    if isinstance(icc, bytes) and icc[16:20] == b"CMYK" and ImageCms is not None:
        try:
            rgb = _samples(_managed(image, icc), "RGB")
            return Decoded(rgb, None, (*notes, NOTE_CMYK_MANAGED), profile_used=True)
        except (OSError, ValueError, ImageCms.PyCMSError):
            pass  # a damaged profile: fall through to the plain conversion, which says so
    rgb = _samples(image, "RGB")
    return Decoded(rgb, None, (*notes, NOTE_CMYK_PLAIN), profile_used=True)


def _managed(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Convert to sRGB from the colours of `icc`, or from CIE Lab when it is None."""
    if ImageCms is None:
        raise ImageError(f"pixel mode {image.mode} needs a Pillow with LittleCMS")
    if icc is None:
        source = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    else:
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    target = ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    if converted is None:  # the answer of the in-place form, which this is not
        raise ImageError("colour conversion gave no picture")
    return converted
