"""Seconds a megapixel to encode and decode, of gencodec and its rivals side by side.

Codecs take turns image by image, repetition by repetition, so that whatever else the machine
does falls on all of them alike.  Encode: uint8 pixels in memory to a whole stream in memory.
Decode: the way back.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from gencodec.bench.contestants import Contestant, Gencodec, load_gencodec, load_rival
from gencodec.bench.environment import Environment, environment
from gencodec.bench.memory import Memory, Recipe, measure_memory
from gencodec.bench.options import add_common, positive, quality, use_threads
from gencodec.bench.pictures import Dataset, Sample, dataset, find_pictures, load_picture
from gencodec.bench.report import write_report
from gencodec.bench.stages import FILE_STAGES, timed_compress, timed_decompress
from gencodec.codec import DEFAULT_QUALITY

WHAT = (
    "seconds a megapixel: for each image the median over the repetitions, added up over the "
    "images and divided by their megapixels; encode: uint8 pixels in memory to a stream in "
    "memory, decode: the way back; codecs in turns, image by image, in one process, after an "
    "untimed round; stages: of runs of their own in the same turns, share: of encode or decode "
    "time, which reading and writing picture files is no part of; memory: megabytes resident at "
    "most in a process of its own that loads the codec and does one thing to the largest image, "
    "interpreter and libraries included"
)


@dataclass(frozen=True)
class CodecSpeed:
    """One codec over all images."""

    codec: str
    label: str
    note: str
    bpp: float
    encode_s_per_mp: float
    decode_s_per_mp: float
    memory: Memory


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
    file_bytes: int
    encode_s: float
    decode_s: float
    encode_min_s: float
    decode_min_s: float


@dataclass(frozen=True)
class Speed:
    """A whole measurement, as it stands in benchmarks/."""

    what: str
    weights: str
    weights_id: str
    quality: float
    repetitions: int
    dataset: Dataset
    environment: Environment
    codecs: tuple[CodecSpeed, ...]
    stages: tuple[StageTime, ...]
    images: tuple[Timing, ...]


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
        _settle(device)
        between = time.perf_counter()
        self.codec.decompress(self.stream)
        _settle(device)
        self.encode.append(between - start)
        self.decode.append(time.perf_counter() - between)

    def timing(self) -> Timing:
        """The figures of all laps."""
        return Timing(
            codec=self.codec.name,
            image=self.sample.name,
            width=self.sample.width,
            height=self.sample.height,
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


def race(
    contestants: Sequence[Contestant], paths: Sequence[Path], repetitions: int
) -> tuple[tuple[Timing, ...], tuple[StageTime, ...]]:
    """Time all contestants, the first being gencodec, in turns; its stages as well."""
    subject = contestants[0]
    assert isinstance(subject, Gencodec)
    samples = [load_picture(path) for path in paths]
    tracks = [[Track(codec, sample) for codec in contestants] for sample in samples]
    stages = [StageTrack(subject, path) for path in paths]
    _warm_up(contestants, samples)
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


def summary(codec: Contestant, timings: Sequence[Timing], memory: Memory) -> CodecSpeed:
    """One codec's timings over all images."""
    own = [timing for timing in timings if timing.codec == codec.name]
    pixels = [timing.width * timing.height for timing in own]
    megapixels = sum(pixels) / 1e6
    bpp = sum(8 * t.file_bytes / n for t, n in zip(own, pixels, strict=True)) / len(own)
    return CodecSpeed(
        codec=codec.name,
        label=codec.label,
        note=codec.note,
        bpp=round(bpp, 4),
        encode_s_per_mp=round(sum(timing.encode_s for timing in own) / megapixels, 4),
        decode_s_per_mp=round(sum(timing.decode_s for timing in own) / megapixels, 4),
        memory=memory,
    )


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.bench speed``."""
    add_common(parser, "benchmarks/speed.json")
    parser.add_argument("-q", "--quality", type=quality, default=DEFAULT_QUALITY, metavar="0..100")
    parser.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="RIVAL",
        help="a rival in the same run, such as compressai:mbt2018-mean",
    )
    parser.add_argument("--repeat", type=positive, default=5, metavar="N", help="default: 5")


def run(args: argparse.Namespace) -> int:
    """Measure, write the report, print its summary."""
    use_threads(args.threads)
    subject = load_gencodec(args.model, args.device, args.quality)
    rivals = [load_rival(name, subject.device) for name in args.against]
    contestants: list[Contestant] = [subject, *rivals]
    paths = find_pictures(args.folder, limit=args.limit)
    timings, stages = race(contestants, paths, args.repeat)
    samples = [load_picture(path) for path in paths]
    largest = max(samples, key=lambda sample: sample.width * sample.height)
    codecs = []
    for codec in contestants:
        recipe = Recipe(codec.name, args.model, args.device, args.quality, torch.get_num_threads())
        memory = measure_memory(recipe, largest.pixels, codec.compress(largest.pixels))
        codecs.append(summary(codec, timings, memory))
    report = Speed(
        what=WHAT,
        weights=subject.weights_name,
        weights_id=subject.weights.digest.hex(),
        quality=args.quality,
        repetitions=args.repeat,
        dataset=dataset(args.folder, samples),
        environment=environment(
            subject.device, sorted({name.partition(":")[0] for name in args.against})
        ),
        codecs=tuple(codecs),
        stages=stages,
        images=timings,
    )
    write_report(report, args.output)
    for row in report.codecs:
        print(
            f"{row.label}: encode {row.encode_s_per_mp:.3f}, decode {row.decode_s_per_mp:.3f} s/MP"
        )
    for part in report.stages:
        share = "" if part.share is None else f", {part.share:.0%}"
        print(f"  {part.direction} {part.stage}: {part.s_per_mp:.4f} s/MP{share}")
    return 0


def _warm_up(contestants: Sequence[Contestant], samples: Sequence[Sample]) -> None:
    """Once through each codec for each size, so that no lap pays for first uses."""
    sizes = {sample.pixels.shape: sample for sample in samples}
    for sample in sizes.values():
        for codec in contestants:
            codec.decompress(codec.compress(sample.pixels))


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
