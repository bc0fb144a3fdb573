"""Other weights: a second, working codec of the same architecture that never saw any training.

It is the block transform from which training starts, fitted to the very picture at hand. So
what it makes of a foreign file says nothing against it: its own file it decodes well.
"""

from __future__ import annotations

import numpy as np
import torch

from gencodec.image import Pixels, pad
from gencodec.model.config import ModelConfig
from gencodec.model.vae import learned_vae
from gencodec.model.weights import Weights
from gencodec.train.export import loaded, plain_weights
from gencodec.train.start import start_from_block_transform
from gencodec.train.store import PhotoStore

CROPS = 24
LARGEST_SIDE = 256
LEAST_SIDE = 64


def other_weights(config: ModelConfig, pixels: Pixels, *, seed: int) -> Weights:
    """Sound weights of this configuration made from one picture, (H, W, 3) uint8, untrained."""
    torch.manual_seed(seed)
    vae = learned_vae(config)
    pixels = np.ascontiguousarray(pad(pixels, LEAST_SIDE))
    store = PhotoStore([pixels], torch.device("cpu"))
    side = min(LARGEST_SIDE, store.largest_side(LEAST_SIDE))
    rng = np.random.default_rng(seed)
    start_from_block_transform(vae, torch.cat([store.crops(1, side, rng) for _ in range(CROPS)]))
    return loaded(plain_weights(vae))
