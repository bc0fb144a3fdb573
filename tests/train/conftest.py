"""Small photos to train on, and a clock that makes training repeatable."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from gencodec.train import compaction, stopwatch
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


@pytest.fixture(autouse=True)
def few_sensitivities(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the crops say enough of the smallest network's weights, and a tenth as slowly."""
    monkeypatch.setattr(compaction, "CROPS", 10)
