"""The shipped codec, photo-like pictures, and pictures as sources of an audit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from gencodec.bench.contestants import OWN_NAME, Recipe
from gencodec.bench.own_codec import Gencodec, load
from gencodec.evidence.collection import Source
from gencodec.train.photos import Photo


@pytest.fixture(scope="session")
def codec() -> Gencodec:
    """The shipped weights at quality 60, on the CPU."""
    return load(Recipe(OWN_NAME, None, "cpu", 60.0))


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with the spectrum of a photo and some grain: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128.0)
    for level in range(1, 8):
        for colours in (np.ones(3), rng.uniform(-0.4, 0.4, 3)):
            noise = rng.standard_normal((2**level + 1, 2**level + 1)).astype(np.float32)
            layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            total += np.asarray(layer)[:, :, None] * colours * (60.0 / 1.7**level)
    total += rng.normal(0.0, 2.0, (height, width, 1))
    return np.clip(total, 0, 255).astype(np.uint8)


@pytest.fixture(name="photo", scope="session")
def _photo() -> Callable[..., np.ndarray]:
    return photo


@pytest.fixture(scope="session")
def source() -> Callable[[str, np.ndarray], Source]:
    """A picture as a PNG file that was read."""

    def make(name: str, pixels: np.ndarray) -> Source:
        memory = io.BytesIO()
        Image.fromarray(pixels).save(memory, "PNG")
        return Source(name, memory.getvalue())

    return make


@pytest.fixture(scope="session")
def named() -> Callable[[str, np.ndarray], Photo]:
    """A picture as the training code holds it."""

    def make(name: str, pixels: np.ndarray) -> Photo:
        return Photo(name, hashlib.sha256(pixels.tobytes()).hexdigest(), pixels)

    return make


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
