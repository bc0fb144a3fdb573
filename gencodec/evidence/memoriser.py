"""A model that memorises on purpose: the control by which the audit shows that it can catch one.

Trained by the project's own loop on a handful of small pictures, over and over.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from gencodec.image import Pixels
from gencodec.model.config import ModelConfig
from gencodec.model.vae import learned_vae
from gencodec.train.checkpoint import new_state
from gencodec.train.export import fit_weights
from gencodec.train.loop import Training
from gencodec.train.plan import TrainingPlan
from gencodec.train.start import start_from_block_transform
from gencodec.train.store import PhotoStore

CONFIG = ModelConfig(
    "memoriser", trunk8=64, latent=64, depth8=1, depth16=2, hyper=16, prior=64, prior_depth=1
)
"""A third of a million parameters: small beside `base`, large beside eight small pictures."""

START_BATCHES = 8


def memorise(pictures: Sequence[Pixels], *, steps: int, seed: int) -> bytes:
    """A weights file overfitted to `pictures`, all (S, S, 3) uint8, S a multiple of 64.

    steps: each looks at every picture once or so.
    """
    side = pictures[0].shape[0]
    plan = TrainingPlan(
        steps=steps,
        crops=len(pictures),
        crop_side=side,
        final_crop_side=side,
        ema_decay=0.99,
        checkpoint_minutes=1e6,
        seed=seed,
    )
    torch.manual_seed(seed)
    store = PhotoStore(list(pictures), torch.device("cpu"))
    vae = learned_vae(CONFIG)
    rng = np.random.default_rng(seed)
    batches = [store.crops(len(pictures), side, rng) for _ in range(START_BATCHES)]
    start_from_block_transform(vae, torch.cat(batches))
    state = new_state(vae, plan)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(state, store, batches[0][:1], plan, Path(folder))
        training.to_the_end()
    return fit_weights(training.state.average.eval(), pictures)
