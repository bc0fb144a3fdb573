"""What may happen to a run: kills, full disks, damaged files, losses that are no numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gencodec.errors import OutputError, WeightsError
from gencodec.train import loop
from gencodec.train.checkpoint import (
    CHECKPOINT,
    RunState,
    load_checkpoint,
    new_state,
    save_checkpoint,
)
from gencodec.train.journal import read_log
from gencodec.train.loop import MAX_RETURNS
from gencodec.train.store import PhotoStore
from tests.train.runs import CPU, Photo, batch, fresh, plan_of, store_of, train

pytestmark = pytest.mark.usefixtures("clock")


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
    """Killed after step 4 with its last checkpoint at step 3."""
    pictures = [photo(128, 144, seed) for seed in range(4)]
    x = batch(photo)
    plan = plan_of(7, checkpoint_minutes=3 / 60.0)
    whole = new_state(fresh(), plan)
    torch.manual_seed(plan.seed)
    train(whole, PhotoStore(pictures, CPU), x, plan, tmp_path / "whole")

    store = FragileStore(pictures, CPU)
    store.left = 4
    torch.manual_seed(plan.seed)
    with pytest.raises(InterruptedRunError):
        train(new_state(fresh(), plan), store, x, plan, tmp_path / "parts")
    assert list((tmp_path / "parts").glob(".gencodec-*")) == []
    torch.manual_seed(999)  # a new process knows nothing of the old one's noise
    resumed = load_checkpoint(tmp_path / "parts", plan, CPU)
    assert resumed.step == 3 and resumed.elapsed == 3.0
    train(resumed, PhotoStore(pictures, CPU), x, plan, tmp_path / "parts")

    assert resumed.step == whole.step == 7
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


def test_one_step_alone_in_a_look_leads_nowhere(photo: Photo, tmp_path: Path) -> None:
    """Just before a checkpoint, or as the last of the run: it changes nothing, as any other."""
    plan = replace(plan_of(0, checkpoint_minutes=1 / 60.0, crops=1), minutes=None, steps=6)
    store = FragileStore([photo(128, 144)], CPU)
    store.spoil = {4, 6}
    said: list[str] = []
    training = train(
        *(new_state(fresh(), plan), store, batch(photo), plan, tmp_path), say=said.append
    )
    assert (training.state.returns, training.state.step) == (0, 6)
    assert sum("1 steps without a finite loss" in line for line in said) == 2


def test_steps_without_a_loss_are_counted_over_several_looks(
    photo: Photo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a checkpoint after each two steps no look ever sees more."""
    monkeypatch.setattr(loop, "LOOK_EVERY", 6)
    plan = plan_of(8, checkpoint_minutes=2 / 60.0, crops=1)
    store = FragileStore([photo(128, 144)], CPU)
    store.spoil = {3, 4, 5, 6}
    training = train(new_state(fresh(), plan), store, batch(photo), plan, tmp_path)
    assert training.state.returns == 1


def test_a_return_at_the_end_is_not_the_end(photo: Photo, tmp_path: Path) -> None:
    """By steps: those that were lost are taken again, and the plan is done."""
    plan = replace(plan_of(0, checkpoint_minutes=4 / 60.0, crops=1), minutes=None, steps=6)
    state = new_state(fresh(), plan)
    store = FragileStore([photo(128, 144)], CPU)
    store.at(6, lambda: nan(state))
    training = train(state, store, batch(photo), plan, tmp_path)
    assert training.state.step == 6 and training.state.returns == 1
    assert load_checkpoint(tmp_path, plan, CPU).step == 6


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
