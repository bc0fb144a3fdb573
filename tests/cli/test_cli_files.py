"""Files in and out, with a stub in place of the codec: names, folders, refusals, pipes, records."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gencodec.bitstream import EXIF, LATENTS, read_header, unpack
from gencodec.cli import main, plan
from gencodec.model.quality import step_of

MakePhoto = Callable[..., Path]
Capture = pytest.CaptureFixture[str]


def pixels(path: Path | io.BytesIO) -> np.ndarray:
    """The pixels of a picture file."""
    with Image.open(path) as image:
        return np.asarray(image)


def tree(folder: Path) -> list[str]:
    """Every file below the folder, by relative name."""
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def photos(stub: Any, tmp_path: Path, make_photo: MakePhoto) -> Path:
    """A tree of pictures with strangers among them; the working folder is its parent."""
    for name in ("one.png", "deep/two.webp", "deep/er/three.BMP", ".hidden/four.png", "._one.png"):
        make_photo(tmp_path / "photos" / name, **({"lossless": True} if "webp" in name else {}))
    (tmp_path / "photos" / "notes.txt").write_text("not a picture")
    return tmp_path


def test_there_and_back_beside_the_source(photos: Path, capfd: Capture) -> None:
    assert main(["compress", "photos/one.png"]) == 0
    assert (photos / "photos/one.gnc").exists()
    assert main(["decompress", "photos/one.gnc", "-f"]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    first, second = err.splitlines()
    picture, stream = (Path("photos") / name for name in ("one.png", "one.gnc"))
    assert first.startswith(f"{picture} -> {stream}: ")
    assert " bytes, " in first and " bpp, " in first and first.endswith(" s")
    assert second.startswith(f"{stream} -> {picture}: ")


def test_sources_stay_and_pixels_come_back(photos: Path) -> None:
    source = photos / "photos/one.png"
    before = source.read_bytes()
    assert main(["compress", str(source), "-o", "a.gnc", "-q", "33", "--quiet"]) == 0
    assert main(["decompress", "a.gnc", "-o", "b.png", "--quiet"]) == 0
    assert source.read_bytes() == before
    assert read_header((photos / "a.gnc").read_bytes()).step == step_of(33)
    assert np.array_equal(pixels(photos / "b.png"), pixels(source))


def test_a_tree_is_mirrored_there_and_back(photos: Path, stub: Any) -> None:
    assert main(["compress", "-r", "photos", "--output-dir", "packed"]) == 0
    assert tree(photos / "packed") == ["deep/er/three.gnc", "deep/two.gnc", "one.gnc"]
    assert main(["decompress", "-r", "packed", "--output-dir", "back", "--format", "tiff"]) == 0
    assert tree(photos / "back") == ["deep/er/three.tif", "deep/two.tif", "one.tif"]
    assert stub.loads == 2  # once a command, not once a file


@pytest.mark.parametrize("mark", [{"st_file_attributes": 0x2}, {"st_flags": 0x8000}])
def test_what_is_for_programs_is_passed_over(
    photos: Path, monkeypatch: pytest.MonkeyPatch, mark: dict[str, int]
) -> None:
    """Hidden by a mark, as Windows and macOS hide AppData and Library, or a photo program's own."""
    (photos / "photos/deep").rename(photos / "photos/AppData")
    (photos / "photos/.hidden").rename(photos / "photos/Holiday.photoslibrary")
    lstat = os.lstat

    def marked(path: str, **options: Any) -> Any:
        state = lstat(path, **options)
        known = {name: getattr(state, name) for name in dir(state) if name.startswith("st_")}
        hidden = os.path.basename(path) == "AppData"
        return SimpleNamespace(**{**known, **mark}) if hidden else state

    monkeypatch.setattr(os, "lstat", marked)
    assert main(["compress", "-r", "photos", "--output-dir", "out"]) == 0
    assert tree(photos / "out") == ["one.gnc"]
    assert main(["compress", "-r", "photos/Holiday.photoslibrary", "--output-dir", "named"]) == 0
    assert tree(photos / "named") == ["four.gnc"]


def test_what_is_no_picture_in_a_folder_is_told(photos: Path, capfd: Capture) -> None:
    """Lest somebody take all of a folder for compressed."""
    others = ["a.CR2", "b.cr2", "deep/c.cr2", "a.mov", "old.gnc", "README", ".hidden/d.cr2"]
    others += ["x.e", "y.f", "z.g", "z.h"]
    assert main(["compress", "-r", "photos", "--output-dir", "out"]) == 0
    said = "1 file of other kinds left alone (1 .txt)"
    assert f"gencodec: photos: note: {said}\n" in capfd.readouterr().err
    for name in others:
        (photos / "photos" / name).write_bytes(b"")
    assert main(["compress", "-r", "photos"]) == 0
    said = "10 files of other kinds left alone (3 .cr2, 1 without suffix, 1 .e, 1 .f, 1 .g, 3 more)"
    assert f"gencodec: photos: note: {said}\n" in capfd.readouterr().err
    (photos / "photos/old.gnc").unlink()
    assert main(["compress", "-r", "-f", "photos", "--quiet"]) == 0
    assert main(["decompress", "-r", "photos", "--output-dir", "again"]) == 0
    assert "left alone" not in capfd.readouterr().err


def test_names_that_are_one_on_macos(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    """Its file systems take no heed of case, nor of how an accent is written."""
    macos = SimpleNamespace(platform="darwin", stdin=sys.stdin, stdout=sys.stdout)
    monkeypatch.setattr(plan, "sys", macos)
    (photos / "photos/one.png").rename(photos / "photos/caf\u00e9.png")
    (photos / "photos/deep/two.webp").rename(photos / "photos/CAFE\u0301.webp")
    assert main(["compress", "-r", "-f", "photos", "--output-dir", "out"]) == 1
    assert tree(photos / "out") == ["deep/er/three.gnc"]
    assert capfd.readouterr().err.count("would become") == 2


def test_a_tree_beside_the_sources(photos: Path) -> None:
    assert main(["compress", "-r", "photos"]) == 0
    assert (photos / "photos/deep/er/three.gnc").exists()


def test_quiet_says_nothing_and_verbose_names_the_weights(photos: Path, capfd: Capture) -> None:
    assert main(["compress", "photos/one.png", "-o", "a.gnc", "--quiet"]) == 0
    assert capfd.readouterr().err == ""
    assert main(["compress", "photos/one.png", "-o", "b.gnc", "-v", "--verify"]) == 0
    err = capfd.readouterr().err
    assert "unknown (73747562)" in err
    assert "verified" in err


def test_an_existing_output_is_refused_before_work(photos: Path, stub: Any, capfd: Capture) -> None:
    (photos / "photos/one.gnc").write_bytes(b"precious")
    assert main(["compress", "photos/one.png"]) == 1
    assert (photos / "photos/one.gnc").read_bytes() == b"precious"
    assert "exists already (use -f to overwrite)" in capfd.readouterr().err
    assert stub.loads == 0
    assert main(["compress", "photos/one.png", "-f"]) == 0
    assert (photos / "photos/one.gnc").read_bytes() != b"precious"


def test_an_output_that_appears_during_work_is_kept(
    photos: Path, stub: Any, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    work = stub.compress_rows

    def slow(source: object, **settings: Any) -> bytes:
        (photos / "a.gnc").write_bytes(b"precious")
        return work(source, **settings)

    monkeypatch.setattr(stub, "compress_rows", slow)
    assert main(["compress", "photos/one.png", "-o", "a.gnc"]) == 1
    assert (photos / "a.gnc").read_bytes() == b"precious"
    assert "exists" in capfd.readouterr().err
    assert not [name for name in os.listdir(photos) if name.startswith(".gencodec")]


def test_a_bad_input_leaves_the_others_done(photos: Path, capfd: Capture) -> None:
    (photos / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    names = ["missing.jpg", "bad.png", "photos/one.png", "photos/notes.txt", "photos"]
    assert main(["compress", *names, "--output-dir", "out"]) == 1
    assert tree(photos / "out") == ["one.gnc"]
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 5
    assert "gencodec: missing.jpg: no such file or directory" in err
    assert "gencodec: photos: is a folder (use -r)" in err
    assert "gencodec: bad.png: " in err and "cannot read bad.png" not in err


def test_a_stream_given_to_compress_gets_a_hint(photos: Path, capfd: Capture) -> None:
    main(["compress", "photos/one.png", "-o", "a.gnc"])
    Path("a.png").write_bytes(Path("a.gnc").read_bytes())
    for name in "a.gnc", "a.png":
        assert main(["compress", name, "-o", "b.gnc"]) == 1
        said = f"gencodec: {name}: a gencodec stream already; decompress it first"
        assert capfd.readouterr().err.splitlines()[-1] == said


def test_an_empty_folder_is_a_failure(photos: Path, capfd: Capture) -> None:
    (photos / "empty").mkdir()
    assert main(["compress", "-r", "empty"]) == 1
    assert main(["decompress", "-r", "empty"]) == 1
    err = capfd.readouterr().err
    assert "no pictures in this folder" in err
    assert "no .gnc files in this folder" in err


def test_json_has_one_record_a_file(photos: Path, capfd: Capture) -> None:
    assert main(["compress", "missing.jpg", "photos/one.png", "-o-", "--json"]) == 2
    capfd.readouterr()
    args = ["compress", "missing.jpg", "photos/one.png", "--json", "--verify"]
    assert main([*args, "--output-dir", "out"]) == 1
    out, err = capfd.readouterr()
    missing, record = map(json.loads, out.splitlines())
    assert missing["ok"] is False and missing["input"] == "missing.jpg"
    assert record["ok"] is True and record["verified"] is True
    assert (record["width"], record["height"]) == (63, 65)
    assert record["bytes_in"] == (photos / "photos/one.png").stat().st_size
    assert record["bytes_out"] == (photos / "out/one.gnc").stat().st_size
    assert record["bpp"] == pytest.approx(8 * record["bytes_out"] / (63 * 65), abs=1e-6)
    assert record["output"] == str(Path("out/one.gnc"))
    assert len(err.splitlines()) == 1

    assert main(["decompress", "out/one.gnc", "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    assert record["format"] == "png"
    assert main(["verify", "out/one.gnc", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["weights_id"] == "73747562"


def test_verify_says_ok_or_why(photos: Path, stub: Any, capfd: Capture) -> None:
    main(["compress", "photos/one.png", "-o", "a.gnc", "--quiet"])
    assert main(["verify", "a.gnc"]) == 0
    assert capfd.readouterr().err.startswith("a.gnc: ok, ")
    stub.fail = RuntimeError("no")
    assert main(["verify", "a.gnc"]) == 1


@pytest.mark.parametrize("command", ["verify", "info"])
def test_streams_of_folders_are_looked_at(photos: Path, capfd: Capture, command: str) -> None:
    assert main(["compress", "-r", "photos", "--quiet"]) == 0
    Path("photos/deep/cut.gnc").write_bytes(b"\x97GNC")
    Path("empty").mkdir()
    assert main([command, "-r", "photos", "photos/one.gnc", "empty", "--json"]) == 1
    out = capfd.readouterr().out
    told = [
        (Path(line["input"]).as_posix(), line["ok"]) for line in map(json.loads, out.splitlines())
    ]
    assert sorted(told) == [
        ("empty", False),
        ("photos/deep/cut.gnc", False),
        ("photos/deep/er/three.gnc", True),
        ("photos/deep/two.gnc", True),
        ("photos/one.gnc", True),
        ("photos/one.gnc", True),
    ]
    assert main([command, "photos"]) == 1
    assert "photos: is a folder (use -r)\n" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("suffix", "kind"),
    [("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP"), ("tif", "TIFF"), ("ppm", "PPM")],
)
def test_the_name_of_the_output_decides_the_format(photos: Path, suffix: str, kind: str) -> None:
    main(["compress", "photos/one.png", "-o", "a.gnc", "--quiet"])
    assert main(["decompress", "a.gnc", "-o", f"b.{suffix}"]) == 0
    with Image.open(photos / f"b.{suffix}") as image:
        assert image.format == kind
    assert main(["decompress", "a.gnc", "--format", kind.lower(), "-o", "any.name"]) == 0
    with Image.open(photos / "any.name") as image:
        assert image.format == kind


@pytest.mark.parametrize(
    ("command", "name", "becomes"),
    [
        ("compress", "photo.jpg", "photo.gnc"),
        ("compress", "photo.JPEG", "photo.gnc"),
        ("compress", "photo", "photo.gnc"),
        ("compress", "photo.2024", "photo.2024.gnc"),
        ("compress", "a.b.png", "a.b.gnc"),
        ("compress", "gr\u00fc\u00dfe \u5199.png", "gr\u00fc\u00dfe \u5199.gnc"),
        ("decompress", "photo.gnc", "photo.png"),
        ("decompress", "photo.GNC", "photo.png"),
        ("decompress", "photo.dat", "photo.dat.png"),
    ],
)
def test_names(photos: Path, command: str, name: str, becomes: str) -> None:
    source = photos / "photos/one.png"
    if command == "decompress":
        main(["compress", str(source), "-o", "a.gnc", "--quiet"])
        source = photos / "a.gnc"
    (photos / name).write_bytes(source.read_bytes())
    assert main([command, name]) == 0
    assert (photos / becomes).exists()


def test_strip_drops_exif_and_keeps_the_picture(photos: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a place"
    with Image.open(photos / "photos/one.png") as image:
        image.save(photos / "exif.jpg", exif=exif)
    assert main(["compress", "exif.jpg", "-o", "a.gnc"]) == 0
    assert main(["compress", "exif.jpg", "-o", "b.gnc", "--strip"]) == 0
    kept, stripped = (unpack((photos / name).read_bytes()) for name in ("a.gnc", "b.gnc"))
    assert kept.section(EXIF) is not None
    assert stripped.section(EXIF) is None
    assert stripped.section(LATENTS) == kept.section(LATENTS)


def test_notes_are_told_and_recorded(photos: Path, capfd: Capture) -> None:
    deep = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * 16
    Image.fromarray(deep).save(photos / "deep.png")
    assert main(["compress", "deep.png", "-o", "a.gnc"]) == 0
    assert "gencodec: deep.png: note: " in capfd.readouterr().err
    assert main(["compress", "deep.png", "-o", "b.gnc", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["notes"]


def test_a_result_that_is_no_smaller_is_told(photos: Path, capfd: Capture) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(photos / "small.jpg", quality=1)
    assert main(["compress", "small.jpg", "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    assert record["bytes_out"] > record["bytes_in"]
    assert "no smaller" in record["notes"][-1]
    assert main(["compress", "photos/one.png", "--json"]) == 0
    assert not json.loads(capfd.readouterr().out)["notes"]


def test_max_pixels_bounds_both_ways(photos: Path, capfd: Capture) -> None:
    assert main(["compress", "photos/one.png", "--max-pixels", "4094"]) == 1
    assert main(["compress", "photos/one.png", "--max-pixels", "4095"]) == 0
    assert main(["decompress", "photos/one.gnc", "-o", "b.png", "--max-pixels", "4094"]) == 1
    assert main(["decompress", "photos/one.gnc", "-o", "b.png", "--max-pixels", "4095"]) == 0
    assert "limit" in capfd.readouterr().err


def test_an_output_folder_that_cannot_be_made(photos: Path, capfd: Capture) -> None:
    args = ["compress", "photos/one.png", "--output-dir", "photos/one.png/x"]
    assert main(args) == 1
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1
    assert "cannot make folder" in err


def test_weights_that_cannot_be_loaded_end_the_work(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    def load(model: str | None = None, *, device: str = "auto") -> object:
        raise RuntimeError("no such weights")

    monkeypatch.setattr("gencodec.codec.Codec.load", load)
    assert main(["compress", "-r", "photos/deep", "-m", "mine", "--output-dir", "out"]) == 1
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1
    assert err.startswith("gencodec: mine: ")


@pytest.mark.skipif(os.name != "posix", reason="needs named pipes")
def test_pipes_and_devices_are_written_into_and_read(photos: Path) -> None:
    assert main(["compress", "photos/one.png", "-o", "/dev/null", "--quiet"]) == 0
    assert not Path("/dev/null").is_file()
    os.mkfifo(photos / "pipe")
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append((photos / "pipe").read_bytes()))
    reader.start()
    assert main(["compress", "photos/one.png", "-o", "pipe", "--quiet"]) == 0
    reader.join(timeout=30)
    assert (read_header(got[0]).width, read_header(got[0]).height) == (63, 65)

    data = (photos / "photos/one.png").read_bytes()
    writer = threading.Thread(target=lambda: (photos / "pipe").write_bytes(data))
    writer.start()
    assert main(["compress", "pipe", "-o", "from-pipe.gnc", "--quiet"]) == 0
    writer.join(timeout=30)
    assert (photos / "from-pipe.gnc").read_bytes() == got[0]


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_links_to_pictures_are_followed_in_a_search(photos: Path) -> None:
    (photos / "linked").mkdir()
    (photos / "linked/a.png").symlink_to(photos / "photos/one.png")
    (photos / "linked/loop").symlink_to(photos / "linked")
    assert main(["compress", "-r", "linked", "--output-dir", "out"]) == 0
    assert tree(photos / "out") == ["a.gnc"]
