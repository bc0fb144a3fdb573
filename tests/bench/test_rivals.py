"""Rivals: the formats of imagecodecs, commands of a TOML file, and names that are none."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bench.classical import FORMATS
from gencodec.bench.command_codec import PICTURES, read_commands
from gencodec.bench.contestants import Recipe, UnknownRivalError, make_contestant, module_of
from gencodec.bench.curves import psnr
from gencodec.bench.pictures import load_picture
from gencodec.image import Pixels
from gencodec.model.registry import find_weights

COPIER = """
[copy]
encode = "cp {input} {output}"
decode = "cp {input} {output}"
qualities = [1, 2]
version = "cp --version"
[fails]
encode = "cp {input}.{quality} {output}"
decode = "cp {input} {output}"
qualities = [0.5]
[empties]
encode = "cp /dev/null {output}"
decode = "cp {input} {output}"
qualities = [1]
[absent]
encode = "no-such-program-here {input} {output}"
decode = "cp {input} {output}"
qualities = [1]
"""
no_cp = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no cp")


@pytest.fixture
def pixels(folder: Path) -> Pixels:
    return load_picture(folder / "picture0.png").pixels


@pytest.mark.parametrize("name", [*FORMATS, "jpeg:444", "webp:2", "avif:9", "jxl:3"])
def test_formats(name: str, pixels: Pixels) -> None:
    pytest.importorskip("imagecodecs")
    rival = make_contestant(Recipe(name))
    sizes, scores = [], []
    for quality in (rival.qualities[0], rival.qualities[-1]):
        at = rival.at(quality)
        stream = at.compress(pixels)
        assert at.quality == quality and isinstance(stream, bytes)
        sizes.append(len(stream))
        scores.append(psnr(pixels, at.decompress(stream)))
    assert sizes[0] < sizes[1] and scores[0] < scores[1] and scores[1] > 30
    about = rival.about
    assert about.name == name and "through" in about.version and "q" in about.settings
    grey = make_contestant(Recipe(name)).compress(pixels[:, :, 0])
    assert rival.decompress(grey).shape[:2] == pixels.shape[:2]


@pytest.mark.parametrize("name", FORMATS)
def test_pictures_of_one_pixel(name: str, tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    rival = make_contestant(Recipe(name)).at(FORMATS[name].qualities[-1])
    for shape in ((1, 1), (1, 1, 3), (1, 7, 3), (7, 1)):
        Image.fromarray(np.full(shape, 60, np.uint8)).save(tmp_path / "small.png")
        read = load_picture(tmp_path / "small.png").pixels
        odd = np.lib.stride_tricks.as_strided(read, read.shape, (1, *read.strides[1:]))
        for pixels in (read, odd if shape[0] == 1 else read):
            assert rival.decompress(rival.compress(pixels)).shape[:2] == shape[:2]


def test_pillow_decodes_with_the_threads_it_is_given(
    pixels: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import (
        AvifImagePlugin,
        _avif,  # type: ignore[attr-defined]
    )

    rival = make_contestant(Recipe("avif-ssim", threads=3))
    stream = rival.compress(pixels)
    asked = []
    decoder = _avif.AvifDecoder

    def asking(data: bytes, codec: str, threads: int) -> object:
        asked.append(threads)
        return decoder(data, codec, threads)

    monkeypatch.setattr(_avif, "AvifDecoder", asking)
    assert rival.decompress(stream).shape == pixels.shape
    assert asked == [3] and AvifImagePlugin.DEFAULT_MAX_THREADS == 0


def test_options_are_part_of_what_is_cached() -> None:
    pytest.importorskip("imagecodecs")
    identities = {make_contestant(Recipe(n)).identity for n in ("avif", "avif:6", "avif:5", "jxl")}
    assert len(identities) == 3
    assert make_contestant(Recipe("avif:6")).about.name == "avif"


@pytest.mark.parametrize(
    "name",
    [
        "nobody",
        "nobody:x",
        "",
        "jpeg:9",
        "jxl:11",
        "compressai:x",
        "gencodec:0",
        "gencodec:2-",
        "gencodec:",
    ],
)
def test_unknown_rivals(name: str) -> None:
    if name.startswith(("jpeg", "jxl", "compressai", "gencodec")):
        with pytest.raises(UnknownRivalError, match=r"there (is|are)"):
            make_contestant(Recipe(name))
    else:
        with pytest.raises(UnknownRivalError, match="unknown rival"):
            module_of(name, None)


def test_searches_race_as_codecs_of_their_own(photo: Callable[..., Pixels]) -> None:
    names = ("gencodec", "gencodec:2", "gencodec:ssim", "gencodec:2-ssim")
    codecs = [make_contestant(Recipe(name, quality=40.0)) for name in names]
    assert len({codec.identity for codec in codecs}) == 4
    assert [codec.about.name for codec in codecs] == list(names)
    plain, tuned = (f"gencodec {find_weights(None, tune).name}" for tune in ("mse", "ssim"))
    assert [codec.about.label for codec in codecs] == [
        plain,
        f"{plain}, effort 2",
        f"{tuned}, for ssim",
        f"{tuned}, effort 2 for ssim",
    ]
    assert "effort" not in codecs[0].about.settings
    assert "effort=2, tune='ssim'" in codecs[3].about.settings
    pixels = photo(160, 200)
    streams = [codec.compress(pixels) for codec in codecs]
    assert len(set(streams)) == 4
    shown = {codec.decompress(stream).shape for stream in streams for codec in codecs}
    assert shown == {pixels.shape}


def test_a_tune_that_the_weights_have_no_encoder_for() -> None:
    with pytest.raises(UnknownRivalError, match="no gencodec:ssim: tune 'ssim' needs an effort"):
        make_contestant(Recipe("gencodec:ssim", model="base"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_of_commands_may_begin_as_on_windows(tmp_path: Path, encoding: str) -> None:
    """Its editors and shells put three bytes before UTF-8."""
    path = tmp_path / "codecs.toml"
    path.write_text(COPIER, encoding)
    assert list(read_commands(path)) == ["copy", "fails", "empties", "absent"]


@no_cp
def test_commands(tmp_path: Path, pixels: Pixels) -> None:
    path = tmp_path / "codecs.toml"
    path.write_text(COPIER)
    copier = make_contestant(Recipe("copy", codecs=path))
    stream = copier.at(2.0).compress(pixels)
    assert np.array_equal(copier.decompress(stream), pixels)
    Image.fromarray(pixels).save(tmp_path / "same.png")
    assert stream == (tmp_path / "same.png").read_bytes()
    assert copier.qualities == (1.0, 2.0) and copier.about.version
    with pytest.raises(RuntimeError, match=r"cp failed with code 1: .*picture\.png\.0\.5"):
        make_contestant(Recipe("fails", codecs=path)).compress(pixels)
    with pytest.raises(RuntimeError, match="cp wrote an empty file"):
        make_contestant(Recipe("empties", codecs=path)).compress(pixels)
    for quality, word in ((1.0, "1"), (1234567.0, "1234567"), (1.03125, "1.03125")):
        with pytest.raises(RuntimeError, match=rf"picture\.png\.{re.escape(word)}'"):
            make_contestant(Recipe("fails", codecs=path, quality=quality)).compress(pixels)
    with pytest.raises(FileNotFoundError, match="'no-such-program-here' is not installed"):
        make_contestant(Recipe("absent", codecs=path))
    with pytest.raises(UnknownRivalError):
        module_of("other", path)


@no_cp
def test_pictures_are_handed_over_without_loss(tmp_path: Path, pixels: Pixels) -> None:
    for suffix in {*PICTURES, ".jp2", ".pcx", ".sgi"}:
        path = tmp_path / f"codecs{suffix}.toml"
        path.write_text(COPIER.replace("[fails]", f"pictures = '{suffix}'\n[fails]"))
        copier = make_contestant(Recipe("copy", codecs=path))
        for picture in (pixels, pixels[:, :, 0]):
            assert np.array_equal(copier.decompress(copier.compress(picture)), picture)


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        "[x]\nencode = 'a {output}'",
        "[x]\nencode = 'a'\ndecode = 'b {output}'\nqualities = [1]",
        "[x]\nencode = 'a {output} {shell}'\ndecode = 'b {output}'\nqualities = [1]",
        "[x]\nencode = 'a {output}'\ndecode = 'b {output}'\nqualities = 3",
        "[x]\nencode = 'a {output}'\ndecode = 'b {output}'\nqualities = ['high']",
        "[x]\nencode = 'a {output}'\ndecode = 'b {output}'\nqualities = [1]\nspeed = 'x'",
        "[x]\nencode = 'a {output}'\ndecode = 'b {output}'\nqualities = [1, inf]",
        "[x]\nencode = 'a {output}'\ndecode = 'b {output}'\nqualities = [1]\npictures = '.jpg'",
        "[x]\nencode = 'a {output}'\ndecode = 'b {output}'\nqualities = [1, 2, 1.0]",
        "[gencodec]\nencode = 'a {output}'\ndecode = 'b {output}'\nqualities = [1]",
        "['gencodec:4']\nencode = 'a {output}'\ndecode = 'b {output}'\nqualities = [1]",
        "[x]\nencode = 1\ndecode = 'b {output}'\nqualities = [1]",
        "[x",
    ],
)
def test_wrong_files_of_commands(text: str, tmp_path: Path) -> None:
    path = tmp_path / "codecs.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"codecs\.toml: "):
        read_commands(path)
