"""BD-rate against SciPy's interpolation, against figures published for the anchors, and by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from gencodec.bench.anchors import Anchor, bd_rates, read_anchors
from gencodec.bench.curves import Curve, bd_rate, common_range, psnr

ANCHORS = read_anchors(Path(__file__).resolve().parents[2] / "benchmarks" / "anchors.json")
VTM, *CLASSICS = ANCHORS


def scaled(curve: Curve, factor: float) -> Curve:
    return Curve(tuple(bpp * factor for bpp in curve.bpp), curve.psnr)


@pytest.mark.parametrize("anchor", ANCHORS, ids=lambda anchor: anchor.name)
def test_a_curve_against_itself_and_its_multiples(anchor: Anchor) -> None:
    assert bd_rate(anchor.curve, anchor.curve) == pytest.approx(0.0, abs=1e-9)
    assert bd_rate(scaled(anchor.curve, 0.5), anchor.curve) == pytest.approx(-50.0)
    assert bd_rate(scaled(anchor.curve, 3.0), anchor.curve) == pytest.approx(200.0)


@pytest.mark.parametrize("anchor", CLASSICS, ids=lambda anchor: anchor.name)
def test_bd_rate_is_that_of_scipy(anchor: Anchor) -> None:
    interpolate = pytest.importorskip("scipy.interpolate")
    low, high = common_range(anchor.curve, VTM.curve)
    areas = [
        interpolate.PchipInterpolator(curve.psnr, np.log(curve.bpp)).integrate(low, high)
        for curve in (anchor.curve, VTM.curve)
    ]
    expected = (math.exp((areas[0] - areas[1]) / (high - low)) - 1.0) * 100.0
    assert bd_rate(anchor.curve, VTM.curve) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("name", "percent"),
    # as published with the measurements themselves, made by other code
    [
        ("avif-s6", 29.4),
        ("jxl-e7", 97.7),
        ("webp-m6", 79.5),
        ("jpeg2000", 90.7),
        ("jpeg-420", 199.5),
    ],
)
def test_classics_against_vtm(name: str, percent: float) -> None:
    (anchor,) = (anchor for anchor in CLASSICS if anchor.name == name)
    assert bd_rate(anchor.curve, VTM.curve) == pytest.approx(percent, abs=0.15)


def test_order_of_points_does_not_matter() -> None:
    curve = CLASSICS[0].curve
    backwards = Curve(curve.bpp[::-1], curve.psnr[::-1])
    assert bd_rate(backwards, VTM.curve) == bd_rate(curve, VTM.curve)


def test_curves_that_cannot_be_compared() -> None:
    low = Curve((0.1, 0.2, 0.3), (20.0, 21.0, 22.0))
    high = Curve((0.1, 0.2, 0.3), (40.0, 41.0, 42.0))
    with pytest.raises(ValueError, match="share no range"):
        bd_rate(low, high)
    with pytest.raises(ValueError, match="three points"):
        bd_rate(Curve((0.1, 0.2), (40.0, 42.0)), high)
    anchors = [Anchor("far", "Far", "", high), Anchor("near", "Near", "", scaled(low, 2.0))]
    (rate,) = bd_rates(low, anchors)
    assert (rate.anchor, rate.percent, rate.psnr_low, rate.psnr_high) == ("near", -50.0, 20.0, 22.0)
    assert bd_rates(Curve((0.1, 0.2), (20.0, 22.0)), anchors) == ()


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
    (anchor,) = read_anchors(path)
    assert anchor == Anchor("x", "x", "", Curve((1.0, 2.0), (25.0, 30.0)))
    for text in ("[]", "{", '{"x": {"bpp": [1.0]}}', '{"x": {"bpp": [1.0], "psnr": []}}'):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"anchors\.json"):
            read_anchors(path)


def test_every_anchor_says_where_it_comes_from() -> None:
    assert [anchor.name for anchor in ANCHORS if not anchor.source] == []
    assert all(anchor.curve.bpp == tuple(sorted(anchor.curve.bpp)) for anchor in ANCHORS)
