"""Colour where nothing can be seen: under fully transparent pixels.

What a program left there is noise to the codec: sharp borders that cost bytes and ring into the
visible part. It is replaced by a smooth continuation of the visible colours, which also is what
keeps an edge clean when a viewer scales the picture without regard to its alpha.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from gencodec.image.picture import Picture, Pixels

_NOTHING_VISIBLE = 128


def smooth_hidden(picture: Picture) -> Picture:
    """Return the picture with the colours where alpha is 0 continued from the visible ones.

    Visible pixels and alpha stay as they are; the same picture comes back where nothing is hidden.
    """
    if picture.alpha is None:
        return picture
    visible = picture.alpha != 0
    if bool(visible.all()):
        return picture
    return replace(picture, pixels=_fill(picture.pixels, visible))


def _fill(pixels: Pixels, visible: npt.NDArray[np.bool_]) -> Pixels:
    """Pull and push: each hidden pixel takes the mean of its block, at the finest size of block
    (2, 4, 8, ... pixels) that holds a visible one, interpolated."""
    if bool(visible.all()):
        return pixels
    if not bool(visible.any()):
        return np.full_like(pixels, _NOTHING_VISIBLE)
    seen = visible.astype(np.uint16)
    if pixels.ndim == 3:
        seen = seen[..., None]
    sums, counts = _blocks(pixels * seen), _blocks(seen)
    coarse = ((sums + counts // 2) // np.maximum(counts, 1)).astype(np.uint8)
    filled = _fill(coarse, counts.reshape(counts.shape[:2]) > 0)
    height, width = visible.shape
    doubled = (2 * filled.shape[1], 2 * filled.shape[0])
    smooth = np.array(Image.fromarray(filled).resize(doubled, Image.Resampling.BILINEAR))
    return np.where(seen != 0, pixels, smooth[:height, :width])


def _blocks(values: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Sums over 2 x 2 pixels of (H, W) or (H, W, C); beyond odd sides there is nothing."""
    odd = [(0, values.shape[0] % 2), (0, values.shape[1] % 2)] + [(0, 0)] * (values.ndim - 2)
    values = np.pad(values, odd)
    rows = values[0::2] + values[1::2]
    return rows[:, 0::2] + rows[:, 1::2]
