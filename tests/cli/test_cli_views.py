"""Regions, previews, salvage, targets and strips, as a user asks for them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gencodec
from gencodec.bitstream import describe
from gencodec.cli import large, targets
from gencodec.cli.main import main
from gencodec.codec import Codec

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    loaded: Callable[..., Codec],
) -> Say:
    """Runs the command line inside the folder of the test: code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Codec, "load", loaded)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--device", "cpu"])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


@pytest.fixture
def picture(tmp_path: Path) -> np.ndarray:
    rows, columns = np.mgrid[0:140, 0:200]
    noise = np.random.default_rng(0).normal(0, 6, (140, 200, 3))
    pixels = np.dstack([rows + 40, columns + 20, 255 - rows]) + noise
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels).save(tmp_path / "a.ppm")
    return pixels


def shown(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_parts_and_previews(say: Say, picture: np.ndarray) -> None:
    assert say("compress", "a.png", "--tile", "64")[0] == 0
    assert describe(Path("a.gnc").read_bytes()).tile_side == 64
    assert say("decompress", "a.gnc", "-o", "whole.png")[0] == 0
    whole = shown("whole.png")
    assert say("decompress", "a.gnc", "-o", "part.png", "--region", "50,30,70,100")[0] == 0
    assert np.abs(shown("part.png") - whole[30:130, 50:120]).max() <= 1
    assert say("decompress", "a.gnc", "-o", "small.png", "--scale", "1/8")[0] == 0
    assert shown("small.png").shape == (18, 25, 3)
    code, _, words = say("decompress", "a.gnc", "-o", "preview.png", "--max-bytes", "600")
    assert code == 0 and "note: the file is cut" in words
    assert shown("preview.png").shape == whole.shape
    stream = bytearray(Path("a.gnc").read_bytes())
    stream[-40] ^= 1
    Path("b.gnc").write_bytes(stream)
    code, _, words = say("decompress", "b.gnc")
    assert code == 1 and len(words.splitlines()) == 1
    code, _, words = say("decompress", "b.gnc", "-o", "saved.png", "--salvage")
    assert code == 0 and "1 of 12 tiles" in words and "of its detail is left" in words
    changed = (shown("saved.png") != whole).any(2)
    assert 0 < changed.mean() < 0.7


def test_targets(say: Say, picture: np.ndarray) -> None:
    code, out, _ = say("compress", "a.png", "--target-size", "1.5KB", "--json")
    assert code == 0 and 0.93 * 1500 <= Path("a.gnc").stat().st_size <= 1500
    assert '"passes"' in out
    assert say("compress", "a.png", "-f", "--target-bpp", "0.5")[0] == 0
    assert 0.93 * 1750 <= Path("a.gnc").stat().st_size <= 1750
    assert say("compress", "a.png", "-f", "--target-psnr", "33")[0] == 0
    assert say("decompress", "a.gnc", "-o", "d.png")[0] == 0
    error = np.mean((shown("d.png") - picture.astype(float)) ** 2)
    assert 33 <= 10 * np.log10(255**2 / error) < 33.7
    for few in (("--target-size", "30"), ("--target-bpp", "1e-9")):
        code, _, words = say("compress", "a.png", "-o", "c.gnc", *few)
        assert code == 1 and len(words.splitlines()) == 1 and "too few" in words
    code, _, words = say("compress", "a.png", "-o", "c.gnc", "--target-psnr", "1e308")
    assert code == 1 and len(words.splitlines()) == 1 and "out of reach" in words
    assert not Path("c.gnc").exists()
    assert say("compress", "a.png", "-o", "c.gnc", "--target-bpp", "1e308")[0] == 0


def test_a_fidelity_of_a_grey_picture(say: Say, picture: np.ndarray) -> None:
    grey = picture[:, :, 1]
    Image.fromarray(grey).save("g.png")
    assert say("compress", "g.png", "--target-psnr", "33")[0] == 0
    assert say("decompress", "g.gnc", "-o", "d.png")[0] == 0
    error = np.mean((shown("d.png") - grey.astype(float)) ** 2)
    assert 33 <= 10 * np.log10(255**2 / error) < 33.7


def test_resume_keeps_nothing_that_strip_leaves_out(say: Say, picture: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x010E] = "where I live"
    Image.fromarray(picture).save("e.jpg", exif=exif)
    assert say("compress", "e.jpg")[0] == 0
    assert say("compress", "e.jpg", "--resume")[0] == 0
    stripped = ("compress", "e.jpg", "--strip", "--resume")
    code, _, words = say(*stripped)
    assert code == 1 and "holds EXIF" in words
    assert say(*stripped, "-f")[0] == 0
    assert say(*stripped)[0] == 0
    assert b"where I live" not in Path("e.gnc").read_bytes()


@pytest.mark.parametrize("limit", [("--target-size", "1000"), ("--target-bpp", "0.5")])
def test_resume_knows_sizes(say: Say, picture: np.ndarray, limit: tuple[str, str]) -> None:
    assert say("compress", "a.png", "-q", "100")[0] == 0
    code, _, words = say("compress", "a.png", *limit, "--resume")
    assert code == 1 and "is larger" in words
    assert say("compress", "a.png", limit[0], "9" + limit[1], "--resume")[0] == 0


def test_resume_of_pictures(say: Say, picture: np.ndarray) -> None:
    """A preview is not the picture, and a part of its bytes neither."""
    assert say("compress", "a.png", "-o", "b.gnc")[0] == 0
    for view in ((), ("--scale", "1/8"), ("--region", "3,2,90,51", "--scale", "1/2")):
        assert say("decompress", "b.gnc", *view, "--resume", "-f")[0] == 0
        assert say("decompress", "b.gnc", *view, "--resume")[0] == 0
        code, _, words = say("decompress", "b.gnc", "--scale", "1/4", "--resume")
        assert code == 1 and "another size" in words
    data = Path("b.png").read_bytes()
    Path("b.png").write_bytes(data[: len(data) // 2])
    code, _, words = say("decompress", "b.gnc", *view, "--resume")
    assert code == 1 and len(words.splitlines()) == 1 and "compared" in words


def test_effort(say: Say, picture: np.ndarray) -> None:
    """Another stream of the same kind; with a target, a better one of that size."""
    assert say("compress", "a.png", "-o", "plain.gnc")[0] == 0
    assert say("compress", "a.png", "--effort", "2", "--verify")[0] == 0
    assert Path("a.gnc").read_bytes() != Path("plain.gnc").read_bytes()
    found = []
    for effort in ("0", "2"):
        size = ("--target-size", "1.5KB", "--effort", effort)
        assert say("compress", "a.png", "-f", *size)[0] == 0
        assert Path("a.gnc").stat().st_size <= 1500
        assert say("decompress", "a.gnc", "-f", "-o", "d.png")[0] == 0
        found.append(np.mean((shown("d.png") - picture.astype(float)) ** 2))
    assert found[1] < found[0]
    for rounds in (0, 2):
        how = ("--effort", str(rounds), "--tune", "ssim", "--verify", "--json")
        code, out, _ = say("compress", "a.png", "-f", *how)
        assert code == 0 and f'"effort": {rounds}, "tune": "ssim"' in out
        same = gencodec.compress("a.png", effort=rounds, tune="ssim", device="cpu")
        assert Path("a.gnc").read_bytes() == same


def test_ppm_in_strips(say: Say, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """As large pictures are: the same stream and the same pixels as when read whole."""
    assert say("compress", "a.png", "--tile", "64")[0] == 0
    monkeypatch.setattr(large, "LARGE_PIXELS", 10)
    monkeypatch.setattr(large, "WARNED_PIXELS", 10)
    read: list[Any] = []
    monkeypatch.setattr("gencodec.cli.compress.read_input", lambda *_: read.append(1))
    code, _, words = say("compress", "a.ppm", "-o", "b.gnc", "--tile", "64")
    assert code == 0 and not read and "minutes" in words
    assert Path("b.gnc").read_bytes() == Path("a.gnc").read_bytes()
    monkeypatch.setattr("gencodec.cli.decompress.picture_bytes", lambda *_: read.append(1))
    assert say("decompress", "b.gnc", "-o", "b.ppm")[0] == 0 and not read
    error = np.mean((shown("b.ppm") - picture.astype(float)) ** 2)
    assert error < 60
    code, _, words = say("compress", "a.ppm", "-o", "c.gnc", "--max-pixels", "100")
    assert code == 1 and "limit is 100" in words
    assert say("decompress", "b.gnc", "-o", "b.ppm")[0] == 1  # exists


def test_a_large_file_that_is_cut_as_ppm(
    say: Say, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert say("compress", "a.png", "--tile", "64")[0] == 0
    stream = Path("a.gnc").read_bytes()
    Path("cut.gnc").write_bytes(stream[: len(stream) // 2])
    monkeypatch.setattr(large, "LARGE_PIXELS", 10)
    for name in ("cut.png", "cut.ppm"):
        code, _, words = say("decompress", "cut.gnc", "--allow-truncated", "-o", name)
        assert code == 0 and "note: the file is cut" in words
    assert np.array_equal(shown("cut.ppm"), shown("cut.png"))
    assert say("decompress", "cut.gnc", "-o", "refused.ppm")[0] == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("compress", "a.png", "-q", "50", "--target-size", "1KB"),
        ("compress", "a.png", "--target-bpp", "1", "--target-psnr", "30"),
        ("compress", "a.png", "--target-size", "1XB"),
        ("compress", "a.png", "--target-size", "0"),
        ("compress", "a.png", "--target-psnr", "nan"),
        ("compress", "a.png", "--tile", "100"),
        ("compress", "a.png", "--effort", "1001"),
        ("compress", "a.png", "--effort", "1.5"),
        ("compress", "a.png", "--tune", "ssim", "--model", "base"),
        ("compress", "a.png", "--effort", "2", "--tune", "vmaf"),
        ("compress", "a.png", "--effort", "-1"),
        ("compress", "a.png", "--tile", "8192"),
        ("decompress", "a.gnc", "--region", "1,2,3"),
        ("decompress", "a.gnc", "--region", "1,2,0,3"),
        ("decompress", "a.gnc", "--region", "-1,2,3,3"),
        ("decompress", "a.gnc", "--scale", "1/3"),
        ("decompress", "a.gnc", "--max-bytes", "1KB", "--salvage"),
    ],
)
def test_usage(say: Say, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    monkeypatch.setitem(sys.modules, "gencodec.codec", None)  # importing it would fail
    code, _, words = say(*arguments)
    assert code == 2 and len(words.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("100KB", 100_000), ("1.5MB", 1_500_000), ("64KiB", 65536), ("80000", 80000), ("2k", 2000)],
)
def test_sizes(text: str, value: int) -> None:
    assert targets.byte_count(text) == value


def test_the_help_says_what_a_quality_gives() -> None:
    """The figures in the help of -q are those of the benchmark, rounded."""
    import json
    import re

    path = Path(__file__).resolve().parents[2] / "benchmarks" / "kodak.json"
    means = json.loads(path.read_text("utf-8"))["means"]
    rows = {row["quality"]: row for row in means if row["codec"] == "gencodec"}
    numbers = re.findall(
        r"([\d.]+)(?: bits a pixel)? and (\d+)(?: dB \(RGB PSNR\))? at (\d+)", targets.QUALITY_HELP
    )
    assert len(numbers) == 4
    for bpp, psnr, quality in numbers:
        row = rows[int(quality)]
        assert float(bpp) == pytest.approx(row["bpp"], rel=0.2)
        assert float(psnr) == pytest.approx(row["psnr"], abs=0.8)
