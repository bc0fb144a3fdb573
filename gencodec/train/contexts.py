"""New contexts of z learn first, alone, from the z of large crops.

A training crop has a handful of positions of z, most of them at its edge, and contexts learn slowly
from them.  Here z is computed once, and a step sees two thousand positions.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gencodec.model.config import HYPER_STRIDE, LATENT_STRIDE
from gencodec.model.hyperprior import MEAN_UNITS
from gencodec.model.vae import (
    Z_MAX,
    ImageVae,
    bits_of,
    in_passes,
    quantise_symbols,
    table_rows,
    trainable_bits,
)

from .loop import spread
from .store import PhotoStore, on_device

CROPS, SIDE, AT_ONCE = 1024, 512, 8
KEPT = 128
"""Crops that are only measured on, before and after."""

STEPS, BATCH = 1200, 32
RATE, WARM_UP_STEPS = 3e-3, 50
NAMES = ("z_contexts.", "z_means.", "z_scales.")


def learn_contexts(
    vae: ImageVae,
    store: PhotoStore,
    seed: int,
    say: Callable[[str], None],
    *,
    crops: int = CROPS,
    steps: int = STEPS,
) -> None:
    """Train the layers of ``vae`` that give contexts to z, and no others, in place.

    vae: on the device of the store, with ``hyper_depth`` above 0.  crops: how many z are computed
    of.  say: told the bits a position of z on crops that were kept from it.
    """
    rng = np.random.default_rng((seed, 2**33))
    z, row = _hyper_latents(vae, store, crops, rng)
    kept, learned = slice(0, min(KEPT, crops // 2)), slice(min(KEPT, crops // 2), None)
    parameters = [p for name, p in vae.prior.named_parameters() if name.startswith(NAMES)]
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    before = _bits(vae, z[kept], row[kept])
    for step in range(steps):
        rise, fall = (step + 1) / WARM_UP_STEPS, 2.0 * (steps - step) / steps
        optimizer.param_groups[0]["lr"] = RATE * min(1.0, rise, fall)
        some = on_device(rng.integers(0, len(z[learned]), BATCH), z.device)
        batch = z[learned][some]
        of_z = in_passes(batch, vae.prior.z_passes(row[learned][some]), quantise_symbols)[1]
        gradients = torch.autograd.grad(_mean(trainable_bits(batch, of_z), batch), parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    after = _bits(vae, z[kept], row[kept])
    say(f"contexts of z, by themselves: from {before:.1f} bits a position to {after:.1f}")


@torch.no_grad()
def _hyper_latents(
    vae: ImageVae, store: PhotoStore, crops: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """z of random crops at all qualities, (crops, N, h, w) float32, and their rows of tables."""
    stride = LATENT_STRIDE * HYPER_STRIDE
    side = max(stride, min(SIDE, store.largest_side(stride)))
    parts, rows = [], []
    for start in range(0, crops, AT_ONCE):
        count = min(AT_ONCE, crops - start)
        step = on_device(spread(rng, count), store.device)
        y = vae.g_a(store.crops(count, side, rng), step)
        parts.append(vae.h_a(y.float()).clamp(-Z_MAX, Z_MAX))
        rows.append(table_rows(step))
    return torch.cat(parts), torch.cat(rows)


@torch.no_grad()
def _bits(vae: ImageVae, z: Tensor, row: Tensor) -> float:
    """Bits of the symbols, a position of z."""
    z_hat16, of_z = in_passes(z, vae.prior.z_passes(row), quantise_symbols)
    return float(_mean(bits_of(z_hat16 / MEAN_UNITS, of_z), z))


def _mean(bits: Tensor, z: Tensor) -> Tensor:
    return bits.mean() / (z.shape[2] * z.shape[3])
