"""How much a codec loses where one number of its transforms is a little off.

The loss of a picture, in its own bits, rises by about half of curvature * error^2.  The curvature
is that of Gauss and Newton, its diagonal estimated with random signs: the squared gradient of a sum
of outputs, each with a sign of its own, is on average the sum of their squared gradients
(Hutchinson's estimator).  Outputs are the samples of x_hat, whose squared error counts, and the
bits of every symbol, whose curvature is Fisher's.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from gencodec.model.config import FINE_STEPS, HYPER_STRIDE, LATENT_STRIDE
from gencodec.model.quality import lmbda_of
from gencodec.model.vae import Z_MAX, ImageVae, bits_of_each, table_rows
from gencodec.model.weights import FLOAT_PARTS

from .store import PhotoStore

SIDE, LEAST_SIDE = 256, LATENT_STRIDE * HYPER_STRIDE
LEAST_BITS = 200.0
"""Of a crop: what costs less, such as plain sky, must not outweigh everything else."""


def sensitivities(vae: ImageVae, photos: PhotoStore, crops: int, seed: int) -> dict[str, Tensor]:
    """Curvature of the relative loss for each number of g_a, h_a and g_s, by parameters' names.

    vae: a learned model on a CPU or GPU.  crops: how many, at qualities from lowest to highest; a
    mean over them.  Where a number moves by e, a picture's bits rise by about curvature * e^2 / 2,
    as a share of them.  ValueError where no picture is 64 pixels wide and high.
    """
    named = {
        name: parameter
        for name, parameter in vae.named_parameters()
        if name.startswith(FLOAT_PARTS)
    }
    of = list(named.values())
    total = [torch.zeros_like(parameter) for parameter in of]
    side = max(LEAST_SIDE, min(SIDE, photos.largest_side(LEAST_SIDE)))
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    for step in np.linspace(0, FINE_STEPS - 1, crops).round().astype(np.int64):
        x = photos.crops(1, side, rng)
        steps = torch.tensor([int(step)], device=x.device)
        x_hat, bits = _outputs(vae, x, steps)
        weight = float(lmbda_of(steps)) * 255.0**2 / 3.0  # bits for a squared error of one sample
        share = 1.0 / (crops * max(float(bits.detach().sum()), LEAST_BITS))
        for outputs, curvature in ((x_hat, 2.0 * weight), (bits, math.log(2.0))):
            gradients = torch.autograd.grad(
                (_signs(outputs) * outputs).sum(), of, retain_graph=True, allow_unused=True
            )
            for sum_, gradient in zip(total, gradients, strict=True):
                if gradient is not None:
                    sum_ += share * curvature * gradient.square()
    return dict(zip(named, total, strict=True))


def _outputs(vae: ImageVae, x: Tensor, step: Tensor) -> tuple[Tensor, Tensor]:
    """x_hat, and the bits of every symbol of y and z, with noise in place of rounding: (n,)."""
    y = vae.g_a(x, step).float()
    z = vae.h_a(y).float().clamp(-Z_MAX, Z_MAX)
    y_hat, _, of_y, of_z = vae.quantised(y, z, table_rows(step))
    bits = [
        bits_of_each(values + torch.rand_like(values) - 0.5, gaussians).flatten()
        for values, gaussians in ((y, of_y), (z, of_z))
    ]
    return vae.g_s(y_hat, step), torch.cat(bits)


def _signs(like: Tensor) -> Tensor:
    return torch.randint(0, 2, like.shape, device=like.device).to(like.dtype) * 2.0 - 1.0
