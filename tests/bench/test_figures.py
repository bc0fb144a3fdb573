"""Tables and drawings: right, idempotent, and in step with the reports that are committed."""

from __future__ import annotations

import dataclasses
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bench import drawing
from gencodec.bench.__main__ import main
from gencodec.bench.anchors import read_anchors
from gencodec.bench.cold import Cold, Memory
from gencodec.bench.command import Report
from gencodec.bench.comparison import Delta, Spread
from gencodec.bench.contestants import OWN_NAME, About
from gencodec.bench.environment import Environment
from gencodec.bench.figures import stale_documents
from gencodec.bench.metrics import METRICS
from gencodec.bench.own_codec import Gencodec
from gencodec.bench.pictures import Dataset, Sample
from gencodec.bench.rate_distortion import Mean, curve_of
from gencodec.bench.report import read_report, write_report
from gencodec.bench.speed import CodecSpeed, Speed, StageTime, Timing
from gencodec.bench.tables import handful, replace_section
from gencodec.model.registry import list_weights

ROOT = Path(__file__).resolve().parents[2]
REPORTS = [ROOT / "benchmarks" / name for name in ("kodak.json", "speed.json")]
MINUS = "\N{MINUS SIGN}"

SPEED = Speed(
    what="what",
    quality=60.0,
    repetitions=5,
    threads=2,
    other_threads=1,
    codecs=(
        CodecSpeed(
            "gencodec",
            "gencodec base",
            "",
            2,
            0.5,
            0.5,
            0.4,
            Cold(0.2, 0.3, 0.2),
            Memory(1, 3, 2),
            1,
        ),
        CodecSpeed(
            "r", "Rival", "random weights", 2, 0.5, 1.0, 2.0, Cold(1, 1.5, 0), Memory(1, 5, 6), 0
        ),
    ),
    stages=(
        StageTime("encode", "read", 0.1, None),
        StageTime("encode", "g_a", 0.3, 0.75),
        StageTime("encode", "pack", 0.1, 0.001),
        StageTime("encode", "prior", 0.1, 0.249),
        StageTime("decode", "g_s", 0.3, 1.0),
    ),
    timings=(Timing("gencodec", "a", 9, 9, 60.0, 9, 0.1, 0.1, 0.1, 0.1),),
    throughput=(),
)
SPREAD = Spread(24, 23, -50.4, -30.0, 4.4)
REPORT = Report(
    what="what",
    weights="base",
    weights_id="1234567890abcdef",
    dataset=Dataset("kodak", 24, 9.437, "0" * 64),
    environment=Environment("A CPU", 2, "cpu", 2, "Linux x86_64", {"torch": "2.13.0"}, "AVX2"),
    codecs=(
        About(OWN_NAME, "gencodec base", "compress", "1", 1),
        About("webp", "WebP m6", "webp", "1", 1),
        About(f"{OWN_NAME}:4", "gencodec base, effort 4", "compress", "1", 1),
    ),
    bugs=(),
    deltas=(
        Delta(OWN_NAME, "vtm-18.0", "psnr", 12.34, -0.5, 27.0, 40.0, 80.0, 24),
        Delta(OWN_NAME, "webp", "psnr", -30.06, 1.0, 27.0, 40.0, 80.0, 24, SPREAD),
        Delta("webp", OWN_NAME, "psnr", 43.0, -1.0, 27.0, 40.0, 80.0, 24),
        Delta(OWN_NAME, "webp", "ssimulacra2", -12.0, 1.0, 27.0, 40.0, 80.0, 24),
        Delta(OWN_NAME, f"{OWN_NAME}:4", "psnr", 4.2, 1.0, 27.0, 40.0, 80.0, 24, SPREAD),
        Delta(f"{OWN_NAME}:4", "webp", "psnr", -33.0, 1.0, 27.0, 40.0, 80.0, 24),
    ),
    means=tuple(
        Mean(OWN_NAME, q * 10.0, 24, 0.1 + 0.1 * q, 25.0 + q, 26.0 + q, 0.9, 50.0 + q, 0.2)
        for q in range(11)
    )
    + tuple(
        Mean(name, q, 24, 0.2 * q, 25.0 + q, 26.0 + q)
        for name in ("webp", f"{OWN_NAME}:4")
        for q in (1.0, 2.0, 3.0)
    ),
    images=(),
    speed=SPEED,
)
README = """# Name

<!-- figures:begin kodak -->
<!-- figures:end kodak -->
between
<!-- figures:begin speed -->old<!-- figures:end speed -->
<!-- figures:begin other -->kept<!-- figures:end other -->
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("benchmarks", "weights"):
        (tmp_path / name).mkdir()
    write_report(REPORT, tmp_path / "benchmarks" / "kodak.json")
    write_report(REPORT, tmp_path / "benchmarks" / "speed.json")
    shutil.copy(ROOT / "benchmarks" / "anchors.json", tmp_path / "benchmarks")
    for name in ("README.md", "weights/base.md", "weights/older.md"):
        (tmp_path / name).write_text(README, encoding="utf-8")
    return tmp_path


def test_tables_say_what_the_reports_say(checkout: Path) -> None:
    assert main(["figures", "--root", str(checkout), "--check"]) == 1
    assert (checkout / "README.md").read_text(encoding="utf-8") == README
    assert main(["figures", "--root", str(checkout)]) == 0
    text = (checkout / "README.md").read_text(encoding="utf-8")
    for line in (
        "| quality | bpp | PSNR, dB | luma PSNR, dB | MS-SSIM | SSIMULACRA 2 |",
        "| 0 | 0.100 | 25.00 | 26.00 | 0.9000 | 50.0 |",
        "| 100 | 1.100 | 35.00 | 36.00 | 0.9000 | 60.0 |",
        "| at equal | VTM-18.0, published | WebP m6 |",
        f"| PSNR | +12.3 % | {MINUS}30.1 % |",
        f"| SSIMULACRA 2 |  | {MINUS}12.0 % |",
        f"| PSNR, effort 4 |  | {MINUS}33.0 % |",
        "Picture by picture, at equal PSNR: fewer bits than WebP m6 on 23 of 24 "
        f"({MINUS}50 % to +4 %).",
        "| gencodec base, quality 60 | 0.50 | 0.500 | 0.400 | 0.50 | 3 | 1 of 1 files alike |",
        "| Rival | 0.50 | 1.000 | 2.000 | 2.50 | 6 | 0 of 1 files alike |",
        "Rival: random weights.",
        "Encode time goes to the analysis transform (75 %), the exact prior (25 %), "
        "the container (under 1 %).",
        "between",
        "<!-- figures:begin other -->kept<!-- figures:end other -->",
    ):
        assert line in text.splitlines()
    assert "(12345678)" in text and "](benchmarks/kodak.json)" in text
    assert "Measured on A CPU with AVX2" in text
    card = (checkout / "weights" / "base.md").read_text(encoding="utf-8")
    assert "](../benchmarks/kodak.json)" in card
    assert (checkout / "weights" / "older.md").read_text(encoding="utf-8") == README


def test_the_table_of_efforts(checkout: Path) -> None:
    searched = f"{OWN_NAME}:4"
    more = (
        Delta(searched, OWN_NAME, "psnr", -4.05, 0.2, 27.0, 40.0, 80.0, 24),
        Delta(searched, OWN_NAME, "ssimulacra2", 1.5, -0.2, 27.0, 40.0, 80.0, 24),
        Delta(searched, "vtm-18.0", "psnr", 8.0, -0.2, 27.0, 40.0, 80.0, 24),
    )
    report = dataclasses.replace(REPORT, deltas=(*REPORT.deltas, *more))
    write_report(report, checkout / "benchmarks" / "kodak-effort.json")
    (checkout / "docs").mkdir()
    document = checkout / "docs" / "large.md"
    document.write_text("<!-- figures:begin effort -->\n<!-- figures:end effort -->\n", "utf-8")
    assert main(["figures", "--root", str(checkout), "--check"]) == 1
    assert main(["figures", "--root", str(checkout)]) == 0
    text = document.read_text(encoding="utf-8")
    for line in (
        "| `--effort` | PSNR | luma PSNR | MS-SSIM | SSIMULACRA 2 | VTM-18.0, PSNR |",
        "| none |  |  |  |  | +12.3 % |",
        f"| 4 | {MINUS}4.0 % |  |  | +1.5 % | +8.0 % |",
    ):
        assert line in text.splitlines()
    assert "weights `base` (12345678)" in text and "](../benchmarks/kodak-effort.json)" in text


def test_figures_are_idempotent(checkout: Path) -> None:
    def everything() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in checkout.rglob("*") if p.is_file()}

    assert main(["figures", "--root", str(checkout)]) == 0
    first = everything()
    assert main(["figures", "--root", str(checkout)]) == 0
    assert everything() == first
    assert main(["figures", "--root", str(checkout), "--check"]) == 0


def test_markers() -> None:
    text = "a <!-- figures:begin x -->\nold\n<!-- figures:end x --> b"
    new = "a <!-- figures:begin x -->\n\n\\1 new\n\n<!-- figures:end x --> b"
    assert replace_section(text, "x", "\\1 new") == new
    assert replace_section(new, "x", "\\1 new") == new
    assert replace_section(text, "y", "new") == text
    for wrong in (text + text, text.replace("<!-- figures:end x -->", "")):
        with pytest.raises(ValueError, match="markers of 'x'"):
            replace_section(wrong, "x", "new")


def test_a_handful_keeps_the_ends() -> None:
    picked = [row.quality for row in handful(REPORT.means[:11])]
    assert picked == [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    assert handful(REPORT.means[:3]) == list(REPORT.means[:3])


def test_curves_are_drawn_the_same_twice(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    own = curve_of(REPORT.means, OWN_NAME, METRICS[0])
    anchors = read_anchors(ROOT / "benchmarks" / "anchors.json").anchors
    lines = [drawing.Line(anchor.label, anchor.curve, published=True) for anchor in anchors]
    drawn = []
    assert own is not None
    for name in ("a.svg", "b.svg"):
        drawing.draw_curves(own, lines, "Kodak", tmp_path / name, drawing.SCORE_AXES["psnr"])
        drawn.append((tmp_path / name).read_bytes())
    assert drawn[0] == drawn[1] and drawn[0].startswith(b"<?xml")
    assert len(drawn[0]) < 200_000


def test_labels_keep_their_distance_and_order() -> None:
    heights = [30.0, 30.1, 36.0, 29.9, 40.0]
    moved = drawing._apart(heights, 0.8)
    ordered = sorted(moved)
    gaps = [b - a for a, b in pairwise(ordered)]
    assert min(gaps) >= 0.8 - 1e-9
    assert sorted(range(5), key=moved.__getitem__) == sorted(range(5), key=heights.__getitem__)
    assert moved[2] == 36.0 and moved[4] == 40.0


def test_the_photograph(codec: Gencodec, folder: Path, tmp_path: Path) -> None:
    height, width = drawing.PANEL[1] + 6, drawing.PANEL[0] + 10
    ramp = np.add.outer(np.arange(height), np.arange(width))
    sample = Sample("ramp", np.stack((ramp, ramp // 2, 255 - ramp), 2).astype(np.uint8))
    target = tmp_path / "qualities.png"
    drawing.draw_qualities(codec, sample, (20.0, 80.0), (10, 6), target)
    sheet = np.asarray(Image.open(target))
    assert sheet.shape[0] == drawing.PANEL[1] + drawing.CAPTION
    assert sheet.shape[1] == 3 * drawing.PANEL[0] + 2 * drawing.GAP
    assert np.array_equal(sheet[: drawing.PANEL[1], : drawing.PANEL[0]], sample.pixels[6:, 10:])
    assert target.stat().st_size < drawing.MAX_PICTURE_BYTES
    with pytest.raises(ValueError, match="leaves the photograph"):
        drawing.draw_qualities(codec, sample, (20.0,), (11, 0), target)


def test_committed_tables_are_those_of_the_committed_reports() -> None:
    assert [path.name for path in stale_documents(ROOT)] == []


@pytest.mark.parametrize("path", REPORTS, ids=lambda path: path.name)
def test_committed_reports_are_of_weights_that_are_shipped(path: Path) -> None:
    report = read_report(Report, path)
    assert report.weights_id in {entry.id_hex for entry in list_weights()}
    assert path.stat().st_size < 700_000
