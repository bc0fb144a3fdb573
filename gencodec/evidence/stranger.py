"""Other weights: a second, working codec of the same architecture that never saw any training.

It is the block transform from which training starts, fitted to the very picture at hand. So
what it makes of a foreign file says nothing against it: its own file it decodes well.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from gencodec.entropy import gaussian_tables
from gencodec.image import Pixels, pad
from gencodec.model.config import ModelConfig
from gencodec.model.scales import SCALE_LEVELS, SKIP_BELOW, scale_of
from gencodec.model.vae import learned_vae
from gencodec.model.weights import Weights, freeze, load_weights, pack_weights
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
    tables = gaussian_tables([scale_of(i) for i in range(SCALE_LEVELS)], SKIP_BELOW)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "other.safetensors"
        path.write_bytes(pack_weights(config, freeze(vae, tables)))
        return load_weights(path)
