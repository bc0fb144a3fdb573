"""Small pictures, one loaded codec and a rival, for all tests of the measuring floor."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bench.contestants import OWN_NAME, About, Recipe
from gencodec.bench.own_codec import Gencodec, load
from gencodec.image import Pixels


@dataclass(frozen=True)
class RawPixels:
    """A rival that keeps the `quality` highest bits of each sample."""

    quality: float = 8.0
    calls: list[str] = field(default_factory=list)

    about = About("raw", "Raw", "none", "1", 1, "no compression")
    qualities = (2.0, 4.0, 6.0, 8.0)
    whole = True
    identity = "raw 1"

    def at(self, quality: float) -> RawPixels:
        return replace(self, quality=quality)

    def compress(self, pixels: Pixels) -> bytes:
        self.calls.append(f"c{pixels.shape[0]}")
        bits = np.unpackbits(pixels.reshape(-1, 1), axis=1)[:, : round(self.quality)]
        return np.array(pixels.shape[:2], "<u4").tobytes() + np.packbits(bits).tobytes()

    def decompress(self, stream: bytes) -> Pixels:
        height, width = (int(side) for side in np.frombuffer(stream[:8], "<u4"))
        self.calls.append(f"d{height}")
        count, kept = height * width * 3, round(self.quality)
        bits = np.unpackbits(np.frombuffer(stream[8:], np.uint8), count=count * kept)
        return np.packbits(bits.reshape(-1, kept), axis=1).reshape(height, width, 3)


@pytest.fixture
def raw() -> RawPixels:
    return RawPixels()


@pytest.fixture(scope="session")
def codec() -> Gencodec:
    """The shipped weights at quality 60, on the CPU."""
    return load(Recipe(OWN_NAME, quality=60.0))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures of odd sizes, smooth with some noise, and a file that is none."""
    path = tmp_path_factory.mktemp("pictures")
    for index, (height, width) in enumerate(((40, 57), (33, 18))):
        rng = np.random.default_rng(index)
        rows, columns = np.mgrid[:height, :width]
        waves = [np.sin(rows / 9.0 + k) * np.cos(columns / (7.0 + k)) for k in range(3)]
        pixels = 128 + 90 * np.stack(waves, 2) + rng.normal(0, 4, (height, width, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path / f"picture{index}.png")
    (path / "notes.txt").write_text("not a picture")
    return path
