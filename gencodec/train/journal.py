"""What a run tells: a line of progress, a row of its log, and the drawing of its curves."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gencodec.image import atomic_write

from .checkpoint import RunState
from .plan import TrainingPlan
from .plot import draw_log

LOG = "log.jsonl"
PLOT = "curves.png"

Row = dict[str, object]


class Journal:
    """Rows go to ``run/log.jsonl`` as they come; ``say`` gets the same in words.

    A log that cannot be written (a full disk) costs the row and a line, not the run.
    """

    def __init__(self, run: Path, plan: TrainingPlan, say: Callable[[str], None]) -> None:
        self._run = run
        self._plan = plan
        self.say = say

    def progress(
        self,
        state: RunState,
        means: Mapping[str, float],
        *,
        pixels_per_second: float,
        share_of_peak: float | None,
    ) -> None:
        """means: of the steps since the last row, by the names of ``update.REPORT``."""
        row: Row = self._place(state)
        row |= {name: float(f"{value:.5g}") for name, value in means.items()}
        row["pixels_per_second"] = float(f"{pixels_per_second:.4g}")
        if share_of_peak is not None:
            row["share_of_peak"] = float(f"{share_of_peak:.4g}")
        left = self._plan.seconds_left(state.step, state.elapsed)
        speed = f"{pixels_per_second / 1e6:.3g} Mpixel/s"
        peak = "" if share_of_peak is None else f" ({share_of_peak:.1%} of peak)"
        self._append(row)
        self.say(
            f"step {state.step}: loss {means['loss']:.4f}, {means['bpp']:.3f} bpp, "
            f"{means['psnr']:.2f} dB, {speed}{peak}, {state.elapsed / 60.0:.1f} minutes done, "
            f"{left / 60.0:.1f} left"
        )

    def held_out(self, state: RunState, curve: list[tuple[float, float]]) -> None:
        """curve: (bpp, PSNR in dB) at ``loop.EVALUATION_STEPS``, by rounded symbols."""
        points = [[round(bpp, 4), round(psnr, 3)] for bpp, psnr in curve]
        self._append({**self._place(state), "held_out": points})
        words = ", ".join(f"{psnr:.2f} dB at {bpp:.3f}" for bpp, psnr in curve[1::2])
        self.say(f"held out, averaged weights: {words} bpp")

    def event(self, state: RunState, what: str) -> None:
        """Something out of the ordinary, in one line."""
        self._append({**self._place(state), "event": what})
        self.say(what)

    def draw(self) -> None:
        """Refresh ``run/curves.png``."""
        try:
            atomic_write(self._run / PLOT, draw_log(read_log(self._run)), overwrite=True)
        except Exception as error:  # a drawing is worth no run
            self.say(f"no drawing of the curves: {error}")

    def _place(self, state: RunState) -> Row:
        return {"step": state.step, "minutes": round(state.elapsed / 60.0, 3)}

    def _append(self, row: Row) -> None:
        try:
            with open(self._run / LOG, "ab+") as handle:
                # What a kill or a full disk cut short must not take this row with it.
                handle.seek(-min(1, handle.tell()), os.SEEK_END)
                broken = handle.read() not in (b"", b"\n")
                handle.write(b"\n" * broken + json.dumps(row).encode() + b"\n")
        except OSError as error:
            self.say(f"no log row: {error.strerror or error}")


def read_log(run: Path) -> list[Row]:
    """The rows of a run's log that still count, by ascending step.

    After a kill or a return to a checkpoint, steps repeat: the later rows replace the earlier.
    Of one step that is progress, and what is held out after it; an event replaces only what came
    of later steps.  A line that was cut short is left out.
    """
    rows: list[Row] = []
    for line in (run / LOG).read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if not (isinstance(row, dict) and isinstance(row.get("step"), int)):
            continue
        end = len(rows)
        while end and rows[end - 1]["step"] >= row["step"]:  # type: ignore[operator]
            end -= 1
        rows[end:] = [*(before for before in rows[end:] if not _replaces(row, before)), row]
    return rows


def _replaces(row: Mapping[str, Any], before: Mapping[str, Any]) -> bool:
    """Whether a row of the log leaves one before it no place."""
    if row["step"] != before["step"]:
        return bool(row["step"] < before["step"])
    if "event" in row or "event" in before:
        return False
    return "held_out" in before or "held_out" not in row
