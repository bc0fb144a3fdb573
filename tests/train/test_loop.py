"""Training learns, is logged, and ends when it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from gencodec.model.quality import lmbda_of
from gencodec.model.vae import ImageVae
from gencodec.train import loop
from gencodec.train.checkpoint import (
    load_checkpoint,
    new_state,
)
from gencodec.train.journal import LOG, Journal, read_log
from gencodec.train.loop import LOOK_EVERY, Training
from gencodec.train.plan import TrainingPlan
from gencodec.train.plot import draw_log
from gencodec.train.store import PhotoStore
from tests.train.runs import CPU, Photo, batch, block_transform, fresh, plan_of, store_of, train

pytestmark = pytest.mark.usefixtures("clock")


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
    x = batch(photo, 3).repeat(1, 1, 2, 2)  # positions of z in every phase
    estimate = vae(x, torch.tensor([30, 130, 230]))
    distortion = (estimate.x_hat - x).square().mean()
    (estimate.y_bits.mean() + estimate.z_bits.mean() + 1e5 * distortion).backward()
    without = [n for n, p in vae.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_the_log(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(LOOK_EVERY + 1, crops=1)
    said: list[str] = []
    train(new_state(fresh(), plan), store_of(photo), batch(photo), plan, tmp_path, say=said.append)
    rows = [json.loads(line) for line in (tmp_path / LOG).read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [LOOK_EVERY, LOOK_EVERY + 1, LOOK_EVERY + 1]
    assert {"loss", "bpp", "psnr", "norm", "pixels_per_second"} <= set(rows[0])
    assert len(rows[-1]["held_out"]) == len(loop.EVALUATION_STEPS)
    assert rows[0]["pixels_per_second"] == pytest.approx(64 * 64)  # by the tests' clock
    assert "loss" in said[0] and "bpp" in said[0] and "dB" in said[0] and "left" in said[0]
    picture = Image.open(tmp_path / "curves.png")
    assert picture.width > 600 and len(picture.getcolors(1 << 20) or []) > 4


def test_measuring_takes_little_of_a_run(photo: Photo, tmp_path: Path) -> None:
    """By the tests' clock it takes as long as a step: a twentieth of twenty."""
    plan = plan_of(30, crops=1, checkpoint_minutes=2 / 60)
    train(new_state(fresh(), plan), store_of(photo), batch(photo), plan, tmp_path)
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows if "held_out" in row] == [2, 22, 30]


def test_a_run_that_is_stopped_measures_when_it_is_time(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(30, crops=1, checkpoint_minutes=2 / 60)
    state = new_state(fresh(), plan)
    training = Training(state, store_of(photo), batch(photo), plan, tmp_path)
    assert not training.to_the_end(lambda: state.step == 5)
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows if "held_out" in row] == [2]


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


def test_a_row_cut_short_takes_no_other_with_it(tmp_path: Path) -> None:
    """As a kill or a full disk leaves it; the row after it begins a line of its own."""
    state = new_state(fresh(), plan_of(1))
    journal = Journal(tmp_path, plan_of(1), lambda line: None)
    journal.event(state, "whole")
    with (tmp_path / LOG).open("a") as handle:
        handle.write('{"step": 0, "minu')
    journal.event(state, "after")
    journal.event(state, "and so on")
    assert [row["event"] for row in read_log(tmp_path)] == ["whole", "after", "and so on"]
    assert len((tmp_path / LOG).read_text(encoding="utf-8").splitlines()) == 4


def test_an_event_takes_no_rows_of_its_step_away(tmp_path: Path) -> None:
    step, later = {"step": 5, "minutes": 1.0}, {"step": 9, "minutes": 2.0}
    rows = [{**step, "loss": 2.0}, {**step, "held_out": [[0.1, 25.0]]}, {**step, "event": "3 came"}]
    lost = [{**later, "loss": 1.0}, {**later, "held_out": [[0.1, 26.0]]}]
    back = {**step, "event": "back to step 5"}
    lines = [*rows, *lost, back]
    (tmp_path / LOG).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_log(tmp_path) == [*rows, back]


def test_a_run_by_steps(photo: Photo, tmp_path: Path) -> None:
    plan = TrainingPlan(steps=4, crops=1, crop_side=64, final_crop_side=64)
    state = new_state(fresh(), plan)
    train(state, store_of(photo), batch(photo), plan, tmp_path)
    assert state.step == 4
    with pytest.raises(ValueError, match="either minutes or steps"):
        TrainingPlan(steps=4, minutes=1.0)


def test_a_stop_keeps_a_checkpoint_and_its_weights(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(50, crops=1)
    state = new_state(fresh(), plan)
    of_steps: list[int] = []
    training = Training(
        *(state, store_of(photo), batch(photo), plan, tmp_path),
        snapshot=lambda state: of_steps.append(state.step),
    )
    asked = iter([False, False, False, True])
    assert not training.to_the_end(lambda: next(asked))
    assert load_checkpoint(tmp_path, plan, CPU).step == 3
    assert of_steps == [3]


def test_pictures_that_arrive_are_trained_on(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(6, checkpoint_minutes=2 / 60.0, crops=1)
    store = PhotoStore([photo(128, 144)], CPU)
    waiting = [[photo(96, 96, 5)], [], [photo(96, 96, 6), photo(96, 96, 7)]]
    state = new_state(fresh(), plan)
    train(state, store, batch(photo), plan, tmp_path, arrivals=lambda: waiting.pop(0))
    assert len(store) == 4


def test_pictures_smaller_than_the_crops(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(2, crop_side=128)
    state = new_state(fresh(), plan)
    train(state, PhotoStore([photo(70, 90)], CPU), batch(photo), plan, tmp_path)
    assert state.step == 2


def test_pictures_too_small_to_be_drawn_are_counted(photo: Photo, tmp_path: Path) -> None:
    """At the start, and when more of them arrive."""
    plan = plan_of(4, checkpoint_minutes=2 / 60.0, crops=1)
    pictures = [photo(70, 90, seed) for seed in range(3)] + [photo(50, 90)]
    waiting = [[photo(30, 90)], [], []]
    said: list[str] = []
    train(
        *(new_state(fresh(), plan), PhotoStore(pictures, CPU), batch(photo), plan, tmp_path),
        arrivals=lambda: waiting.pop(0),
        say=said.append,
    )
    assert [line for line in said if "too small" in line] == [
        "1 of 4 pictures are too small to be drawn: crops are 64 x 64",
        "2 of 5 pictures are too small to be drawn: crops are 64 x 64",
    ]


def test_the_average_follows(photo: Photo, tmp_path: Path) -> None:
    plan = plan_of(10)
    state = new_state(fresh(), plan)
    start = state.average.g_a.enter.weight.clone()
    train(state, store_of(photo), batch(photo), plan, tmp_path)
    average, current = (vae.g_a.enter.weight.detach() for vae in (state.average, state.vae))
    assert 0 < float((average - current).norm()) < float((current - start).norm())


def test_the_first_row_of_a_log_is_drawn_from_nothing_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single point makes no axis of negative minutes or bits."""
    said: list[str] = []
    draw = ImageDraw.ImageDraw.text

    def listen(pen: ImageDraw.ImageDraw, place: Any, text: str, **style: Any) -> None:
        said.append(text)
        draw(pen, place, text, **style)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", listen)
    draw_log([{"minutes": 0.3, "loss": 0.2, "bpp": 0.1, "psnr": 27.5}])
    assert "0.3" in said and not any(text.startswith("-") for text in said)
