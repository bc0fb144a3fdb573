"""Numbers of the prior that follow the quality step: a row of integers for each gain index."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .config import STEPS
from .exact import FEATURE_SCALE
from .layers import through
from .straight import round_through

THAW_ROUNDS = 5000
"""Of a search that ends after some hundreds for tables that were frozen from a curve."""

THAW_ROOM = 0.499
"""Of half a unit to each side of a row: what float32 adds to a curve must not cross it."""


class StepTable(nn.Module):
    """Frozen integers, one row of ``channels`` for each of the 64 gain indices."""

    rows: Tensor

    def __init__(self, channels: int, *, knots: int, gain: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros((STEPS, channels), dtype=torch.int32))

    def forward(self, row: Tensor) -> Tensor:
        """row: (B,) int64 -> (B, channels, 1, 1) float32 holding integers."""
        return self.rows[row].float()[:, :, None, None]


class LearnedStepTable(nn.Module):
    """The same table while it is learned: a piecewise linear curve through a few knots."""

    def __init__(self, channels: int, *, knots: int, gain: float = 1.0) -> None:
        super().__init__()
        self.gain = gain
        self.knots = nn.Parameter(torch.zeros((knots, channels)))

    def _curve(self, row: Tensor) -> Tensor:
        curve = through(self.knots, row, STEPS)
        return self._round(curve * (FEATURE_SCALE * self.gain))

    def _round(self, curve: Tensor) -> Tensor:
        return round_through(curve)

    def forward(self, row: Tensor) -> Tensor:
        return self._curve(row)[:, :, None, None]

    @torch.no_grad()
    def frozen(self) -> dict[str, Tensor]:
        rows = self._curve(torch.arange(STEPS, device=self.knots.device))
        return {"rows": rows.to(torch.int32).cpu()}

    @torch.no_grad()
    def thaw(self, frozen: dict[str, Tensor]) -> None:
        """Inverse of :meth:`frozen`: knots whose curve rounds to the rows, if any such exist."""
        knots = _knots_of(frozen["rows"], len(self.knots))
        self.knots.copy_(knots / (FEATURE_SCALE * self.gain))


def _knots_of(rows: Tensor, count: int) -> Tensor:
    """Knots (count, channels) float64 of a curve that rounds to rows (64, channels) int32.

    Those of the least squares, then moved by the least squares of what lies further than half a
    unit from the rows, until nothing does. All such curves are a convex set, which this comes
    ever closer to. Where it is empty, as for rows that were never a curve, some stay off by one.
    """
    curve = through(torch.eye(count, dtype=torch.float64), torch.arange(STEPS), STEPS).numpy()
    fit = np.linalg.pinv(curve)
    # Not in torch, whose threads would wait for one another in each of many small steps.
    wanted = rows.cpu().double().numpy()
    knots = fit @ wanted
    channels = np.arange(knots.shape[1])
    for _ in range(THAW_ROUNDS):
        off = curve @ knots[:, channels] - wanted[:, channels]
        beyond = off - off.clip(-THAW_ROOM, THAW_ROOM)
        still = np.abs(beyond).max(0) > 0.5 * (0.5 - THAW_ROOM)
        channels, beyond = channels[still], beyond[:, still]
        if not len(channels):
            break
        # Twice the move would be the longest that comes no further away (over-relaxation).
        knots[:, channels] -= 1.9 * (fit @ beyond)
    return torch.from_numpy(knots)
