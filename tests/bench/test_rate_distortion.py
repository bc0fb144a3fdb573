"""Rows, means and comparisons, on small pictures with the shipped weights and a simple rival."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gencodec.bench.anchors import Anchor
from gencodec.bench.cache import Cache
from gencodec.bench.command import Report, apart
from gencodec.bench.comparison import Spread, deltas
from gencodec.bench.contestants import OWN_NAME, Contestant, Recipe, nearest_in_bytes
from gencodec.bench.curves import psnr
from gencodec.bench.environment import environment
from gencodec.bench.metrics import METRICS
from gencodec.bench.own_codec import Gencodec
from gencodec.bench.pictures import Census, Dataset, Sample, find_pictures, load_picture
from gencodec.bench.rate_distortion import (
    Bug,
    Row,
    complete_images,
    curve_of,
    means,
    measure,
    measure_all,
)
from gencodec.bench.report import from_text, read_report, to_text
from gencodec.bench.terminal import table
from gencodec.errors import ImageError

QUALITIES = (20.0, 50.0, 80.0)


@pytest.fixture(scope="module")
def rows(codec: Gencodec, folder: Path) -> list[Row]:
    pictures = [load_picture(path) for path in find_pictures(folder)]
    return [measure(codec.at(quality), picture) for quality in QUALITIES for picture in pictures]


@pytest.fixture(scope="module")
def report(rows: list[Row], codec: Gencodec, folder: Path) -> Report:
    pictures = [load_picture(path) for path in find_pictures(folder)]
    return Report(
        what="what",
        weights="base",
        weights_id=codec.weights.digest.hex(),
        dataset=counted(folder, pictures),
        environment=environment(codec.device),
        codecs=(codec.about,),
        bugs=(Bug("it broke", image="broken"),),
        deltas=deltas(rows, ["gencodec"], [doubled(rows)]),
        means=means(rows),
        images=tuple(rows),
    )


def counted(folder: Path, pictures: list[Sample]) -> Dataset:
    census = Census()
    for picture in pictures:
        census.add(picture)
    return census.dataset(folder)


def doubled(rows: list[Row]) -> Anchor:
    """What was measured, at twice the rate."""
    curve = curve_of(means(rows), "gencodec", METRICS[0])
    assert curve is not None
    return Anchor("double", "Double", "", tuple(2 * bpp for bpp in curve.bpp), curve.score)


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
    assert row.container_bytes is not None and 20 <= row.container_bytes <= 40
    # The coder wastes two words of state, the check of symbols, and next to nothing else.
    assert row.ideal_bits is not None
    coded_bits = 8 * (row.file_bytes - row.container_bytes)
    assert 0 <= coded_bits - row.ideal_bits <= 8 * 16


def test_kept_rows_are_about_pixels_whatever_their_name(
    rows: list[Row], codec: Gencodec, folder: Path, tmp_path: Path
) -> None:
    cache = Cache(tmp_path / "cache")
    for row in rows:
        pixels = load_picture(folder / f"{row.image}.png")
        cache.put(cache.key(codec.identity, row.quality, pixels.sha256), replace(row, psnr=1.0))
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("a", "b"):  # the same picture twice, and in another format
        Image.open(folder / "picture0.png").save(moved / f"{name}.bmp")
    found = measure_all([Recipe(OWN_NAME)], QUALITIES, find_pictures(moved), moved, cache, 1)
    assert {row.psnr for row in found.rows} == {1.0}  # those that were kept
    assert [(row.quality, row.image) for row in found.rows] == [
        (quality, name) for quality in QUALITIES for name in ("a", "b")
    ]
    assert complete_images(found.rows, OWN_NAME) == ["a", "b"]


def test_a_rival_is_measured_as_gencodec_is(raw: Contestant, folder: Path) -> None:
    sample = load_picture(folder / "picture1.png")
    row = measure(raw, sample)
    assert (row.codec, row.quality, row.image) == ("raw", 8.0, "picture1")
    assert row.file_bytes == 8 + sample.pixels.size and row.psnr == 100.0
    assert row.container_bytes is None and row.ideal_bits is None


def test_means_are_means_of_images(rows: list[Row]) -> None:
    averages = means(rows)
    assert [mean.quality for mean in averages] == list(QUALITIES)
    for mean in averages:
        of_one = [row for row in rows if row.quality == mean.quality]
        assert mean.images == len(of_one) == 2
        assert mean.bpp == pytest.approx(np.mean([row.bpp for row in of_one]), abs=1e-5)
        assert mean.psnr == pytest.approx(np.mean([row.psnr for row in of_one]), abs=1e-4)
        ideal = sum(row.ideal_bits or 0.0 for row in of_one)
        gap = 8 * sum(row.file_bytes for row in of_one) / ideal - 1
        assert mean.rate_gap_percent == pytest.approx(100 * gap, abs=1e-3)
    assert averages[0].bpp < averages[1].bpp < averages[2].bpp
    assert averages[0].psnr < averages[1].psnr < averages[2].psnr


def test_an_image_that_failed_once_is_no_part_of_any_mean(rows: list[Row]) -> None:
    kept = [row for row in rows if (row.image, row.quality) != ("picture0", 50.0)]
    assert complete_images(kept, "gencodec") == ["picture1"]
    assert {mean.images for mean in means(kept)} == {1}
    whole = [replace(row, codec="other", bpp=1.5 * row.bpp) for row in rows]
    pairs = deltas([*kept, *whole], ["gencodec", "other"], [])
    of_psnr = [delta for delta in pairs if delta.metric == "psnr"]
    # Each pair over the one image that both coded; on it the other needs half as much again.
    assert [(d.codec, d.anchor, d.images) for d in of_psnr] == [
        ("gencodec", "other", 1),
        ("other", "gencodec", 1),
    ]
    assert of_psnr[0].bd_rate == pytest.approx(-100.0 / 3, abs=0.01)
    assert of_psnr[1].bd_rate == pytest.approx(50.0, abs=0.01)
    assert of_psnr[0].overlap == 100.0


def test_a_codec_whose_every_file_is_smaller_still_has_a_rate(rows: list[Row]) -> None:
    far = [replace(row, codec="far", bpp=1000 * row.bpp) for row in rows]
    pairs = deltas([*rows, *far], ["gencodec", "far"], [])
    of_psnr = {delta.codec: delta for delta in pairs if delta.metric == "psnr"}
    assert of_psnr["gencodec"].bd_rate == pytest.approx(-99.9, abs=0.01)
    assert of_psnr["far"].bd_rate == pytest.approx(99_900.0, rel=0.001)
    assert {delta.bd_score for delta in pairs} == {None}


def dearer(rows: list[Row], factors: dict[str, float]) -> list[Row]:
    """What was measured as another codec's, each picture at some times the rate."""
    return [replace(row, codec="other", bpp=factors[row.image] * row.bpp) for row in rows]


def test_single_pictures_may_lie_far_from_the_mean(rows: list[Row], report: Report) -> None:
    other = dearer(rows, {"picture0": 2.0, "picture1": 0.8})
    pairs = deltas([*rows, *other], ["gencodec", "other"], [doubled(rows)])
    assert {(d.codec, d.anchor): d.spread for d in pairs if d.metric == "psnr"} == {
        ("gencodec", "other"): Spread(2, 1, -50.0, -12.5, 25.0),
        ("other", "gencodec"): Spread(2, 1, -20.0, 40.0, 100.0),
        ("gencodec", "double"): None,
        ("other", "double"): None,
    }
    both = replace(
        report,
        codecs=(report.codecs[0], replace(report.codecs[0], name="other", label="Other")),
        deltas=pairs,
    )
    assert from_text(Report, to_text(both)) == both
    lines = table(both, []).splitlines()
    assert lines[lines.index("") + 2].split("  ")[0] == "Other"
    assert "-50 to +25, 1/2" in lines[lines.index("") + 2]


def test_pictures_whose_scores_lie_apart_are_not_counted(rows: list[Row]) -> None:
    shift = {"picture0": 40.0, "picture1": -40.0}
    other = dearer(rows, {"picture0": 2.0, "picture1": 2.0})
    other = [replace(row, psnr=row.psnr + shift[row.image]) for row in other]
    pairs = deltas([*rows, *other], ["gencodec", "other"], [])
    own = {d.metric: d for d in pairs if d.codec == "gencodec"}
    assert own["psnr"].bd_rate == pytest.approx(-50.0, abs=0.01) and own["psnr"].spread is None
    assert own["psnr_y"].spread == Spread(2, 2, -50.0, -50.0, -50.0)


def test_one_picture_is_its_own_mean(rows: list[Row]) -> None:
    one = [row for row in rows if row.image == "picture0"]
    pairs = deltas([*one, *dearer(one, {"picture0": 2.0})], ["gencodec", "other"], [])
    assert {delta.spread for delta in pairs} == {None}


def test_published_curves_are_compared_with(report: Report) -> None:
    (delta,) = report.deltas
    assert (delta.codec, delta.anchor, delta.metric) == ("gencodec", "double", "psnr")
    assert delta.bd_rate == pytest.approx(-50.0, abs=0.01)
    assert delta.bd_score is not None and delta.bd_score > 0
    assert delta.low == pytest.approx(report.means[0].psnr, abs=1e-3)
    assert delta.high == pytest.approx(report.means[-1].psnr, abs=1e-3)


def test_a_published_curve_by_the_name_of_a_codec_that_was_measured(rows: list[Row]) -> None:
    raw = [replace(row, codec="raw", bpp=4 * row.bpp) for row in rows]
    (anchor,) = apart([replace(doubled(rows), name="raw")], ["gencodec", "raw"])
    pairs = deltas([*rows, *raw], ["gencodec", "raw"], [anchor])
    own = {d.anchor: d.bd_rate for d in pairs if (d.codec, d.metric) == ("gencodec", "psnr")}
    assert own == {
        "raw": pytest.approx(-75.0, abs=0.01),
        "raw, published": pytest.approx(-50.0, abs=0.01),
    }
    assert apart([anchor], ["gencodec"]) == (anchor,)


def test_the_table_says_why_a_metric_is_missing(report: Report) -> None:
    there = [replace(row, ms_ssim=0.9, ssimulacra2=50.0) for row in report.images]
    assert "\nNo " not in table(replace(report, images=tuple(there)), [])
    small = [replace(row, ms_ssim=None) if row.image == "picture1" else row for row in there]
    text = table(replace(report, images=tuple(small)), [])
    assert "\nNo MS-SSIM: of 2 images, 1 too small for it.\n" in text
    versions = report.environment.versions | {"pytorch-msssim": "not installed"}
    bare = replace(
        report, images=tuple(small), environment=replace(report.environment, versions=versions)
    )
    assert "\nNo MS-SSIM: the Python package 'pytorch-msssim' is not installed.\n" in table(
        bare, []
    )


def test_the_table_says_why_there_are_no_rates(report: Report, rows: list[Row]) -> None:
    said = "\nNo BD-rates: they take 3 qualities at least, and scores in common.\n"
    others = [replace(delta, codec="other") for delta in report.deltas]
    bare = replace(report, deltas=tuple(others))
    text = table(bare, [doubled(rows)])
    assert said in text and "MS-SSIM" not in text.splitlines()[0]
    assert said not in table(bare, [])  # with nobody to compare with
    assert said not in table(report, [doubled(rows)])


def test_the_table_stands_in_columns_whatever_the_script(report: Report) -> None:
    wide = [replace(about, label="\u30b3\u30d4\u30fc e\u0301") for about in report.codecs]
    head, row, *_ = table(replace(report, codecs=tuple(wide)), []).splitlines()
    cells = len(head) - len("\u30b3\u30d4\u30fc")  # these take two each, the accent none
    assert row.startswith("\u30b3") and len(row) == cells + 1


def test_the_nearest_file_in_bytes(raw: Contestant, codec: Gencodec, folder: Path) -> None:
    sample = load_picture(folder / "picture0.png")
    for bits in (2, 5, 8):
        found, stream = nearest_in_bytes(raw, sample, 8 + bits * sample.pixels.size // 8)
        assert found.quality == bits and stream == raw.at(bits).compress(sample.pixels)
    assert nearest_in_bytes(raw, sample, 1)[0].quality == 2.0
    assert nearest_in_bytes(raw, sample, 10**9)[0].quality == 8.0
    target = len(codec.at(43.0).compress(sample.pixels))
    _, stream = nearest_in_bytes(codec, sample, target)
    assert abs(len(stream) - target) <= 0.02 * target


def test_the_report_names_what_was_measured(report: Report, folder: Path) -> None:
    assert report.dataset.images == 2
    assert report.dataset.megapixels == pytest.approx((57 * 40 + 18 * 33) / 1e6, abs=1e-3)
    pictures = [load_picture(path) for path in find_pictures(folder)]
    assert [picture.name for picture in pictures] == ["picture0", "picture1"]
    assert counted(folder, pictures[::-1]).sha256 != report.dataset.sha256
    assert {"python", "gencodec", "torch", "constriction"} <= set(report.environment.versions)
    assert report.environment.vectors  # in torch's words, which are another on each processor


def test_a_report_survives_its_file(report: Report) -> None:
    text = to_text(report)
    assert from_text(Report, text) == report
    fields = {field.name for field in dataclasses.fields(report)}
    assert set(json.loads(text)) == fields - {"speed"}  # which was not measured
    assert sum(line.startswith('    {"codec"') for line in text.splitlines()) == 1 + 3 + 6


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
def test_a_wrong_report_is_refused(
    report: Report, damage: Callable[[Any], object], tmp_path: Path
) -> None:
    raw = json.loads(to_text(report))
    damage(raw)
    path = tmp_path / "kodak.json"
    path.write_text(json.dumps(raw))
    with pytest.raises(ValueError, match=r"kodak\.json"):
        read_report(Report, path)


@pytest.mark.skipif(sys.platform != "linux", reason="names here are always text")
def test_names_that_are_no_text(report: Report, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"f\xfcr")
    folder.mkdir()
    Image.new("RGB", (9, 9)).save(folder / os.fsdecode(b"caf\xe9.png"))
    (folder / "red\x1b[31m\n.png").write_bytes(b"no picture")
    measured = measure_all([], None, find_pictures(folder), folder, Cache(None), 1)
    assert measured.images == ("caf\\udce9",) and measured.dataset.folder == "f\\udcfcr"
    (bug,) = measured.bugs
    assert bug.image == "red\\x1b[31m\\n" and bug.reason.isprintable()
    text = to_text(replace(report, dataset=measured.dataset, bugs=measured.bugs))
    assert from_text(Report, text.encode().decode()).bugs == measured.bugs
    assert "\x1b" not in table(replace(report, bugs=measured.bugs), [])


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no pictures"):
        find_pictures(tmp_path)
    (tmp_path / "folder.png").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="no pictures"):
        find_pictures(tmp_path)
    for name in ("picture.png", "._picture.png"):  # the other as macOS puts it beside one
        (tmp_path / name).write_bytes(b"")
    assert find_pictures(tmp_path) == [tmp_path / "picture.png"]
    (tmp_path / "scan.jp2").write_bytes(b"")
    assert find_pictures(tmp_path / "scan.jp2") == [tmp_path / "scan.jp2"]
    with pytest.raises(ImageError, match="no such folder or picture"):
        find_pictures(tmp_path / "none")
