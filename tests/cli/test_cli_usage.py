"""Wrong usage: one line, exit code 2, and nothing read or written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gencodec.cli import main

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
MakeStream = Callable[..., bytes]
CHECKOUT = Path(__file__).resolve().parents[2]

CASES = {
    "no input": (["compress"], "required"),
    "quality text": (["compress", "-q", "high", "a.png"], "'high' is not a number from 0 to 100"),
    "quality above": (["compress", "-q", "100.5", "a.png"], "'100.5'"),
    "quality below": (["compress", "-q", "-1", "a.png"], "'-1'"),
    "quality nan": (["compress", "-q", "nan", "a.png"], "'nan'"),
    "threads": (["compress", "--threads", "0", "a.png"], "positive"),
    "max pixels": (["decompress", "--max-pixels", "x", "a.gnc"], "positive"),
    "device": (["compress", "--device", "tpu", "a.png"], "tpu"),
    "format": (["decompress", "--format", "bmp", "a.gnc"], "bmp"),
    "option twice": (["compress", "-q", "50", "-q", "60", "a.png"], "given twice"),
    "output twice": (["compress", "-o", "x.gnc", "--output", "y.gnc", "a.png"], "given twice"),
    "output and folder": (["compress", "-o", "x", "--output-dir", "d", "a.png"], "exclude"),
    "output and recursive": (["compress", "-r", "-o", "x.gnc", "d"], "exclude"),
    "output for two": (["compress", "-o", "x.gnc", "a.png", "b.png"], "one input"),
    "loud and quiet": (["compress", "-v", "--quiet", "a.png"], "not allowed with"),
    "abbreviation": (["compress", "--qual", "50", "a.png"], "--qual"),
    "unknown option": (["info", "--frobnicate", "a.gnc"], "--frobnicate"),
    "stdin and file": (["compress", "-", "a.png"], "standard input"),
    "stdin and folder": (["compress", "--output-dir", "d", "-"], "standard input"),
    "stdin twice": (["info", "-", "-"], "given twice"),
    "json and stdout": (["compress", "--json", "-o", "-", "a.png"], "--json"),
    "output is folder": (["compress", "a.png", "-o", "folder"], "folder"),
    "output dir is file": (["compress", "a.png", "--output-dir", "b.png"], "not a folder"),
    "output is input": (["compress", "-f", "a.png", "-o", "./a.png"], "also an input"),
    "same output": (["compress", "a.png", "a.jpg"], "a.png and a.jpg would both become a.gnc"),
    "same input twice": (["compress", "a.png", "./a.png"], "both become a.gnc"),
    "same output in a folder": (["compress", "a.png", "sub/a.png", "--output-dir", "d"], "both"),
    "unknown format": (["decompress", "a.gnc", "-o", "a.xyz"], "--format"),
    "format contradicts": (
        ["decompress", "a.gnc", "--format", "png", "-o", "a.jpg"],
        "contradicts",
    ),
    "empty input": (["compress", "-r", "--delete-source", ""], "empty"),
    "empty output": (["compress", "a.png", "-o", ""], "empty"),
    "models takes no file": (["models", "a.gnc"], "a.gnc"),
}


@pytest.fixture
def folder(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_photo: Callable[..., Path],
    make_stream: MakeStream,
) -> Path:
    for name in ("a.png", "a.jpg", "b.png", "sub/a.png"):
        make_photo(tmp_path / name)
    (tmp_path / "a.gnc").write_bytes(make_stream())
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", list(CASES))
def test_usage_error(name: str, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    args, words = CASES[name]
    before = snapshot(folder)
    code = main(args)
    out, err = capfd.readouterr()
    assert code == 2, err
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith(f"gencodec: {args[0]}: ")
    assert words in err
    assert f"'gencodec {args[0]} --help'" in err
    assert snapshot(folder) == before


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file below the folder with its bytes."""
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.skipif(os.name != "posix", reason="needs symbolic links")
def test_an_output_that_is_a_link_to_the_input(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "link.png").symlink_to("a.png")
    before = snapshot(folder)
    assert main(["compress", "-f", "a.png", "-o", "link.png"]) == 2
    assert "also an input" in capfd.readouterr().err
    assert snapshot(folder) == before


def test_usage_error_as_a_process(run: Run, one_error: Callable[..., str], folder: Path) -> None:
    one_error(run("compress", "a.png", "a.jpg", door="file"), 2, "both become a.gnc")


def test_options_may_stand_between_inputs(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    main(["info", "a.gnc", "--json", "missing.gnc"])
    out, err = capfd.readouterr()
    assert len(out.splitlines()) == 2
    assert "missing.gnc: no such file" in err


def test_names_after_two_dashes(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "--json").write_bytes((folder / "a.gnc").read_bytes())
    assert main(["info", "--", "--json"]) == 0
    assert capfd.readouterr().out.startswith("./--json: gencodec")


@pytest.mark.parametrize(
    "args", [["compress", "a.png", "-o", "-"], ["decompress", "a.gnc", "-o", "-"]]
)
def test_binary_is_not_written_to_a_terminal(folder: Path, args: list[str]) -> None:
    code, screen, err = in_terminal(args, folder, stdout=True)
    assert code == 2
    assert "refusing to write binary data to a terminal" in err
    assert screen == b""


def test_a_terminal_is_not_read(folder: Path) -> None:
    code, _, err = in_terminal(["compress", "-", "-o", "x.gnc"], folder, stdout=False)
    assert code == 2
    assert "standard input is a terminal" in err


def in_terminal(args: list[str], folder: Path, *, stdout: bool) -> tuple[int, bytes, str]:
    """Run with stdout (else stdin) connected to a terminal; the code, the screen and stderr."""
    pty = pytest.importorskip("pty", reason="needs POSIX terminals")
    ours, theirs = pty.openpty()
    result = subprocess.run(
        [sys.executable, "-m", "gencodec", *args],
        stdin=subprocess.DEVNULL if stdout else theirs,
        stdout=theirs if stdout else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        timeout=60,
    )
    os.close(theirs)
    try:
        screen = os.read(ours, 4096)
    except OSError:  # Linux says EIO where there is nothing left to read
        screen = b""
    os.close(ours)
    return result.returncode, screen, result.stderr.decode()
