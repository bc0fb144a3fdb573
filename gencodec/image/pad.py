"""Padding to the multiple that the model needs, and its inverse."""

from __future__ import annotations

import numpy as np

from gencodec.image.picture import Pixels


def pad(pixels: Pixels, multiple: int) -> Pixels:
    """Repeat the last row and column until both sides divide by `multiple`.

    pixels: (H, W) or (H, W, C); the same array comes back when nothing is missing.
    """
    if multiple < 1:
        raise ValueError(f"multiple is {multiple}, must be at least 1")
    bottom, right = -pixels.shape[0] % multiple, -pixels.shape[1] % multiple
    if not bottom and not right:
        return pixels
    widths = [(0, bottom), (0, right)] + [(0, 0)] * (pixels.ndim - 2)
    return np.pad(pixels, widths, mode="edge")


def crop(pixels: Pixels, width: int, height: int) -> Pixels:
    """Return the upper left `height` x `width` pixels (a view); ValueError when there are fewer."""
    if not (1 <= width <= pixels.shape[1] and 1 <= height <= pixels.shape[0]):
        raise ValueError(
            f"cannot crop {pixels.shape[1]}x{pixels.shape[0]} pixels to {width}x{height}"
        )
    return pixels[:height, :width]
