"""What a training run is asked to do, and how its settings follow the share that is done."""

from __future__ import annotations

import math
from dataclasses import dataclass

WARM_UP = 0.02
ANNEAL_FROM = 0.6
LARGER_FROM = 0.7


@dataclass(frozen=True)
class TrainingPlan:
    """Settings of one run, which ends after ``minutes`` or ``steps``, one of them given.

    ``minutes`` is compute time, so a paused process loses nothing.  ``quality`` (0..100) trains
    for that one alone instead of all.  ``distortion`` is a name in
    :data:`gencodec.model.distortion.DISTORTIONS`.  ``encoder_only`` leaves all but g_a as it is, so
    that the weights there are decode what it makes.  ``compiled`` asks for torch.compile,
    ``in_parts`` for that of the network's parts one by one.
    """

    minutes: float | None = None
    steps: int | None = None
    learning_rate: float = 1e-3
    crops: int = 6
    crop_side: int = 192
    final_crop_side: int = 192
    ema_decay: float = 0.9995
    clip_norm: float = 3.0
    checkpoint_minutes: float = 3.0
    seed: int = 0
    quality: float | None = None
    distortion: str = "mse"
    encoder_only: bool = False
    compiled: bool = False
    in_parts: bool = False

    def __post_init__(self) -> None:
        if (self.minutes is None) == (self.steps is None):
            raise ValueError("a plan has either minutes or steps")

    def part(self, step: int, seconds: float) -> float:
        """The share of the run that is done, 1 or more at its end."""
        if self.minutes is not None:
            done, wanted = seconds, self.minutes * 60.0
        else:
            done, wanted = step, self.steps or 0
        return done / wanted if wanted > 0 else 1.0

    def seconds_left(self, step: int, seconds: float) -> float:
        """How much longer it will take, by the pace so far."""
        if self.minutes is not None:
            return max(0.0, self.minutes * 60.0 - seconds)
        return max(0, (self.steps or 0) - step) * seconds / max(step, 1)


@dataclass(frozen=True)
class BatchShape:
    """Crops of a step: how many, and their side in pixels."""

    crops: int
    side: int
    final_side: int


def batch_shape(device: str) -> BatchShape:
    """What a step takes where nothing else is asked for; device: a type such as ``cuda``.

    A GPU needs some million pixels at once before its launches stop to matter, and affords large
    crops, of which fewer positions see the padding at an edge.  One shape throughout is compiled
    and recorded once.  Sides are multiples of 64, so that no position of z is spent on padding.  A
    CPU cannot afford larger crops in the last phase: fewer would leave too few qualities in a step.
    """
    return BatchShape(14, 384, 384) if device == "cuda" else BatchShape(6, 192, 192)


def learning_rate(plan: TrainingPlan, part: float) -> float:
    """part: share of the run that is done, 0..1. Warm-up, flat, cosine to 1 % at the end."""
    if part < WARM_UP:
        return plan.learning_rate * max(part / WARM_UP, 0.02)
    if part < ANNEAL_FROM:
        return plan.learning_rate
    angle = math.pi * min(1.0, (part - ANNEAL_FROM) / (1.0 - ANNEAL_FROM))
    return plan.learning_rate * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(angle)))


def crop_shape(plan: TrainingPlan, part: float) -> tuple[int, int]:
    """(crops, side): fewer and larger crops in the last phase, about the same pixels."""
    if part < LARGER_FROM:
        return plan.crops, plan.crop_side
    pixels = plan.crops * plan.crop_side**2
    return max(1, round(pixels / plan.final_crop_side**2)), plan.final_crop_side
