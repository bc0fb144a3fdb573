"""What a run was asked to do, kept beside its log for the model card."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from gencodec.bench.environment import environment
from gencodec.errors import WeightsError
from gencodec.image import atomic_write

from .checkpoint import CHECKPOINT
from .plan import TrainingPlan

NOTE = "plan.json"
FROM_NOTHING = "an orthonormal block transform (`gencodec/train/start.py`)"
FROM = "the weights "


@dataclass(frozen=True)
class RunNote:
    """The plan, what the run started from, and the machine it last ran on."""

    plan: TrainingPlan
    start: str
    machine: str

    @classmethod
    def of(cls, plan: TrainingPlan, init: str | None, device: torch.device) -> RunNote:
        """A run that begins, or goes on, here and now."""
        found = environment(device)
        where = found.device if device.type == "cuda" else f"{found.cpu}, {found.threads} threads"
        machine = f"{where} (torch {found.versions['torch']})"
        return cls(plan, FROM_NOTHING if init is None else f"{FROM}{Path(init).stem}", machine)

    @property
    def init(self) -> str | None:
        """The name of the weights that the run started from, None if there were none."""
        return self.start.removeprefix(FROM) if self.start.startswith(FROM) else None


def note_run(run: Path, note: RunNote) -> None:
    """Write ``run/plan.json``; a run that goes on keeps what it started from.

    One that was ended before its first checkpoint did not go on: what comes then is a new one.
    """
    start = note.start
    if (run / CHECKPOINT).exists():
        with contextlib.suppress(WeightsError):
            start = read_note(run).start
    text = json.dumps(asdict(note) | {"start": start}, indent=2) + "\n"
    atomic_write(run / NOTE, text.encode(), overwrite=True)


def read_note(run: Path) -> RunNote:
    """The note of a run; WeightsError when there is none, or it is damaged."""
    try:
        raw = json.loads((run / NOTE).read_text(encoding="utf-8"))
        return RunNote(TrainingPlan(**raw["plan"]), str(raw["start"]), str(raw["machine"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{run / NOTE}: no note of a run ({type(error).__name__})") from None
