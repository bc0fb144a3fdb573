"""Rate and distortion of one codec or many over a folder of images, with real file bytes.

    folder --find--> pictures --x codecs, x qualities--> tasks --cache, or processes--> rows
    rows --means over the images--> curves --BD-rate, pair by pair--> report

Means are means over the images of each image's bpp and scores, not of the pooled error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import torch
from tqdm import tqdm

from gencodec.bench.cache import Cache
from gencodec.bench.contestants import (
    OWN_NAME,
    About,
    Contestant,
    Recipe,
    UnknownRivalError,
    family_of,
    make_contestant,
)
from gencodec.bench.curves import Curve
from gencodec.bench.jobs import Failure, reason_of, spread
from gencodec.bench.metrics import METRICS, Metric, compare
from gencodec.bench.own_codec import Gencodec
from gencodec.bench.pictures import Census, Dataset, Sample, load_picture, name_of
from gencodec.errors import ImageError


@dataclass(frozen=True)
class Row:
    """One image by one codec at one quality; the last two are known for gencodec only."""

    codec: str
    quality: float
    image: str
    file_bytes: int
    bpp: float
    psnr: float
    psnr_y: float
    ms_ssim: float | None = None
    ssimulacra2: float | None = None
    container_bytes: int | None = None
    ideal_bits: float | None = None


@dataclass(frozen=True)
class Mean:
    """A codec at one quality, over the images that it coded at all its qualities.

    rate_gap_percent: file bits over ideal bits, less 100 %.
    """

    codec: str
    quality: float
    images: int
    bpp: float
    psnr: float
    psnr_y: float
    ms_ssim: float | None = None
    ssimulacra2: float | None = None
    rate_gap_percent: float | None = None


@dataclass(frozen=True)
class Bug:
    """What went wrong, with which codec, at which quality, on which image, as far as it matters."""

    reason: str
    codec: str | None = None
    quality: float | None = None
    image: str | None = None


@dataclass(frozen=True)
class Task:
    """One row to measure."""

    recipe: Recipe
    path: Path
    key: str


@dataclass(frozen=True)
class Measured:
    """All rows of a measurement, in the order of codecs, qualities and images."""

    dataset: Dataset
    images: tuple[str, ...]
    codecs: tuple[About, ...]
    rows: tuple[Row, ...]
    bugs: tuple[Bug, ...]


def measure(contestant: Contestant, picture: Sample) -> Row:
    """Compress and decompress one picture, and compare."""
    stream = contestant.compress(picture.pixels)
    scores = compare(picture.pixels, contestant.decompress(stream))
    row = Row(
        codec=contestant.about.name,
        quality=contestant.quality,
        image=picture.name,
        file_bytes=len(stream),
        bpp=round(8 * len(stream) / (picture.width * picture.height), 5),
        **asdict(scores),
    )
    if not isinstance(contestant, Gencodec):
        return row
    account = contestant.account(stream)
    return replace(
        row, container_bytes=account.container_bytes, ideal_bits=round(account.ideal_bits, 1)
    )


def measure_all(
    recipes: Sequence[Recipe],
    qualities: Sequence[float] | None,
    paths: Sequence[Path],
    folder: Path,
    cache: Cache,
    jobs: int,
) -> Measured:
    """Every codec at each of its qualities on every picture; what fails becomes a bug.

    qualities: of gencodec, None for its own; rivals go through theirs.  ImageError when not one
    picture can be read, UnknownRivalError before anything is measured.
    """
    census, digests, bugs = Census(), dict[Path, str](), list[Bug]()
    for path in paths:
        try:
            picture = load_picture(path)
            census.add(picture)
            digests[path] = picture.sha256
        except (ImageError, OSError) as error:
            bugs.append(Bug(reason_of(error), image=name_of(path)))
    if not digests:
        raise ImageError(f"{folder}: no picture in it can be read: {bugs[0].reason}")
    codecs, tasks = list[About](), list[Task]()
    for recipe in recipes:
        try:
            contestant = make_contestant(recipe)
        except UnknownRivalError:  # what was mistyped, and not what is not installed
            raise
        except Exception as error:
            bugs.append(Bug(reason_of(error), codec=recipe.name))
            continue
        if contestant.about in codecs:  # asked for by two names, such as webp and webp:6
            continue
        codecs.append(contestant.about)
        own = family_of(recipe.name) == OWN_NAME
        for quality in qualities if own and qualities else contestant.qualities:
            for path, digest in digests.items():
                key = cache.key(contestant.identity, quality, digest)
                named = replace(recipe, name=contestant.about.name, quality=quality)
                tasks.append(Task(named, path, key))
    results = dict(_results(tasks, cache, jobs))
    for task in tasks:
        result = results[task]
        if isinstance(result, Failure):
            name = task.recipe.name
            bugs.append(Bug(result.reason, name, task.recipe.quality, name_of(task.path)))
    rows = tuple(row for task in tasks if isinstance(row := results[task], Row))
    images = tuple(name_of(path) for path in digests)
    return Measured(census.dataset(folder), images, tuple(codecs), rows, tuple(bugs))


def means(rows: Sequence[Row], images: Sequence[str] | None = None) -> tuple[Mean, ...]:
    """Rows of one codec and quality to their mean, in the order of first appearance.

    Over `images`, or else over those that the codec coded at every quality: points of a curve
    are about the same images.
    """
    grouped: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.codec, row.quality), []).append(row)
    usable = {codec: set(complete_images(rows, codec)) for codec, _ in grouped}
    averages = []
    for (codec, _), group in grouped.items():
        wanted = usable[codec] if images is None else usable[codec] & set(images)
        kept = [row for row in group if row.image in wanted]
        if kept:
            averages.append(_mean(kept))
    return tuple(averages)


def complete_images(rows: Sequence[Row], codec: str) -> list[str]:
    """Images that a codec has a row for at each quality it has rows for."""
    found: dict[str, set[float]] = {}
    for row in rows:
        if row.codec == codec:
            found.setdefault(row.image, set()).add(row.quality)
    levels: set[float] = set().union(*found.values()) if found else set()
    return [image for image, there in found.items() if there == levels]


def curve_of(averages: Sequence[Mean | Row], codec: str, metric: Metric) -> Curve | None:
    """A codec's curve of one metric by ascending rate; None where it was not computed.

    averages: means over images, or the rows of one image.
    """
    points = []
    for mean in averages:
        score = getattr(mean, metric.name)
        if mean.codec == codec and score is None:
            return None
        if mean.codec == codec:
            points.append((mean.bpp, metric.on_curve(score)))
    points.sort()
    return Curve(tuple(bpp for bpp, _ in points), tuple(score for _, score in points))


def _results(
    tasks: Sequence[Task], cache: Cache, jobs: int
) -> Iterator[tuple[Task, Row | Failure]]:
    """What the cache knows first, then what has to be measured, as it comes."""
    open_tasks = []
    bar = tqdm(total=len(tasks), file=sys.stderr, disable=None, unit="file", smoothing=0.05)
    with bar:
        for task in tasks:
            row = cache.get(task.key, Row)
            if row is None:
                open_tasks.append(task)
            else:
                bar.update()
                # The key is that of the pixels, which may have had another name then.
                yield task, replace(row, image=name_of(task.path))
        threads = max((task.recipe.threads for task in open_tasks), default=1)
        for task, result in spread(_measure_task, open_tasks, jobs, partial(_prepare, threads)):
            if isinstance(result, Row):
                cache.put(task.key, result)
            bar.update()
            yield task, result


def _prepare(threads: int) -> None:
    torch.set_num_threads(threads)


def _measure_task(task: Task) -> Row:
    return measure(make_contestant(task.recipe), _load_picture(task.path))


_load_picture = lru_cache(maxsize=4)(load_picture)


def _mean(rows: Sequence[Row]) -> Mean:
    def mean_of(name: str) -> float | None:
        values = [value for row in rows if (value := getattr(row, name)) is not None]
        return round(sum(values) / len(values), 6) if len(values) == len(rows) else None

    scores = {metric.name: mean_of(metric.name) for metric in METRICS}
    ideal = [row.ideal_bits for row in rows if row.ideal_bits is not None]
    gap = (8 * sum(row.file_bytes for row in rows) / sum(ideal) - 1) * 100 if ideal else None
    return Mean(
        codec=rows[0].codec,
        quality=rows[0].quality,
        images=len(rows),
        bpp=round(sum(row.bpp for row in rows) / len(rows), 5),
        rate_gap_percent=None if gap is None else round(gap, 3),
        **scores,  # type: ignore[arg-type]  # PSNR is always there
    )
