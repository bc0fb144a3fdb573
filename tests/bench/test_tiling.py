"""The measurement of what tiles cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bench import tiling
from gencodec.bench.__main__ import main
from gencodec.bench.report import read_report


def test_near_borders() -> None:
    near = tiling.near_borders(100, 70, 64)
    assert near[56:72].all() and near[:, 56:].all()
    assert not near[:56, :56].any() and not near[72:, :56].any()


@pytest.mark.parametrize("command", ["formats", "memory", "tiles"])
def test_where_the_report_goes_is_looked_at_before_anything_is_measured(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(tmp_path), "-o", str(tmp_path / "missing" / "report.json")]) == 1
    assert "its directory does not exist" in capsys.readouterr().err


def test_a_small_measurement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiling, "SIDES", (64, 1024))
    monkeypatch.setattr(tiling, "QUALITIES", (60.0,))
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    picture = Image.fromarray(noise).resize((160, 120), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "a.png")
    assert main(["tiles", str(tmp_path), "-o", str(tmp_path / "tiles.json")]) == 0
    report = read_report(tiling.TilingReport, tmp_path / "tiles.json")
    (row,), (mean,) = report.images, report.means
    assert (row.side, row.width, row.height) == (64, 160, 120)
    assert row.percent == pytest.approx(100 * (row.bytes / row.untiled_bytes - 1), abs=0.01)
    assert row.percent > 0
    assert 0.5 < mean.border_error < 2 and 0.5 < mean.rest_error < 2
