"""`gencodec train` as users meet it: a process that is told to stop, killed, starved and misled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gencodec.cli.main import main
from gencodec.cli.train import check_installed
from gencodec.model.config import CONFIGS
from gencodec.model.vae import learned_vae
from gencodec.train.export import plain_weights

CHECKOUT = Path(__file__).resolve().parents[2]
Photo = Callable[..., np.ndarray]
SMALL = ["--config", "tiny", "--crops", "1", "--crop-side", "64", "--threads", "1"]


@pytest.fixture
def pictures(photo: Photo, tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(photo(80, 96, number)).save(folder / f"{number}.png")
    return folder


def start(*arguments: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "gencodec", "train", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main(["train", *map(str, arguments)])
    return code, capsys.readouterr().err.splitlines()[-1]


def test_structure_instead_of_squared_error(pictures: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = ["--steps", "3", "--distortion", "ssim", "-o", str(run)]
    assert main(["train", str(pictures), *SMALL, *options]) == 0
    plan = json.loads((run / "plan.json").read_text(encoding="utf-8"))["plan"]
    assert plan["distortion"] == "ssim"
    assert plan["crop_side"] == plan["final_crop_side"] == 64  # what was asked for, to the end
    assert (run / "weights.safetensors").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_stopped_killed_and_resumed(pictures: Path, tmp_path: Path) -> None:
    """SIGTERM leaves a checkpoint of its step; SIGKILL loses no more than the last minutes."""
    run = tmp_path / "run"
    arguments = [pictures, "-o", run, *SMALL, "--checkpoint-minutes", "0.005"]
    process = start(*arguments, "--steps", 10**6)
    wait_for(run / "curves.png", process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, said
    assert said.splitlines()[-1] == "stopped; the same command goes on from here"
    stopped = torch.load(run / "checkpoint.pt", weights_only=True)["step"]
    assert stopped > 0

    before = (run / "checkpoint.pt").stat().st_mtime_ns
    process = start(*arguments, "--steps", 10**6)
    while (run / "checkpoint.pt").stat().st_mtime_ns == before:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.kill()
    process.communicate()
    killed = torch.load(run / "checkpoint.pt", weights_only=True)["step"]
    assert killed > stopped

    process = start(pictures, "--resume", run, *SMALL, "--steps", killed + 2)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert f"resumed at step {killed}" in said
    assert "weights.safetensors" in said.splitlines()[-1]
    assert torch.load(run / "checkpoint.pt", weights_only=True)["step"] == killed + 2
    assert json.loads((run / "curve.json").read_text(encoding="utf-8"))["bpp"]
    assert sorted(path.name for path in run.iterdir()) == [
        ".lock",
        "checkpoint.pt",
        "curve.json",
        "curves.png",
        "log.jsonl",
        "pictures.csv",
        "plan.json",
        "weights.safetensors",
    ]
    table = (run / "pictures.csv").read_text(encoding="utf-8").splitlines()
    assert table[0] == "file,sha256,width,height,split" and len(table) == 4


def test_bad_input_is_one_line(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    (tmp_path / "empty").mkdir()
    code, line = error_of(capsys, tmp_path / "empty", "-o", run, *SMALL)
    assert code == 1 and "no pictures to train on" in line
    code, line = error_of(capsys, pictures, tmp_path / "phtos", "-o", run, *SMALL)
    assert code == 1 and f"{tmp_path / 'phtos'}: no such file or folder" in line
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    code, line = error_of(capsys, tmp_path / "broken", "-o", run, *SMALL)
    assert code == 1 and "no pictures to train on" in line
    code, line = error_of(capsys, pictures, "--resume", run, *SMALL)
    assert code == 1 and "no run to resume" in line
    (run / "checkpoint.pt").write_bytes(b"damaged")
    code, line = error_of(capsys, pictures, "-o", run, *SMALL)
    assert code == 1 and "checkpoint.pt: not a checkpoint, or damaged" in line
    (tmp_path / "file").write_bytes(b"")
    code, line = error_of(capsys, pictures, "-o", tmp_path / "file" / "run", *SMALL)
    assert code == 1 and str(tmp_path / "file") in line


@pytest.mark.parametrize(
    "wrong",
    [
        ["--minutes", "1", "--steps", "1"],
        ["--minutes", "-1"],
        ["--minutes", "nan"],
        ["--steps", "-1"],
        ["--learning-rate", "0"],
        ["--learning-rate", "nan"],
        ["--crop-side", "100"],
        ["--crops", "0"],
        ["--seed", "-1"],
        ["--seed", str(2**64)],
        ["--checkpoint-minutes", "0"],
        ["--resume", "other"],
    ],
)
def test_wrong_usage(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = error_of(capsys, "pictures", "-o", "run", *wrong)
    assert code == 2


def test_weights_cannot_become_narrower(capsys: pytest.CaptureFixture[str]) -> None:
    code, line = error_of(
        capsys, "pictures", "-o", "run", "--init", "base", "--config", "tiny", "--steps", "1"
    )
    assert code == 1 and "base cannot become tiny" in line


def test_an_encoder_is_trained_for_installed_weights(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No command could use one for others, which nobody wants to learn when it is finished."""
    own = tmp_path / "own.safetensors"
    own.write_bytes(plain_weights(learned_vae(CONFIGS["tiny"])))
    options = ["--encoder-only", "--steps", "1", "--init"]
    code, line = error_of(capsys, pictures, "-o", tmp_path / "run", *options, own)
    assert code == 1 and "needs weights that 'gencodec models' lists" in line
    assert not (tmp_path / "run").exists()
    check_installed("base")


def test_a_full_disk_is_one_line(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource", reason="no limits on this system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (2**20, before[1])
    )  # less than a checkpoint, more than pytest prints
    try:
        code, line = error_of(capsys, pictures, "-o", tmp_path / "run", *SMALL, "--steps", 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert code == 1 and "checkpoint.pt" in line and "too large" in line.lower()
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
