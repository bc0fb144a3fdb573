"""The pictures of a run: what its list says, while it trains and when it goes on."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.errors import OutputError
from gencodec.train import gallery
from gencodec.train.checkpoint import CHECKPOINT

Make = Callable[..., np.ndarray]


def save(path: Path, pixels: np.ndarray) -> None:
    """Whole from its first moment: a gallery of these tests looks a hundred times a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path.with_suffix(".part"), format="png")
    path.with_suffix(".part").rename(path)


def begun(tmp_path: Path) -> dict[str, str]:
    """Read and part the pictures as a run does that begins or goes on; the list as it then is."""
    run = tmp_path / "run"
    run.mkdir(exist_ok=True)
    pictures = gallery.Gallery([tmp_path / "pictures"], run, lambda line: None)
    pictures.settle(*pictures.split(list(pictures.read())))
    (run / CHECKPOINT).touch()
    return parts_of(run)


def parts_of(run: Path) -> dict[str, str]:
    with open(run / "pictures.csv", encoding="utf-8", newline="") as handle:
        return {row["file"]: row["split"] for row in csv.DictReader(handle)}


def test_what_was_trained_on_is_never_held_out_later(photo: Make, tmp_path: Path) -> None:
    """Nor the other way, whatever comes, goes or is renamed between two days of a run."""
    folder = tmp_path / "pictures"
    for number in range(4):
        save(folder / f"{number}.png", photo(64, 64, number))
    first = begun(tmp_path)
    (held,) = (name for name, part in first.items() if part == "held out")
    trained = next(name for name, part in first.items() if part == "trained")

    (folder / held).rename(tmp_path / "away.png")
    assert begun(tmp_path) == first  # what has gone stays listed, and no other takes its place

    (tmp_path / "away.png").rename(folder / "renamed.png")
    for number in range(10, 40):  # some of them with a lower lot
        save(folder / f"{number}.png", photo(64, 64, number))
    more = begun(tmp_path)
    assert {name: more[name] for name in first} == first
    assert more.pop("renamed.png") == "held out"
    assert list(more.values()).count("held out") == 1

    (folder / trained).rename(folder / "0033.png")  # a name that the lot holds out
    assert begun(tmp_path)["0033.png"] == "trained"
    save(folder / held, photo(64, 64, 99))  # other content under a name that was held out
    assert begun(tmp_path)[held] == "held out"


def test_a_run_that_never_began_binds_nobody(photo: Make, tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "pictures" / f"{number}.png", photo(64, 64, number))
    first = begun(tmp_path)
    (held,) = (name for name, part in first.items() if part == "held out")
    (tmp_path / "pictures" / held).unlink()
    (tmp_path / "run" / CHECKPOINT).unlink()
    again = begun(tmp_path)
    assert len(again) == 2 and "held out" in again.values()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run that looks for new pictures all the time."""
    monkeypatch.setattr(gallery, "WATCH_SECONDS", 0.01)
    folder = tmp_path / "run"
    folder.mkdir()
    return folder


def test_copies_that_arrive_go_the_way_of_the_first(photo: Make, tmp_path: Path, run: Path) -> None:
    folder = tmp_path / "pictures"
    save(folder / "0033.png", photo(64, 64, 1))
    save(folder / "a.png", photo(64, 64, 2))
    pictures = gallery.Gallery([folder], run, lambda line: None)
    pictures.settle(*pictures.split(list(pictures.read())))
    arrived: list[np.ndarray] = []
    with pictures.watching():
        save(folder / "copy-of-0033.png", photo(64, 64, 1))
        save(folder / "0352.png", photo(64, 64, 2))  # the lot holds its name out
        for _ in range(1000):
            arrived += pictures.arrivals()
            if len(parts_of(run)) == 4:
                break
            time.sleep(0.01)
    assert len(arrived) == 1
    assert parts_of(run) == {
        "0033.png": "held out",
        "0352.png": "trained",
        "a.png": "trained",
        "copy-of-0033.png": "held out",
    }


def test_a_gallery_notes_what_comes_while_it_watches(
    photo: Make, tmp_path: Path, run: Path
) -> None:
    pictures = tmp_path / "pictures"
    save(pictures / "first.png", photo(20, 20))
    said: list[str] = []
    watcher = gallery.Gallery([pictures], run, said.append)
    watcher.settle(list(watcher.read()), [])
    assert watcher.arrivals() == []
    with watcher.watching():
        save(pictures / "0033.png", photo(20, 20, 1))  # one that the lot holds out
        save(pictures / "later.png", photo(24, 20))
        (pictures / "broken.png").write_bytes(b"")
        arrived: list[np.ndarray] = []
        for _ in range(1000):
            arrived += watcher.arrivals()
            if arrived and any("broken.png" in line for line in said):
                break
            time.sleep(0.01)
    assert [pixels.shape for pixels in arrived] == [(24, 20, 3)]
    table = (run / "pictures.csv").read_text(encoding="utf-8").splitlines()
    parts = {line.split(",")[0]: line.split(",")[-1] for line in table[1:]}
    assert parts == {"0033.png": "held out", "first.png": "trained", "later.png": "trained"}


def test_a_list_that_cannot_be_written_is_written_later(
    photo: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full while pictures arrive costs a line, and neither the run nor a row."""
    monkeypatch.setattr(gallery, "WATCH_SECONDS", 0.01)
    save(tmp_path / "pictures" / "first.png", photo(20, 20))
    run = tmp_path / "run"
    run.mkdir()
    said: list[str] = []
    watcher = gallery.Gallery([tmp_path / "pictures"], run, said.append)
    watcher.settle(list(watcher.read()), [])
    run.rename(tmp_path / "away")  # as good as a full disk
    arrived: list[np.ndarray] = []
    with watcher.watching():
        save(tmp_path / "pictures" / "later.png", photo(24, 20))
        for _ in range(1000):
            arrived += watcher.arrivals()
            if arrived:
                break
            time.sleep(0.01)
    assert len(arrived) == 1 and any("training goes on" in line for line in said)
    with pytest.raises(OutputError):
        watcher.write_list()
    (tmp_path / "away").rename(run)
    assert watcher.arrivals() == []
    table = (run / "pictures.csv").read_text(encoding="utf-8")
    assert "first.png" in table and "later.png" in table
