"""One file for every named error: the right exception, one line, no traceback, exit code 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gencodec
from gencodec.errors import GencodecError, TruncatedError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent / "errors"
EXPECTED: dict[str, str] = json.loads((FOLDER / "errors.json").read_text(encoding="utf-8"))
STREAM_ERRORS = {
    "NotGencodecError",
    "UnsupportedVersionError",
    "TruncatedError",
    "LimitError",
    "FormatError",
    "ChecksumError",
    "WeightsError",
}

UNSHOWABLE = ("empty", "cut-in-header", "cut-in-tiles")
"""Cut before there is anything to show."""

# Only decoding, limits or weights tell what is wrong with these.
SOUND_STRUCTURE = {
    "alpha-damaged",
    "alpha-other-kind",
    "alpha-other-size",
    "latents-odd-bytes",
    "latents-without-words",
    "metadata-bomb",
    "metadata-cut",
    "metadata-damaged",
    "other-step",
    "other-width",
    "size-absurd",
    "symbols-check-differs",
    "symbols-differ",
    "tile-damaged",
    "tile-symbols-check-differs",
    "weights-unknown",
    "words-missing",
    "words-too-many",
}


def test_every_error_has_a_file_and_every_file_is_listed() -> None:
    assert set(EXPECTED.values()) == STREAM_ERRORS
    assert {path.stem for path in FOLDER.glob("*.gnc")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_decompress(name: str) -> None:
    data = (FOLDER / f"{name}.gnc").read_bytes()
    with pytest.raises(GencodecError) as caught:
        gencodec.decompress(data, device="cpu")
    assert type(caught.value).__name__ == EXPECTED[name]
    text = str(caught.value)
    assert text and "\n" not in text and len(text) < 250


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_verify(name: str) -> None:
    """Without making a picture, all that decompress would find."""
    data = (FOLDER / f"{name}.gnc").read_bytes()
    with pytest.raises(GencodecError) as caught:
        gencodec._codec(None, "cpu").verify(data)
    assert type(caught.value).__name__ == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_info(name: str) -> None:
    """What is wrong with the structure is told without weights; of the rest it says nothing."""
    data = (FOLDER / f"{name}.gnc").read_bytes()
    told = None
    try:
        info = gencodec.info(data)
        told = info.problem
        assert info.checks_ok == (told is None) and info.file_bytes == len(data)
    except GencodecError as error:
        told = str(error)
    assert (told is None) == (name in SOUND_STRUCTURE)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_reading_what_is_cut_accepts_nothing_else(name: str) -> None:
    """With cut files allowed, only a cut is forgiven, and only behind the header."""
    data = (FOLDER / f"{name}.gnc").read_bytes()
    codec = gencodec._codec(None, "cpu")
    forgiven = EXPECTED[name] == "TruncatedError" and name not in UNSHOWABLE
    if forgiven:
        assert codec.decompress_picture(data, allow_truncated=True).notes
        return
    with pytest.raises(GencodecError) as caught:
        codec.decompress_picture(data, allow_truncated=True)
    assert isinstance(caught.value, TruncatedError) == (EXPECTED[name] == "TruncatedError")


def test_the_command_line() -> None:
    """All at once: each file has its one line, and the exit code says that some failed."""
    names = sorted(EXPECTED)
    result = subprocess.run(
        [sys.executable, "-m", "gencodec", "verify", *(f"{name}.gnc" for name in names)],
        capture_output=True,
        text=True,
        cwd=FOLDER,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert result.returncode == 1
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == len(names), result.stderr
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"gencodec: {name}.gnc: "), line
        assert "Traceback" not in line and "defect of gencodec" not in line


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """A failure found after the pixels are decoded leaves no picture, whole or half."""
    source = FOLDER / "metadata-bomb.gnc"
    result = subprocess.run(
        [sys.executable, "-m", "gencodec", "decompress", source, "-o", tmp_path / "out.png"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        timeout=300,
    )
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1 and "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []
