"""g_a, h_a and g_s over whole pictures, in horizontal bands so that memory stays bounded.

The transforms see no further than a fixed margin; a band is computed with that margin above
and below and the margin is cut off. Float results may differ in the last bit from those of
another band height, which only an encoder's rounding or one level of a pixel can ever feel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gencodec.image import Pixels, crop, pad
from gencodec.model.config import LATENT_STRIDE
from gencodec.model.transforms import receptive_margin
from gencodec.model.vae import ImageVae

BAND_PIXELS = 1_500_000
"""Pixels of one band: activations then peak at some hundred megabytes."""

Y_MAX = 32_000.0
"""Latents beyond this are clipped before rounding; none is in a picture of 0..255."""


def analyze(vae: ImageVae, pixels: Pixels, step: Tensor) -> Tensor:
    """g_a: pixels (B, H, W, 3) uint8 of any size -> y (B, M, ceil(H/16), ceil(W/16)) float32."""
    padded = np.stack([pad(picture, LATENT_STRIDE) for picture in pixels])
    parts = []
    with torch.inference_mode():
        for band, keep in _bands(vae, padded.shape[1] // LATENT_STRIDE, padded.shape[2]):
            rows = slice(band.start * LATENT_STRIDE, band.stop * LATENT_STRIDE)
            y = vae.g_a(_to_tensor(vae, padded[:, rows]), step)
            parts.append(torch.nan_to_num(y[:, :, keep].float()).clamp(-Y_MAX, Y_MAX))
    return torch.cat(parts, 2) if len(parts) > 1 else parts[0]


def synthesize(vae: ImageVae, y_hat: Tensor, step: Tensor, width: int, height: int) -> Pixels:
    """g_s: y_hat (B, M, h, w) float32 -> pixels (B, height, width, 3) uint8."""
    pixels = np.empty((len(y_hat), height, width, 3), np.uint8)
    y_hat = y_hat.to(step.device)
    with torch.inference_mode():
        for band, keep in _bands(vae, y_hat.shape[2], y_hat.shape[3] * LATENT_STRIDE):
            x_hat = vae.g_s(y_hat[:, :, band], step)
            top = (band.start + keep.start) * LATENT_STRIDE
            rows = slice(keep.start * LATENT_STRIDE, keep.stop * LATENT_STRIDE)
            for index, picture in enumerate(_to_pixels(x_hat[:, :, rows])):
                part = crop(picture, width, min(len(picture), height - top))
                pixels[index, top : top + len(part)] = part
    return pixels


def _bands(vae: ImageVae, rows: int, width: int) -> Iterator[tuple[slice, slice]]:
    """Rows of y to compute, and of these the ones to keep: bands of about BAND_PIXELS."""
    margin = -(-receptive_margin(vae.config) // LATENT_STRIDE)
    height = max(2 * margin, BAND_PIXELS // (width * LATENT_STRIDE))
    if rows <= height + margin:
        yield slice(0, rows), slice(0, rows)
        return
    for top in range(0, rows, height):
        first, last = max(0, top - margin), min(rows, top + height + margin)
        yield slice(first, last), slice(top - first, min(rows, top + height) - first)


def _to_tensor(vae: ImageVae, pixels: Pixels) -> Tensor:
    weight = vae.g_a.enter.weight
    x = torch.from_numpy(np.ascontiguousarray(pixels)).to(weight.device)
    # The permuted view of (B, H, W, C) bytes is what torch calls channels_last, and stays so.
    return x.permute(0, 3, 1, 2).to(weight.dtype).div_(255.0)


def _to_pixels(x_hat: Tensor) -> npt.NDArray[np.uint8]:
    levels = (x_hat.float() * 255.0 + 0.5).nan_to_num().clamp(0.0, 255.0)
    return levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
