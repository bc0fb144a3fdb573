"""Every codec against every other, and against published curves: BD-rate for each metric."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gencodec.bench.anchors import SCORES, Anchor
from gencodec.bench.curves import (
    Curve,
    bd_rate,
    bd_score,
    common_range,
    overlap_share,
)
from gencodec.bench.metrics import METRICS, Metric
from gencodec.bench.rate_distortion import Row, complete_images, curve_of, means


@dataclass(frozen=True)
class Spread:
    """BD-rates picture by picture, in percent: a mean may be the doing of a few.

    pictures: how many have one; fewer: on how many the codec needs fewer bits than the anchor.
    """

    pictures: int
    fewer: int
    lowest: float
    median: float
    highest: float


@dataclass(frozen=True)
class Delta:
    """Bits of a codec against an anchor's at equal score, and score at equal bits.

    bd_rate: percent, negative for fewer bits.  bd_score: mean advantage, in the metric's unit;
    None where the two share scores but no rates.
    low, high: the scores between which the two are compared; overlap: their share, in percent,
    of all that either curve spans.  images: how many both coded.  spread: over them, None for one
    image and for published anchors, which are means.
    """

    codec: str
    anchor: str
    metric: str
    bd_rate: float
    bd_score: float | None
    low: float
    high: float
    overlap: float
    images: int
    spread: Spread | None = None


def deltas(
    rows: Sequence[Row], codecs: Sequence[str], published: Sequence[Anchor]
) -> tuple[Delta, ...]:
    """All pairs of codecs, each over the images that both coded at all their qualities.

    Pairs without enough points, or without a common range of scores, are left out.
    """
    usable = {codec: complete_images(rows, codec) for codec in codecs}
    by_picture = _by_picture(rows)
    found = []
    for codec in codecs:
        for other in codecs:
            if other == codec:
                continue
            images = [image for image in usable[codec] if image in set(usable[other])]
            pair = means([row for row in rows if row.codec in (codec, other)], images)
            for metric in METRICS:
                curves = curve_of(pair, codec, metric), curve_of(pair, other, metric)
                delta = _delta(codec, other, metric, *curves, len(images))
                if delta is not None and len(images) > 1:
                    single = [
                        (
                            curve_of(by_picture[codec, image], codec, metric),
                            curve_of(by_picture[other, image], other, metric),
                        )
                        for image in images
                    ]
                    delta = replace(delta, spread=_spread(single))
                found.append(delta)
        average = means([row for row in rows if row.codec == codec])
        for anchor in published:
            for metric in METRICS:
                curves = curve_of(average, codec, metric), anchor_curve(anchor, metric)
                found.append(_delta(codec, anchor.name, metric, *curves, len(usable[codec])))
    return tuple(delta for delta in found if delta is not None)


def anchor_curve(anchor: Anchor, metric: Metric) -> Curve | None:
    """A published curve of one metric, None where it was not published."""
    scores = getattr(anchor, metric.name) if metric.name in SCORES else None
    if not scores:
        return None
    return Curve(anchor.bpp, tuple(metric.on_curve(score) for score in scores))


def _delta(
    codec: str,
    anchor: str,
    metric: Metric,
    curve: Curve | None,
    other: Curve | None,
    images: int,
) -> Delta | None:
    if not curve or not other or not curve.bpp or not other.bpp:
        return None
    try:
        low, high = common_range(curve, other)
        rate = bd_rate(curve, other)
    except ValueError:  # too few points, or nothing in common
        return None
    return Delta(
        codec,
        anchor,
        metric.name,
        round(rate, 2),
        _bd_score(curve, other),
        round(low, 3),
        round(high, 3),
        round(100 * overlap_share(curve, other), 1),
        images,
    )


def _by_picture(rows: Sequence[Row]) -> Mapping[tuple[str, str], Sequence[Row]]:
    """The rows of each codec and image."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.codec, row.image), []).append(row)
    return grouped


def _spread(pairs: Sequence[tuple[Curve | None, Curve | None]]) -> Spread | None:
    """Of a codec's and another's curve of each picture; None where none can be compared."""
    rates = []
    for curve, other in pairs:
        if curve and other:
            with contextlib.suppress(ValueError):  # scores apart, or one that does not grow
                rates.append(bd_rate(curve, other))
    if not rates:
        return None
    return Spread(
        len(rates),
        sum(rate < 0 for rate in rates),
        *(round(value, 2) for value in (min(rates), statistics.median(rates), max(rates))),
    )


def _bd_score(curve: Curve, other: Curve) -> float | None:
    try:
        return round(bd_score(curve, other), 3)
    except ValueError:  # one codec's largest file is smaller than the other's smallest
        return None
