"""Curves of other codecs, read from JSON, to be compared with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gencodec.bench.curves import Curve, bd_rate, common_range

LEAST_POINTS = 3
"""Points a curve needs to be interpolated."""


@dataclass(frozen=True)
class Anchor:
    """One codec's mean curve over a set of images, and where its points come from."""

    name: str
    label: str
    source: str
    curve: Curve


@dataclass(frozen=True)
class BdRate:
    """Bits of the measured codec against an anchor's at equal PSNR, in percent.

    psnr_low, psnr_high: the range over which the two are compared, in dB.
    """

    anchor: str
    label: str
    percent: float
    psnr_low: float
    psnr_high: float


def read_anchors(path: Path) -> tuple[Anchor, ...]:
    """Anchors of a JSON file in its order: {"curves": {name: {"bpp": [...], "psnr": [...]}}}.

    The mapping of names may also stand alone; "label" and "source" are optional.  ValueError
    when the file is no such thing, OSError when it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        curves = content.get("curves", content)
        return tuple(_anchor(name, row) for name, row in curves.items())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a file of rate-distortion curves: {error}") from None


def bd_rates(curve: Curve, anchors: Sequence[Anchor]) -> tuple[BdRate, ...]:
    """BD-rate of a curve against each anchor that shares a range of PSNR with it."""
    rates = []
    for anchor in anchors:
        if min(len(curve.bpp), len(anchor.curve.bpp)) < LEAST_POINTS:
            continue
        try:
            low, high = common_range(curve, anchor.curve)
        except ValueError:
            continue
        percent = bd_rate(curve, anchor.curve)
        rates.append(
            BdRate(anchor.name, anchor.label, round(percent, 2), round(low, 3), round(high, 3))
        )
    return tuple(rates)


def _anchor(name: str, row: Any) -> Anchor:
    points = sorted(
        (float(bpp), float(psnr)) for bpp, psnr in zip(row["bpp"], row["psnr"], strict=True)
    )
    curve = Curve(tuple(bpp for bpp, _ in points), tuple(psnr for _, psnr in points))
    return Anchor(name, str(row.get("label", name)), str(row.get("source", "")), curve)
