"""BD-rate and BD-PSNR against a library's, against figures published for the anchors, by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from gencodec.bench.anchors import Anchor, read_anchors
from gencodec.bench.curves import (
    Curve,
    bd_rate,
    bd_score,
    common_range,
    overlap_share,
    psnr,
    rate_at,
    score_at,
)

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PUBLISHED = read_anchors(BENCHMARKS / "anchors.json").anchors
REFERENCE = json.loads((BENCHMARKS / "reference.json").read_text(encoding="utf-8"))["curves"]
CLASSICS = read_anchors(BENCHMARKS / "reference.json").anchors
VTM = PUBLISHED[0]


def scaled(curve: Curve, factor: float) -> Curve:
    return Curve(tuple(bpp * factor for bpp in curve.bpp), curve.score)


@pytest.mark.parametrize("anchor", [*PUBLISHED, *CLASSICS], ids=lambda anchor: anchor.name)
def test_a_curve_against_itself_and_its_multiples(anchor: Anchor) -> None:
    assert bd_rate(anchor.curve, anchor.curve) == pytest.approx(0.0, abs=1e-9)
    assert bd_score(anchor.curve, anchor.curve) == pytest.approx(0.0, abs=1e-9)
    assert bd_rate(scaled(anchor.curve, 0.5), anchor.curve) == pytest.approx(-50.0)
    assert bd_rate(scaled(anchor.curve, 3.0), anchor.curve) == pytest.approx(200.0)
    higher = Curve(anchor.curve.bpp, tuple(score + 1.5 for score in anchor.curve.score))
    assert bd_score(higher, anchor.curve) == pytest.approx(1.5)
    assert overlap_share(anchor.curve, anchor.curve) == pytest.approx(1.0)


@pytest.mark.parametrize("anchor", [*PUBLISHED[1:], *CLASSICS], ids=lambda anchor: anchor.name)
def test_both_deltas_are_those_of_the_bjontegaard_library(anchor: Anchor) -> None:
    library = pytest.importorskip("bjontegaard")
    ours, theirs = anchor.curve, VTM.curve
    points = (theirs.bpp, theirs.score, ours.bpp, ours.score)
    options = {"method": "pchip", "require_matching_points": False, "min_overlap": 0}
    assert bd_rate(ours, theirs) == pytest.approx(library.bd_rate(*points, **options), abs=0.02)
    assert bd_score(ours, theirs) == pytest.approx(library.bd_psnr(*points, **options), abs=0.001)


@pytest.mark.parametrize("anchor", CLASSICS, ids=lambda anchor: anchor.name)
def test_classics_against_vtm(anchor: Anchor) -> None:
    # as published with the measurements themselves, made by other code
    percent = REFERENCE[anchor.name]["bd_rate_vtm"]
    assert bd_rate(anchor.curve, VTM.curve) == pytest.approx(percent, abs=0.15)


def test_order_of_points_does_not_matter() -> None:
    curve = CLASSICS[0].curve
    backwards = Curve(curve.bpp[::-1], curve.score[::-1])
    assert bd_rate(backwards, VTM.curve) == bd_rate(curve, VTM.curve)


def test_curves_that_cannot_be_compared() -> None:
    low = Curve((0.1, 0.2, 0.3), (20.0, 21.0, 22.0))
    high = Curve((0.1, 0.2, 0.3), (40.0, 41.0, 42.0))
    with pytest.raises(ValueError, match="share no range of score"):
        bd_rate(low, high)
    with pytest.raises(ValueError, match="share no range of rate"):
        bd_score(low, scaled(low, 100.0))
    with pytest.raises(ValueError, match="three points"):
        bd_rate(Curve((0.1, 0.2), (40.0, 42.0)), high)
    assert common_range(low, Curve((1, 2, 3), (21.5, 23, 25))) == (21.5, 22.0)
    assert overlap_share(low, Curve((1, 2, 3), (21.0, 23, 25))) == pytest.approx(0.2)


def test_a_score_between_points() -> None:
    curve = CLASSICS[0].curve
    assert score_at(curve, curve.bpp[3]) == pytest.approx(curve.score[3])
    between = math.sqrt(curve.bpp[3] * curve.bpp[4])
    assert curve.score[3] < score_at(curve, between) < curve.score[4]
    with pytest.raises(ValueError, match="outside"):
        score_at(curve, 2 * curve.bpp[-1])


def test_a_rate_between_points() -> None:
    curve = CLASSICS[0].curve
    assert rate_at(curve, curve.score[3]) == pytest.approx(curve.bpp[3])
    between = (curve.score[3] + curve.score[4]) / 2
    assert curve.bpp[3] < rate_at(curve, between) < curve.bpp[4]
    assert score_at(curve, rate_at(curve, between)) == pytest.approx(between, abs=0.02)
    with pytest.raises(ValueError, match="outside"):
        rate_at(curve, curve.score[-1] + 1.0)


def test_psnr() -> None:
    black = np.zeros((4, 6, 3), np.uint8)
    assert psnr(black, black) == math.inf
    assert psnr(black, black + np.uint8(255)) == 0.0
    one = black.copy()
    one[0, 0, 0] = 12  # squared error 144 in one of 72 samples
    assert psnr(black, one) == pytest.approx(10 * math.log10(255**2 / 2.0))
    assert psnr(one, black) == psnr(black, one)
    with pytest.raises(ValueError, match="shapes differ"):
        psnr(black, black[:2])


def test_anchors_of_other_shapes(tmp_path: Path) -> None:
    path = tmp_path / "anchors.json"
    path.write_text('{"x": {"bpp": [2.0, 1.0], "psnr": [30.0, 25.0]}}')
    (anchor,) = read_anchors(path).anchors
    assert anchor == Anchor("x", "x", "", (1.0, 2.0), (25.0, 30.0))
    path.write_text('{"curves": {"x": {"bpp": [2, 1], "psnr": [30, 25], "ms_ssim": [0.9, 0.8]}}}')
    assert read_anchors(path).anchors[0].ms_ssim == (0.8, 0.9)
    for text in (
        "[]",
        "{",
        '{"x": {"bpp": [1.0]}}',
        '{"x": {"bpp": [1.0], "psnr": []}}',
        '{"x": {"bpp": [0.0, 1.0], "psnr": [20.0, 30.0]}}',
        '{"x": {"bpp": [0.5, 1.0], "psnr": [20.0, NaN]}}',
        '{"x": {"bpp": [0.5, 1.0], "psnr": [20.0, 30.0], "ms_ssim": [0.9, Infinity]}}',
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"anchors\.json"):
            read_anchors(path)


def test_every_anchor_says_where_it_comes_from() -> None:
    for anchor in (*PUBLISHED, *CLASSICS):
        assert anchor.source.startswith(("published: ", "measured: "))
        assert anchor.bpp == tuple(sorted(anchor.bpp))
