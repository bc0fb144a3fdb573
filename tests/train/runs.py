"""Short runs of the smallest network, for the tests of training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gencodec.model.config import CONFIGS
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.train.checkpoint import RunState
from gencodec.train.loop import Training
from gencodec.train.plan import TrainingPlan
from gencodec.train.start import start_from_block_transform
from gencodec.train.store import PhotoStore

Photo = Callable[..., np.ndarray]
CPU = torch.device("cpu")


class Clock:
    """Stands in for `time` in the run's stopwatch: every reading is a second later."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        self.now += 1.0
        return self.now

    def process_time(self) -> float:
        return self.now


def plan_of(steps: int, **changes: float) -> TrainingPlan:
    """A plan of a number of steps: by the tests' clock a step is a second."""
    settings = {"crops": 4, "crop_side": 64, "final_crop_side": 64, "checkpoint_minutes": 1e6}
    return TrainingPlan(minutes=steps / 60.0, **{**settings, **changes})  # type: ignore[arg-type]


def store_of(photo: Photo) -> PhotoStore:
    return PhotoStore([photo(128, 144, seed) for seed in range(4)], CPU)


def batch(photo: Photo, count: int = 2, side: int = 64) -> Tensor:
    pixels = np.stack([photo(side, side, 50 + seed) for seed in range(count)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0


def train(
    state: RunState,
    photos: PhotoStore,
    held_out: Tensor,
    plan: TrainingPlan,
    run: Path,
    **options: Any,
) -> Training:
    """To the end of the plan."""
    training = Training(state, photos, held_out, plan, run, **options)
    assert training.to_the_end()
    return training


def fresh(seed: int = 0) -> ImageVae:
    torch.manual_seed(seed)
    return learned_vae(CONFIGS["tiny"])


def block_transform(photo: Photo) -> ImageVae:
    """No training, and yet a codec."""
    vae = fresh()
    pixels = np.stack([photo(128, 128, seed) for seed in range(6)])
    start_from_block_transform(vae, torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0)
    return vae
