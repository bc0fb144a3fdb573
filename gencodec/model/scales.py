"""The ladder of 64 standard deviations that scale indices name."""

from __future__ import annotations

import math

SCALE_MIN = 0.1
SCALE_MAX = 256.0
SCALE_LEVELS = 64
LOG_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_LEVELS - 1)

SKIP_BELOW = 3
"""Elements whose scale index is lower (scale under 0.14 steps) are not coded: they are 0 with a
probability above 0.9998, and leaving them out is cheaper in time than it costs in quality."""


def scale_of(index: int) -> float:
    """The standard deviation, in quantisation steps, of a scale index."""
    return SCALE_MIN * math.exp(LOG_STEP * index)


def index_of(scale: float) -> float:
    """Inverse of :func:`scale_of`, continuous."""
    return math.log(scale / SCALE_MIN) / LOG_STEP
