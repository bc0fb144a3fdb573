"""Images a second of gencodec on a GPU, one at a time and in the best of a few batch sizes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gencodec.bench.own_codec import Gencodec
from gencodec.bench.pictures import Sample
from gencodec.image import Pixels, three_channels

SIZES = ((768, 512), (1920, 1080))
BATCHES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Throughput:
    """Images a second at one size, batch 1 and the best batch of those tried."""

    width: int
    height: int
    direction: str
    single: float
    best: float
    best_batch: int


def measure_throughput(
    subject: Gencodec,
    samples: Sequence[Sample],
    sizes: Sequence[tuple[int, int]],
    batches: Sequence[int],
    repetitions: int,
    *,
    everywhere: bool = False,
) -> tuple[Throughput, ...]:
    """Both directions at each size; nothing where there is no CUDA, unless `everywhere`.

    batches: ascending, 1 first; the first that does not fit the device ends the list.
    """
    if subject.device.type != "cuda" and not everywhere:
        return ()
    rows = []
    for width, height in sizes:
        pictures = [_resized(sample.pixels, width, height) for sample in samples]
        rates: dict[str, dict[int, float]] = {"encode": {}, "decode": {}}
        for batch in batches:
            chosen = [pictures[i % len(pictures)] for i in range(batch)]
            try:
                for direction, seconds in _seconds(subject, chosen, repetitions).items():
                    rates[direction][batch] = batch / seconds
            except torch.cuda.OutOfMemoryError:
                break
        for direction, of_batch in rates.items():
            if of_batch:
                best = max(of_batch, key=of_batch.__getitem__)
                single = round(of_batch[batches[0]], 2)
                rows.append(
                    Throughput(width, height, direction, single, round(of_batch[best], 2), best)
                )
    return tuple(rows)


def _seconds(subject: Gencodec, pictures: Sequence[Pixels], repetitions: int) -> dict[str, float]:
    """Median seconds to encode and to decode a batch, after one untimed round."""
    codec, quality = subject.codec, subject.quality
    streams = codec.compress_batch(pictures, quality=quality)
    codec.decompress_batch(streams)
    laps: dict[str, list[float]] = {"encode": [], "decode": []}
    for _ in range(repetitions):
        laps["encode"].append(
            _timed(subject.device, lambda: codec.compress_batch(pictures, quality=quality))
        )
        laps["decode"].append(_timed(subject.device, lambda: codec.decompress_batch(streams)))
    return {direction: statistics.median(of_all) for direction, of_all in laps.items()}


def _timed(device: torch.device, work: Callable[[], object]) -> float:
    """Seconds between two events of the device, or of the clock where there are none."""
    if device.type != "cuda":
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    first.record()
    work()
    last.record()
    torch.cuda.synchronize(device)
    return first.elapsed_time(last) / 1e3


def _resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """The upper left corner, mirrored on where the picture is too small: (height, width, 3)."""
    colour = three_channels(pixels)
    grow = (max(0, height - colour.shape[0]), max(0, width - colour.shape[1]))
    padded = np.pad(colour, ((0, grow[0]), (0, grow[1]), (0, 0)), mode="symmetric")
    return np.ascontiguousarray(padded[:height, :width])
