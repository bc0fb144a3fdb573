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
    number = plain_number("quality", quality)
    if not 0.0 <= number <= 100.0:
        raise ValueError(f"quality must be from 0 to 100, not {quality}")
    return round(number * (FINE_STEPS - 1) / 100.0)


def plain_number(name: str, value: float) -> float:
    """A knob's value as Python's own float: numpy's small integers would wrap around in sums.

    TypeError, by the knob's name, for what is no number; a text is none.
    """
    try:
        math.isfinite(value)  # what float() takes but for texts
        return float(value)
    except TypeError:
        raise TypeError(f"{name} must be a number, not {value!r}") from None
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def quality_of(step: int) -> float:
    """step 0..255 -> quality 0..100: the inverse of :func:`step_of` up to rounding."""
    return step * 100.0 / (FINE_STEPS - 1)


def lmbda_of(step: Tensor) -> Tensor:
    """Rate-distortion weight of quality steps 0..255, log-spaced: lmbda * 255^2 * MSE + bpp."""
    return LMBDA_MIN * (LMBDA_MAX / LMBDA_MIN) ** (step.float() / (FINE_STEPS - 1))
