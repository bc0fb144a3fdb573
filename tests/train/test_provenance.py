"""Lists of training pictures, and training pictures that are test pictures in disguise."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from gencodec.train.__main__ import main
from gencodec.train.likeness import Likeness
from gencodec.train.provenance import like_test_pictures


def scene(seed: int, width: int = 360, height: int = 240) -> Image.Image:
    """A picture full of shapes: what a perceptual hash holds on to."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(rng.integers(60, 200, 3).tolist()))
    pen = ImageDraw.Draw(image)
    for _ in range(70):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        w, h = int(rng.integers(8, width // 5)), int(rng.integers(8, height // 4))
        colour = tuple(rng.integers(0, 256, 3).tolist())
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)((x, y, x + w, y + h), fill=colour)
    return image


def recoded(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.resize((image.width // 2, image.height // 2)).save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


def pasted(image: Image.Image) -> Image.Image:
    """The picture as part of a larger one."""
    sheet = scene(999, 500, 400)
    sheet.paste(image, (90, 130))
    return sheet


DISGUISES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "whole": lambda image: image,
    "brighter": lambda image: image.point(lambda v: min(255, int(v * 1.15) + 8)),
    "recoded at half the size": recoded,
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "cropped": lambda image: image.crop((70, 40, 270, 180)),
    "cropped to another shape": lambda image: image.crop((100, 20, 260, 220)),
    "within another picture": pasted,
    "a corner within another picture": lambda image: pasted(image.crop((0, 0, 200, 140))),
}


@pytest.mark.parametrize("disguise", DISGUISES)
def test_planted_duplicates_are_found(disguise: str) -> None:
    tests = [Likeness(f"test {seed}", np.asarray(scene(seed))) for seed in range(3)]
    planted = Likeness("planted", np.asarray(DISGUISES[disguise](scene(1))))
    innocent = [Likeness(f"other {seed}", np.asarray(scene(seed))) for seed in (50, 51)]
    matches = like_test_pictures([planted, *innocent], tests)
    assert [{match.needle, match.haystack} for match in matches] == [{"planted", "test 1"}]


def test_flat_pictures_are_like_nothing() -> None:
    paper = Likeness("paper", np.full((200, 300, 3), 250, np.uint8))
    slope = np.linspace(0, 255, 300)[None, :, None].repeat(200, 0).repeat(3, 2).astype(np.uint8)
    assert like_test_pictures([paper, Likeness("sky", slope)], [paper, Likeness("x", slope)]) == []
    tiny = Likeness("tiny", np.zeros((1, 1, 3), np.uint8))
    assert like_test_pictures([tiny], [tiny, paper]) == []


# The list --------------------------------------------------------------------------------------


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """Two pictures, listed truly, and a test picture."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "tests").mkdir()
    scene(0).save(tmp_path / "tests" / "test.png")
    rows = []
    for seed in (1, 2):
        path = tmp_path / "pictures" / f"{seed}.png"
        scene(seed).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append({"file": path.name, "sha256": digest, "source": "here", "licence": "CC0-1.0"})
    write(tmp_path, rows)
    return tmp_path


def write(folder: Path, rows: list[dict[str, str]]) -> None:
    with open(folder / "list.csv", "w", encoding="utf-8", newline="") as handle:
        table = csv.DictWriter(handle, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def rows_of(folder: Path) -> list[dict[str, str]]:
    with open(folder / "list.csv", encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def check(folder: Path) -> int:
    arguments = ["provenance", folder / "list.csv", folder / "pictures", "--test", folder / "tests"]
    return main([*map(str, arguments), "-o", str(folder / "report.json")])


def test_a_true_list(collection: Path) -> None:
    assert check(collection) == 0
    report = json.loads((collection / "report.json").read_text(encoding="utf-8"))
    assert (report["listed"], report["found"], report["test_pictures"]) == (2, 2, 1)
    assert report["problems"] == report["like_test_pictures"] == []
    assert report["licences"] == {"CC0-1.0": 2}


def test_a_planted_test_picture_fails_the_check(
    collection: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = collection / "pictures" / "3.png"
    scene(0).crop((30, 30, 300, 200)).save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    row = {"file": "3.png", "sha256": digest, "source": "here", "licence": "CC0-1.0"}
    write(collection, [*rows_of(collection), row])
    assert check(collection) == 1
    out = capsys.readouterr().out
    assert "3.png is seen in test.png" in out or "test.png is seen in 3.png" in out
    assert "3 listed, 3 found, 0 problems, 1 of them like one of 1 test pictures" in out


def test_what_is_wrong_is_named(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = rows_of(collection)
    rows[0]["sha256"] = "0" * 64
    rows[1]["licence"] = " "
    rows.append({"file": "gone.png", "sha256": "1" * 64, "source": "here", "licence": "CC0-1.0"})
    rows.append(dict(rows[2]))
    write(collection, rows)
    scene(7).save(collection / "pictures" / "unlisted.png")
    (collection / "pictures" / "broken.png").write_bytes(b"no picture")
    assert check(collection) == 1
    out = capsys.readouterr().out
    for line in (
        "1.png is not the file of the listed SHA-256",
        "2.png has no licence",
        "gone.png is not there",
        "gone.png is listed more than once",
        "unlisted.png is not listed",
        "broken.png cannot be read",
    ):
        assert line in out


def test_a_test_picture_that_cannot_be_read_is_a_problem(
    collection: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was compared with it, which no one may take for a passed check."""
    (collection / "tests" / "broken.png").write_bytes(b"no picture")
    assert check(collection) == 1
    assert "broken.png cannot be read, so nothing was compared with it" in capsys.readouterr().out


def test_a_list_that_excel_saved(collection: Path) -> None:
    """With three bytes before its UTF-8."""
    text = (collection / "list.csv").read_text("utf-8")
    (collection / "list.csv").write_text(text, "utf-8-sig")
    assert check(collection) == 0


def test_lists_that_are_none(collection: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (collection / "list.csv").write_text("name,size\na.png,3\n")
    assert check(collection) == 1
    assert "no column file, licence, sha256, source" in capsys.readouterr().err
    (collection / "list.csv").unlink()
    assert check(collection) == 1
    with pytest.raises(SystemExit):
        main(["provenance"])
