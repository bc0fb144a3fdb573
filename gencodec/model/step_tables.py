"""Numbers of the prior that follow the quality step: a row of integers for each gain index."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import STEPS
from .exact import FEATURE_SCALE, round_through


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
        position = row.float() * ((len(self.knots) - 1) / (STEPS - 1))
        left = position.floor().long().clamp(max=len(self.knots) - 2)
        part = (position - left)[:, None]
        curve = self.knots[left] * (1 - part) + self.knots[left + 1] * part
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
        spacing = (STEPS - 1) // (len(self.knots) - 1)
        self.knots.copy_(frozen["rows"][::spacing].float() / (FEATURE_SCALE * self.gain))
