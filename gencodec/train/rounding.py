"""What narrower arithmetic leaves of a gradient: how nearly it points where float32's does.

Batches and weights are the same; what differs is rounding.  How much another batch's
gradient differs is told beside it: rounding that turns a gradient less than that hardly costs
steps.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gencodec.bench.environment import Environment, environment
from gencodec.bench.report import write_report
from gencodec.codec.device import choose_device
from gencodec.codec.shelf import open_weights
from gencodec.model.weights import thaw

from .agreement import cosine
from .checkpoint import RunState, new_state
from .loop import spread
from .plan import TrainingPlan
from .rest import ARITHMETIC, PARTS, add_batches, trained_pictures
from .store import PhotoStore, on_device
from .update import Precision, Update

REFERENCE = "float32"
OTHER_BATCH = "another batch"

WHAT = (
    "cosine between the gradient of each tensor of parameters and the one that float32 gives of "
    "the same crops: the median, and the lowest tenth, over tensors and batches; another batch: "
    "float32, of the crops of the batch before; loss: in percent, what the arithmetic adds to the "
    "loss of float32, mean over batches"
)


@dataclass(frozen=True)
class PartCosines:
    """The gradients of one part of the model, or of all."""

    name: str
    median: float
    tenth: float


@dataclass(frozen=True)
class Row:
    """One arithmetic of the transforms. loss: None where another batch was lost on."""

    arithmetic: str
    loss: float | None
    parts: tuple[PartCosines, ...]


@dataclass(frozen=True)
class Rounding:
    """A whole measurement."""

    what: str
    note: str
    weights: str
    batches: int
    crops: int
    side: int
    pictures: int
    environment: Environment
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Gradient:
    """Of one batch: its loss and each tensor's gradient, by name, whatever their scale."""

    loss: float
    of: Mapping[str, Tensor]


def gradient(state: RunState, precision: Precision, x: Tensor, quality: Tensor) -> Gradient:
    """x: (B, 3, H, W) float32 in 0..1, quality: (B,) steps 0..255."""
    loss, *_ = Update(state, precision, float("inf")).gradients(x, quality)
    named = state.vae.named_parameters()
    return Gradient(
        float(loss), {n: p.grad.float().clone() for n, p in named if p.grad is not None}
    )


def cosines(one: Gradient, other: Gradient) -> dict[str, float]:
    """Of each tensor that has a gradient in ``one``; 0 where it has none in the other."""
    return {
        name: cosine(gradient, other.of.get(name, torch.zeros_like(gradient)))
        for name, gradient in one.of.items()
        if gradient.any()
    }


def by_part(batches: Sequence[Mapping[str, float]]) -> tuple[PartCosines, ...]:
    """The cosines of several batches, by part of the model and altogether."""
    rows = []
    for part in (*PARTS, "all"):
        values = [
            value
            for batch in batches
            for name, value in batch.items()
            if part == "all" or name.startswith(f"{part}.")
        ]
        median, tenth = np.quantile(values, (0.5, 0.1)).tolist()
        rows.append(PartCosines(part, round(median, 5), round(tenth, 5)))
    return tuple(rows)


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train rounding``."""
    add_batches(parser, batches=4)
    parser.add_argument(
        "--arithmetic",
        action="append",
        choices=[name for name in ARITHMETIC if name != REFERENCE],
        help="of the transforms; may be given several times (default: float16 and bfloat16)",
    )


def run(args: argparse.Namespace) -> int:
    """Measure, write the report, print its rows."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    if args.batches < 2:
        raise ValueError("another batch needs 2 batches or more")
    device = choose_device(args.device)
    weights, _ = open_weights(args.model, torch.device("cpu"))
    store = PhotoStore(trained_pictures(args.dirs, args.every), device)
    state = new_state(thaw(weights).to(device).train(), TrainingPlan(steps=1))
    names = tuple(args.arithmetic or ("float16", "bfloat16"))
    rng = np.random.default_rng(7)
    alike: dict[str, list[dict[str, float]]] = {name: [] for name in (OTHER_BATCH, *names)}
    losses: dict[str, list[float]] = {name: [] for name in names}
    before: Gradient | None = None
    for _ in range(args.batches):
        x = store.crops(args.crops, args.side, rng)
        quality = on_device(spread(rng, args.crops), device)
        plain = gradient(state, ARITHMETIC[REFERENCE](device), x, quality)
        if before is not None:
            alike[OTHER_BATCH].append(cosines(plain, before))
        before = plain
        for name in names:
            narrow = gradient(state, ARITHMETIC[name](device), x, quality)
            alike[name].append(cosines(plain, narrow))
            losses[name].append(100.0 * (narrow.loss / plain.loss - 1.0))
    rows = [
        Row(
            name,
            round(float(np.mean(losses[name])), 3) if name in losses else None,
            by_part(batches),
        )
        for name, batches in alike.items()
    ]
    report = Rounding(
        what=WHAT,
        note=args.note,
        weights=weights.digest.hex(),
        batches=args.batches,
        crops=args.crops,
        side=args.side,
        pictures=len(store),
        environment=environment(device),
        rows=tuple(rows),
    )
    write_report(report, args.output)
    for row in rows:
        said = ", ".join(f"{part.name} {part.median:.3f}" for part in row.parts)
        print(f"{row.arithmetic:14} {said}")
    return 0
