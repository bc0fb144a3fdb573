"""What a training run is asked to do, and how its settings follow the elapsed minutes."""

from __future__ import annotations

import math
from dataclasses import dataclass

WARM_UP = 0.02
ANNEAL_FROM = 0.6
EXACT_FROM = 0.7


@dataclass(frozen=True)
class TrainingPlan:
    """Settings of one run; ``minutes`` is compute time, so a paused process loses nothing."""

    minutes: float
    learning_rate: float = 1e-3
    crops: int = 8
    crop_side: int = 160
    final_crop_side: int = 256
    ema_decay: float = 0.9995
    clip_norm: float = 3.0
    checkpoint_minutes: float = 3.0
    seed: int = 0


def learning_rate(plan: TrainingPlan, part: float) -> float:
    """part: elapsed share of the run, 0..1. Warm-up, flat, cosine to 1 % at the end."""
    if part < WARM_UP:
        return plan.learning_rate * max(part / WARM_UP, 0.02)
    if part < ANNEAL_FROM:
        return plan.learning_rate
    angle = math.pi * min(1.0, (part - ANNEAL_FROM) / (1.0 - ANNEAL_FROM))
    return plan.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(angle)))


def crop_shape(plan: TrainingPlan, part: float) -> tuple[int, int]:
    """(crops, side): fewer and larger crops in the last phase, about the same pixels."""
    if part < EXACT_FROM:
        return plan.crops, plan.crop_side
    pixels = plan.crops * plan.crop_side**2
    return max(1, round(pixels / plan.final_crop_side**2)), plan.final_crop_side
