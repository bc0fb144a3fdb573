"""A small fixed run of the prior, whose digest every machine must reproduce before it codes."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor

from .config import HYPER_STRIDE
from .exact import exact_arithmetic
from .hyperprior import MEAN_UNITS, Passes, Prior

ROWS = (3, 40)
HEIGHT, WIDTH = 10, 13
"""Positions of y: odd and even sides, several positions of z, too few to take time."""


def prior_digest(prior: Prior) -> str:
    """SHA-256 (16 hex digits) of all means and scale indices for pseudo-random symbols.

    Runs on the device that holds the prior, two table rows at once.
    """
    config = prior.config
    device = prior.device
    row = torch.tensor(ROWS, device=device)
    z_size = (-(-HEIGHT // HYPER_STRIDE), -(-WIDTH // HYPER_STRIDE))
    z = _symbols((len(ROWS), config.hyper, *z_size), 5, device)
    y = _symbols((len(ROWS), config.latent, HEIGHT, WIDTH), 200, device)
    digest = hashlib.sha256()
    with exact_arithmetic(device):
        z_hat16 = _run(digest, prior.z_passes(row), z, tables_alone=not config.hyper_depth)
        features = prior.features(z_hat16, row, HEIGHT, WIDTH)
        _run(digest, prior.y_passes(features, row), y)
    return digest.hexdigest()[:16]


def _run(
    digest: hashlib._Hash, passes: Passes, symbols: Tensor, *, tables_alone: bool = False
) -> Tensor:
    """Feed all that the prior says of these symbols to the digest; them, in sixteenths.

    tables_alone: nothing but tables says it, the same at every position, of which one will do.
    """
    known16 = torch.zeros_like(symbols)
    for index, places in enumerate(passes.places):
        said = passes.say(index, known16)
        for place, gaussians in zip(places, said, strict=True):
            known16[place] = symbols[place] * MEAN_UNITS + gaussians.mean16
            for part in gaussians:
                _update(digest, part[:, :, :1, :1] if tables_alone else part)
    return known16


def _symbols(shape: tuple[int, ...], largest: int, device: torch.device) -> Tensor:
    """Integers in -largest..largest, mostly small, from a generator anyone can write down."""
    count = int(np.prod(shape))
    # Knuth's MMIX generator in closed form would need 128 bits; a multiplicative hash does.
    hashed = (
        np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    ) >> np.uint64(40)
    share = hashed.astype(np.float64) / 2.0**24 * 2.0 - 1.0
    square = share * share  # products round alike everywhere; a library's power function need not
    values = np.rint(np.sign(share) * largest * (square * square * square)).astype(np.float32)
    return torch.from_numpy(values.reshape(shape)).to(device)


def _update(digest: hashlib._Hash, part: Tensor) -> None:
    digest.update(part.to(torch.int32).contiguous().cpu().numpy().astype("<i4").tobytes())
