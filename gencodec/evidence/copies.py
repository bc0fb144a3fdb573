"""Are samples of the prior copies of training pictures? A test that is tested itself.

Distances to the nearest training patch, for patches of four kinds:

    planted    training pictures, cropped at random, half of them mirrored, coded at low quality
    held out   photographs of the same sources that were never trained on
    samples    what the prior draws from random bits

The held-out ones set the threshold (one in a hundred lies below it); if the planted copies are
not found below it, in the right picture, the test is blind and fails itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gencodec.codec import Codec
from gencodec.image import Pixels, three_channels
from gencodec.train.photos import Photo, original_of

from .collection import Source, crops_of, decoded
from .neighbours import (
    PATCH_PIXELS,
    Distances,
    Nearest,
    Patches,
    cut_patches,
    fit_basis,
    nearest,
)
from .statistics import CONFIDENCE, Interval, at_least, bootstrap

BASIS_PHOTOS = 40
PLANTED = 48
PLANT_MARGIN = 64
PLANT_QUALITIES = (20.0, 80.0)
FALSE_ALARMS = 0.01
LEAST_FOUND = 0.8
HELD_OUT_PATCHES = 264
SAMPLE_PATCHES = 6
SHOWN = 6


@dataclass(frozen=True)
class Spread:
    """Distances of one kind of patch: how many, and their quantiles."""

    patches: int
    least: float
    percent_5: float
    median: float
    percent_95: float


@dataclass(frozen=True)
class Pair:
    """A sample's patch and its nearest training picture."""

    distance: float
    picture: str


@dataclass(frozen=True)
class Copies:
    """`calibrated`: the planted copies were found. `passed`: and the samples are no copies."""

    passed: bool
    calibrated: bool
    finding: str
    training_pictures: int
    samples: int
    patch_side: int
    threshold: float
    planted_found: float
    held_out_flagged: float
    samples_flagged: Interval
    planted: Spread
    held_out: Spread
    of_samples: Spread
    nearest: tuple[Pair, ...]


@dataclass(frozen=True, eq=False)
class CopyPictures:
    """For the page: the samples' nearest pairs, (sample patch, training patch) each."""

    pairs: tuple[tuple[Pixels, Pixels], ...]
    planted: tuple[tuple[Pixels, Pixels], ...]


def find_copies(
    drawn: Sequence[Pixels],
    trained: Sequence[Source],
    held_out: Sequence[Photo],
    codec: Codec,
    *,
    seed: int,
) -> tuple[Copies, CopyPictures]:
    """Compare samples with the training pictures; ValueError if there is nothing to compare by."""
    rng = np.random.default_rng(seed)
    basis = fit_basis(decoded(trained[:BASIS_PHOTOS]), rng)
    planted = _plant(trained, codec, rng)
    share = -(-HELD_OUT_PATCHES // len(held_out))
    outside = cut_patches([photo.pixels for photo in held_out], share, rng)
    inside = cut_patches(drawn, SAMPLE_PATCHES, rng)
    if not len(planted) or len(outside) < 1 / FALSE_ALARMS or not len(inside):
        raise ValueError("too few patches with contrast to compare pictures by")
    together = Patches(
        np.concatenate([planted.pixels, outside.pixels, inside.pixels]),
        np.concatenate([planted.picture, outside.picture, inside.picture]),
    )
    found = nearest(together, (source.photo() for source in trained), basis)
    bounds = np.cumsum([len(planted), len(outside)])
    of_planted, of_outside, of_samples = np.split(found.distance, bounds)
    threshold = float(np.quantile(of_outside, FALSE_ALARMS))
    right = np.array(
        [
            original_of(trained[a].name) == original_of(trained[b].name)
            for a, b in zip(found.picture[: len(planted)], planted.picture, strict=True)
        ]
    )
    hit = float(np.mean(right & (of_planted < threshold)))
    flagged = _flagged(of_samples, inside, threshold, len(drawn), seed)
    calibrated = hit >= LEAST_FOUND
    passed = calibrated and flagged.low <= FALSE_ALARMS
    nearest_samples = bounds[1] + np.argsort(of_samples)[:SHOWN]
    result = Copies(
        passed=passed,
        calibrated=calibrated,
        finding=_finding(calibrated, passed, hit, flagged),
        training_pictures=len(trained),
        samples=len(drawn),
        patch_side=PATCH_PIXELS,
        threshold=round(threshold, 5),
        planted_found=round(hit, 4),
        held_out_flagged=round(float(np.mean(of_outside < threshold)), 4),
        samples_flagged=flagged,
        planted=_spread(of_planted),
        held_out=_spread(of_outside),
        of_samples=_spread(of_samples),
        nearest=tuple(
            Pair(round(float(found.distance[i]), 5), trained[found.picture[i]].name)
            for i in nearest_samples
        ),
    )
    shown_plants = np.flatnonzero(right)[:SHOWN]
    return result, CopyPictures(
        tuple(_pair(together, found, i, trained) for i in nearest_samples),
        tuple(_pair(together, found, i, trained) for i in shown_plants),
    )


def share_caught(samples: int) -> float:
    """The share of samples that a model must copy outright to fail 95 times in 100: 0 to 1.

    As `_flagged` decides, where all samples have as many patches: so many of them must be copies
    that samples drawn anew from them, with replacement, hold hardly ever too few.
    """
    tail, tolerated = (1.0 - CONFIDENCE) / 2.0, int(FALSE_ALARMS * samples)
    needed = next(
        count
        for count in range(1, samples + 1)
        if 1.0 - at_least(tolerated + 1, samples, count / samples) < tail
    )
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2.0
        caught = at_least(needed, samples, middle) >= CONFIDENCE
        low, high = (low, middle) if caught else (middle, high)
    return high


def _plant(trained: Sequence[Source], codec: Codec, rng: np.random.Generator) -> Patches:
    """Copies of training pictures as a memorising model would give them."""
    pixels, origin = [], []
    for number in range(PLANTED):
        index = int(rng.integers(len(trained)))
        for crop in crops_of(trained[index].photo().pixels, PATCH_PIXELS + PLANT_MARGIN, 1, rng):
            seen = np.ascontiguousarray(crop[:, ::-1]) if number % 2 else crop
            stream = codec.compress(seen, quality=float(rng.uniform(*PLANT_QUALITIES)))
            patch = cut_patches([three_channels(codec.decompress(stream))], 1, rng)
            if len(patch):
                pixels.append(patch.pixels[0])
                origin.append(index)
    if not pixels:
        return cut_patches([], 1, rng)
    return Patches(np.stack(pixels), np.array(origin, np.int64))


def _flagged(
    distances: Distances, inside: Patches, threshold: float, count: int, seed: int
) -> Interval:
    """Share of sample patches below the threshold; the interval is over samples."""
    below = np.zeros((count, 2))
    for picture, distance in zip(inside.picture, distances, strict=True):
        below[picture] += (distance < threshold, 1)

    def share(rows: Distances) -> float:
        return float(rows[:, 0].sum() / max(rows[:, 1].sum(), 1))

    return bootstrap(share, below, seed=seed)


def _finding(calibrated: bool, passed: bool, hit: float, flagged: Interval) -> str:
    if not calibrated:
        return f"The test is blind: only {hit:.0%} of planted copies were found."
    return (
        f"{'No copies' if passed else 'Copies'} among the samples: {flagged.value:.1%} of their "
        f"patches are as near to a training picture as one in a hundred of never-seen "
        f"photographs is; of planted copies {hit:.0%} were found."
    )


def _spread(values: Distances) -> Spread:
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95])
    return Spread(len(values), *(round(float(v), 5) for v in (values.min(), low, middle, high)))


def _pair(
    queries: Patches, found: Nearest, index: int, trained: Sequence[Source]
) -> tuple[Pixels, Pixels]:
    top, left, side = (int(part[index]) for part in (found.top, found.left, found.side))
    photo = trained[int(found.picture[index])].photo().pixels
    return queries.pixels[index], photo[top : top + side, left : left + side]
