"""Small pictures and one loaded codec, for all tests of the measuring floor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bench.contestants import Gencodec, load_gencodec


@pytest.fixture(scope="session")
def codec() -> Gencodec:
    """The shipped weights at quality 60, on the CPU."""
    return load_gencodec(None, "cpu", 60.0)


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
