"""Settings for every test, and what the tests of several floors share."""

from __future__ import annotations

import errno
import multiprocessing.context
import os
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

# The tests' pictures are small: a second thread costs more in waiting than it brings.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("local", deadline=None)
# The same examples in every run, so that a change is judged by what it changes.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with the spectrum of a photo and some grain: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128.0)
    for level in range(1, 8):
        for colours in (np.ones(3), rng.uniform(-0.4, 0.4, 3)):
            noise = rng.standard_normal((2**level + 1, 2**level + 1)).astype(np.float32)
            layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            total += np.asarray(layer)[:, :, None] * colours * (60.0 / 1.9**level)
    total += rng.normal(0.0, 3.0, (height, width, 1))
    return np.clip(total, 0, 255).astype(np.uint8)


@pytest.fixture(name="photo", scope="session")
def _photo() -> Callable[..., np.ndarray]:
    return photo


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of CPU threads for the length of a test."""
    import torch  # not for the tests of floors that do without

    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def no_shared_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the length of a test, processes cannot share locks, as where there is no /dev/shm."""

    def refuse(self: object) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(multiprocessing.context.BaseContext, "Lock", refuse)


@pytest.fixture
def medium_precision() -> Iterator[None]:
    """For the length of a test, torch may round float32 products as it likes."""
    import torch

    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")
    backends: Any = torch.backends
    if hasattr(backends, "fp32_precision"):
        backends.mkldnn.matmul.fp32_precision = "none"
