"""Whether weights are at rest: whether the mean gradient of their own training is zero there.

Noise moves a gradient about; at the end of a run that went well its mean is nothing.  Where it
is not, more steps would lower the loss, or the arithmetic that the run trained in has its minimum
elsewhere: so one set of weights is measured in several kinds of arithmetic and ways of stepping.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gencodec.bench.environment import Environment, environment
from gencodec.bench.report import write_report
from gencodec.codec.device import choose_device
from gencodec.codec.shelf import open_weights
from gencodec.errors import ImageError
from gencodec.image import Pixels
from gencodec.model.vae import ImageVae
from gencodec.model.weights import thaw

from .checkpoint import new_state
from .depthwise import use_faster_gradient
from .loop import spread
from .options import add_every, add_machine, positive, report, side
from .photos import Photo, PhotoFolder, split
from .plan import TrainingPlan
from .store import PhotoStore, on_device
from .update import WARM_UP_STEPS, Manner, Precision, Stepper, precision_of

PARTS = ("g_a", "h_a", "prior", "g_s")

ARITHMETIC: dict[str, Callable[[torch.device], Precision]] = {
    "float32": lambda device: Precision(None, exact=True),
    "float16": lambda device: Precision(torch.float16, exact=True),
    "bfloat16": lambda device: Precision(torch.bfloat16, exact=True),
    "training": precision_of,
}
WORST = 12
LEAST_VARIANCE = 1e-20
MOST = 400.0
"""Of one number's t^2, so that a few with hardly any noise do not make a mean."""

WHAT = (
    "t2: over the numbers of one tensor of parameters, the mean of t^2 (of each at most 400), t "
    "being the mean gradient over its standard error, both over the batches; about 1 at rest, and "
    "else growing with their number; at_rest: what is expected of normal gradients with mean 0; "
    "arithmetic: of the transforms, the prior being float32, or as in training; "
    "way: how steps are taken"
)


@dataclass(frozen=True)
class Restlessness:
    """One tensor of parameters."""

    name: str
    numbers: int
    t2: float


@dataclass(frozen=True)
class Part:
    """The tensors of one part of the model: their median and the ninth of ten."""

    name: str
    tensors: int
    median: float
    ninth_tenth: float


@dataclass(frozen=True)
class Rest:
    """A whole measurement."""

    what: str
    note: str
    weights: str
    arithmetic: str
    way: str
    batches: int
    crops: int
    side: int
    pictures: int
    environment: Environment
    at_rest: float
    parts: tuple[Part, ...]
    worst: tuple[Restlessness, ...]


class Gradients:
    """Steps as training takes them, at rate 0, and what their gradients were."""

    def __init__(self, vae: ImageVae, precision: Precision, manner: Manner) -> None:
        self.state = new_state(vae, TrainingPlan(steps=1, learning_rate=0.0))
        self._precision = precision
        # No norm is clipped to this one: a gradient that is clipped has another mean.
        self._stepper = Stepper(self.state, float("inf"), manner=manner, say=_say)

    def of(self, x: Tensor, quality: Tensor) -> list[Tensor]:
        """x: (B, 3, H, W), quality: (B,) steps 0..255 -> each parameter's gradient."""
        self._stepper.step(x, quality, self._precision)
        return [
            torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            for parameter in self.state.current
        ]


def restlessness(
    gradients: Gradients, photos: PhotoStore, batches: int, crops: int, side: int
) -> list[Restlessness]:
    """t^2 of every tensor over ``batches`` of crops of (side, side) pixels."""
    rng = np.random.default_rng(7)
    names = [name for name, p in gradients.state.vae.named_parameters() if p.requires_grad]
    total = [torch.zeros_like(p, dtype=torch.float64) for p in gradients.state.current]
    squares = [torch.zeros_like(each) for each in total]
    for batch in range(-WARM_UP_STEPS - 1, batches):
        x = photos.crops(crops, side, rng)
        quality = on_device(spread(rng, crops), photos.device)
        if batch < 0 and photos.device.type == "cpu":
            continue  # nothing to warm up, but the same crops
        here = gradients.of(x, quality)
        if batch >= 0:
            for sum_, square, gradient in zip(total, squares, here, strict=True):
                sum_ += gradient
                square += gradient.double() ** 2
    rows = zip(names, total, squares, strict=True)
    return [Restlessness(name, s.numel(), _t2(s, q, batches)) for name, s, q in rows]


def _t2(total: Tensor, squares: Tensor, count: int) -> float:
    mean = total / count
    variance = (squares / count - mean**2) / (count - 1)
    moved = variance > LEAST_VARIANCE
    if not moved.any():
        return 0.0
    return float((mean[moved] ** 2 / variance[moved]).clamp(max=MOST).mean())


def parts_of(rows: Sequence[Restlessness]) -> tuple[Part, ...]:
    """The rows of each of :data:`PARTS` as one."""
    parts = []
    for name in PARTS:
        t2 = [row.t2 for row in rows if row.name.startswith(f"{name}.")]
        parts.append(
            Part(
                name,
                len(t2),
                round(float(np.median(t2)), 2),
                round(float(np.quantile(t2, 0.9)), 2),
            )
        )
    return tuple(parts)


def add_batches(parser: argparse.ArgumentParser, *, batches: int) -> None:
    """Arguments of whatever looks at the gradients of several batches."""
    parser.add_argument("dirs", type=Path, nargs="+", metavar="DIR", help="what was trained on")
    parser.add_argument("-o", "--output", type=report, required=True, metavar="JSON")
    parser.add_argument("-m", "--model", metavar="NAME|FILE", help="weights (default: as shipped)")
    parser.add_argument(
        "--batches", type=positive, default=batches, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--crops", type=positive, default=6, metavar="N", help="default: %(default)s"
    )
    parser.add_argument(
        "--side", type=side, default=256, metavar="PIXELS", help="default: %(default)s"
    )
    add_every(parser, 4)
    parser.add_argument("--note", default="", help="what the report should say of itself")
    add_machine(parser)


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train rest``."""
    add_batches(parser, batches=32)
    parser.add_argument(
        "--arithmetic",
        choices=ARITHMETIC,
        default="float32",
        help="of the transforms, or as in training on the device (default: float32)",
    )
    parser.add_argument("--compile", action="store_true", help="by torch.compile")
    parser.add_argument("--record", action="store_true", help="by a CUDA graph")


def run(args: argparse.Namespace) -> int:
    """Measure, write the report, print its parts."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    if args.record and device.type != "cuda":
        raise ValueError("only a GPU has graphs to record")
    if args.batches < 4:
        raise ValueError("a mean and its error need 4 batches or more")
    weights, _ = open_weights(args.model, torch.device("cpu"))
    store = PhotoStore(trained_pictures(args.dirs, args.every), device)
    precision = ARITHMETIC[args.arithmetic](device)
    vae = thaw(weights).to(device).train()
    use_faster_gradient(vae, args.crops, args.side, _say, compiled=args.compile)
    manner = Manner(compiled=args.compile, recorded=args.record)
    gradients = Gradients(vae, precision, manner)
    rows = restlessness(gradients, store, args.batches, args.crops, args.side)
    rows.sort(key=lambda row: -row.t2)
    report = Rest(
        what=WHAT,
        note=args.note,
        weights=weights.digest.hex(),
        arithmetic=args.arithmetic,
        way=str(manner),
        batches=args.batches,
        crops=args.crops,
        side=args.side,
        pictures=len(store),
        environment=environment(device),
        at_rest=round((args.batches - 1) / (args.batches - 3), 3),
        parts=parts_of(rows),
        worst=tuple(Restlessness(row.name, row.numbers, round(row.t2, 2)) for row in rows[:WORST]),
    )
    write_report(report, args.output)
    for part in report.parts:
        print(f"{part.name:6} median {part.median:6.2f}, a tenth above {part.ninth_tenth:6.2f}")
    print(f"at rest: {report.at_rest:.2f}; farthest: {report.worst[0].name} {report.worst[0].t2}")
    return 0


def trained_pictures(sources: Sequence[Path], every: int) -> list[Pixels]:
    """One in ``every`` of what is trained on; ImageError if there is none."""
    found = [photo for photo in PhotoFolder(sources).new() if isinstance(photo, Photo)]
    trained, _ = split(found)
    if not trained:
        raise ImageError(f"no pictures in {', '.join(map(str, sources))}")
    return [photo.pixels for photo in trained[::every]]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
