"""Seconds a megapixel to encode and decode, of gencodec and its rivals side by side.

Codecs take turns image by image, repetition by repetition, so that whatever else the machine
does falls on all of them alike.  Encode: uint8 pixels in memory to a whole stream in memory.
Decode: the way back.  Rivals code each image at the quality whose file is nearest to gencodec's
in bytes.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from gencodec.bench.cold import Cold, Memory, measure_cold
from gencodec.bench.contestants import Contestant, Recipe, make_contestant, nearest_in_bytes
from gencodec.bench.jobs import reason_of
from gencodec.bench.own_codec import Gencodec
from gencodec.bench.pictures import Sample, load_picture
from gencodec.bench.rate_distortion import Bug
from gencodec.bench.stages import FILE_STAGES, timed_compress, timed_decompress
from gencodec.bench.throughput import BATCHES, SIZES, Throughput, measure_throughput
from gencodec.codec.device import settle

WHAT = (
    "seconds a megapixel: for each image the median over the repetitions, added up over the "
    "images and divided by their megapixels; encode: uint8 pixels in memory to a stream in "
    "memory, decode: the way back; codecs in turns, image by image, in one process, after an "
    "untimed round; rivals at the quality whose file is nearest in bytes to gencodec's; stages: "
    "of runs of their own in the same turns, share: of encode or decode time, which reading and "
    "writing picture files is no part of; cold: seconds in fresh processes, Python and torch "
    "already imported; memory: megabytes resident at most in such a process, interpreter and "
    "libraries included; alike: files that decode with other_threads threads to pixels at most "
    "one level from those decoded with all; throughput: gencodec on CUDA, images a second by "
    "device events; load: processes that wanted a core when it began, on average over a minute"
)


@dataclass(frozen=True)
class CodecSpeed:
    """One codec over all images; threads 0: its own choice; alike None: not checked."""

    codec: str
    label: str
    note: str
    threads: int
    bpp: float
    encode_s_per_mp: float
    decode_s_per_mp: float
    cold: Cold
    memory: Memory
    alike: int | None = None


@dataclass(frozen=True)
class StageTime:
    """One stage of gencodec; share is None for what is outside encode and decode times."""

    direction: str
    stage: str
    s_per_mp: float
    share: float | None


@dataclass(frozen=True)
class Timing:
    """One codec on one image: medians and minima over the repetitions, in seconds."""

    codec: str
    image: str
    width: int
    height: int
    quality: float
    file_bytes: int
    encode_s: float
    decode_s: float
    encode_min_s: float
    decode_min_s: float


@dataclass(frozen=True)
class Speed:
    """The speed part of a report."""

    what: str
    quality: float
    repetitions: int
    threads: int
    other_threads: int
    codecs: tuple[CodecSpeed, ...]
    stages: tuple[StageTime, ...]
    timings: tuple[Timing, ...]
    throughput: tuple[Throughput, ...]
    load: float | None = None


@dataclass
class Track:
    """The laps of one codec on one image, in seconds."""

    codec: Contestant
    sample: Sample
    stream: bytes = b""
    encode: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)

    def lap(self, device: torch.device) -> None:
        """Encode and decode once."""
        start = time.perf_counter()
        self.stream = self.codec.compress(self.sample.pixels)
        settle(device)
        between = time.perf_counter()
        self.codec.decompress(self.stream)
        settle(device)
        self.encode.append(between - start)
        self.decode.append(time.perf_counter() - between)

    def timing(self) -> Timing:
        """The figures of all laps."""
        return Timing(
            codec=self.codec.about.name,
            image=self.sample.name,
            width=self.sample.width,
            height=self.sample.height,
            quality=round(self.codec.quality, 3),
            file_bytes=len(self.stream),
            encode_s=round(statistics.median(self.encode), 5),
            decode_s=round(statistics.median(self.decode), 5),
            encode_min_s=round(min(self.encode), 5),
            decode_min_s=round(min(self.decode), 5),
        )


@dataclass
class StageTrack:
    """The stages of gencodec on one image, in seconds, by direction and stage."""

    subject: Gencodec
    path: Path
    laps: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def lap(self) -> None:
        """Go through all stages once."""
        stream, encode = timed_compress(self.subject, self.path)
        _, decode = timed_decompress(self.subject, stream)
        for direction, seconds in (("encode", encode), ("decode", decode)):
            for stage, value in seconds.items():
                self.laps.setdefault((direction, stage), []).append(value)


def measure_speed(
    recipes: Sequence[Recipe], paths: Sequence[Path], repetitions: int
) -> tuple[Speed, tuple[Bug, ...]]:
    """A race of the codecs, gencodec first among them; one that fails is left out, as a bug."""
    samples = [load_picture(path) for path in paths]
    largest = max(samples, key=lambda sample: sample.width * sample.height)
    threads, before = recipes[0].threads, torch.get_num_threads()
    other = 1 if threads > 1 else 2
    load = round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None
    cold, alike, grid, bugs = [], {}, [], []
    try:
        torch.set_num_threads(threads)
        subject = make_contestant(recipes[0])
        assert isinstance(subject, Gencodec)
        targets = [len(subject.compress(sample.pixels)) for sample in samples]
        for recipe in recipes:
            try:
                codec = make_contestant(recipe)
                at = [
                    codec if recipe is recipes[0] else nearest_in_bytes(codec, sample, target)[0]
                    for sample, target in zip(samples, targets, strict=True)
                ]
                middle = at[samples.index(largest)]
                stream = middle.compress(largest.pixels)
                fixed = replace(recipe, quality=middle.quality)
                first = measure_cold(fixed, largest.pixels, stream)
                alike[recipe.name] = decodes_alike(recipe, at, samples, other)
                cold.append(first)
                grid.append(at)
            except (Exception, BrokenProcessPool) as error:
                if recipe is recipes[0]:
                    raise  # a race without gencodec tells nothing
                bugs.append(Bug(f"speed: {reason_of(error)}", recipe.name))
        timings, stages = race(grid, samples, paths, repetitions)
        codecs = tuple(
            summary(at[0], timings, *measured, alike[at[0].about.name])
            for at, measured in zip(grid, cold, strict=True)
        )
        rates = measure_throughput(subject, samples, SIZES, BATCHES, repetitions)
    finally:
        torch.set_num_threads(before)
    speed = Speed(
        WHAT, subject.quality, repetitions, threads, other, codecs, stages, timings, rates, load
    )
    return speed, tuple(bugs)


def race(
    grid: Sequence[Sequence[Contestant]],
    samples: Sequence[Sample],
    paths: Sequence[Path],
    repetitions: int,
) -> tuple[tuple[Timing, ...], tuple[StageTime, ...]]:
    """Time all codecs in turns, and gencodec's stages as well.

    grid: a row for each codec, gencodec's first, with the codec as it codes each sample.
    """
    subject = grid[0][0]
    assert isinstance(subject, Gencodec)
    tracks = [[Track(row[index], sample) for row in grid] for index, sample in enumerate(samples)]
    stages = [StageTrack(subject, path) for path in paths]
    _warm_up(tracks)
    for turn in tqdm(range(repetitions), file=sys.stderr, disable=None, unit="round"):
        for index, (of_image, of_stages) in enumerate(zip(tracks, stages, strict=True)):
            # Who goes first changes, for the first may find the caches cold.
            for track in of_image if (turn + index) % 2 else reversed(of_image):
                track.lap(subject.device)
            of_stages.lap()
    megapixels = sum(sample.width * sample.height for sample in samples) / 1e6
    timings = tuple(track.timing() for of_image in tracks for track in of_image)
    return timings, stage_times(stages, megapixels)


def stage_times(tracks: Sequence[StageTrack], megapixels: float) -> tuple[StageTime, ...]:
    """Medians of each image added up, a megapixel, and their shares."""
    totals = {
        key: sum(statistics.median(track.laps[key]) for track in tracks) / megapixels
        for key in tracks[0].laps
    }
    inside: dict[str, float] = {}
    for (direction, stage), seconds in totals.items():
        if stage not in FILE_STAGES:
            inside[direction] = inside.get(direction, 0.0) + seconds
    return tuple(
        StageTime(
            direction,
            stage,
            round(seconds, 5),
            None if stage in FILE_STAGES else round(seconds / inside[direction], 4),
        )
        for (direction, stage), seconds in totals.items()
    )


def decodes_alike(
    recipe: Recipe, at: Sequence[Contestant], samples: Sequence[Sample], threads: int
) -> int | None:
    """How many images' files decode with another number of threads to the same picture.

    The same: no sample more than one level off, as rounding in a float synthesis may be.  None
    for codecs whose threads are not ours to set; they decode as well, and whoever cannot raises.
    """
    count = 0
    for codec, sample in zip(at, samples, strict=True):
        stream = codec.compress(sample.pixels)
        expected = codec.decompress(stream).astype(np.int16)
        if not codec.about.threads:
            continue
        present = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            other = make_contestant(replace(recipe, threads=threads)).at(codec.quality)
            decoded = other.decompress(stream).astype(np.int16)
            count += decoded.shape == expected.shape and bool(np.abs(decoded - expected).max() <= 1)
        except Exception:  # a codec that notices refuses the file
            continue
        finally:
            torch.set_num_threads(present)
    return count if at[0].about.threads else None


def summary(
    codec: Contestant, timings: Sequence[Timing], memory: Memory, cold: Cold, alike: int | None
) -> CodecSpeed:
    """One codec's timings over all images."""
    about = codec.about
    own = [timing for timing in timings if timing.codec == about.name]
    pixels = [timing.width * timing.height for timing in own]
    megapixels = sum(pixels) / 1e6
    bpp = sum(8 * t.file_bytes / n for t, n in zip(own, pixels, strict=True)) / len(own)
    return CodecSpeed(
        codec=about.name,
        label=about.label,
        note=about.note,
        threads=about.threads,
        bpp=round(bpp, 4),
        encode_s_per_mp=round(sum(timing.encode_s for timing in own) / megapixels, 4),
        decode_s_per_mp=round(sum(timing.decode_s for timing in own) / megapixels, 4),
        cold=cold,
        memory=memory,
        alike=alike,
    )


def _warm_up(tracks: Sequence[Sequence[Track]]) -> None:
    """Once through each codec for each size, so that no lap pays for first uses."""
    sizes = {of_image[0].sample.pixels.shape: of_image for of_image in tracks}
    for of_image in sizes.values():
        for track in of_image:
            track.codec.decompress(track.codec.compress(track.sample.pixels))
