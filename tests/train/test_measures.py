"""The measuring commands beside training, on small pictures and the smallest network."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gencodec.model.config import CONFIGS
from gencodec.model.vae import Estimate, learned_vae
from gencodec.train import photos, throughput
from gencodec.train.__main__ import main
from gencodec.train.arithmetic import unrounded
from gencodec.train.checkpoint import load_checkpoint, new_state, save_checkpoint
from gencodec.train.export import plain_weights
from gencodec.train.heldout import mean_of, measure_held_out, planes, reach
from gencodec.train.loop import held_out_curve
from gencodec.train.meter import forward_flops_per_pixel, peak_flops
from gencodec.train.plan import TrainingPlan
from gencodec.train.throughput import manners

from .runs import block_transform

Photo = Callable[..., np.ndarray]


@pytest.fixture
def pictures(photo: Photo, tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(photo(96, 112, number)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def run(photo: Photo, tmp_path: Path) -> Path:
    """A run of the tiny network that has only begun, and its weights."""
    folder = tmp_path / "run"
    folder.mkdir()
    vae = block_transform(photo)
    save_checkpoint(new_state(vae, TrainingPlan(steps=0)), folder)
    (folder / "weights.safetensors").write_bytes(plain_weights(vae))
    return folder


def report_of(tmp_path: Path, *arguments: object) -> dict[str, object]:
    path = tmp_path / "report.json"
    assert main([*map(str, arguments), "-o", str(path)]) == 0
    report = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(report, dict)
    return report


def test_integers_cost_little(pictures: Path, run: Path, tmp_path: Path) -> None:
    weights = run / "weights.safetensors"
    for source in (["-m", weights], ["--run", run]):
        report = report_of(tmp_path, "arithmetic", pictures, *source, "--qualities", "30,90")
        rows = report["qualities"]
        assert isinstance(rows, list) and [row["quality"] for row in rows] == [30.0, 90.0]
        for row in rows:
            assert row["bpp_exact"] != row["bpp_unrounded"]
            assert abs(row["percent"]) < 5.0
            assert abs(row["psnr_exact"] - row["psnr_unrounded"]) < 0.5


@torch.no_grad()
def test_the_unrounded_twin_is_not_rounded() -> None:
    torch.manual_seed(1)
    vae = learned_vae(CONFIGS["tiny"])
    twin = unrounded(vae)
    row = torch.tensor([3, 20])
    z = torch.randn(2, CONFIGS["tiny"].hyper, 2, 2).mul(20).round()
    exact, plain = (model.prior.features(z, row, 7, 8) for model in (vae, twin))
    assert torch.equal(exact, exact.round()) and not torch.equal(plain, plain.round())
    assert float((exact - plain).abs().mean()) < 0.1 * float(plain.abs().mean()) + 1.0


def test_weights_gain_nothing_on_themselves(pictures: Path, run: Path, tmp_path: Path) -> None:
    weights = run / "weights.safetensors"
    options = ["--against", weights, "--qualities", "20,60,100", "--note", "the same twice"]
    report = report_of(tmp_path, "gain", pictures, "-m", weights, *options)
    assert report["bd_rate"] == report["bd_rate_ms_ssim"] == 0.0
    assert report["note"] == "the same twice" and report["weights"] == report["against"]
    nothing = {"bd_rate": 0.0, "bd_rate_ms_ssim": 0.0}
    assert report["pictures"] == [{"picture": f"{n}.png", **nothing} for n in range(2)]


@pytest.mark.parametrize("command", ["gain", "single"])
def test_a_picture_too_small_is_named_before_anything_is_measured(
    command: str, pictures: Path, run: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (40, 10)).save(pictures / "strip.png")
    weights, report = run / "weights.safetensors", run / "report.json"
    more = ["--single", f"50={weights}"] if command == "single" else []
    assert main([command, str(pictures), "-m", str(weights), *more, "-o", str(report)]) == 1
    assert "strip.png is 40 x 10 pixels" in capfd.readouterr().err and not report.exists()


def test_weights_are_told_apart_by_both_scores(
    pictures: Path, run: Path, tmp_path: Path, photo: Photo
) -> None:
    """Against weights whose ``g_s`` is dimmed: they need more bits for the same of either."""
    dim = block_transform(photo)
    last = [weight for name, weight in dim.g_s.named_parameters() if name.endswith("weight")][-1]
    with torch.no_grad():
        last.mul_(0.9)
    other = tmp_path / "dim.safetensors"
    other.write_bytes(plain_weights(dim))
    weights = run / "weights.safetensors"
    options = ["--against", other, "--qualities", "20,60,100"]
    report = report_of(tmp_path, "gain", pictures, "-m", weights, *options)
    assert isinstance(report["bd_rate"], float) and report["bd_rate"] < 0.0
    assert isinstance(report["bd_rate_ms_ssim"], float) and report["bd_rate_ms_ssim"] < 0.0


class Perfect:
    """A codec that gives every picture back as it was, in more bytes the higher the quality."""

    def compress(self, pixels: np.ndarray, *, quality: float) -> bytes:
        self.pixels = pixels
        return bytes(100 + int(quality))

    def decompress(self, stream: bytes) -> np.ndarray:
        return self.pixels


def test_a_picture_that_comes_back_as_it_was_spoils_no_mean() -> None:
    """As a blank one may: where its PSNR has no bound, neither have means and reports."""
    blank = photos.Photo("blank.png", "", np.zeros((64, 64, 3), np.uint8))
    codec: Any = Perfect()
    assert set(measure_held_out(codec, [blank.pixels]).psnr) == {100.0}
    assert mean_of([reach(codec, blank.pixels, (20.0, 80.0))]).psnr == (100.0, 100.0)
    x = planes([blank.pixels])
    bits = torch.ones(1)
    average = SimpleNamespace(rounded=lambda x, quality: Estimate(x, bits, bits))
    state: Any = SimpleNamespace(average=average)
    assert {psnr for _, psnr in held_out_curve(state, x)} == {100.0}


def test_a_network_costs_nothing_against_itself(pictures: Path, run: Path, tmp_path: Path) -> None:
    weights = run / "weights.safetensors"
    options = ["-m", weights, "--single", f"60={weights}", "--single", f"30={weights}"]
    report = report_of(tmp_path, "single", pictures, *options, "--note", "one and the same")
    singles = report["singles"]
    assert isinstance(singles, list)
    assert [single["quality"] for single in singles] == [60.0, 30.0]
    for single in singles:
        assert single["bpp"] > 0 and single["weights"] == report["weights_for_all"]
        assert abs(single["cost_of_all"]) < 0.01


def test_throughput(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throughput, "PROFILED_STEPS", 1)
    options = ["--config", "tiny", "--crops", 1, "--side", 64, "--seconds", 0.01]
    report = report_of(tmp_path, "throughput", *options, "--device", "cpu")
    ways = report["ways"]
    assert isinstance(ways, list)
    assert [way["way"] for way in ways] == ["plain"]
    assert all(way["pixels_per_second"] > 0 and way["steps"] >= 1 for way in ways)
    assert isinstance(report["kernels"], list) and len(report["kernels"]) > 5


def test_every_manner_of_a_gpu_is_measured() -> None:
    assert [str(each) for each in manners(on_gpu=True, compile_too=True)] == [
        "plain",
        "recorded",
        "compiled in parts plain",
        "compiled in parts recorded",
        "compiled plain",
        "compiled recorded",
    ]
    assert [str(each) for each in manners(on_gpu=False, compile_too=False)] == ["plain"]


def test_arithmetic_is_counted_by_the_shapes() -> None:
    """A 1x1 layer from a to b channels at 1/64 of the pixels is 2ab/64 operations a pixel."""
    tiny = CONFIGS["tiny"]
    enter_and_leave = 2 * 2 * 3 * 64 * tiny.trunk8 / 64
    assert enter_and_leave < forward_flops_per_pixel(tiny) < 20 * enter_and_leave
    assert 30e3 < forward_flops_per_pixel(CONFIGS["base"]) < 2 * 60e3
    assert peak_flops(torch.device("cpu"), side=64, repeats=2) > 0


@pytest.mark.parametrize(
    "wrong",
    [
        ["throughput", "-o", "x.json", "--seconds", "0"],
        ["throughput", "-o", "x.json", "--seconds", "nan"],
        ["throughput", "-o", "x.json", "--side", "50"],
        ["rest", "pictures", "-o", "x.json", "--side", "50"],
        ["pages", "drawn", "--seed", "-1"],
    ],
)
def test_what_cannot_be_is_found_out_first(
    wrong: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything is read, measured or made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as usage:
        main(wrong)
    assert usage.value.code == 2
    assert f"python -m gencodec.train {wrong[0]}: error: argument" in capsys.readouterr().err
    assert not (tmp_path / "drawn").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        ["gain", "pictures", "-o", "none/x.json"],
        ["gain", "none", "-o", "x.json", "--qualities", "20,80"],
        ["gain", "pictures", "-o", "there"],
        ["compact", "w.safetensors", "pictures", "-o", "there/file"],
        ["equalise", "base", "pictures", "-o", "there/file"],
    ],
)
def test_what_cannot_be_written_is_found_out_first(
    wrong: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Or hours of measuring are lost to a slip of the pen; nothing here could be measured."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert main(wrong) == 1
    said = capsys.readouterr().err
    assert wrong[-1] in said or "three qualities or more" in said


def test_what_fails_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["arithmetic", str(tmp_path / "empty"), "-o", str(tmp_path / "x.json")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gencodec.train: ")
    with pytest.raises(SystemExit) as usage:
        main(["nothing"])
    assert usage.value.code == 2


def test_rest_tells_weights_that_training_left_from_weights_that_were_moved(
    photo: Photo, run: Path, pictures: Path, tmp_path: Path
) -> None:
    """Every output a little too bright: the gradient of the last bias says so, and far more."""
    arguments = ("--batches", 6, "--crops", 2, "--side", 64, "--every", 1, "--device", "cpu")
    before = report_of(tmp_path, "rest", pictures, "-m", run / "weights.safetensors", *arguments)
    state = load_checkpoint(run, TrainingPlan(steps=0), torch.device("cpu"))
    with torch.no_grad():
        state.average.get_parameter("g_s.leave.bias").add_(0.05)
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(plain_weights(state.average))
    after = report_of(tmp_path, "rest", pictures, "-m", moved, *arguments)
    assert before["weights"] != after["weights"]
    assert _part(after, "g_s") > _part(before, "g_s")
    (bias,) = _worst(after, "g_s.leave.bias")
    assert bias["t2"] > 3 * max([row["t2"] for row in _worst(before, "g_s.leave.bias")] + [1])


def test_rest_in_another_arithmetic(run: Path, pictures: Path, tmp_path: Path) -> None:
    weights = run / "weights.safetensors"
    arguments = ("-m", weights, "--batches", 4, "--crops", 1, "--side", 64, "--device", "cpu")
    plain, narrow = (
        report_of(tmp_path, "rest", pictures, *arguments, "--arithmetic", name)
        for name in ("float32", "bfloat16")
    )
    assert (plain["arithmetic"], narrow["arithmetic"]) == ("float32", "bfloat16")
    assert plain["worst"] != narrow["worst"] and plain["weights"] == narrow["weights"]


def test_rounding_turns_gradients_less_the_finer_it_is(
    run: Path, pictures: Path, tmp_path: Path
) -> None:
    weights = run / "weights.safetensors"
    arguments = ("-m", weights, "--batches", 2, "--crops", 1, "--side", 64, "--device", "cpu")
    report = report_of(tmp_path, "rounding", pictures, *arguments)
    rows = report["rows"]
    assert isinstance(rows, list)
    median = {row["arithmetic"]: row["parts"][-1]["median"] for row in rows}
    assert 0.99 < median["float16"] <= 1.0
    assert -1.0 <= median["another batch"] < median["bfloat16"] < median["float16"]
    assert [part["name"] for part in rows[0]["parts"]] == ["g_a", "h_a", "prior", "g_s", "all"]
    with pytest.raises(SystemExit):
        main(["rounding", str(pictures), "-o", str(tmp_path / "x.json"), "--arithmetic", "float8"])
    assert main(["rounding", str(pictures), "-o", str(tmp_path / "x.json"), "--batches", "1"]) == 1


def _part(report: dict[str, object], name: str) -> float:
    parts = report["parts"]
    assert isinstance(parts, list)
    return float(next(part["ninth_tenth"] for part in parts if part["name"] == name))


def _worst(report: dict[str, object], name: str) -> list[dict[str, float]]:
    worst = report["worst"]
    assert isinstance(worst, list)
    return [row for row in worst if row["name"] == name]
