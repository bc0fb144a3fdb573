"""AUC and bootstrap intervals against values known by other means."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from gencodec.evidence.statistics import auc, bootstrap, chance, least_chance


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


@pytest.mark.parametrize("others", [2, 3, 16])
def test_the_innocent_are_accused_no_more_often_than_said(others: int) -> None:
    """Where a bootstrap interval accused 17 % with two others."""
    rng = np.random.default_rng(1)
    accused = sum(
        chance(rng.normal(size=64), rng.normal(size=others), seed=seed, shuffles=399) <= 0.025
        for seed in range(300)
    )
    assert accused <= 15  # expected 7.5


def test_chance_is_that_of_all_ways_to_part_the_scores() -> None:
    """Ties, too: counted over every choice of members."""
    rng = np.random.default_rng(3)
    members, others = rng.integers(2, 7, 5) / 2.0, rng.integers(0, 5, 4) / 2.0
    both, found = np.concatenate([members, others]), auc(members, others)
    ways = [set(chosen) for chosen in combinations(range(9), 5)]
    as_high = [
        auc(both[list(way)], both[[n for n in range(9) if n not in way]]) > found - 1e-9
        for way in ways
    ]
    assert chance(members, others, seed=0) == pytest.approx(np.mean(as_high), abs=0.015)
    apart = chance(np.arange(4.0) + 4, np.arange(4.0), seed=0)
    assert apart == pytest.approx(least_chance(4, 4), abs=0.005) and apart < 0.025


def test_an_interval_needs_two_pictures() -> None:
    with pytest.raises(ValueError, match="two pictures"):
        bootstrap(auc, np.array([1.0]), np.array([1.0, 2.0]), seed=0)
