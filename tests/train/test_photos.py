"""Reading pictures to train on, and keeping some out."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gencodec.errors import ImageError
from gencodec.image import read_picture, three_channels
from gencodec.train.photos import (
    Photo,
    PhotoFolder,
    Unreadable,
    centre_crops,
    held_out,
    middle,
    split,
)

Make = Callable[..., np.ndarray]


def save(path: Path, pixels: np.ndarray) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path.read_bytes()


def read(*sources: Path) -> dict[str, np.ndarray | str]:
    """Pixels, or the reason why there are none, by name."""
    return {
        found.name: found.reason if isinstance(found, Unreadable) else found.pixels
        for found in PhotoFolder(sources).new()
    }


def test_folders_and_archives(photo: Make, tmp_path: Path) -> None:
    pixels = photo(20, 30)
    png = save(tmp_path / "a" / "deep" / "one.png", pixels)
    save(tmp_path / "a" / "two.JPG", pixels)
    save(tmp_path / "a" / "grey.png", pixels[:, :, 0])
    for name in ("notes.txt", "._two.JPG"):  # the latter as macOS puts it beside a file
        (tmp_path / "a" / name).write_text("no picture")
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        folder = tarfile.TarInfo("inside")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        member = tarfile.TarInfo("inside/three.png")
        member.size = len(png)
        archive.addfile(member, io.BytesIO(png))
        archive.addfile(tarfile.TarInfo("inside/._three.png"))
    found = read(tmp_path / "a", tmp_path / "b.tar")
    assert set(found) == {"deep/one.png", "two.JPG", "grey.png", "inside/three.png"}
    for name, value in found.items():
        assert isinstance(value, np.ndarray), name
        assert value.shape == (20, 30, 3) and value.dtype == np.uint8
    assert np.array_equal(found["deep/one.png"], pixels)
    assert np.array_equal(found["inside/three.png"], pixels)


@pytest.mark.parametrize(
    ("name", "kind", "white"),
    [
        ("scan.png", np.uint16, 65535.0),
        ("scan.tif", np.uint16, 65535.0),
        ("scan.tif", np.int32, 65535.0),
        ("scan.tif", np.float32, 1.0),
    ],
)
def test_grey_of_more_than_8_bits_is_what_the_codec_takes_it_for(
    photo: Make, tmp_path: Path, name: str, kind: type[np.generic], white: float
) -> None:
    """Not white, which all levels above 255 of 65535 came to."""
    grey = photo(40, 48)[:, :, 0]
    path = tmp_path / name
    save(path, (grey * (white / 255.0)).astype(kind))
    found = read(tmp_path)[name]
    assert isinstance(found, np.ndarray)
    assert np.array_equal(found, np.repeat(grey[:, :, None], 3, 2))
    assert np.array_equal(found, three_channels(read_picture(path).pixels))


def test_pictures_of_8_bits_are_read_as_they_always_were(photo: Make, tmp_path: Path) -> None:
    """As stored, whatever their orientation or profile says: recorded runs depend on it."""
    image = Image.fromarray(photo(20, 30))
    turned = Image.Exif()
    turned[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=turned)
    image.convert("P").save(tmp_path / "palette.png")
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    found = read(tmp_path)
    for name, pixels in found.items():
        with Image.open(tmp_path / name) as plain:
            assert np.array_equal(pixels, np.asarray(plain.convert("RGB"))), name
    assert len(found) == 3


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are text there")
def test_names_that_are_no_text(photo: Make, tmp_path: Path) -> None:
    """They can be put in a list, and have a lot."""
    png = save(tmp_path / "a.png", photo(20, 30))
    (tmp_path / os.fsdecode(b"\xff.png")).write_bytes(png)
    (tmp_path / "c\rd\ne.png").write_bytes(png)  # a list would end its row there
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        member = tarfile.TarInfo(os.fsdecode(b"\xfe.png"))
        member.size = len(png)
        archive.addfile(member, io.BytesIO(png))
    names = set(read(tmp_path))
    assert names == {"a.png", "\\udcff.png", "\\udcfe.png", "c\\rd\\ne.png"}
    assert not any(held_out(name) for name in names)


def test_a_broken_picture_is_reported_and_the_next_one_read(photo: Make, tmp_path: Path) -> None:
    png = save(tmp_path / "0-sound.png", photo(40, 40))
    (tmp_path / "1-cut.png").write_bytes(png[: len(png) // 2])
    (tmp_path / "2-text.jpg").write_bytes(b"not a picture\nat all")
    (tmp_path / "3-empty.webp").write_bytes(b"")
    flipped = bytearray(png)
    flipped[len(png) // 2] ^= 0xFF
    (tmp_path / "4-flipped.png").write_bytes(flipped)
    save(tmp_path / "5-sound.png", photo(40, 40))
    found = read(tmp_path)
    assert len(found) == 6
    for name, value in found.items():
        if "sound" in name:
            assert isinstance(value, np.ndarray)
        else:
            assert isinstance(value, str) and value and "\n" not in value


def test_a_bomb_is_reported(photo: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "large.png", photo(40, 40))
    save(tmp_path / "small.png", photo(8, 8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    found = read(tmp_path)
    assert isinstance(found["large.png"], str)
    assert isinstance(found["small.png"], np.ndarray)


def test_whatever_pillow_raises_is_reported(
    photo: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plugins answer damage with almost any exception."""
    save(tmp_path / "a.png", photo(8, 8))

    def fail(*_: object) -> None:
        raise IndexError("inside a plugin")

    monkeypatch.setattr(Image, "open", fail)
    assert isinstance(read(tmp_path)["a.png"], str)


def test_held_out_is_settled_by_the_name_alone() -> None:
    names = [f"{number:04d}.png" for number in range(1, 4001)]
    chosen = [name for name in names if held_out(name)]
    assert chosen == [name for name in names if held_out(name)]
    assert chosen[:5] == ["0033.png", "0352.png", "0424.png", "0462.png", "0598.png"]
    assert len(chosen) == pytest.approx(4000 / 80, rel=0.4)
    # A crop of a picture is never trained on while the picture is held out.
    for name in [*chosen, *names[:50]]:
        assert held_out(name.replace(".png", "__crop.png")) == held_out(name)


def named(*names: str) -> list[Photo]:
    return [Photo(name, name, np.full((2, 2, 3), k, np.uint8)) for k, name in enumerate(names)]


def test_every_collection_has_something_held_out() -> None:
    photos = named("a.png", "b.png", "c.png", "d.png")
    training, kept = split(photos)
    assert len(training) == 3 and len(kept) == 1
    assert split(photos[::-1])[1] == kept
    only = named("only.png")
    assert split(only) == (only, [])
    assert split([]) == ([], [])


def test_what_is_held_out_can_be_measured() -> None:
    """A picture of a few pixels that the lot keeps, or that is alone with another, is none."""

    def of(name: str, side: int) -> Photo:
        return Photo(name, name, np.zeros((side, side + 8, 3), np.uint8))

    tiny, large = of("0033.png", 20), [of(f"{name}.png", 64) for name in "abc"]
    assert {photo.name for photo in split([tiny, *large])[1]} > {"0033.png"}
    training, kept = split([of("d.png", 63), *large])
    assert [photo.name for photo in training if photo.name != "d.png"] == ["a.png", "b.png"]
    assert kept == [large[2]]
    assert split([of("d.png", 63), large[0]])[1] == []


def test_copies_of_a_picture_go_the_same_way() -> None:
    """One that the lot keeps takes copies under other names with it."""
    kept, other = Photo("0033.png", "same", np.zeros((2, 2, 3), np.uint8)), named("a.png", "b.png")
    copy = Photo("export/0033.png", "same", kept.pixels)
    training, held = split([copy, kept, *other])
    assert training == other and held == [copy, kept]


def test_pictures_that_come_later_are_given_once(photo: Make, tmp_path: Path) -> None:
    """Also those of an archive that is still being copied: what is whole comes, the rest later."""
    save(tmp_path / "first.png", photo(20, 20))
    folder = PhotoFolder([tmp_path])
    assert [found.name for found in folder.new()] == ["first.png"]
    assert list(folder.new()) == []
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for number in range(3):
            png = save(tmp_path / "elsewhere" / "x.png", photo(40, 40, number))
            member = tarfile.TarInfo(f"{number}.png")
            member.size = len(png)
            cut = whole.tell() + 600  # within the content of this one
            archive.addfile(member, io.BytesIO(png))
    (tmp_path / "elsewhere" / "x.png").unlink()
    data = whole.getvalue()
    (tmp_path / "shard.tar").write_bytes(data[:cut])
    early = list(folder.new())
    assert [found.name for found in early] == ["0.png", "1.png", "shard.tar"]
    assert isinstance(early[-1], Unreadable)
    (tmp_path / "shard.tar").write_bytes(data)
    late = list(folder.new())
    names = [found.name for found in (*early, *late) if isinstance(found, Photo)]
    assert sorted(names) == ["0.png", "1.png", "2.png"]
    assert list(folder.new()) == []


def test_a_picture_still_being_copied_waits_until_it_is_whole(photo: Make, tmp_path: Path) -> None:
    """Pillow reads a PNG without its last chunk, whose hash would be that of no copy."""
    folder = PhotoFolder([tmp_path])
    assert list(folder.new()) == []
    png = save(tmp_path / "a.png", photo(20, 20))
    for held in (0, len(png) // 2, len(png) - 12):
        (tmp_path / "a.png").write_bytes(png[:held])
        assert list(folder.new()) == []
    (tmp_path / "a.png").write_bytes(png)
    assert list(folder.new()) == []
    (found,) = folder.new()
    assert isinstance(found, Photo) and found.sha256 == hashlib.sha256(png).hexdigest()
    assert list(folder.new()) == []


def test_a_source_that_is_none_is_named(photo: Make, tmp_path: Path) -> None:
    save(tmp_path / "a" / "one.png", photo(20, 20))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ImageError, match=r"phtos: no such file or folder"):
        PhotoFolder([tmp_path / "a", tmp_path / "phtos"])
    with pytest.raises(ImageError, match=r"notes\.txt: neither a folder, a tar file nor a picture"):
        PhotoFolder([tmp_path / "a", tmp_path / "notes.txt"])


def test_a_source_that_goes_away_later_is_said_once(photo: Make, tmp_path: Path) -> None:
    for name in "ab":
        save(tmp_path / name / "one.png", photo(20, 20))
    folder = PhotoFolder([tmp_path / "a", tmp_path / "b"])
    assert len(list(folder.new())) == 2
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    save(tmp_path / "b" / "two.png", photo(20, 20))
    assert list(folder.new()) == [Unreadable("a", "is no longer there")]
    (two,) = folder.new()
    assert two.name == "two.png" and list(folder.new()) == []
    (tmp_path / "elsewhere").rename(tmp_path / "a")
    assert list(folder.new()) == []


def test_a_folder_that_goes_away_while_it_is_walked_through(
    photo: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named once, the other sources are read, and it is looked at again."""
    for name in ("a/in/one.png", "b/two.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        save(tmp_path / name, photo(20, 30))
    folder = PhotoFolder([tmp_path / "a", tmp_path / "b"])
    rglob = Path.rglob

    def gone(path: Path, pattern: str) -> Any:
        if path.name == "a":
            raise FileNotFoundError(2, "no such folder")
        return rglob(path, pattern)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rglob", gone)
        lost, two = folder.new()
        assert lost == Unreadable("a", "no such folder") and two.name == "two.png"
        assert list(folder.new()) == []
    assert list(folder.new()) == []
    (one,) = folder.new()
    assert one.name == "in/one.png"


def test_a_file_that_may_not_be_looked_at_is_said_once(
    photo: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder whose names may be listed and that may not be entered."""
    for name in ("one.png", "two.png"):
        save(tmp_path / name, photo(20, 30))
    look = Path.stat

    def refused(path: Path, **options: Any) -> os.stat_result:
        if path.name == "one.png":
            raise PermissionError(errno.EACCES, "Permission denied")
        return look(path, **options)

    folder = PhotoFolder([tmp_path])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "stat", refused)
        lost, two = folder.new()
        assert lost == Unreadable("one.png", "Permission denied") and two.name == "two.png"
        assert list(folder.new()) == []
    assert list(folder.new()) == []
    (one,) = folder.new()
    assert one.name == "one.png"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes of POSIX")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert list(PhotoFolder([tmp_path]).new()) == [Unreadable("a.png", "is no regular file")]


def test_equal_names_in_different_folders_are_different_pictures(
    photo: Make, tmp_path: Path
) -> None:
    for folder in "ab":
        save(tmp_path / folder / "0001.png", photo(20, 20))
    assert len(list(PhotoFolder([tmp_path]).new())) == 2
    assert len(list(PhotoFolder([tmp_path / "a", tmp_path / "b"]).new())) == 2


def test_centre_crops() -> None:
    pixels = np.arange(6 * 9 * 3, dtype=np.uint8).reshape(6, 9, 3)
    (crop,) = centre_crops([pixels, pixels[:3]], 4)
    assert np.array_equal(crop, pixels[1:5, 2:6]) and crop.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(
    ("shape", "part"),
    [
        ((40, 50), (40, 50)),
        ((50, 60), (44, 44)),
        ((90, 60), (44, 44)),
        ((500, 10), (200, 10)),
        ((1, 9000), (1, 2000)),
    ],
)
def test_the_middle_of_a_large_picture(shape: tuple[int, int], part: tuple[int, int]) -> None:
    pixels = np.zeros((*shape, 3), np.uint8)
    pixels[shape[0] // 2, shape[1] // 2] = 255
    cut = middle(pixels, 2000)
    assert cut.shape == (*part, 3) and cut[part[0] // 2, part[1] // 2].all()
