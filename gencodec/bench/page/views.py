"""Crops of pictures as several codecs give them back at equal bytes, small enough for a page."""

from __future__ import annotations

import base64
import io
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, features
from tqdm import tqdm

from gencodec.bench.cache import Cache
from gencodec.bench.contestants import Contestant, Recipe, make_contestant, nearest_in_bytes
from gencodec.bench.jobs import Failure, spread
from gencodec.bench.metrics import finite_psnr, ssimulacra2
from gencodec.bench.pictures import Sample, load_picture, name_of
from gencodec.image import Pixels, three_channels

BUDGET = 3_300_000
"""Bytes of all pictures before base64, which adds a third: the page stays under 5 MB."""

MOST_IMAGES = 24
EXPECTED_BPP = 1.9
"""Of crops of coded pictures, stored as below: what sizes the crops."""
LEAST_SIDE, MOST_SIDE = 128, 768
STRIDE = 16

STORES = ("lossless", "95", "90", "82", "75")
"""Ways to store the crops, tried in this order until all fit: lossless WebP, then AVIF."""


@dataclass(frozen=True)
class Shot:
    """A picture by one codec: figures of the whole picture, and the crop as a data URI."""

    codec: str
    quality: float
    file_bytes: int
    bpp: float
    psnr: float
    ssimulacra2: float | None
    source: str


@dataclass(frozen=True)
class View:
    """One picture: where its crop lies, the original, and the shots at each rate."""

    image: str
    width: int
    height: int
    left: int
    top: int
    crop_width: int
    crop_height: int
    original: str
    rates: tuple[tuple[Shot, ...], ...]


@dataclass(frozen=True)
class Views:
    """All pictures; fidelity: the least PSNR of a stored crop against what the codec gave."""

    stored: str
    fidelity: float | None
    missing: tuple[str, ...]
    items: tuple[View, ...]


@dataclass(frozen=True)
class _Task:
    recipes: tuple[Recipe, ...]
    qualities: tuple[float, ...]
    path: Path
    side: int
    cache: Path | None


@dataclass(frozen=True, eq=False)
class _Raw:
    """A view whose crops are still pixels, in the order original, rate by rate, codec by codec."""

    view: View
    crops: tuple[Pixels, ...]


def make_views(
    recipes: Sequence[Recipe],
    qualities: Sequence[float],
    paths: Sequence[Path],
    jobs: int,
    cache: Path | None = None,
) -> Views:
    """Crops of at most MOST_IMAGES pictures by gencodec at its qualities, and by its rivals.

    recipes: gencodec's first; rivals go by the quality whose file is nearest to gencodec's.
    cache: folder where found qualities and scores are kept.
    """
    step = max(1, math.ceil(len(paths) / MOST_IMAGES))
    chosen = list(paths)[::step]
    count = max(1, len(chosen) * (1 + len(qualities) * len(recipes)))
    side = math.sqrt(BUDGET * 8 / EXPECTED_BPP / count)
    side = max(LEAST_SIDE, min(MOST_SIDE, int(side) // 8 * 8))
    tasks = [_Task(tuple(recipes), tuple(qualities), path, side, cache) for path in chosen]
    work = spread(_take, tasks, jobs)
    results = dict(tqdm(work, total=len(tasks), file=sys.stderr, disable=None, unit="picture"))
    raws = [raw for task in tasks if isinstance(raw := results[task], _Raw)]
    missing = [
        f"{name_of(task.path)}: {failed.reason}"
        for task in tasks
        if isinstance(failed := results[task], Failure)
    ]
    for store in STORES:
        coded = [[_store(crop, store) for crop in raw.crops] for raw in raws]
        if sum(len(data) for of_view in coded for data in of_view) <= BUDGET:
            break
    else:
        return make_views(recipes, qualities, chosen[: len(chosen) // 2], jobs, cache)
    items = tuple(_filled(raw.view, datas) for raw, datas in zip(raws, coded, strict=True))
    pairs = [
        finite_psnr(three_channels(crop), _opened(data))
        for raw, datas in zip(raws, coded, strict=True)
        for crop, data in zip(raw.crops, datas, strict=True)
    ]
    lossless = store == STORES[0]
    stored = "lossless WebP" if lossless else f"{_lossy_format()} at quality {store}"
    fidelity = None if lossless or not pairs else round(min(pairs), 1)
    return Views(stored, fidelity, tuple(missing), items)


def busiest(pixels: Pixels, side: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of the crop with most detail, by the sum of its gradients."""
    height, width = pixels.shape[:2]
    crop_width, crop_height = min(side, width), min(side, height)
    luma = pixels.astype(np.float64).mean(axis=2) if pixels.ndim == 3 else pixels.astype(float)
    energy = np.abs(np.diff(luma, axis=0, prepend=luma[:1]))
    energy += np.abs(np.diff(luma, axis=1, prepend=luma[:, :1]))
    total: npt.NDArray[np.float64] = np.pad(energy.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    best, place = -1.0, (0, 0)
    for top in range(0, height - crop_height + 1, STRIDE):
        for left in range(0, width - crop_width + 1, STRIDE):
            bottom, right = top + crop_height, left + crop_width
            inside = total[bottom, right] - total[top, right] - total[bottom, left]
            inside += total[top, left]
            if inside > best:
                best, place = inside, (left, top)
    return *place, crop_width, crop_height


def _take(task: _Task) -> _Raw:
    """Code one picture with everything, in a process of its own."""
    sample = load_picture(task.path)
    left, top, width, height = busiest(sample.pixels, task.side)
    box = (slice(top, top + height), slice(left, left + width))
    crops = [sample.pixels[box]]
    rates = []
    for quality in task.qualities:
        shots: list[Shot] = []
        for shot, decoded in _shots(task, quality, sample):
            shots.append(shot)
            crops.append(decoded[box])
        rates.append(tuple(shots))
    view = View(
        sample.name, sample.width, sample.height, left, top, width, height, "", tuple(rates)
    )
    return _Raw(view, tuple(np.ascontiguousarray(crop) for crop in crops))


def _shots(task: _Task, quality: float, sample: Sample) -> Iterator[tuple[Shot, Pixels]]:
    """gencodec at a quality, then every rival at as many bytes."""
    cache, target = Cache(task.cache), 0
    for index, recipe in enumerate(task.recipes):
        codec = make_contestant(recipe)
        sought = f"view {codec.identity} at {target} bytes"
        key = cache.key(sought, quality if index == 0 else 0.0, sample.sha256)
        known = cache.get(key, Shot)
        if known is not None:
            codec = codec.at(known.quality)
        elif index == 0:
            codec = codec.at(quality)
        else:
            codec, _ = nearest_in_bytes(codec, sample, target)
        stream = codec.compress(sample.pixels)
        decoded = codec.decompress(stream)
        if decoded.ndim > sample.pixels.ndim:  # a format that knows no grey
            decoded = np.ascontiguousarray(decoded[:, :, 1])
        elif decoded.ndim < sample.pixels.ndim:  # a file that has come to be grey
            decoded = three_channels(decoded)
        if known is None:
            known = _shot(codec, sample, stream, decoded)
            cache.put(key, known)
        target = target or len(stream)
        yield known, decoded


def _shot(codec: Contestant, sample: Sample, stream: bytes, decoded: Pixels) -> Shot:
    perceived = ssimulacra2(sample.pixels, decoded)
    return Shot(
        codec.about.name,
        codec.quality,
        len(stream),
        round(8 * len(stream) / (sample.width * sample.height), 4),
        round(finite_psnr(sample.pixels, decoded), 2),
        None if perceived is None else round(perceived, 1),
        "",
    )


def _filled(view: View, datas: Sequence[bytes]) -> View:
    """The view with its crops put in."""
    sources = iter(_uri(data) for data in datas)
    original = next(sources)
    rates = tuple(tuple(replace(s, source=next(sources)) for s in shots) for shots in view.rates)
    return replace(view, original=original, rates=rates)


def _store(pixels: Pixels, store: str) -> bytes:
    file, picture = io.BytesIO(), Image.fromarray(pixels).convert("RGB")
    if store == STORES[0]:
        picture.save(file, "WEBP", lossless=True, quality=70, method=4)
    elif _lossy_format() == "AVIF":
        picture.save(file, "AVIF", quality=int(store), subsampling="4:4:4", speed=7)
    else:
        picture.save(file, "WEBP", quality=int(store), method=4)
    return file.getvalue()


def _lossy_format() -> str:
    return "AVIF" if features.check("avif") else "WebP"


def _opened(data: bytes) -> Pixels:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _uri(data: bytes) -> str:
    kind = "webp" if data[8:12] == b"WEBP" else "avif"
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
