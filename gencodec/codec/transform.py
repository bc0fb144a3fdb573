"""g_a, h_a and g_s over pictures of any size, in windows so that memory stays bounded.

The transforms see no further than a fixed margin; a window is computed with that margin around
it and the margin is cut off. Float results may differ in the last bit from those of other
windows, which only an encoder's rounding or one level of a pixel can ever feel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gencodec.bitstream import Box
from gencodec.image import Pixels, pad
from gencodec.model.config import LATENT_STRIDE
from gencodec.model.exact import exact_arithmetic
from gencodec.model.transforms import receptive_margin
from gencodec.model.vae import ImageVae

WINDOW_PIXELS = 1_500_000
"""Pixels of one window: activations then peak at some hundred megabytes."""

Y_MAX = 32_000.0
"""Latents beyond this are clipped before rounding; none is in a picture of 0..255."""

ReadLatents = Callable[[slice, slice], Tensor]
"""Rows and columns of y_hat -> that part of it, (B, M, rows, columns) float32."""


@dataclass(frozen=True)
class Window:
    """Positions of y along one side: those to compute, and those of them to keep."""

    first: int
    last: int
    start: int
    stop: int

    @property
    def all(self) -> slice:
        return slice(self.first, self.last)

    @property
    def kept(self) -> slice:
        return slice(self.start, self.stop)

    @property
    def inner(self) -> slice:
        """The ones to keep, counted from `first`."""
        return slice(self.start - self.first, self.stop - self.first)

    def pixels(self, part: slice) -> slice:
        return slice(part.start * LATENT_STRIDE, part.stop * LATENT_STRIDE)


@dataclass(frozen=True)
class Trunk:
    """The step-independent half of g_a over one window, and where its latents go."""

    u: Tensor
    rows: Window
    columns: Window


def latent_margin(vae: ImageVae) -> int:
    """Positions of y beyond which neither transform can see."""
    return -(-receptive_margin(vae.config) // LATENT_STRIDE)


def analyze(vae: ImageVae, pixels: Pixels, step: Tensor) -> Tensor:
    """g_a: pixels (B, H, W, 3) uint8 of any size -> y (B, M, ceil(H/16), ceil(W/16)) float32."""
    rows = -(-pixels.shape[1] // LATENT_STRIDE)
    return latents_at(vae, trunks(vae, pixels, slice(0, rows)), step)


def trunks(vae: ImageVae, pixels: Pixels, keep: slice) -> Iterator[Trunk]:
    """The trunk of g_a, window by window; pixels (B, H, W, 3) uint8 of any size.

    keep: the rows of y that are wanted; pixels hold the margin around them as far as the
    picture goes.
    """
    rows, columns = (-(-side // LATENT_STRIDE) for side in pixels.shape[1:3])
    for row_window, column_window in _windows(vae, keep, rows, slice(0, columns), columns):
        place = (row_window.pixels(row_window.all), column_window.pixels(column_window.all))
        part = np.stack([pad(picture[place], LATENT_STRIDE) for picture in pixels])
        # Not to be left while suspended: who ends a generator early would keep its mode.
        with exact_arithmetic(_device(vae)):
            u = vae.g_a.trunk(_to_tensor(vae, part))
        yield Trunk(u, row_window, column_window)


def latents_at(vae: ImageVae, windows: Iterable[Trunk], step: Tensor) -> Tensor:
    """The rest of g_a for all windows of :func:`trunks`: y (B, M, rows kept, columns) float32."""
    rows: list[list[Tensor]] = []
    top = None
    with exact_arithmetic(step.device):
        for window in windows:
            y = vae.g_a.at_step(window.u, step)[:, :, window.rows.inner, window.columns.inner]
            if window.rows.start != top:
                rows.append([])
                top = window.rows.start
            rows[-1].append(torch.nan_to_num(y.float()).clamp(-Y_MAX, Y_MAX))
        return joined([joined(row, 3) for row in rows], 2)


def synthesize(vae: ImageVae, y_hat: Tensor, step: Tensor, width: int, height: int) -> Pixels:
    """g_s: y_hat (B, M, h, w) float32 -> pixels (B, height, width, 3) uint8."""
    y_hat = y_hat.to(step.device)
    size = (y_hat.shape[2], y_hat.shape[3])
    strips = synthesize_strips(
        vae, lambda rows, columns: y_hat[:, :, rows, columns], size, step, Box(0, 0, width, height)
    )
    return gather_strips(strips, len(y_hat), width, height)


def synthesize_strips(
    vae: ImageVae,
    read: ReadLatents,
    size: tuple[int, int],
    step: Tensor,
    box: Box,
    factor: int = 1,
) -> Iterator[Pixels]:
    """g_s over a box of pixels: strips (B, rows, columns, 3) uint8 from the top, end to end.

    size: rows and columns of y. factor: 1, 2, 4 or 8, by which the picture is reduced; `box`
    is then in reduced pixels, and each of them the mean of a square.
    """
    stride = LATENT_STRIDE // factor
    keep_rows = slice(box.top // stride, -(-box.bottom // stride))
    keep_columns = slice(box.left // stride, -(-box.right // stride))
    strip: list[Pixels] = []
    for rows, columns in _windows(vae, keep_rows, size[0], keep_columns, size[1]):
        with exact_arithmetic(step.device):
            y_hat = read(rows.all, columns.all).to(step.device)
            x_hat = vae.g_s.scaled(y_hat, step, factor)
            inner = (_times(rows.inner, stride), _times(columns.inner, stride))
            strip.append(_to_pixels(x_hat[:, :, inner[0], inner[1]]))
        if columns.stop == keep_columns.stop:
            whole = strip[0] if len(strip) == 1 else np.concatenate(strip, axis=2)
            top, left = rows.start * stride, keep_columns.start * stride
            wanted = slice(max(box.top - top, 0), box.bottom - top)
            yield whole[:, wanted, box.left - left : box.right - left]
            strip = []


def gather_strips(strips: Iterable[Pixels], count: int, width: int, height: int) -> Pixels:
    """Strips end to end: (count, height, width, 3)."""
    pixels = np.empty((count, height, width, 3), np.uint8)
    top = 0
    for strip in strips:
        pixels[:, top : top + strip.shape[1]] = strip
        top += strip.shape[1]
    return pixels


def _windows(
    vae: ImageVae, keep_rows: slice, rows: int, keep_columns: slice, columns: int
) -> Iterator[tuple[Window, Window]]:
    """Windows of about WINDOW_PIXELS over the kept positions, row by row.

    They are as square as the kept part allows: the margin, computed and thrown away, is then
    the smallest.
    """
    margin = latent_margin(vae)
    area = WINDOW_PIXELS // LATENT_STRIDE**2
    side = max(2 * margin, int(area**0.5))
    across = _split(keep_columns, columns, side, margin)
    # What the columns leave of the area goes into rows: a narrow picture has tall windows.
    width = max(window.stop - window.start for window in across)
    down = _split(keep_rows, rows, max(2 * margin, area // width), margin)
    for row_window in down:
        for column_window in across:
            yield row_window, column_window


def _split(keep: slice, end: int, length: int, margin: int) -> list[Window]:
    """`keep` in equal parts of about `length`, each with a margin inside 0..end."""
    total = keep.stop - keep.start
    count = max(1, -(-(total - margin) // length))
    bounds = [keep.start + total * index // count for index in range(count + 1)]
    return [
        Window(max(0, start - margin), min(end, stop + margin), start, stop)
        for start, stop in pairwise(bounds)
    ]


def _times(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)


def joined(parts: list[Tensor], axis: int) -> Tensor:
    """Parts end to end; a single one is not copied."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, axis)


def _device(vae: ImageVae) -> torch.device:
    return vae.g_a.enter.weight.device


def _to_tensor(vae: ImageVae, pixels: Pixels) -> Tensor:
    weight = vae.g_a.enter.weight
    x = torch.from_numpy(np.ascontiguousarray(pixels)).to(weight.device)
    # The permuted view of (B, H, W, C) bytes is what torch calls channels_last, and stays so.
    return x.permute(0, 3, 1, 2).to(weight.dtype).div_(255.0)


def _to_pixels(x_hat: Tensor) -> npt.NDArray[np.uint8]:
    levels = (x_hat.float() * 255.0 + 0.5).nan_to_num().clamp(0.0, 255.0)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
