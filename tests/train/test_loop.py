"""Training: it learns, it can be interrupted, and it follows its plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gencodec.errors import OutputError, WeightsError
from gencodec.model.config import CONFIGS
from gencodec.model.exact import _precision_settings
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.train import loop
from gencodec.train.checkpoint import (
    CHECKPOINT,
    RunState,
    load_checkpoint,
    new_state,
    save_checkpoint,
)
from gencodec.train.depthwise import (
    OwnGradientConv,
    depthwise_layers,
    use_own_gradient,
    use_same_gradient,
)
from gencodec.train.journal import LOG, read_log
from gencodec.train.loop import LOOK_EVERY, MAX_RETURNS, Training, spread, steps_of
from gencodec.train.plan import (
    ANNEAL_FROM,
    EXACT_FROM,
    TrainingPlan,
    crop_shape,
    learning_rate,
)
from gencodec.train.plot import draw_log
from gencodec.train.start import lmbda_of, start_from_block_transform, step_size
from gencodec.train.store import PhotoStore, on_device
from gencodec.train.update import REPORT, Precision, Update, losses, precision_of

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


def train(
    state: RunState,
    photos: PhotoStore,
    held_out: Tensor,
    plan: TrainingPlan,
    run: Path,
    **options: Any,
) -> Training:
    """To the end of the plan."""
    training = Training(state, photos, held_out, plan, run, **options)
    assert training.to_the_end()
    return training


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
    plan = plan_of(20)
    state = new_state(block_transform(photo), plan)
    loss = loss_of(state.vae, x)
    train(state, store_of(photo), x, plan, tmp_path)
    assert state.step == 20
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


def test_the_log(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(LOOK_EVERY + 1, crops=1)
    said: list[str] = []
    train(new_state(fresh(), plan), store_of(photo), batch(photo), plan, tmp_path, say=said.append)
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert [row["step"] for row in rows] == [LOOK_EVERY, LOOK_EVERY + 1, LOOK_EVERY + 1]
    assert {"loss", "bpp", "psnr", "norm", "pixels_per_second"} <= set(rows[0])
    assert len(rows[-1]["held_out"]) == 7
    assert rows[0]["pixels_per_second"] == pytest.approx(64 * 64)  # by the tests' clock
    assert "loss" in said[0] and "bpp" in said[0] and "dB" in said[0] and "left" in said[0]
    picture = Image.open(tmp_path / "curves.png")
    assert picture.width > 600 and len(picture.getcolors(1 << 20) or []) > 4


def test_the_drawing_survives_any_log(tmp_path: Path) -> None:
    """Empty, one row, equal values, a line cut by a kill, and steps taken twice."""
    assert draw_log([]).startswith(b"\x89PNG")
    row = {"step": 5, "minutes": 1.0, "loss": 2.0, "bpp": 1.0, "psnr": 30.0}
    curve = {"step": 5, "minutes": 1.0, "held_out": [[0.1, 25.0], [1.0, 35.0]]}
    assert draw_log([row]).startswith(b"\x89PNG")
    lines = [row, curve, {**row, "step": 9}, {**curve, "step": 9}, {**row, "step": 7, "loss": 1.0}]
    text = "\n".join(json.dumps(line) for line in lines)
    (tmp_path / LOG).write_text(text + '\n{"step": 8, "los')
    kept = read_log(tmp_path)
    assert [(line["step"], line.get("loss")) for line in kept] == [(5, 2.0), (5, None), (7, 1.0)]
    assert draw_log(kept).startswith(b"\x89PNG")


class InterruptedRunError(Exception):
    """Stands for a kill."""


class FragileStore(PhotoStore):
    """Ends the run at its n-th batch, spoils some, or has something happen there."""

    left = 10**9
    cut = 0

    def __init__(self, photos: list[np.ndarray], device: torch.device) -> None:
        super().__init__(photos, device)
        self.spoil: set[int] = set()
        self._events: dict[int, Callable[[], None]] = {}

    def at(self, batch: int, event: Callable[[], None]) -> None:
        """Have something happen before the n-th batch."""
        self._events[batch] = event

    def crops(self, count: int, side: int, rng: np.random.Generator) -> Tensor:
        self.left -= 1
        self.cut += 1
        if self.left < 0:
            raise InterruptedRunError
        self._events.get(self.cut, lambda: None)()
        x = super().crops(count, side, rng)
        return x * float("nan") if self.cut in self.spoil else x


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
    assert list((tmp_path / "parts").glob(".gencodec-*")) == []
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


@pytest.fixture
def full_disk() -> Iterator[Callable[[], None]]:
    """Called, it leaves no file of this process room for more than a MiB until the test ends.

    A checkpoint needs two; what pytest prints, into a file perhaps, needs less.
    """
    resource = pytest.importorskip("resource", reason="no limits on this system")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_write_that_fails_leaves_the_last_checkpoint(
    tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    plan = plan_of(3)
    state = new_state(fresh(), plan)
    state.step = 1
    save_checkpoint(state, tmp_path)
    state.step = 2
    full_disk()
    with pytest.raises(OutputError, match=r"checkpoint\.pt"):
        save_checkpoint(state, tmp_path)
    assert load_checkpoint(tmp_path, plan, CPU).step == 1
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_full_disk_in_the_middle_of_a_run(
    photo: Photo, tmp_path: Path, full_disk: Callable[[], None]
) -> None:
    """The run goes on with the old checkpoint in place, and says at its end that it failed."""
    plan = plan_of(12, checkpoint_minutes=5 / 60.0, crops=1)
    store = FragileStore([photo(128, 144)], CPU)
    store.at(7, full_disk)
    said: list[str] = []
    with pytest.raises(OutputError, match=r"checkpoint\.pt"):
        train(new_state(fresh(), plan), store, batch(photo), plan, tmp_path, say=said.append)
    assert any("training goes on" in line for line in said)
    assert load_checkpoint(tmp_path, plan, CPU).step == 5


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    plan = plan_of(3)
    save_checkpoint(new_state(fresh(), plan), tmp_path)
    data = (tmp_path / CHECKPOINT).read_bytes()
    for damaged in (data[: len(data) // 2], b"", b"no checkpoint at all"):
        (tmp_path / CHECKPOINT).write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"checkpoint\.pt: not a checkpoint, or damaged"):
            load_checkpoint(tmp_path, plan, CPU)


def test_a_checkpoint_of_the_first_release_is_resumed(photo: Photo, tmp_path: Path) -> None:
    """It knew no returns, and its optimiser another way of counting steps."""
    plan = plan_of(3)
    state = new_state(fresh(), plan)
    train(state, store_of(photo), batch(photo), plan, tmp_path)
    content = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del content["returns"]
    old = torch.optim.AdamW(state.vae.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)
    old.load_state_dict(content["optimizer"])
    content["optimizer"] = old.state_dict() | {"param_groups": old.state_dict()["param_groups"]}
    torch.save(content, tmp_path / CHECKPOINT)
    longer = plan_of(5)
    resumed = load_checkpoint(tmp_path, longer, CPU)
    train(resumed, store_of(photo), batch(photo), longer, tmp_path)
    assert resumed.step == 5 and resumed.returns == 0


def nan(state: RunState) -> None:
    with torch.no_grad():
        state.vae.g_s.leave.bias.fill_(float("nan"))  # type: ignore[union-attr]


def test_weights_that_are_no_numbers_are_never_saved(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(3)
    state = new_state(fresh(), plan)
    nan(state)
    with pytest.raises(ArithmeticError, match="not finite"):
        train(state, store_of(photo), batch(photo), plan, tmp_path)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_step_without_a_finite_loss_changes_nothing(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(6, crops=1)
    store = FragileStore([photo(128, 144)], CPU)
    store.spoil = {2, 3}
    state = new_state(fresh(), plan)
    said: list[str] = []
    train(state, store, batch(photo), plan, tmp_path, say=said.append)
    assert state.step == 6 and any("2 steps without a finite loss" in line for line in said)
    for name, value in state.vae.state_dict().items():
        assert bool(torch.isfinite(value).all()), name
    row = next(row for row in read_log(tmp_path) if "loss" in row)
    assert np.isfinite(float(str(row["loss"])))


def test_a_run_goes_back_to_its_last_checkpoint(
    photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights break after step 9; they come back from step 8, at half the learning rate."""
    monkeypatch.setattr(loop, "LOOK_EVERY", 3)
    plan = plan_of(20, checkpoint_minutes=4 / 60.0, crops=1)
    state = new_state(fresh(), plan)
    store = FragileStore([photo(128, 144)], CPU)
    store.at(10, lambda: nan(state))
    said: list[str] = []
    training = train(state, store, batch(photo), plan, tmp_path, say=said.append)
    (line,) = [line for line in said if "back to step" in line]
    assert "back to step 8" in line
    assert training.state.returns == 1 and training.state is not state
    assert bool(torch.isfinite(training.state.vae.g_s.leave.bias).all())  # type: ignore[arg-type]
    assert load_checkpoint(tmp_path, plan, CPU).returns == 1
    assert 12 < training.state.step < 20  # the time is spent, the steps are not


def test_a_loss_that_stays_no_number_ends_the_run(
    photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOOK_EVERY", 3)
    plan = plan_of(1000, crops=1)
    store = FragileStore([photo(128, 144)], CPU)
    store.spoil = set(range(3, 10**4))
    said: list[str] = []
    with pytest.raises(ArithmeticError, match="lower learning rate"):
        train(new_state(fresh(), plan), store, batch(photo), plan, tmp_path, say=said.append)
    assert sum("back to step 0" in line for line in said) == MAX_RETURNS
    assert load_checkpoint(tmp_path, plan, CPU).step == 0


def test_a_run_by_steps(photo: Photo, tmp_path: Path) -> None:
    plan = TrainingPlan(steps=4, crops=1, crop_side=64, final_crop_side=64)
    state = new_state(fresh(), plan)
    train(state, store_of(photo), batch(photo), plan, tmp_path)
    assert state.step == 4
    with pytest.raises(ValueError, match="either minutes or steps"):
        TrainingPlan(steps=4, minutes=1.0)


def test_the_qualities_of_a_batch() -> None:
    rng = np.random.default_rng(0)
    steps = sorted(steps_of(TrainingPlan(steps=1), 8, rng))
    assert [step // 32 for step in steps] == list(range(8))
    assert steps_of(TrainingPlan(steps=1, quality=100.0), 3, rng).tolist() == [255] * 3


def test_a_stop_keeps_a_checkpoint(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(50, crops=1)
    state = new_state(fresh(), plan)
    training = Training(state, store_of(photo), batch(photo), plan, tmp_path)
    asked = iter([False, False, False, True])
    assert not training.to_the_end(lambda: next(asked))
    assert load_checkpoint(tmp_path, plan, CPU).step == 3


def test_pictures_that_arrive_are_trained_on(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(6, checkpoint_minutes=2 / 60.0, crops=1)
    store = PhotoStore([photo(128, 144)], CPU)
    waiting = [[photo(96, 96, 5)], [], [photo(96, 96, 6), photo(96, 96, 7)]]
    state = new_state(fresh(), plan)
    train(state, store, batch(photo), plan, tmp_path, arrivals=lambda: waiting.pop(0))
    assert len(store) == 4


@pytest.mark.parametrize("exact", [False, True])
def test_nothing_in_a_step_waits_for_the_device(photo: Photo, exact: bool) -> None:
    """On tensors without data whatever needs a value on the host, or mixes devices, fails."""
    vae = learned_vae(CONFIGS["tiny"]).to("meta")
    store = PhotoStore([photo(128, 144)], torch.device("meta"))
    rng = np.random.default_rng(0)
    quality = on_device(spread(rng, 4), torch.device("meta"))
    precision = Precision(None, None, exact)
    loss, *report = losses(vae, store.crops(4, 64, rng), quality, precision)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), 3.0)
    assert torch.stack((*report, norm)).shape == (len(REPORT),)


def test_on_a_gpu_the_exact_phase_is_float32() -> None:
    gpu = torch.device("cuda")
    assert precision_of(gpu, exact=True) == Precision(torch.bfloat16, None, True)
    assert precision_of(CPU, exact=True).prior_amp is None


def test_the_exact_phase_forbids_reduced_products(photo: Photo) -> None:
    """Whatever the caller allows, during the step float32 is float32; then it is as before."""
    seen = []

    class Watched(Update):
        def __call__(self, x: Tensor, quality: Tensor) -> Tensor:
            self.losses = watched
            return super().__call__(x, quality)

    def watched(
        vae: ImageVae, x: Tensor, quality: Tensor, precision: Precision
    ) -> tuple[Tensor, ...]:
        seen.append(settings())
        return losses(vae, x, quality, precision)

    def settings() -> list[object]:
        return [getattr(owner, name) for owner, name, _ in _precision_settings()]

    before = settings()
    state = new_state(fresh(), plan_of(1))
    for exact in (True, False):
        Watched(state, precision_of(CPU, exact=exact), 3.0)(batch(photo), torch.tensor([3, 200]))
    assert seen == [[strict for _, _, strict in _precision_settings()], before]
    assert settings() == before


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
    plan = TrainingPlan(minutes=1.0, crops=6, crop_side=192, final_crop_side=256)
    assert crop_shape(plan, 0.0) == (6, 192)
    count, side = crop_shape(plan, EXACT_FROM)
    assert side == 256 and count * side**2 == pytest.approx(6 * 192**2, rel=0.2)
    assert crop_shape(TrainingPlan(1.0, crops=1, crop_side=64, final_crop_side=512), 1.0)[0] == 1


def test_the_average_follows(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(10)
    state = new_state(fresh(), plan)
    start = state.average.g_a.enter.weight.clone()
    train(state, store_of(photo), batch(photo), plan, tmp_path)
    average, current = (vae.g_a.enter.weight.detach() for vae in (state.average, state.vae))
    assert 0 < float((average - current).norm()) < float((current - start).norm())


@pytest.mark.parametrize("amp", [None, torch.bfloat16])
def test_the_other_gradient_of_depthwise_layers(photo: Photo, amp: torch.dtype | None) -> None:
    """Same parameters, same loss, same gradients, to the precision of the arithmetic."""
    gradients = []
    for own in (False, True):
        vae = fresh()
        with torch.no_grad():
            for name, parameter in vae.named_parameters():
                if name.endswith(("leave.weight", "mix.weight")):
                    parameter.normal_(0.0, 0.05, generator=torch.Generator().manual_seed(1))
        if own:
            use_own_gradient(vae)
            another = fresh()
            use_same_gradient(another, vae)
            assert all(isinstance(layer, OwnGradientConv) for layer in depthwise_layers(another))
        torch.manual_seed(0)
        loss, *_ = losses(vae, batch(photo), torch.tensor([60, 200]), Precision(amp, None, False))
        loss.backward()
        gradients.append([p.grad for layer in depthwise_layers(vae) for p in layer.parameters()])
    assert len(gradients[0]) >= 12
    for first, second in zip(*gradients, strict=True):
        assert first is not None and second is not None
        limit = 1e-3 if amp is None else 0.05
        assert float((first - second).norm()) <= limit * float(first.norm())
