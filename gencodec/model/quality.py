"""The user's knobs, the file's quality step, and the bargain that a step stands for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .config import FINE_STEPS

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_QUALITY = 60.0
EFFORT_MAX = 1000
"""Rounds of a search for better symbols."""

LMBDA_MIN, LMBDA_MAX = 0.0007, 0.25


def step_of(quality: float) -> int:
    """quality 0..100 -> step 0..255, linear; ValueError outside the range."""
    if not (math.isfinite(quality) and 0.0 <= quality <= 100.0):
        raise ValueError(f"quality must be from 0 to 100, not {quality}")
    return round(quality * (FINE_STEPS - 1) / 100.0)


def quality_of(step: int) -> float:
    """step 0..255 -> quality 0..100: the inverse of :func:`step_of` up to rounding."""
    return step * 100.0 / (FINE_STEPS - 1)


def lmbda_of(step: Tensor) -> Tensor:
    """Rate-distortion weight of quality steps 0..255, log-spaced: lmbda * 255^2 * MSE + bpp."""
    return LMBDA_MIN * (LMBDA_MAX / LMBDA_MIN) ** (step.float() / (FINE_STEPS - 1))
