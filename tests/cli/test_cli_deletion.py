"""--delete-source: originals go when their results are proved, and stay for any doubt."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gencodec.cli import deletion, main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def known_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletion, "weights_name", lambda weights_id: "stub")


def streams(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".gnc")


@pytest.mark.usefixtures("known_weights")
def test_a_source_goes_when_its_result_is_proved(album: Path) -> None:
    assert main(["compress", "-r", "--delete-source", str(album)]) == 0
    assert sorted(path.name for path in album.iterdir()) == ["0.gnc", "1.gnc", "2.gnc"]


@pytest.mark.usefixtures("known_weights")
def test_a_deletion_that_was_interrupted_is_resumed(album: Path) -> None:
    arguments = ["compress", "-m", "mine", "-r", str(album)]
    assert main(arguments) == 0
    assert main([*arguments, "--resume", "--delete-source"]) == 0
    assert sorted(path.name for path in album.iterdir()) == ["0.gnc", "1.gnc", "2.gnc"]


@pytest.mark.usefixtures("known_weights")
def test_a_deletion_that_is_resumed_is_summed_up(
    stub: Any, tmp_path: Path, make_photo: Callable[..., Path], capfd: Capture
) -> None:
    for index in range(10):
        make_photo(tmp_path / "album" / f"{index}.png", 9, 9)
    arguments = ["compress", "-m", "mine", "-r", "album", "-j", "1"]
    assert main([*arguments, "--quiet"]) == 0
    assert main([*arguments, "--resume", "--delete-source"]) == 0
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("gencodec: 0 done, 10 done already, ") and "not reached" not in line


@pytest.mark.usefixtures("known_weights")
@pytest.mark.parametrize("target", [["--target-psnr", "40"], ["--target-size", "1MB"]])
def test_a_target_keeps_the_source_of_an_older_result(
    album: Path, capfd: Capture, target: list[str]
) -> None:
    assert main(["compress", "-q", "0", str(album / "0.png")]) == 0
    assert main(["compress", "--resume", "--delete-source", *target, str(album / "0.png")]) == 1
    assert "far from the target (use -f" in capfd.readouterr().err
    assert (album / "0.png").exists()


@pytest.mark.usefixtures("known_weights")
def test_a_source_that_may_not_be_deleted_is_one_failure(
    album: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    unlink = os.unlink

    def refused(path: str | Path) -> None:
        if str(path).endswith(".png"):
            raise PermissionError(13, "Permission denied")
        unlink(path)

    monkeypatch.setattr(os, "unlink", refused)
    assert main(["compress", "--delete-source", "--json", str(album / "0.png")]) == 1
    out, err = capfd.readouterr()
    assert err == f"gencodec: {album / '0.png'}: the original was kept: permission denied\n"
    (record,) = map(json.loads, out.splitlines())
    assert not record["ok"] and record["error"] == "the original was kept: permission denied"
    assert streams(album) == ["0.gnc"]


@pytest.mark.usefixtures("known_weights")
def test_tags_of_file_managers_go_along_or_the_source_stays(
    album: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    tagged, tags = album / "0.png", {"user.xdg.tags": b"sea,summer", "user.baloo.rating": b"8"}
    try:
        for name, value in tags.items():
            os.setxattr(tagged, name, value)
    except (AttributeError, OSError):
        pytest.skip("no extended attributes here")

    def refused(*words: object) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    with monkeypatch.context() as without:
        without.setattr(os, "setxattr", refused)
        assert main(["compress", "--delete-source", str(tagged)]) == 1
    lost = ", ".join(os.listxattr(tagged))
    assert f"the original was kept: the result does not bear its {lost}\n" in capfd.readouterr().err
    assert main(["compress", "-f", "--delete-source", str(tagged)]) == 0
    assert not tagged.exists()
    assert main(["decompress", str(album / "0.gnc")]) == 0
    assert {name: os.getxattr(tagged, name) for name in os.listxattr(tagged)} == tags


posix = pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")


def deep(path: Path) -> None:
    Image.fromarray(np.arange(0, 65000, 1000, dtype=np.uint16).reshape(5, 13)).save(path)


def animated(path: Path) -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def link(path: Path) -> None:
    Image.new("RGB", (9, 9)).save(path.with_name("elsewhere.png"))
    path.symlink_to("elsewhere.png")


def small_already(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    Image.fromarray(noise).save(path, quality=1)


@pytest.mark.usefixtures("known_weights")
@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("a.png", deep, "16-bit"),
        ("a.gif", animated, "several images"),
        pytest.param("a.png", link, "link", marks=posix),
        ("a.jpg", small_already, "no smaller"),
    ],
)
def test_a_source_stays_where_something_would_be_lost(
    stub: Any,
    tmp_path: Path,
    capfd: Capture,
    name: str,
    make: Callable[[Path], None],
    words: str,
) -> None:
    make(tmp_path / name)
    assert main(["compress", "--delete-source", name]) == 1
    assert words in capfd.readouterr().err.splitlines()[-1]
    assert (tmp_path / name).exists()


@pytest.mark.usefixtures("known_weights")
@pytest.mark.parametrize(("name", "make"), [("a.png", deep), ("a.jpg", small_already)])
def test_a_loss_may_be_accepted(
    stub: Any, tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    make(tmp_path / name)
    assert main(["compress", "--delete-source", "--accept-loss", name]) == 0
    assert not (tmp_path / name).exists() and (tmp_path / "a.gnc").exists()


@pytest.mark.usefixtures("known_weights")
@pytest.mark.parametrize("accept", [[], ["--accept-loss"]])
def test_a_source_stays_when_the_result_does_not_read_back(
    album: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture, accept: list[str]
) -> None:
    def from_disk(path: Path) -> bytes:
        data = bytearray(path.read_bytes())
        data[-20] ^= 4
        return bytes(data)

    monkeypatch.setattr(deletion, "_from_disk", from_disk)
    assert main(["compress", "--delete-source", *accept, str(album / "0.png")]) == 1
    assert "does not read back" in capfd.readouterr().err
    assert (album / "0.png").exists()


@pytest.mark.usefixtures("known_weights")
def test_a_source_that_changed_meanwhile_stays(
    album: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    def from_disk(path: Path) -> bytes:
        os.utime(album / "0.png")
        return path.read_bytes()

    monkeypatch.setattr(deletion, "_from_disk", from_disk)
    assert main(["compress", "--delete-source", str(album / "0.png")]) == 1
    assert "changed meanwhile" in capfd.readouterr().err
    assert (album / "0.png").exists()


def test_weights_of_ones_own_keep_the_source(album: Path, capfd: Capture) -> None:
    assert main(["compress", "--delete-source", str(album / "0.png")]) == 1
    assert "weights" in capfd.readouterr().err.splitlines()[-1]
    assert (album / "0.png").exists()


@pytest.mark.usefixtures("known_weights")
def test_a_picture_out_of_likeness_stays(
    album: Path, stub: Any, monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    from gencodec.image import picture_from_array

    def decompress(data: bytes, *, max_pixels: int) -> object:
        return picture_from_array(np.random.default_rng(0).integers(0, 256, (9, 17, 3), np.uint8))

    monkeypatch.setattr(stub, "decompress_picture", decompress)
    assert main(["compress", "--delete-source", str(album / "0.png")]) == 1
    assert "far from it" in capfd.readouterr().err.splitlines()[-1]
    assert (album / "0.png").exists()


@pytest.mark.usefixtures("known_weights")
def test_an_older_result_of_another_picture_keeps_the_source(
    album: Path, make_photo: Callable[..., Path], capfd: Capture
) -> None:
    source, target = album / "0.png", album / "0.gnc"
    assert main(["compress", "-m", "mine", str(source)]) == 0
    pixels = np.random.default_rng(0).integers(0, 256, (9, 17, 3), np.uint8)
    Image.fromarray(pixels).save(source)
    arguments = ["compress", "-m", "mine", "--resume", "--delete-source", "--accept-loss"]
    for time_of_source, words in ((target.stat().st_mtime, "far from it"), (1, "another time")):
        os.utime(source, (time_of_source, time_of_source))
        assert main([*arguments, str(source)]) == 1
        assert words in capfd.readouterr().err and source.exists() and target.exists()


@pytest.mark.parametrize(
    "arguments",
    [["--delete-source", "-"], ["--delete-source", "a.png", "-o", "-"], ["--accept-loss", "a.png"]],
)
def test_deletion_that_makes_no_sense(stub: Any, arguments: list[str]) -> None:
    assert main(["compress", *arguments]) == 2
