"""The shipped codec, photo-like pictures, and pictures as sources of an audit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from gencodec.bench.contestants import OWN_NAME, Recipe
from gencodec.bench.own_codec import Gencodec, load
from gencodec.evidence.collection import Source
from gencodec.train.photos import Photo


@pytest.fixture(scope="session")
def codec() -> Gencodec:
    """The shipped weights at quality 60, on the CPU."""
    return load(Recipe(OWN_NAME, None, "cpu", 60.0))


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
