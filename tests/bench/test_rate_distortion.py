"""Reports of rate and distortion, on small pictures with the shipped weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from gencodec.bench.__main__ import main
from gencodec.bench.contestants import Gencodec
from gencodec.bench.curves import psnr
from gencodec.bench.pictures import dataset, find_pictures, load_picture
from gencodec.bench.rate_distortion import RateDistortion, measure, run_all
from gencodec.bench.report import from_text, read_report, to_text
from gencodec.errors import ImageError

QUALITIES = (20.0, 80.0)


@pytest.fixture(scope="module")
def report(codec: Gencodec, folder: Path) -> RateDistortion:
    return run_all(codec, folder, QUALITIES, [])


def test_a_row_counts_whole_files_and_decoded_pixels(codec: Gencodec, folder: Path) -> None:
    sample = load_picture(folder / "picture0.png")
    row = measure(codec, sample)
    stream = codec.codec.compress(sample.pixels, quality=60.0)
    assert row.file_bytes == len(stream)
    assert row.bpp == pytest.approx(8 * len(stream) / (57 * 40), abs=1e-5)
    decoded = codec.codec.decompress(stream)
    assert row.psnr == pytest.approx(psnr(sample.pixels, decoded), abs=1e-4)
    assert row.ms_ssim is None
    # Header, section frame and end: all that is not symbols.
    assert 20 <= row.container_bytes <= 40
    # The coder wastes two words of state, the check of symbols, and next to nothing else.
    coded_bits = 8 * (row.file_bytes - row.container_bytes)
    assert 0 <= coded_bits - row.ideal_bits <= 8 * 16


def test_means_are_means_of_images(report: RateDistortion) -> None:
    assert [(mean.quality) for mean in report.means] == list(QUALITIES)
    assert len(report.images) == 4
    for mean in report.means:
        rows = [row for row in report.images if row.quality == mean.quality]
        assert mean.bpp == pytest.approx(np.mean([row.bpp for row in rows]), abs=1e-5)
        assert mean.psnr == pytest.approx(np.mean([row.psnr for row in rows]), abs=1e-4)
        total = 8 * sum(row.file_bytes for row in rows)
        gap = total / sum(row.ideal_bits for row in rows) - 1
        assert mean.rate_gap_percent == pytest.approx(100 * gap, abs=1e-3)
    assert report.curve().bpp == tuple(sorted(mean.bpp for mean in report.means))
    assert report.means[0].bpp < report.means[1].bpp
    assert report.means[0].psnr < report.means[1].psnr


def test_the_report_names_what_was_measured(
    report: RateDistortion, codec: Gencodec, folder: Path
) -> None:
    assert report.weights_id == codec.weights.digest.hex()
    assert report.dataset.images == 2
    assert report.dataset.megapixels == pytest.approx((57 * 40 + 18 * 33) / 1e6, abs=1e-3)
    pictures = [load_picture(path) for path in find_pictures(folder)]
    assert [picture.name for picture in pictures] == ["picture0", "picture1"]
    assert dataset(folder, pictures) == report.dataset
    assert dataset(folder, pictures[::-1]).sha256 != report.dataset.sha256
    assert {"python", "gencodec", "torch", "constriction"} <= set(report.environment.versions)


def test_a_report_survives_its_file(report: RateDistortion) -> None:
    text = to_text(report)
    assert from_text(RateDistortion, text) == report
    assert set(json.loads(text)) == {field.name for field in dataclasses.fields(report)}
    assert sum(line.startswith('    {"codec"') for line in text.splitlines()) == 2 + 4


@pytest.mark.parametrize(
    "damage",
    [
        lambda raw: raw.pop("means"),
        lambda raw: raw.update(extra=1),
        lambda raw: raw.update(weights=3),
        lambda raw: raw["images"][0].update(psnr="high"),
        lambda raw: raw["images"][0].pop("psnr"),
    ],
)
def test_a_wrong_report_is_refused(report: RateDistortion, damage: object, tmp_path: Path) -> None:
    raw = json.loads(to_text(report))
    assert callable(damage)
    damage(raw)
    path = tmp_path / "kodak.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=r"kodak\.json"):
        read_report(RateDistortion, path)


def test_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], report: RateDistortion
) -> None:
    # An anchor of twice the rate, made from the report itself: three points at least.
    levels = (20.0, 50.0, 80.0)
    output, anchors = tmp_path / "kodak.json", tmp_path / "anchors.json"
    arguments = ["kodak", str(folder), "-o", str(output), "--device", "cpu"]
    arguments += ["--qualities", ",".join(f"{level:g}" for level in reversed(levels))]
    assert main([*arguments, "--anchors"]) == 0
    first = read_report(RateDistortion, output)
    assert [mean.quality for mean in first.means] == list(levels) and first.bd_rate == ()
    assert [row for row in first.images if row.quality in QUALITIES] == list(report.images)
    curve = first.curve()
    double = {"label": "Double", "bpp": [2 * bpp for bpp in curve.bpp], "psnr": curve.psnr}
    anchors.write_text(json.dumps({"curves": {"double": double}}))
    assert main([*arguments, "--anchors", str(anchors)]) == 0
    (rate,) = read_report(RateDistortion, output).bd_rate
    assert (rate.anchor, rate.label) == ("double", "Double")
    assert rate.percent == pytest.approx(-50.0, abs=0.01)
    assert "BD-rate against Double: -50.0 %" in capsys.readouterr().out


def test_the_command_fails_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kodak", str(tmp_path / "none"), "-o", str(tmp_path / "out.json")]) == 1
    err = capsys.readouterr().err
    assert err.startswith("gencodec.bench: ") and err.count("\n") == 1
    with pytest.raises(ImageError, match="no pictures"):
        find_pictures(tmp_path)
    with pytest.raises(SystemExit):
        main(["kodak", str(tmp_path), "-o", "out.json", "--qualities", "20,101"])
