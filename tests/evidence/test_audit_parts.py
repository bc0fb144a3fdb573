"""Order, pictures of every kind, the accounting, and who was trained on: each can fail."""

from __future__ import annotations

import csv
import hashlib
import math
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bench.contestants import About
from gencodec.bench.curves import psnr
from gencodec.bench.own_codec import Gencodec
from gencodec.bitstream import Header
from gencodec.errors import ImageError
from gencodec.evidence import accounting
from gencodec.evidence.accounting import account_for
from gencodec.evidence.anything import Coded, code_all, judge, library_pictures, made_pictures
from gencodec.evidence.audit import audit
from gencodec.evidence.collection import Source, given_collection, read_collection, sources
from gencodec.evidence.order import disorder, shuffled
from gencodec.evidence.rivals import JPEG_QUALITIES, Point, bytes_at, jpeg_points
from gencodec.evidence.stranger import other_weights
from gencodec.model.registry import find_weights
from gencodec.model.weights import Weights
from gencodec.train.photos import Photo, PhotoFolder, held_out, split

Make = Callable[..., np.ndarray]
MakeSource = Callable[[str, np.ndarray], Source]
Named = Callable[[str, np.ndarray], Photo]


def test_shuffled_bytes_are_no_picture(codec: Gencodec, photo: Make) -> None:
    pixels = photo(448, 576, 1)  # in small smooth pictures chance alone makes likenesses
    other = other_weights(codec.weights.vae.config, pixels, seed=0)
    found, pictures = disorder("p.png", pixels, codec, other, seed=0)
    assert found.passed, found.finding
    assert found.shuffles_refused == found.shuffles
    assert "not a gencodec file" in found.refusal
    assert pictures["words shuffled"].shape == pixels.shape

    def cheat(payload: bytes, header: Header, weights: Weights) -> np.ndarray:
        return pixels  # a decoder that knows the picture without its file

    assert not disorder("p.png", pixels, codec, other, seed=0, decode=cheat)[0].passed


def test_shuffling_keeps_every_byte() -> None:
    payload = bytes(range(4)) + np.random.default_rng(0).bytes(400)
    for unit in (1, 4):
        other = shuffled(payload, unit, np.random.default_rng(1))
        assert other != payload and other[:4] == payload[:4]
        assert sorted(other) == sorted(payload)


def test_pictures_of_every_kind_are_coded(codec: Gencodec) -> None:
    found, shown = code_all(made_pictures(0), codec)
    assert found.passed, found.finding
    assert len(shown) == len(found.rows) == 5
    bpp = {row.kind: row.bpp for row in found.rows}
    assert bpp["nothing"] < bpp["drawing"] < bpp["noise"]


def test_a_refused_a_ruined_or_a_misjudged_picture_fails() -> None:
    row = Coded("a", "photograph", 64, 64, 100, 0.5, 35.0, None)
    good = [
        replace(row, name="flat", kind="nothing", bpp=0.01),
        row,
        replace(row, name="noise", kind="noise", bpp=4.0, psnr=14.0),
    ]
    assert judge(good, 60.0).passed
    assert not judge([*good, replace(row, refused="too odd")], 60.0).passed
    assert not judge([*good, replace(row, name="dim", psnr=12.0)], 60.0).passed
    assert not judge([*good, replace(row, name="dear", bpp=5.0)], 60.0).passed
    assert judge([*good, replace(row, name="icon", kind="given", bpp=5.0)], 60.0).passed
    assert not judge([*good, replace(row, name="dim", kind="given", psnr=12.0)], 60.0).passed


def test_a_blank_page_says_nothing_against_the_codec(
    codec: Gencodec, photo: Make, named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do a few pixels: they cost what they cost, and another picture is shuffled for order."""
    monkeypatch.setattr("gencodec.evidence.audit.SAMPLES", 1)
    monkeypatch.setattr("gencodec.evidence.order.SHUFFLES", 2)
    monkeypatch.setattr("gencodec.evidence.audit.library_pictures", list)
    monkeypatch.setattr(accounting, "installed_rivals", list)
    blank = named("blank.png", np.full((320, 240, 3), 255, np.uint8))
    given = [blank, named("icon.png", photo(8, 8, 1)), named("a.png", photo(320, 256, 1))]
    files = [find_weights().path]
    found, _ = audit(codec, files, None, given, command="", seed=0, say=lambda line: None)
    assert found.passed, found.verdict
    assert {"blank.png", "icon.png"} < {row.name for row in found.anything.rows}
    assert found.order.picture == "a.png"
    found, _ = audit(codec, files, None, given[:2], command="", seed=0, say=lambda line: None)
    assert found.passed and found.order.picture == "drawing"


def test_real_pictures_come_with_a_library() -> None:
    pytest.importorskip("skimage")
    found = library_pictures()
    assert {"medical", "text", "photograph"} <= {specimen.kind for specimen in found}
    for specimen in found:
        assert specimen.pixels.shape[2] == 3 and max(specimen.pixels.shape) <= 512


ABOUT = About("rival", "rival", "fixed", "1", 1)


class Flat:
    """A rival whose files are a fixed share of the picture's pixels."""

    qualities = (1.0, 2.0)

    def __init__(self, share: float, quality: float = 1.0) -> None:
        self.share, self.quality = share, quality
        self.about = replace(ABOUT, label=f"rival {share}")

    def at(self, quality: float) -> Flat:
        return Flat(self.share, quality)

    def compress(self, pixels: np.ndarray) -> bytes:
        self.last = pixels
        return bytes(int(self.share * pixels.size))

    def decompress(self, stream: bytes) -> np.ndarray:
        amount = 60 if self.quality == 1.0 else 1
        flip = (np.indices(self.last.shape).sum(0) % 2 * 2 - 1) * amount
        return np.clip(self.last.astype(int) + flip, 0, 255).astype(np.uint8)


def test_the_arithmetic(
    codec: Gencodec,
    photo: Make,
    source: MakeSource,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = [tmp_path / "difference", tmp_path / "reference"]
    weights[0].write_bytes(bytes(1000))
    weights[1].write_bytes(np.random.default_rng(0).bytes(9000))
    pictures = [source(f"{n}.png", photo(64, 96, n)) for n in range(2)]
    monkeypatch.setattr(accounting, "installed_rivals", lambda: [Flat(0.9), Flat(0.001)])
    photos = [s.photo() for s in pictures]
    found = account_for(codec, weights, pictures * 5, photos, photos)
    assert found.weights_bytes == 10_000 and 9_000 <= found.weights_packed_bytes < 9_400
    training = found.training
    assert training is not None
    assert training.pictures == 10 and training.weights_per_picture == 1000.0
    size = np.mean([len(codec.compress(p.pixels)) for p in photos])
    assert training.file_bytes == pytest.approx(size, abs=0.1)
    assert training.needed == pytest.approx(10 * size, abs=1)
    dear, cheap = found.break_even
    saved = dear.bytes_rival - dear.bytes_ours
    assert dear.files == math.ceil(10_000 / saved)
    assert cheap.files is None
    empty = account_for(codec, weights, [], [], [])
    assert empty.training is None and empty.break_even == ()


def test_the_yardstick_is_real_jpeg(photo: Make, tmp_path: Path) -> None:
    pixels = photo(64, 64, 3)
    points = jpeg_points(pixels)
    assert [p.bytes for p in points] == sorted(p.bytes for p in points)
    assert [p.psnr for p in points] == sorted(p.psnr for p in points)
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels).save(path, quality=JPEG_QUALITIES[3], subsampling=0, optimize=True)
    assert points[3].bytes == path.stat().st_size
    assert points[3].psnr == pytest.approx(psnr(pixels, np.asarray(Image.open(path))))


def test_the_yardstick_has_room_for_noise() -> None:
    """A crop of 256 x 256 whose JPEG files are larger than Pillow takes an optimised one to be."""
    noise = np.random.default_rng(4).integers(0, 256, (256, 256, 3), np.uint8)
    points = jpeg_points(noise)
    assert points[-1].bytes > 2 * 256 * 256 and points[-1].psnr > 35.0


def test_bytes_between_two_points() -> None:
    points = [Point(400, 40.0), Point(100, 30.0)]
    assert bytes_at(35.0, points) == pytest.approx(200.0)
    assert bytes_at(29.9, points) is None and bytes_at(40.1, points) is None


def test_who_was_trained_on(photo: Make, source: MakeSource, tmp_path: Path) -> None:
    files = {name: source(name, photo(8, 8, n)).data for n, name in enumerate(["a.png", "b.png"])}
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.png").write_bytes(files["a.png"])
    with tarfile.open(folder / "rest.tar", "w") as archive:
        (tmp_path / "b.png").write_bytes(files["b.png"])
        archive.add(tmp_path / "b.png", "b.png")
    assert [s.name for s in sources([folder])] == ["a.png", "b.png"]

    listing = tmp_path / "list.csv"

    def write(rows: list[tuple[str, bytes, str]]) -> None:
        with listing.open("w", newline="", encoding="utf-8-sig") as handle:  # as Excel saves it
            writer = csv.writer(handle)
            writer.writerow(["sha256", "split", "file"])
            writer.writerows([hashlib.sha256(data).hexdigest(), s, n] for n, data, s in rows)

    write([("a.png", files["a.png"], "trained"), ("b.png", files["b.png"], "held out")])
    found = read_collection([folder], listing)
    assert [s.name for s in found.trained] == ["a.png"]
    assert [s.name for s in found.held_out] == ["b.png"]
    write([("a.png", b"another picture", "trained"), ("b.png", files["b.png"], "held out")])
    with pytest.raises(ImageError, match="no trained picture"):
        read_collection([folder], listing)
    listing.write_text("name\nx\n")
    with pytest.raises(ImageError, match="not a list"):
        read_collection([folder], listing)
    with pytest.raises(ImageError, match="no such"):
        read_collection([tmp_path / "none"], None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no pictures"):
        given_collection([folder], [tmp_path / "empty"])
    with pytest.raises(ImageError, match=r"list\.csv: neither a folder, a tar file nor a picture"):
        given_collection([folder], [tmp_path / "list.csv"])
    (tmp_path / "empty" / "again.png").write_bytes(files["b.png"])
    with pytest.raises(ImageError, match=r"1 held-out .* among the trained ones, again\.png"):
        given_collection([folder], [tmp_path / "empty"])


def test_a_list_of_a_run_names_pictures_below_folders(
    photo: Make, source: MakeSource, tmp_path: Path
) -> None:
    """As the run does; what counts is the file, whatever it is called by now."""
    names = ["one/a.png", "two/a.png", "two/b.png"]
    rows = []
    for number, name in enumerate(names):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source(name, photo(8, 8, number)).data)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(f"{name},{digest},8,8,{'held out' if name == 'one/a.png' else 'trained'}")
    (tmp_path / "set" / "folder.png").mkdir()
    listing = tmp_path / "pictures.csv"
    listing.write_text("\n".join(["file,sha256,width,height,split", *rows]))
    found = read_collection([tmp_path / "set"], listing)
    assert [s.name for s in found.held_out] == ["one/a.png"]
    assert [s.name for s in found.trained] == ["two/a.png", "two/b.png"]
    (tmp_path / "set" / "two").rename(tmp_path / "set" / "renamed")
    assert len(read_collection([tmp_path / "set"], listing).trained) == 2


def test_an_archive_that_is_damaged_or_written_large(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    with tarfile.open(tmp_path / "SET.TAR", "w") as archive:
        archive.add(tmp_path / "a.png", "sub/a.png")
        archive.add(tmp_path / "a.png", "sub/._a.png")
    (tmp_path / "._a.png").write_bytes(b"what macOS puts beside a file")
    assert sorted(s.name for s in sources([tmp_path])) == ["a.png", "sub/a.png"]
    data = (tmp_path / "SET.TAR").read_bytes()
    (tmp_path / "SET.TAR").write_bytes(data[:520])
    with pytest.raises(ImageError, match=r"SET\.TAR: .* \(an archive cut short\?\)"):
        list(sources([tmp_path]))


def test_without_a_list_the_rule_of_training_decides(
    photo: Make, source: MakeSource, tmp_path: Path
) -> None:
    """By names below the folder; a copy goes with what it is a copy of, and one is always kept."""
    kept = next(f"in/{n}.png" for n in range(10_000) if held_out(f"in/{n}.png"))
    other = next(
        f"{n}.png" for n in range(10_000) if held_out(f"{n}.png") > held_out(f"in/{n}.png")
    )
    (tmp_path / "in").mkdir()
    for number, name in enumerate((kept, "in/a.png", f"in/{other}")):
        (tmp_path / name).write_bytes(source(name, photo(80, 80, number)).data)
    (tmp_path / "copy.png").write_bytes((tmp_path / kept).read_bytes())
    found = read_collection([tmp_path], None)
    assert [s.name for s in found.held_out] == ["copy.png", kept]
    assert [s.name for s in found.trained] == sorted(["in/a.png", f"in/{other}"])
    ours = split(list(PhotoFolder([tmp_path]).new()))  # type: ignore[arg-type]
    assert [{p.name for p in group} for group in ours] == [
        {s.name for s in group} for group in (found.trained, found.held_out)
    ]
    for name in (kept, "copy.png"):
        (tmp_path / name).unlink()
    assert len(read_collection([tmp_path], None).held_out) == 1
    (tmp_path / "0.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(ImageError, match=r"0\.png"):
        read_collection([tmp_path], None)
