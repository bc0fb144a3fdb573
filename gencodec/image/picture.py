"""The picture that crosses floors: 8-bit pixels, alpha, metadata, and notes for the user."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from gencodec.errors import ImageError

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture, upright, as the codec sees it.

    pixels: uint8, (H, W, 3) RGB or (H, W) grey. alpha: uint8 (H, W), 255 opaque, or None.
    icc, exif (a TIFF block, beginning with II or MM), xmp: bytes as the source had them, except
    that the orientation in exif and xmp is 1, or None. notes: one line each of what the user
    should know was changed or lost. ImageError when the arrays break these rules.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels, alpha = self.pixels, self.alpha
        if pixels.dtype != np.uint8:
            raise ImageError(f"pixels have type {pixels.dtype}, expected uint8")
        if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
            raise ImageError(f"pixels have shape {pixels.shape}, expected (H, W) or (H, W, 3)")
        if 0 in pixels.shape:
            raise ImageError(f"the picture is empty (shape {pixels.shape})")
        if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != pixels.shape[:2]):
            raise ImageError(f"alpha is {alpha.dtype} {alpha.shape}, expected uint8 (H, W)")

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def grey(self) -> bool:
        return self.pixels.ndim == 2


def three_channels(pixels: Pixels) -> Pixels:
    """(H, W), (H, W, 3) or (H, W, 4) -> (H, W, 3): grey three times, alpha left out."""
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return pixels[:, :, :3]


def picture_from_array(array: npt.NDArray[np.uint8]) -> Picture:
    """Return a Picture of a uint8 array: (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha,
    (H, W, 3) RGB, (H, W, 4) RGB and alpha.

    RGB with three equal channels becomes grey, an alpha of 255 everywhere None. Pixels may share
    memory with `array`. ImageError for another type or shape.
    """
    array = np.asarray(array)
    if array.dtype != np.uint8:
        raise ImageError(f"the array has type {array.dtype}, expected uint8")
    if array.ndim == 2:
        return Picture(array)
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4:
        raise ImageError(f"the array has shape {array.shape}, expected (H, W) or (H, W, 1..4)")
    channels = array.shape[2]
    colours = channels - (1 - channels % 2)
    pixels = array[..., 0] if colours == 1 else array[..., :3]
    alpha = array[..., -1] if colours < channels else None
    return simplify(Picture(pixels, alpha))


def simplify(picture: Picture) -> Picture:
    """Drop what carries nothing: equal RGB channels become one, an opaque alpha becomes None."""
    pixels, alpha = picture.pixels, picture.alpha
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    if pixels.ndim == 3 and is_grey(pixels):
        pixels = np.ascontiguousarray(pixels[..., 0])
    return replace(picture, pixels=pixels, alpha=alpha)


def is_grey(pixels: Pixels) -> bool:
    """Whether R == G == B at every pixel of (H, W, 3)."""
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    # The first row settles nearly every photo.
    return (
        np.array_equal(red[0], green[0])
        and np.array_equal(red, green)
        and np.array_equal(green, blue)
    )


def to_pil(picture: Picture) -> Image.Image:
    """Return a Pillow image (L, LA, RGB or RGBA) with the metadata in its `info`."""
    image = Image.fromarray(np.ascontiguousarray(picture.pixels))
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(np.ascontiguousarray(picture.alpha)))
    if picture.icc is not None:
        image.info["icc_profile"] = picture.icc
    if picture.exif is not None:
        image.info["exif"] = b"Exif\0\0" + picture.exif
    if picture.xmp is not None:
        image.info["xmp"] = picture.xmp
    return image
