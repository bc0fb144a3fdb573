"""Pages drawn to be trained on: always the same for a seed, and listed as provenance wants them."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageFont

from gencodec.train.__main__ import main
from gencodec.train.pages.draw import SIDES, draw_page
from gencodec.train.pages.kinds import KINDS
from gencodec.train.pages.sheet import Sheet


@pytest.mark.parametrize("index", range(len(KINDS)))
def test_a_page_is_sharp_and_the_same_again(index: int) -> None:
    kind, pixels = draw_page(index, seed=5)
    assert kind == list(KINDS)[index]
    assert pixels.dtype == np.uint8 and pixels.ndim == 3
    assert all(SIDES[0] <= side <= SIDES[1] and side % 64 == 0 for side in pixels.shape[:2])
    # What photographs lack: large even areas, and steps of half the range between neighbours.
    steps = np.abs(np.diff(pixels.astype(int), axis=1)).max(2)
    assert (steps == 0).mean() > 0.4
    assert (steps > 100).mean() > 0.001
    assert np.array_equal(draw_page(index, seed=5)[1], pixels)
    assert not np.array_equal(draw_page(index, seed=6)[1], pixels)


@pytest.mark.parametrize("fringed", [False, True])
def test_lettering_may_leave_the_page_on_every_side(fringed: bool) -> None:
    sheet = Sheet(64, 48, np.random.default_rng(0))
    sheet.fringed = fringed
    font = sheet.font(20)
    for x, y in ((-30, 5), (-500, 5), (50, 5), (500, 5), (5, -9), (5, -90), (5, 40), (5, 400)):
        sheet.write(x, y, "edge", font, (255, 0, 0))
    pixels = sheet.finished()
    assert pixels.shape == (48, 64, 3)
    touched = (pixels != sheet.theme.paper).any(2)
    assert all(touched[side].any() for side in (np.s_[:4], np.s_[-4:], np.s_[:, :4], np.s_[:, -4:]))


def test_fringes_have_colour_and_no_other_weight_than_grey() -> None:
    both = []
    for fringed in (False, True):
        sheet = Sheet(320, 64, np.random.default_rng(1))
        sheet.fringed = fringed
        sheet.box(0, 0, 320, 64, (255, 255, 255))
        sheet.write(8, 8, "illicit minimum", sheet.font(24), (0, 0, 0))
        both.append(sheet.finished().astype(float))
    grey, fringed_page = both
    assert np.ptp(grey, axis=2).max() == 0
    assert np.ptp(fringed_page, axis=2).max() > 60
    ink = [(255.0 - page).sum() for page in both]
    assert abs(ink[1] / ink[0] - 1) < 0.1


def test_the_command_lists_what_it_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "drawn" / "pages"
    assert main(["pages", str(folder), "--count", "9", "--seed", "3"]) == 0
    with open(folder / "manifest.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["file"] for row in rows] == sorted(
        (p.name for p in folder.glob("*.png")), key=_page
    )
    for row in rows:
        assert hashlib.sha256((folder / row["file"]).read_bytes()).hexdigest() == row["sha256"]
    assert main(["provenance", str(folder / "manifest.csv"), str(folder)]) == 0
    capsys.readouterr()

    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert main(["pages", str(folder), "--count", "1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is there already" in line
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def _page(name: str) -> str:
    return name.rsplit("-", 1)[1]


def test_fonts_are_those_that_were_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    for place in ("empty", "missing.ttf"):
        assert main(["pages", str(tmp_path / "out"), "--font", str(tmp_path / place)]) == 1
        assert place in capsys.readouterr().err
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert main(["pages", str(tmp_path / "out"), "--font", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "broken.ttf" in line
    assert not (tmp_path / "out").exists()

    monkeypatch.setattr(ImageFont, "load_default", lambda size: ImageFont.ImageFont())
    assert main(["pages", str(tmp_path / "out")]) == 1
    assert "FreeType" in capsys.readouterr().err
