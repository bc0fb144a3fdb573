"""AUC and bootstrap intervals against values known by other means."""

from __future__ import annotations

import numpy as np
import pytest

from gencodec.evidence.statistics import auc, bootstrap


def test_auc_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    members, others = rng.integers(0, 6, 17) / 2.0, rng.integers(0, 6, 11) / 2.0
    pairs = [(a > b) + 0.5 * (a == b) for a in members for b in others]
    assert auc(members, others) == pytest.approx(np.mean(pairs))
    assert auc(np.array([2.0, 3.0]), np.array([0.0, 1.0])) == 1.0
    assert auc(np.array([1.0]), np.array([1.0])) == 0.5


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    hits = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        interval = bootstrap(
            lambda x: float(x.mean()), rng.normal(3.0, 1.0, 40), seed=seed, resamples=300
        )
        hits += interval.low <= 3.0 <= interval.high
    assert 50 <= hits <= 60


def test_an_interval_needs_two_pictures() -> None:
    with pytest.raises(ValueError, match="two pictures"):
        bootstrap(auc, np.array([1.0]), np.array([1.0, 2.0]), seed=0)
