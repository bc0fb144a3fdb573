"""gencodec thumbnail, and the desktop files that call it."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import xml.etree.ElementTree
from configparser import ConfigParser
from pathlib import Path

import pytest
from PIL import Image

from gencodec import pillow
from gencodec.bitstream import MAGIC
from gencodec.cli import main
from gencodec.cli import thumbnail as command
from gencodec.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
DESKTOP = ROOT / "docs" / "desktop"
PHOTO = ROOT / "tests" / "vectors" / "golden" / "base" / "photo.gnc"


@pytest.mark.parametrize("size", [9, 40, 500])
def test_a_thumbnail_fits(tmp_path: Path, size: int) -> None:
    target = tmp_path / "out.png"
    target.touch()  # by the file manager
    assert main(["thumbnail", "-s", str(size), str(PHOTO), str(target)]) == 0
    with Image.open(PHOTO) as whole, Image.open(target) as small:
        assert small.format == "PNG" and small.info == {}
        assert max(small.size) == min(size, max(whole.size))


def test_a_bad_file_leaves_the_target(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    target, source = tmp_path / "out.png", tmp_path / "a.gnc"
    source.write_bytes(PHOTO.read_bytes()[:-90] + bytes(90))
    assert main(["thumbnail", str(source), str(target)]) == 1
    assert not target.exists() and len(capfd.readouterr().err.splitlines()) == 1


def test_no_file_is_lost(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """As by `gencodec thumbnail *.gnc`, where two match."""
    source, target = tmp_path / "a.gnc", tmp_path / "b.gnc"
    for path in (source, target):
        path.write_bytes(PHOTO.read_bytes())
    for output in (source, target):
        assert main(["thumbnail", str(source), str(output)]) == 1
        assert output.read_bytes() == PHOTO.read_bytes()
    assert main(["thumbnail", "-f", str(source), str(source)]) == 1
    assert source.read_bytes() == PHOTO.read_bytes()
    assert len(capfd.readouterr().err.splitlines()) == 3
    assert main(["thumbnail", "-f", str(source), str(target)]) == 0
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_file_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    target, make = tmp_path / "out.png", command.thumbnail

    def slow(args: argparse.Namespace) -> bytes:
        target.write_bytes(b"precious")
        return make(args)

    monkeypatch.setattr(command, "thumbnail", slow)
    assert main(["thumbnail", str(PHOTO), str(target)]) == 1
    assert target.read_bytes() == b"precious" and "exists" in capfd.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="no such permissions")
def test_a_thumbnail_is_read_by_those_who_may_read_its_file(tmp_path: Path) -> None:
    source, target = tmp_path / "a.gnc", tmp_path / "a.png"
    source.write_bytes(PHOTO.read_bytes())
    source.chmod(0o600)
    assert main(["thumbnail", str(source), str(target)]) == 0
    assert target.stat().st_mode & 0o777 == 0o600


def test_a_thumbnail_to_stdout(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["thumbnail", str(PHOTO), "-"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"\x89PNG")


def test_the_thumbnailer_entry_calls_a_command_that_is_there() -> None:
    entry = ConfigParser(interpolation=None)
    entry.read(DESKTOP / "gencodec.thumbnailer")
    section = entry["Thumbnailer Entry"]
    program, command, *arguments = section["Exec"].split()
    assert (program, section["MimeType"]) == ("gencodec", f"{pillow.MIME_TYPE};")
    assert command in COMMANDS and arguments == ["--size", "%s", "%i", "%o"]


def test_the_mime_type_is_the_plugins() -> None:
    tree = xml.etree.ElementTree.parse(DESKTOP / "gencodec.xml")
    space = "{http://www.freedesktop.org/standards/shared-mime-info}"
    (kind,) = tree.getroot().findall(f"{space}mime-type")
    match, glob = kind.find(f".//{space}match"), kind.find(f"{space}glob")
    assert match is not None and glob is not None
    assert kind.get("type") == pillow.MIME_TYPE and glob.get("pattern") == f"*{pillow.EXTENSION}"
    assert str(match.get("value")).encode().decode("unicode_escape").encode("latin-1") == MAGIC


@pytest.mark.skipif(shutil.which("file") is None, reason="file(1) is not installed")
def test_file_knows_the_magic() -> None:
    magic = str(DESKTOP / "gencodec.magic")
    command = ["file", "-b", "--mime-type", "-m", magic, str(PHOTO)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.strip() == pillow.MIME_TYPE
