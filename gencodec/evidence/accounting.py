"""The arithmetic: what the weights weigh, what memorising would take, when sharing pays."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gencodec.bench.metrics import finite_psnr
from gencodec.bench.own_codec import Gencodec
from gencodec.train.photos import Photo

from .collection import Source
from .rivals import bytes_at, installed_rivals, point_of, points_of

LOWEST_QUALITY = 0.0


@dataclass(frozen=True)
class BreakEven:
    """One rival at the PSNR of our files. files: None if sharing the weights never pays."""

    rival: str
    settings: str
    pictures: int
    bytes_ours: float
    bytes_rival: float
    files: int | None


@dataclass(frozen=True)
class TrainingBytes:
    """The collection against the weights; file bytes are means over `measured` pictures.

    needed: all training pictures as files of this codec at the audit's quality, in bytes.
    """

    pictures: int
    stored_bytes: int
    measured: int
    weights_per_picture: float
    file_bytes_lowest: float
    psnr_lowest: float
    file_bytes: float
    psnr: float
    needed: float
    needed_over_weights: float


@dataclass(frozen=True)
class Accounting:
    """Plain facts; there is nothing to pass.

    Bytes of weights count those that they are told against, packed: as zlib packs them all.
    """

    finding: str
    weights_bytes: int
    weights_packed_bytes: int
    quality: float
    training: TrainingBytes | None
    average_colour_psnr: float | None
    """Of pictures replaced by their one average colour, 3 bytes each; mean, in dB."""
    break_even: tuple[BreakEven, ...]


def account_for(
    codec: Gencodec,
    weights_files: Sequence[Path],
    trained: Sequence[Source],
    measured: Sequence[Photo],
    pictures: Sequence[Photo],
) -> Accounting:
    """weights_files: the weights, with those they are told against; trained: all of the training
    pictures; measured: some of them, decoded; pictures: others, on which the rivals are compared.
    Any of the last three may be empty.
    """
    data = b"".join(path.read_bytes() for path in weights_files)
    training = _training(codec, len(data), trained, measured) if trained and measured else None
    break_even = tuple(_break_even(codec, len(data), pictures)) if pictures else ()
    flat = [finite_psnr(p.pixels, _average(p)) for p in (*measured, *pictures)]
    return Accounting(
        finding=_finding(len(data), training),
        weights_bytes=len(data),
        weights_packed_bytes=len(zlib.compress(data, 9)),
        quality=codec.quality,
        training=training,
        average_colour_psnr=round(float(np.mean(flat)), 2) if flat else None,
        break_even=break_even,
    )


def _training(
    codec: Gencodec, weights_bytes: int, trained: Sequence[Source], measured: Sequence[Photo]
) -> TrainingBytes:
    low, high = (_mean_of(codec.at(q), measured) for q in (LOWEST_QUALITY, codec.quality))
    needed = high[0] * len(trained)
    return TrainingBytes(
        pictures=len(trained),
        stored_bytes=sum(len(source.data) for source in trained),
        measured=len(measured),
        weights_per_picture=round(weights_bytes / len(trained), 1),
        file_bytes_lowest=round(low[0], 1),
        psnr_lowest=round(low[1], 2),
        file_bytes=round(high[0], 1),
        psnr=round(high[1], 2),
        needed=round(needed, 0),
        needed_over_weights=round(needed / weights_bytes, 3),
    )


def _mean_of(codec: Gencodec, photos: Sequence[Photo]) -> tuple[float, float]:
    """Mean bytes and mean PSNR of the codec's files."""
    points = [point_of(codec, photo.pixels) for photo in photos]
    return float(np.mean([p.bytes for p in points])), float(np.mean([p.psnr for p in points]))


def _break_even(codec: Gencodec, weights_bytes: int, pictures: Sequence[Photo]) -> list[BreakEven]:
    ours = [point_of(codec, photo.pixels) for photo in pictures]
    rows = []
    for rival in installed_rivals():
        pairs = []
        for photo, point in zip(pictures, ours, strict=True):
            theirs = bytes_at(point.psnr, points_of(rival, photo.pixels))
            if theirs is not None:
                pairs.append((point.bytes, theirs))
        if not pairs:
            continue
        mean_ours, mean_theirs = (float(np.mean(column)) for column in zip(*pairs, strict=True))
        saved = mean_theirs - mean_ours
        rows.append(
            BreakEven(
                rival=rival.about.label,
                settings=f"{rival.about.settings}, {rival.about.version}",
                pictures=len(pairs),
                bytes_ours=round(mean_ours, 1),
                bytes_rival=round(mean_theirs, 1),
                files=math.ceil(weights_bytes / saved) if saved > 0 else None,
            )
        )
    return rows


def _average(photo: Photo) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    colour = photo.pixels.reshape(-1, 3).mean(0).round().astype(np.uint8)
    return np.broadcast_to(colour, photo.pixels.shape)


def _finding(weights_bytes: int, training: TrainingBytes | None) -> str:
    if training is None:
        return f"The weights have {weights_bytes:,} bytes."
    share = training.weights_per_picture
    if training.needed_over_weights > 1:
        low = training.file_bytes_lowest
        words = (
            f"To hold its {training.pictures} training pictures at {training.psnr:.1f} dB, the "
            f"model would have to be {training.needed_over_weights:.1f} times its size."
        )
        if share > low:
            words += (
                f" At {training.psnr_lowest:.1f} dB they would fit ({share:,.0f} bytes of weights "
                f"a picture, {low:,.0f} needed): the arithmetic alone does not rule that out."
            )
        return words
    return (
        f"There are {share:,.0f} bytes of weights for each training picture, more than the "
        f"{training.file_bytes:,.0f} that a file of it takes: the arithmetic rules nothing out."
    )
