"""The little statistics that the audit needs: AUC, and bootstrap intervals over pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
RESAMPLES = 2000
CONFIDENCE = 0.95


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
    values = np.concatenate([members, others])
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of equal values, their mean rank
    rank_sum = float(ranks[place[: len(members)]].sum())
    return (rank_sum - len(members) * (len(members) + 1) / 2) / (len(members) * len(others))


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
