"""Does the model know the pictures it was trained on better than others of the same kind?

A loss-threshold attack (Yeom et al., arXiv:1709.01604): whoever codes a picture with less loss
is taken for one that saw it. The loss is the training loss itself, in real file bytes.

Pictures differ in difficulty far more than membership could matter, and two small groups differ in
it by chance. So each loss is set against what is usual for a picture of its difficulty: its
distance from a smooth curve, over all pictures of both groups, of our loss against that of JPEG,
which saw nothing (difficulty calibration, Watson et al., arXiv:2111.08440). How well JPEG's loss
alone tells the groups apart is given as well: that much is difficulty, not memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from gencodec.bench.metrics import finite_psnr
from gencodec.codec import Codec
from gencodec.image import Pixels, three_channels
from gencodec.model.quality import lmbda_of, step_of
from gencodec.train.photos import Photo

from .collection import crops_of
from .rivals import Point, bytes_at, jpeg_points
from .statistics import Interval, Values, auc, bootstrap, chance, least_chance

QUALITIES = (20.0, 50.0, 80.0)
CROP_SIDES = (256, 128, 64)
CROPS = 2
TOO_RARE = 0.025
"""A model fails whose AUC would come about less often than this if membership did not matter."""


@dataclass(frozen=True)
class PictureCost:
    """One picture's crops together, at the three qualities.

    equal, jpeg_equal: bpp at the audit's common PSNR, None where a curve does not reach it.
    loss, jpeg_loss: mean over the qualities of the logarithm (base 2) of the loss; low is easy.
    calibrated: loss less what is usual at this jpeg_loss.
    """

    picture: str
    trained: bool
    crops: int
    bpp: tuple[float, ...]
    psnr: tuple[float, ...]
    equal: float | None
    jpeg_equal: float | None
    loss: float
    jpeg_loss: float
    calibrated: float


@dataclass(frozen=True)
class Membership:
    """The attack's result; `passed` says that it found nothing.

    Whether it did is decided by p_value, how often an AUC as high comes by chance: intervals of
    few pictures are too narrow to be a test.  Audits made before there was one lack it, and went
    by the interval.  saving_percent: bits that trained pictures cost less at equal PSNR than is
    usual for their difficulty, held-out ones likewise; None where the curves do not meet.
    """

    passed: bool
    finding: str
    qualities: tuple[float, ...]
    crop_side: int
    trained_pictures: int
    held_out_pictures: int
    equal_psnr: float
    bpp_trained: float | None
    bpp_held_out: float | None
    saving_percent: Interval | None
    auc_jpeg: Interval
    auc_loss: Interval
    auc_calibrated: Interval
    pictures: tuple[PictureCost, ...]
    p_value: float | None = None


@dataclass(frozen=True)
class _Curves:
    """bpp and PSNR of the pooled crops: of the codec at QUALITIES, and of JPEG."""

    ours: tuple[Point, ...]
    jpeg: tuple[Point, ...]
    pixels: int

    def bpp(self, point: Point) -> float:
        return 8.0 * point.bytes / self.pixels


def attack(
    codec: Codec,
    trained: Sequence[Photo],
    held_out: Sequence[Photo],
    *,
    seed: int,
    side: int,
    crops: int = CROPS,
) -> Membership:
    """Cost of both groups and how well it tells them apart.

    ValueError when a group has fewer than two pictures of `side` pixels, or both have so few that
    nothing could be found.
    """
    measured: list[tuple[str, bool, int, _Curves]] = []
    for member, group in ((True, trained), (False, held_out)):
        for number, photo in enumerate(group):
            rng = np.random.default_rng((seed, member, number))
            cut = crops_of(photo.pixels, side, crops, rng)
            if cut:
                measured.append((photo.name, member, len(cut), _measure(codec, cut)))
    if not measured:
        raise ValueError(f"no picture has {side} pixels each way")
    middle = [curves.ours[len(QUALITIES) // 2].psnr for _, _, _, curves in measured]
    target = float(np.median(middle))
    rows = [_cost(*row, target) for row in measured]
    unusual = _unusual([row.loss for row in rows], [row.jpeg_loss for row in rows])
    rows = [
        replace(row, calibrated=round(float(value), 5))
        for row, value in zip(rows, unusual, strict=True)
    ]
    return _judge(rows, target, side, seed)


def side_for(photos: Sequence[Photo]) -> int:
    """The largest crop that nine in ten of the pictures have."""
    for side in CROP_SIDES:
        if np.mean([min(photo.pixels.shape[:2]) >= side for photo in photos]) >= 0.9:
            return side
    return CROP_SIDES[-1]


def _measure(codec: Codec, crops: Sequence[Pixels]) -> _Curves:
    pixels = sum(crop.shape[0] * crop.shape[1] for crop in crops)
    ours = []
    for quality in QUALITIES:
        streams = codec.compress_batch(list(crops), quality=quality)
        decoded = [three_channels(pixels) for pixels in codec.decompress_batch(streams)]
        ours.append(
            _pooled(
                [
                    Point(len(stream), finite_psnr(crop, back))
                    for stream, crop, back in zip(streams, crops, decoded, strict=True)
                ]
            )
        )
    jpeg = [_pooled(row) for row in zip(*(jpeg_points(crop) for crop in crops), strict=True)]
    return _Curves(tuple(ours), tuple(jpeg), pixels)


def _pooled(points: Sequence[Point]) -> Point:
    """Files of equally large crops as one: bytes added, PSNR of the mean error."""
    mse = float(np.mean([10.0 ** (-point.psnr / 10.0) for point in points]))
    return Point(sum(point.bytes for point in points), -10.0 * float(np.log10(mse)))


def _cost(name: str, trained: bool, crops: int, curves: _Curves, target: float) -> PictureCost:
    losses, of_jpeg = [], []
    for quality, point in zip(QUALITIES, curves.ours, strict=True):
        lmbda = float(lmbda_of(torch.tensor(step_of(quality))))
        ours = _loss(curves.bpp(point), point.psnr, lmbda)
        best = min(_loss(curves.bpp(rival), rival.psnr, lmbda) for rival in curves.jpeg)
        losses.append(np.log2(ours))
        of_jpeg.append(np.log2(best))
    return PictureCost(
        picture=name,
        trained=trained,
        crops=crops,
        bpp=tuple(round(curves.bpp(point), 4) for point in curves.ours),
        psnr=tuple(round(point.psnr, 3) for point in curves.ours),
        equal=_at(target, curves.ours, curves.pixels),
        jpeg_equal=_at(target, curves.jpeg, curves.pixels),
        loss=round(float(np.mean(losses)), 5),
        jpeg_loss=round(float(np.mean(of_jpeg)), 5),
        calibrated=0.0,
    )


def _unusual(losses: Sequence[float], difficulty: Sequence[float]) -> Values:
    """Distance of each loss from a curve over all difficulties: quadratic, or linear for few."""
    x, y = np.asarray(difficulty, np.float64), np.asarray(losses, np.float64)
    degree = 0 if np.ptp(x) < 1e-6 else 2 if len(x) >= 30 else 1
    residual: Values = y - np.polyval(np.polyfit(x, y, degree), x)
    return residual


def _loss(bpp: float, psnr: float, lmbda: float) -> float:
    """What training makes least: bits plus weighted squared error."""
    return bpp + lmbda * 255.0**2 * float(10.0 ** (-psnr / 10.0))


def _at(target: float, points: Sequence[Point], pixels: int) -> float | None:
    """bpp at a PSNR, None where the curve does not reach it."""
    size = bytes_at(target, points)
    return None if size is None else round(8.0 * size / pixels, 5)


def _judge(rows: list[PictureCost], target: float, side: int, seed: int) -> Membership:
    inside, outside = ([row for row in rows if row.trained is member] for member in (True, False))
    if least_chance(len(inside), len(outside)) > TOO_RARE:
        raise ValueError(f"{len(inside)} and {len(outside)} pictures are too few for a verdict")
    of_jpeg, plain, fair = (
        bootstrap(auc, _column(inside, name), _column(outside, name), seed=seed)
        for name in ("jpeg_loss", "loss", "calibrated")
    )
    p_value = chance(_column(inside, "calibrated"), _column(outside, "calibrated"), seed=seed)
    passed = p_value > TOO_RARE
    words = (
        f"attack AUC {fair.words()}, where 0.5 is guessing and 1 is certainty; as high by chance "
        f"{p_value:.2%} of the time"
    )
    return Membership(
        passed=passed,
        finding=(
            f"Nothing found: {words}."
            if passed
            else f"The model knows its training pictures: {words}."
        ),
        qualities=QUALITIES,
        crop_side=side,
        trained_pictures=len(inside),
        held_out_pictures=len(outside),
        equal_psnr=round(target, 3),
        bpp_trained=_mean_equal(inside),
        bpp_held_out=_mean_equal(outside),
        saving_percent=_saving(inside, outside, seed),
        auc_jpeg=of_jpeg,
        auc_loss=plain,
        auc_calibrated=fair,
        pictures=tuple(rows),
        p_value=p_value,
    )


def _column(rows: Sequence[PictureCost], name: str) -> Values:
    """Scores that are high for members, as low losses are."""
    return -np.array([getattr(row, name) for row in rows], np.float64)


def _mean_equal(rows: Sequence[PictureCost]) -> float | None:
    values = [row.equal for row in rows if row.equal is not None]
    return round(float(np.mean(values)), 5) if values else None


def _saving(
    inside: Sequence[PictureCost], outside: Sequence[PictureCost], seed: int
) -> Interval | None:
    both = [[row for row in rows if row.equal and row.jpeg_equal] for rows in (inside, outside)]
    if min(len(rows) for rows in both) < 2:
        return None
    rates = [(row.equal or 1.0, row.jpeg_equal or 1.0) for rows in both for row in rows]
    unusual = _unusual(*(np.log(column).tolist() for column in zip(*rates, strict=True)))
    groups = np.split(unusual, [len(both[0])])

    def percent(a: Values, b: Values) -> float:
        return float(100.0 * (1.0 - np.exp(a.mean() - b.mean())))

    return bootstrap(percent, *groups, seed=seed)
