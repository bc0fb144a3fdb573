"""explain and audit as commands: what they print, write and refuse."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bench.report import from_text
from gencodec.codec.shelf import weights_files
from gencodec.evidence import accounting
from gencodec.evidence import audit as audit_module
from gencodec.evidence.memoriser import memorise
from gencodec.model.registry import find_weights

Result = subprocess.CompletedProcess[bytes]
Run = Callable[..., Result]
OneError = Callable[..., str]


def test_explain_a_picture_and_a_stream(
    here: Run, checkout: Path, make_photo: Callable[..., Path], tmp_path: Path
) -> None:
    make_photo(tmp_path / "photo.png", 130, 100)
    done = here(
        "explain",
        "photo.png",
        checkout / "tests" / "vectors" / "golden" / "base" / "photo.gnc",
        "--json",
        "-o",
        "p.html",
    )
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["name"] for record in records] == ["photo.png", "photo.gnc"]
    for record in records:
        assert record["command"] == "explain" and record["ok"] and record["holds"]
        booked = sum(entry["bits"] for entry in record["ledger"])
        assert booked == pytest.approx(8 * record["file_bytes"], abs=1)
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "photo.gnc" in page and str(checkout) not in page


def test_explain_for_people(here: Run, make_photo: Callable[..., Path], tmp_path: Path) -> None:
    make_photo(tmp_path / "photo.png", 130, 100)
    done = here("explain", "photo.png")
    assert done.returncode == 0
    assert b"the model's prior" in done.stdout and b"100 %" in done.stdout


def test_what_explain_refuses(
    here: Run, one_error: OneError, tmp_path: Path, make_photo: Callable[..., Path]
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    one_error(here("explain", "text.png"), 1, "text.png", "not a picture")
    one_error(here("explain", "missing.png"), 1, "missing.png", "no such file")
    make_photo(tmp_path / "photo.png")
    (tmp_path / "old.html").write_text("mine")
    one_error(here("explain", "photo.png", "-o", "old.html"), 1, "already exists")
    assert (tmp_path / "old.html").read_text(encoding="utf-8") == "mine"
    one_error(here("explain"), 2, "IMAGE")
    one_error(here("explain", "photo.png", "--seed", "-1"), 2, "seed")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--trained", "a"], "go together"),
        (["--collection", "a", "--trained", "b", "--held-out", "c"], "cannot be combined"),
        (["--list", "a.csv"], "--collection"),
        (["-o", "audit", "--report", "./audit"], "name the same file"),
    ],
)
def test_what_audit_does_not_understand(
    here: Run, one_error: OneError, args: list[str], words: str
) -> None:
    one_error(here("audit", *args), 2, words)


def test_audit_without_training_pictures_says_what_it_left_out(
    here: Run, make_photo: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "SAMPLES", 2)
    monkeypatch.setattr(audit_module, "library_pictures", list)
    monkeypatch.setattr(accounting, "installed_rivals", list)  # AVIF alone takes seconds
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 256, (32, 40, 3), dtype=np.uint8)
    Image.fromarray(rough).resize((320, 256), Image.Resampling.BICUBIC).save(tmp_path / "a.png")
    done = here("audit", "a.png", "--json", "-o", "page.html", "--report", "report.json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["passed"] and not record["complete"]
    assert record["membership"] is None and len(record["left_out"]) == 2
    assert "was not fully tested" in record["verdict"]
    text = (tmp_path / "report.json").read_text(encoding="utf-8")
    assert from_text(audit_module.Audit, text).verdict == record["verdict"]
    report = json.loads(text)
    assert report["order"] == record["order"] and report["command"].startswith("gencodec audit")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert record["verdict"] in page and "not measured" in page
    assert all(f"Left out: {words}." in page for words in record["left_out"])


def test_the_files_of_an_encoder_are_it_and_its_weights() -> None:
    """An audit of it had come as far as the accounting, and then took it for no weights at all."""
    entry = find_weights("base-5")
    encoder = entry.encoders["ssim"]
    assert weights_files(str(encoder)) == (encoder, *weights_files(str(entry.path)))
    assert weights_files("base-5") == weights_files(str(entry.path))
    assert weights_files(str(find_weights("base-7").path)) == tuple(
        find_weights(name).path for name in ("base-7", "base-6")
    )


def test_a_model_that_memorised_is_caught(
    here: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained by the training loop on four pictures, looked at over and over, then audited."""
    rng = np.random.default_rng(1)
    learnt = []
    for number in range(12):
        rough = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        fine = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
        image = Image.blend(
            rough.resize((64, 64), Image.Resampling.BICUBIC),
            fine.resize((64, 64), Image.Resampling.NEAREST),
            0.4,
        )
        folder = tmp_path / ("trained" if number < 4 else "other")
        folder.mkdir(exist_ok=True)
        image.save(folder / f"{number}.png")
        if number < 4:
            learnt.append(np.asarray(image))
    (tmp_path / "known.safetensors").write_bytes(memorise(learnt, steps=6, seed=0))
    monkeypatch.setattr(audit_module, "SAMPLES", 2)
    monkeypatch.setattr(audit_module, "MEMORISED", 2)
    monkeypatch.setattr(audit_module, "MEMORISED_STEPS", 1)
    monkeypatch.setattr(audit_module, "library_pictures", list)
    groups = ("--trained", "trained", "--held-out", "other")
    done = here("audit", "-m", "known.safetensors", *groups, "--json", "-o", "page.html")
    assert done.returncode == 1 and done.stdout, done.stderr
    record = json.loads(done.stdout)
    assert not record["passed"] and not record["membership"]["passed"]
    assert record["membership"]["auc_calibrated"]["low"] > 0.5
    assert "know their training pictures" in record["verdict"]
    assert record["control"]["caught"] == (record["control"]["membership"]["passed"] is False)
    assert "caught them" in (tmp_path / "page.html").read_text(encoding="utf-8")
