"""What a search for latents makes least, measured on files."""

from __future__ import annotations

import numpy as np
import torch

from gencodec.codec import Codec
from gencodec.model.distortion import DISTORTIONS
from gencodec.model.quality import lmbda_of, step_of


def cost(
    codec: Codec, pixels: np.ndarray, stream: bytes, quality: float, tune: str = "mse"
) -> float:
    """Bits a pixel + lmbda 255^2 distortion, of real bytes and pixels."""
    x_hat, x = (
        torch.tensor(each).permute(2, 0, 1)[None] / 255.0
        for each in (codec.decompress(stream), pixels)
    )
    lmbda = float(lmbda_of(torch.tensor(step_of(quality))))
    error = 255.0**2 * float(DISTORTIONS[tune](x_hat, x))
    return 8.0 * len(stream) / (pixels.shape[0] * pixels.shape[1]) + lmbda * error
