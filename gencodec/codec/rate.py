"""The quality that meets a target: a file size, or how near the decoded picture must be.

    target --guess--> step --encode--> value --interpolate--> step ... until the target is met

The half of g_a that knows of no quality runs once (:class:`gencodec.codec.encoder.Encoder`);
each pass repeats the rest. Values rise with the step, and the logarithm of a size nearly
linearly, so that a few passes do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gencodec.errors import TargetError
from gencodec.image import Pixels
from gencodec.model.config import FINE_STEPS
from gencodec.model.quality import plain_number, quality_of

from .encoder import Encoder

Metric: TypeAlias = Callable[[Pixels, Pixels], float]
"""Original and decoded picture, uint8 (H, W, 3) or (H, W) both -> how near; more is nearer."""

TOLERANCE = 0.01
"""A size this far below its target is near enough to stop."""

INTERPOLATED = 7
"""So many passes go where the values point; what is left of the bracket is then halved."""

MAX_PASSES = INTERPOLATED + 8

OVERSHOOT = 1.0
"""Steps that the search goes too far for each time in a row that it has not gone far enough."""

_LAST = FINE_STEPS - 1
_LOG_BYTES_A_STEP = 0.0127
"""On Kodak: 25 times the bytes from the lowest step to the highest."""

_MIDDLE_BPP = 0.45
"""What an ordinary photograph has at the middle step."""


@dataclass(frozen=True)
class Result:
    """A stream that meets its target: its step, the value reached, and the passes it took."""

    stream: bytes
    step: int
    value: float
    passes: int

    @property
    def quality(self) -> float:
        """The step on the scale of `quality`, 0..100."""
        return quality_of(self.step)


def meet_size(encoder: Encoder, target: int) -> Result:
    """The best stream of at most `target` bytes.

    It has at least 98 % of them, unless the highest quality needs fewer or one step of quality
    is more than that. TargetError when the lowest quality needs more.
    """
    if math.isnan(plain_number("the target", target)):
        raise ValueError(f"the target must be a number of bytes, not {target}")
    streams: dict[int, bytes] = {}

    def log_size(step: int) -> float:
        streams[step] = encoder.stream(step)
        return math.log(len(streams[step]))

    middle = math.log(max(encoder.pixels * _MIDDLE_BPP / 8, 1.0))
    limit = math.log(max(target, 1))
    aim = limit + math.log1p(-TOLERANCE / 2)
    found = _search(
        log_size,
        limit,
        aim=aim,
        guess=_LAST / 2 + (aim - middle) / _LOG_BYTES_A_STEP,
        slope=_LOG_BYTES_A_STEP,
        near=lambda below, _: below >= limit + math.log1p(-TOLERANCE),
    )
    if found.below is None:
        raise TargetError(
            f"{target} bytes are too few: at the lowest quality the picture needs {len(streams[0])}"
        )
    stream = streams[found.below[0]]
    return Result(stream, found.below[0], float(len(stream)), found.passes)


def meet_metric(encoder: Encoder, original: Pixels, metric: Metric, target: float) -> Result:
    """The smallest stream whose decoded pixels reach `target` under the metric.

    TargetError when the highest quality does not, ValueError for a target that is not finite.
    """
    if not math.isfinite(target):
        raise ValueError(f"the target must be a finite number, not {target}")
    streams: dict[int, bytes] = {}

    def value(step: int) -> float:
        streams[step], pixels = encoder.stream_and_pixels(step)
        return metric(original, pixels)

    # What lies at the target itself is good enough: only values below it are too low.
    found = _search(
        value,
        math.nextafter(target, -math.inf),
        aim=target,
        guess=_LAST / 2,
        slope=None,
        near=lambda _, above: 0 <= above - target <= TOLERANCE * abs(target) / 4,
    )
    if found.above is None:
        reached = found.below[1] if found.below else math.nan
        raise TargetError(
            f"a value of {target:g} is out of reach: the highest quality gives {reached:.4g}"
        )
    step, value_reached = found.above
    return Result(streams[step], step, value_reached, found.passes)


@dataclass(frozen=True)
class _Found:
    """The highest step known to lie at or below the target, the lowest above it: (step, value)."""

    below: tuple[int, float] | None
    above: tuple[int, float] | None
    passes: int


def _search(
    value_at: Callable[[int], float],
    target: float,
    *,
    aim: float,
    guess: float,
    slope: float | None,
    near: Callable[[float, float], bool],
) -> _Found:
    """Enclose `target` between two steps that are neighbours, or `near` enough.

    aim: the value that interpolation asks for; slope: value a step while only one is known, None
    if that is unknown too; near: of the values below and above, minus and plus infinity where
    there is none.
    """
    below: tuple[int, float] | None = None
    above: tuple[int, float] | None = None
    known: list[tuple[int, float]] = []
    side = 0  # how often in a row values were too low (positive) or too high
    while True:
        low = -1 if below is None else below[0]
        high = _LAST + 1 if above is None else above[0]
        done = near(
            -math.inf if below is None else below[1], math.inf if above is None else above[1]
        )
        if done or high - low <= 1:
            return _Found(below, above, len(known))
        wish = guess
        if known:
            known.sort(key=lambda sample: abs(sample[1] - aim))
            rise = _secant(known) or slope
            # A metric may say infinity, as PSNR does of pixels that came back as they were.
            usable = rise is not None and math.isfinite(rise) and len(known) < INTERPOLATED
            wish = known[0][0] + (aim - known[0][1]) / rise if usable and rise else (low + high) / 2
            # Where the curve bends, a line falls short again and again on the same side: a little
            # further, the target is enclosed.
            wish += OVERSHOOT * side if abs(side) > 1 else 0
        step = round(min(max(wish, low + 1), high - 1))
        value = value_at(step)
        known.append((step, value))
        if value <= target:
            below = (step, value)
            side = max(side, 0) + 1
        else:
            above = (step, value)
            side = min(side, 0) - 1


def _secant(known: list[tuple[int, float]]) -> float | None:
    """Value a step between the first two samples; None where they do not rise."""
    if len(known) < 2:
        return None
    (first, first_value), (second, second_value) = known[:2]
    rise = (second_value - first_value) / (second - first)
    return rise if rise > 0 else None
