"""gencodec bench as a process: what breaks is in the table, and the run goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gencodec.bench.pictures import Dataset

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
OneError = Callable[..., str]

# Copies pictures but for one, and for large ones at quality 3.
CODECS = """
[copy]
label = "Copier"
encode = "cp {input} {output}"
decode = "cp {input} {output}"
qualities = [1, 2]
[picky]
encode = "sh -c 'test $(wc -c < $0) -lt 5000 && cp $0 $1' {input} {output}"
decode = "cp {input} {output}"
qualities = [1, 2]
[missing]
encode = "no-such-program {input} {output}"
decode = "cp {input} {output}"
qualities = [1]
"""

needs_shell = pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")


@pytest.fixture
def folder(tmp_path: Path, make_photo: Callable[..., Path]) -> Path:
    make_photo(tmp_path / "photos" / "small.png", 24, 20)
    make_photo(tmp_path / "photos" / "large.png", 97, 65)
    (tmp_path / "photos" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture at all")
    (tmp_path / "codecs.toml").write_text(CODECS)
    return tmp_path / "photos"


@needs_shell
@pytest.mark.slow
def test_bugs_are_reported_and_the_run_goes_on(run: Run, here: Run, folder: Path) -> None:
    words = ["bench", "photos", "--against", "copy,picky,missing", "--codecs", "codecs.toml"]
    words += ["-q", "20,50,80", "--jobs", "1", "--cache", "cache", "-o", "out.json"]
    result = run(*words)
    text = result.stdout.decode()
    assert result.returncode == 1, result.stderr.decode()
    cells = {line.split()[0]: line.split()[-1] for line in text.splitlines() if line.strip()}
    assert cells["gencodec"] == "0" and cells["Copier"] == "0"
    assert cells["picky"] == "2" and cells["missing"] == "1"
    assert "2 images of 'photos'" in text
    report = json.loads((folder.parent / "out.json").read_text(encoding="utf-8"))
    bugs = {(bug.get("codec"), bug.get("image"), bug.get("quality")) for bug in report["bugs"]}
    assert bugs == {
        (None, "broken", None),
        ("missing", None, None),
        ("picky", "large", 1.0),
        ("picky", "large", 2.0),
    }
    rows = report["images"]
    assert len(rows) == 3 * 2 + 2 * 2 + 2
    size = {row["file_bytes"] for row in rows if row["codec"] == "copy" and row["image"] == "small"}
    assert len(size) == 1  # a copier gives the same file at any quality

    # What was measured is not measured again.
    (folder.parent / "codecs.toml").write_text(CODECS.replace("test $(wc", "false && test $(wc"))
    words[3] = "copy"
    before = sorted((folder.parent / "cache").rglob("*.json"))
    assert here(*words, "-f").returncode == 1
    assert sorted((folder.parent / "cache").rglob("*.json")) == before
    assert json.loads((folder.parent / "out.json").read_text(encoding="utf-8"))["images"] == [
        row for row in rows if row["codec"] != "picky"
    ]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["photos", "--against", "nobody"], 2, "unknown rival 'nobody'"),
        (["photos", "--against", "jpeg,gencodec:5000"], 2, "no gencodec:5000; there are efforts"),
        (["photos", "--against", "compressai"], 2, "unknown rival 'compressai'"),
        (["photos", "--against", "jpeg", "--show", "jxl"], 2, "--show has 'jxl'"),
        (["photos", "--against", ","], 2, "names of codecs"),
        (["photos", "--no-cache", "--cache", "x"], 2, "exclude each other"),
        (["photos", "-q", "20,101"], 2, "'101' is not a number from 0 to 100"),
        (["photos", "-o", "codecs.toml"], 1, "is there already"),
        (["photos", "-o", "none/out.json"], 1, "its directory does not exist"),
        (["photos", "-f", "-o", "out.json", "--html", "./out.json"], 2, "name the same file"),
        (["photos", "-o", "page.HTML"], 2, "the page is written by --html"),
        (["photos", "-f", "-o", "photos"], 1, "photos: it is a directory"),
        (["photos", "--codecs", "none.toml", "--against", "x"], 1, "none.toml: no such file"),
        (["photos", "--published", "none.json"], 1, "none.json: no such file"),
        (["photos", "--published", "codecs.toml"], 1, "codecs.toml: not a file of"),
        (["elsewhere"], 1, "no such folder or picture"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_errors_are_one_line(
    here: Run, one_error: OneError, folder: Path, words: list[str], code: int, said: str
) -> None:
    one_error(here("bench", *words), code, said)


def test_what_could_not_be_done_is_refused_before_anything_is_measured(
    here: Run, one_error: OneError, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencodec.bench.command.find_pictures", None)
    (folder.parent / "nan.json").write_text('{"x": {"bpp": [1.0, 2.0], "psnr": [30.0, NaN]}}')
    one_error(here("bench", "photos", "--published", "nan.json"), 1, "nan.json: not a file of")
    one_error(here("bench", "photos", "-f", "--html", "photos"), 1, "it is a directory")
    monkeypatch.setattr(os, "access", lambda *_: False)  # as on a file system that is read-only
    one_error(here("bench", "photos", "-o", "out.json"), 1, "may not be written to")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_curves_may_come_through_a_pipe(
    here: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `--published <(...)` gives them in a shell: they can be read once."""
    from gencodec.bench import command
    from gencodec.bench.rate_distortion import Measured

    kept = Measured(Dataset("photos", 1, 0.1, "ab"), ("small",), (), (), ())
    monkeypatch.setattr(command, "measure_all", lambda *_: kept)
    pipe = folder.parent / "pipe"
    os.mkfifo(pipe)
    curve = '{"x": {"bpp": [0.1, 2.0, 9.0], "psnr": [20.0, 30.0, 40.0]}}'
    threading.Thread(target=pipe.write_text, args=(curve,), daemon=True).start()
    done = here("bench", "photos", "--published", "pipe")
    assert done.returncode == 0, done.stderr
    assert b"x (published)" in done.stdout


def test_a_race_that_breaks_off_costs_no_curves(
    here: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gencodec.bench import command
    from gencodec.bench.rate_distortion import Measured, Row

    row = Row("gencodec", 50.0, "small", 100, 0.5, 30.0, 31.0)
    kept = Measured(Dataset("photos", 1, 0.1, "ab"), ("small",), (), (row,), ())

    def breaks_off(*_: object) -> None:
        raise RuntimeError("the disk is full")

    # A file that happens to have the name of the checkout's curves is not asked for, nor missed.
    (folder.parent / "benchmarks").mkdir()
    (folder.parent / "benchmarks" / "anchors.json").write_text("[1, 2]")
    monkeypatch.setattr(command, "measure_all", lambda *_: kept)
    monkeypatch.setattr(command, "measure_speed", breaks_off)
    result = here("bench", "photos", "--speed", "-o", "out.json")
    assert result.returncode == 1
    assert b"\n  speed: the disk is full\n" in result.stdout
    report = json.loads((folder.parent / "out.json").read_text(encoding="utf-8"))
    assert len(report["images"]) == 1 and "speed" not in report


def test_only_broken_pictures(here: Run, one_error: OneError, folder: Path) -> None:
    for name in ("small.png", "large.png"):
        (folder / name).unlink()
    one_error(here("bench", "photos", "--no-cache"), 1, "no picture in it can be read")


def test_modules_needed_are_named(
    here: Run, one_error: OneError, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith("gencodec.bench"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    one_error(here("bench", "photos"), 1, "tqdm")
