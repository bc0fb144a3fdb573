"""Curves that others have published, read from JSON, to be compared with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gencodec.bench.curves import Curve
from gencodec.names import visible

SCORES = ("psnr", "ms_ssim")
"""Metrics that a published curve may have: PSNR over RGB in dB, MS-SSIM from 0 to 1."""


@dataclass(frozen=True)
class Anchor:
    """One codec's mean points over a set of images, by ascending rate, and their source."""

    name: str
    label: str
    source: str
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]
    ms_ssim: tuple[float, ...] | None = None

    @property
    def curve(self) -> Curve:
        """Of PSNR."""
        return Curve(self.bpp, self.psnr)


@dataclass(frozen=True)
class Published:
    """A file of curves; dataset_sha256 names the pixels that they are about, empty if not said."""

    dataset_sha256: str
    anchors: tuple[Anchor, ...]


def read_anchors(path: Path) -> Published:
    """Anchors of a JSON file in its order: {"curves": {name: {"bpp": [...], "psnr": [...]}}}.

    The mapping of names may also stand alone; "label", "source" and "ms_ssim" are optional.
    ValueError when the file is no such thing, OSError when it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        curves = content.get("curves", content)
        anchors = tuple(_anchor(name, row) for name, row in curves.items())
        return Published(str(content.get("dataset_sha256", "")), anchors)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a file of rate-distortion curves: {error}") from None


def _anchor(name: str, row: Any) -> Anchor:
    scores = [key for key in SCORES if key in row or key == "psnr"]
    points = sorted(zip(row["bpp"], *(row[key] for key in scores), strict=True))
    if not points:
        raise ValueError(f"{name} has no points")
    columns = [tuple(map(float, column)) for column in zip(*points, strict=True)]
    if not np.isfinite(columns).all() or columns[0][0] <= 0.0:
        raise ValueError(f"{name} has a point that is none: rates are above 0, scores are numbers")
    label, source = visible(str(row.get("label", name))), visible(str(row.get("source", "")))
    curves = dict(zip(scores, columns[1:], strict=True))
    return Anchor(visible(name), label, source, columns[0], **curves)
