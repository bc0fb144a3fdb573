"""The user's quality knob and the file's quality step."""

from __future__ import annotations

import math

from .config import FINE_STEPS


def step_of(quality: float) -> int:
    """quality 0..100 -> step 0..255, linear; ValueError outside the range."""
    if not (math.isfinite(quality) and 0.0 <= quality <= 100.0):
        raise ValueError(f"quality must be from 0 to 100, not {quality}")
    return round(quality * (FINE_STEPS - 1) / 100.0)


def quality_of(step: int) -> float:
    """step 0..255 -> quality 0..100: the inverse of :func:`step_of` up to rounding."""
    return step * 100.0 / (FINE_STEPS - 1)
