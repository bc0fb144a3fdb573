"""Samples from the prior: random bits through the whole decoder.

Decoding random words is sampling: the coder turns uniform bits into symbols with the
probabilities that the prior gives them. So these pictures are what the weights know when no
file tells them anything. (Whether they look like any training picture, `copies` measures.)
"""

from __future__ import annotations

import numpy as np

from gencodec.bitstream import Header
from gencodec.image import Pixels
from gencodec.model.quality import step_of
from gencodec.model.weights import Weights

from .streams import force

SAMPLE_SIDE = 256
QUALITIES = (20.0, 40.0, 60.0, 80.0)
WORDS_PER_PIXEL = 0.5
"""16 bits for each pixel to start with, far more than any quality spends."""


def sample(weights: Weights, quality: float, side: int, rng: np.random.Generator) -> Pixels:
    """One picture (side, side, 3) drawn from the prior at a quality."""
    header = Header(weights.weights_id, step_of(quality), side, side)
    words = int(WORDS_PER_PIXEL * side * side) + 64
    while True:
        drawn = rng.integers(1, 2**32, words, dtype=np.uint32).astype("<u4")
        forced = force(bytes(4) + drawn.tobytes(), header, weights)
        # A random end fails its check, as it must; only words that ran out spoil the sample.
        if not forced.exhausted:
            return forced.pixels
        words *= 4


def samples(weights: Weights, count: int, side: int, seed: int) -> list[Pixels]:
    """`count` samples, the qualities in turn."""
    rng = np.random.default_rng(seed)
    return [sample(weights, QUALITIES[i % len(QUALITIES)], side, rng) for i in range(count)]
