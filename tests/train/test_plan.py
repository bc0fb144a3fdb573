"""How settings follow the share of a run that is done."""

from __future__ import annotations

import numpy as np
import pytest

from gencodec.train.loop import steps_of
from gencodec.train.plan import (
    ANNEAL_FROM,
    LARGER_FROM,
    TrainingPlan,
    crop_shape,
    learning_rate,
)


def test_the_qualities_of_a_batch() -> None:
    rng = np.random.default_rng(0)
    steps = sorted(steps_of(TrainingPlan(steps=1), 8, rng))
    assert [step // 32 for step in steps] == list(range(8))
    assert steps_of(TrainingPlan(steps=1, quality=100.0), 3, rng).tolist() == [255] * 3


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
    count, side = crop_shape(plan, LARGER_FROM)
    assert side == 256 and count * side**2 == pytest.approx(6 * 192**2, rel=0.2)
    assert crop_shape(TrainingPlan(1.0, crops=1, crop_side=64, final_crop_side=512), 1.0)[0] == 1
