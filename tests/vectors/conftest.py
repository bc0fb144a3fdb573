"""The golden vectors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Golden:
    """One golden stream, the weights it names, and what it must decode to."""

    stream: bytes
    pixels: np.ndarray
    weights: str
    weights_sha256: str
    expected: dict[str, Any]


@pytest.fixture(scope="session")
def golden() -> dict[str, Golden]:
    """By WEIGHTS/NAME."""
    vectors = {}
    for record_path in sorted(HERE.glob("golden/*/golden.json")):
        record = json.loads(record_path.read_text(encoding="utf-8"))
        for entry in record["vectors"]:
            path = record_path.with_name(entry["name"])
            with Image.open(path.with_suffix(".png")) as image:
                pixels = np.asarray(image)
            vectors[f"{record['weights']}/{entry['name']}"] = Golden(
                path.with_suffix(".gnc").read_bytes(),
                pixels,
                record["weights"],
                record["weights_sha256"],
                entry,
            )
    return vectors
