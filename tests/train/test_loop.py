"""Training: it learns, it can be interrupted, and it follows its plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gencodec.model.config import CONFIGS
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.train.loop import (
    CHECKPOINT,
    LOG,
    load_checkpoint,
    new_state,
    save_checkpoint,
    train,
)
from gencodec.train.photos import PhotoStore
from gencodec.train.plan import (
    ANNEAL_FROM,
    EXACT_FROM,
    TrainingPlan,
    crop_shape,
    learning_rate,
)
from gencodec.train.start import lmbda_of, start_from_block_transform, step_size

Photo = Callable[..., np.ndarray]
CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("clock")


def plan_of(steps: int, **changes: float) -> TrainingPlan:
    """A plan of a number of steps: by the tests' clock a step is a second."""
    settings = {"crops": 4, "crop_side": 64, "final_crop_side": 64, "checkpoint_minutes": 1e6}
    return TrainingPlan(minutes=steps / 60.0, **{**settings, **changes})  # type: ignore[arg-type]


def store_of(photo: Photo) -> PhotoStore:
    return PhotoStore([photo(128, 144, seed) for seed in range(4)], CPU)


def batch(photo: Photo, count: int = 2, side: int = 64) -> Tensor:
    pixels = np.stack([photo(side, side, 50 + seed) for seed in range(count)])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0


def fresh(seed: int = 0) -> ImageVae:
    torch.manual_seed(seed)
    return learned_vae(CONFIGS["tiny"])


def loss_of(vae: ImageVae, x: Tensor) -> float:
    """Rate plus weighted distortion of rounded symbols, over a few qualities."""
    total = 0.0
    for step in (20, 120, 220):
        estimate = vae.rounded(x, torch.full((len(x),), step))
        bpp = float((estimate.y_bits + estimate.z_bits).sum()) / x[:, 0].numel()
        mse = float((estimate.x_hat - x).square().mean())
        lmbda = float(lmbda_of(torch.tensor(step)))
        total += (bpp + lmbda * 255.0**2 * mse) * lmbda**-0.5
    return total


def test_a_few_steps_lower_the_loss(photo: Photo, tmp_path: Path) -> None:
    x = batch(photo)
    plan = plan_of(25)
    state = new_state(block_transform(photo), plan)
    loss = loss_of(state.vae, x)
    train(state, store_of(photo), x, plan, tmp_path)
    assert state.step == 25
    assert loss_of(state.vae, x) < 0.995 * loss
    assert loss_of(state.average, x) < loss


def test_a_random_start_learns_as_well(photo: Photo, tmp_path: Path) -> None:
    x = batch(photo)
    plan = plan_of(15)
    state = new_state(fresh(), plan)
    loss = loss_of(state.vae, x)
    train(state, store_of(photo), x, plan, tmp_path)
    assert loss_of(state.vae, x) < 0.9 * loss


def test_the_loss_reaches_every_parameter(photo: Photo) -> None:
    vae = block_transform(photo)
    with torch.no_grad():
        vae.h_a.down64.weight.mul_(30.0)  # the start's z is silent, and silence teaches nothing
        for name, parameter in vae.named_parameters():
            if name.endswith(("leave.weight", "mix.weight")):
                parameter.normal_(0.0, 0.02)
    estimate = vae(batch(photo, 3), torch.tensor([30, 130, 230]))
    distortion = (estimate.x_hat - batch(photo, 3)).square().mean()
    (estimate.y_bits.mean() + estimate.z_bits.mean() + 1e5 * distortion).backward()
    without = [n for n, p in vae.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_the_log(photo: Photo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = plan_of(51, crops=1)
    train(new_state(fresh(), plan), store_of(photo), batch(photo), plan, tmp_path)
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [50, 51]
    assert {"loss", "bpp", "psnr", "pixels_per_second"} <= set(rows[0])
    assert len(rows[1]["held_out"]) == 7


class InterruptedRunError(Exception):
    """Stands for a kill."""


class FragileStore(PhotoStore):
    """Ends the run at its n-th batch."""

    left = 10**9

    def crops(self, count: int, side: int, rng: np.random.Generator) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise InterruptedRunError
        return super().crops(count, side, rng)


def test_a_resumed_run_is_the_uninterrupted_one(photo: Photo, tmp_path: Path) -> None:
    """Killed after step 7 with its last checkpoint at step 5, through both phases of the plan."""
    pictures = [photo(128, 144, seed) for seed in range(4)]
    x = batch(photo)
    plan = plan_of(12, checkpoint_minutes=5 / 60.0)
    whole = new_state(fresh(), plan)
    torch.manual_seed(plan.seed)
    train(whole, PhotoStore(pictures, CPU), x, plan, tmp_path / "whole")

    store = FragileStore(pictures, CPU)
    store.left = 7
    torch.manual_seed(plan.seed)
    with pytest.raises(InterruptedRunError):
        train(new_state(fresh(), plan), store, x, plan, tmp_path / "parts")
    torch.manual_seed(999)  # a new process knows nothing of the old one's noise
    resumed = load_checkpoint(tmp_path / "parts", plan, CPU)
    assert resumed.step == 5 and resumed.elapsed == 5.0
    train(resumed, PhotoStore(pictures, CPU), x, plan, tmp_path / "parts")

    assert resumed.step == whole.step == 12
    for part in ("vae", "average"):
        first, second = (getattr(state, part).state_dict() for state in (whole, resumed))
        for name in first:
            assert torch.equal(first[name], second[name]), f"{part}.{name}"


def test_a_checkpoint_holds_everything(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(3)
    state = new_state(fresh(), plan)
    train(state, store_of(photo), batch(photo), plan, tmp_path)
    loaded = load_checkpoint(tmp_path, plan, CPU)
    assert (loaded.step, loaded.elapsed) == (state.step, state.elapsed)
    assert loaded.vae.config == state.vae.config
    for name, value in state.average.state_dict().items():
        assert torch.equal(loaded.average.state_dict()[name], value)
    first, second = (s.optimizer.state_dict()["state"] for s in (state, loaded))
    assert first.keys() == second.keys() and len(first) > 0
    for key in first:
        assert torch.equal(first[key]["exp_avg"], second[key]["exp_avg"])
    assert not any(parameter.requires_grad for parameter in loaded.average.parameters())


def test_a_kill_while_saving_leaves_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(3)
    state = new_state(fresh(), plan)
    state.step = 1
    save_checkpoint(state, tmp_path)

    def half(_: object, handle: object) -> None:
        handle.write(b"half a checkpoint")  # type: ignore[attr-defined]
        raise InterruptedRunError

    monkeypatch.setattr(torch, "save", half)
    state.step = 2
    with pytest.raises(InterruptedRunError):
        save_checkpoint(state, tmp_path)
    monkeypatch.undo()
    assert load_checkpoint(tmp_path, plan, CPU).step == 1
    assert (tmp_path / CHECKPOINT).exists()


def test_a_loss_that_is_no_number_stops_the_run(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(200, crops=1)
    state = new_state(fresh(), plan)
    with torch.no_grad():
        state.vae.g_s.leave.bias.fill_(float("nan"))  # type: ignore[union-attr]
    before = state.vae.g_a.enter.weight.clone()
    with pytest.raises(ArithmeticError, match="not finite"):
        train(state, store_of(photo), batch(photo), plan, tmp_path)
    assert torch.equal(state.vae.g_a.enter.weight, before)  # no step was taken on it


def test_pictures_smaller_than_the_crops(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(2, crop_side=128)
    state = new_state(fresh(), plan)
    train(state, PhotoStore([photo(70, 90)], CPU), batch(photo), plan, tmp_path)
    assert state.step == 2


# The start -------------------------------------------------------------------------------------


def block_transform(photo: Photo) -> ImageVae:
    vae = fresh()
    pixels = np.stack([photo(128, 128, seed) for seed in range(6)])
    start_from_block_transform(vae, torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255.0)
    return vae


def test_the_start_is_a_codec_already(photo: Photo) -> None:
    """Before the first step: fidelity and rate that rise with quality, on pictures not seen."""
    vae = block_transform(photo)
    x = batch(photo, count=3, side=128)
    decibels, rates = [], []
    for step in (0, 85, 170, 255):
        estimate = vae.rounded(x, torch.full((3,), step))
        mse = float((estimate.x_hat.clamp(0, 1) - x).square().mean())
        decibels.append(-10.0 * float(np.log10(mse)))
        rates.append(float((estimate.y_bits + estimate.z_bits).sum()) / x[:, 0].numel())
    assert decibels[-1] > 25.0
    assert decibels == sorted(decibels) and decibels[-1] > decibels[0] + 5
    assert rates == sorted(rates) and rates[-1] < 8.0


def test_the_start_is_orthonormal(photo: Photo) -> None:
    """Without rounding nothing is lost but the components that are left out."""
    vae = block_transform(photo)
    x, step = batch(photo, side=64), torch.tensor([255, 255])
    with torch.no_grad():
        y = vae.g_a(x, step)
        once = vae.g_s(y, step)
        twice = vae.g_s(vae.g_a(once, step), step)
    assert float((twice - once).abs().max()) < 1e-3  # a projection
    assert float((once - x).square().mean()) < float((x - 0.5).square().mean()) * 0.05


def test_step_sizes_and_weights_of_the_loss() -> None:
    lmbda = lmbda_of(torch.arange(256))
    assert float(lmbda[0]) == pytest.approx(0.0007) and float(lmbda[-1]) == pytest.approx(0.25)
    assert bool((lmbda.diff() > 0).all())
    assert step_size(0.0007) / step_size(0.25) == pytest.approx((0.25 / 0.0007) ** 0.5)


# The plan --------------------------------------------------------------------------------------


def test_the_schedule() -> None:
    plan = TrainingPlan(minutes=10.0, learning_rate=1e-3)
    rates = [learning_rate(plan, part / 1000) for part in range(1001)]
    top = int(ANNEAL_FROM * 1000)
    assert 0 < rates[0] < 1e-4 and max(rates) == pytest.approx(1e-3)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(1e-5)
    assert learning_rate(plan, 1.5) == pytest.approx(1e-5)  # the last step may overrun


def test_crops_of_the_last_phase_are_fewer_and_larger() -> None:
    plan = TrainingPlan(minutes=1.0, crops=8, crop_side=160, final_crop_side=256)
    assert crop_shape(plan, 0.0) == (8, 160)
    count, side = crop_shape(plan, EXACT_FROM)
    assert side == 256 and count * side**2 == pytest.approx(8 * 160**2, rel=0.2)
    assert crop_shape(TrainingPlan(1.0, crops=1, crop_side=64, final_crop_side=512), 1.0)[0] == 1


def test_the_average_follows(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(10)
    state = new_state(fresh(), plan)
    start = state.average.g_a.enter.weight.clone()
    train(state, store_of(photo), batch(photo), plan, tmp_path)
    average, current = (vae.g_a.enter.weight.detach() for vae in (state.average, state.vae))
    assert 0 < float((average - current).norm()) < float((current - start).norm())
