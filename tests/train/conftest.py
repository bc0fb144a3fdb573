"""Small photos to train on, and a clock that makes training repeatable."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from gencodec.train import card, compaction, heldout, loop, product, stopwatch
from tests.train.runs import Clock


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth picture with the spectrum of a photo: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128.0)
    for level in range(1, 7):
        for colours in (np.ones(3), rng.uniform(-0.4, 0.4, 3)):
            noise = rng.standard_normal((2**level + 1, 2**level + 1)).astype(np.float32)
            layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            total += np.asarray(layer)[:, :, None] * colours * (60.0 / 1.9**level)
    return np.clip(total, 0, 255).astype(np.uint8)


@pytest.fixture(name="photo", scope="session")
def _photo() -> Callable[..., np.ndarray]:
    return photo


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A training step takes exactly one second, so that minutes mean a number of steps."""
    clock = Clock()
    monkeypatch.setattr(stopwatch, "time", clock)
    return clock


@pytest.fixture(autouse=True, scope="module")
def few_measurements() -> Iterator[None]:
    """What says enough of the smallest network: some of the crops that tell how sensitive its
    weights are, and half of the points of its curves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "CROPS", 4)
        patch.setattr(loop, "EVALUATION_STEPS", (0, 128, 255))
        for module in (heldout, product, card):
            patch.setattr(module, "QUALITIES", (0, 25, 50, 75, 100))
        yield
