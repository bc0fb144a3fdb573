"""The little statistics that the audit needs: AUC, a test of it, and bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
RESAMPLES = 2000
CONFIDENCE = 0.95
SHUFFLES = 9999
SHUFFLES_AT_ONCE = 500


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low

    def words(self, digits: int = 2) -> str:
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def auc(members: Values, others: Values) -> float:
    """Probability that a member scores above an other, ties counting half: 0.5 is no knowledge.

    The Mann-Whitney statistic over its maximum.
    """
    rank_sum = float(_ranks(members, others)[: len(members)].sum())
    return (rank_sum - len(members) * (len(members) + 1) / 2) / (len(members) * len(others))


def chance(members: Values, others: Values, *, seed: int, shuffles: int = SHUFFLES) -> float:
    """How often an AUC as high comes about where who is a member was drawn by lot: above 0 to 1.

    A one-sided permutation test, of ranks: whatever the scores' distribution and however few they
    are, of two groups that do not differ no more than a share p gets p or less.
    """
    ranks = _ranks(members, others)
    rng = np.random.default_rng(seed)
    found = ranks[: len(members)].sum()
    as_high = 0
    for start in range(0, shuffles, SHUFFLES_AT_ONCE):
        lots = np.tile(ranks, (min(SHUFFLES_AT_ONCE, shuffles - start), 1))
        sums = rng.permuted(lots, axis=1)[:, : len(members)].sum(1)
        # Ranks are whole or half numbers, so their sums are exact and equal ones are equal.
        as_high += int(np.count_nonzero(sums >= found))
    return (1 + as_high) / (1 + shuffles)


def least_chance(members: int, others: int) -> float:
    """What `chance` comes to where the groups of so many pictures do not overlap at all."""
    return 1.0 / math.comb(members + others, others)


def _ranks(members: Values, others: Values) -> Values:
    """Of all values, from 1; of equal ones, their mean."""
    values = np.concatenate([members, others])
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (np.cumsum(counts) - (counts - 1) / 2)[place]
    return ranks


def at_least(least: int, tries: int, share: float) -> float:
    """Probability that an event of probability `share` comes `least` times or more in `tries`."""
    return math.fsum(
        math.comb(tries, count) * share**count * (1.0 - share) ** (tries - count)
        for count in range(least, tries + 1)
    )


def bootstrap(
    statistic: Callable[..., float], *groups: Values, seed: int, resamples: int = RESAMPLES
) -> Interval:
    """Percentile interval: every group resampled, one row a picture, with replacement.

    ValueError when a group has fewer than two rows: nothing can be said of its spread.
    """
    if any(len(group) < 2 for group in groups):
        raise ValueError("an interval needs at least two pictures in each group")
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(*(group[rng.integers(len(group), size=len(group))] for group in groups))
        for _ in range(resamples)
    ]
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return rounded(Interval(statistic(*groups), float(low), float(high)))


def rounded(interval: Interval, digits: int = 5) -> Interval:
    return Interval(*(round(x, digits) for x in (interval.value, interval.low, interval.high)))
