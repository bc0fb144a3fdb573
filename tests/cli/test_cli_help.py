"""Help, version and start-up: complete, quick, and without the heavy libraries."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gencodec.cli.main import COMMANDS

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
OneError = Callable[..., str]

DOORS = ("module", "file")
HEAVY = ("torch", "numpy", "PIL", "constriction", "tqdm", "safetensors")


@pytest.mark.parametrize("door", DOORS)
def test_no_arguments_prints_short_help_and_fails(run: Run, door: str) -> None:
    result = run(door=door)
    assert result.returncode == 2
    assert result.stdout == b""
    assert result.stderr.startswith(b"usage: gencodec ")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(run: Run, door: str, flag: str) -> None:
    result = run(flag, door=door)
    assert result.returncode == 0
    assert result.stderr == b""
    for name, row in COMMANDS.items():
        assert f"  {name}" in result.stdout.decode()
        assert row.summary in result.stdout.decode()


def test_version(run: Run) -> None:
    result = run("--version")
    assert result.returncode == 0
    assert result.stdout.startswith(b"gencodec ")


@pytest.mark.parametrize("command", list(COMMANDS))
def test_help_of_a_command(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.returncode == 0
    assert result.stderr == b""
    assert f"usage: gencodec {command}" in result.stdout.decode()


def test_help_of_compress_names_range_and_default(run: Run) -> None:
    text = " ".join(run("compress", "--help").stdout.decode().split())
    for word in ("0..100", "default: 60", "--strip", "--verify", "--threads", "--json", "-f"):
        assert word in text


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["compress", "--help"],
        ["decompress", "--help"],
        ["compress", "missing.jpg"],
        ["decompress", "missing.gnc"],
        ["compress", "-q", "400", "photo.jpg"],
        ["verify", "missing.gnc"],
        ["info", "sound.gnc"],
        ["info", "--json", "sound.gnc"],
        ["models"],
        ["bench", "--help"],
        ["bench", "folder", "--views", "101"],
    ],
    ids=" ".join,
)
def test_light_work_imports_nothing_heavy(
    tmp_path: Path, checkout: Path, make_stream: Callable[..., bytes], args: list[str]
) -> None:
    (tmp_path / "sound.gnc").write_bytes(make_stream())
    code = (
        "import sys\n"
        "from gencodec.cli import main\n"
        f"main({args!r})\n"
        f"print('heavy:', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        timeout=60,
    )
    assert result.stdout.decode().splitlines()[-1] == "heavy: []", result.stderr.decode()


def test_unknown_command(run: Run, one_error: OneError) -> None:
    one_error(run("frobnicate"), 2, "'frobnicate' is not a command")


def test_unknown_option(run: Run, one_error: OneError) -> None:
    one_error(run("--frobnicate"), 2, "unknown option '--frobnicate'")


def test_a_file_in_place_of_the_command_gets_a_hint(
    run: Run, one_error: OneError, tmp_path: Path
) -> None:
    (tmp_path / "photo.gnc").write_bytes(b"")
    (tmp_path / "photo.jpg").write_bytes(b"")
    one_error(run("photo.jpg"), 2, "gencodec compress photo.jpg")
    one_error(run("photo.gnc"), 2, "gencodec decompress photo.gnc")
