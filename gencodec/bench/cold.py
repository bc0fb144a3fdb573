"""What a codec costs a process that has just begun: seconds until its first result, and memory.

Each codec is loaded in a process of its own for each thing it does.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import torch

from gencodec.bench.contestants import Recipe, make_contestant
from gencodec.bench.environment import peak_memory
from gencodec.image import Pixels


@dataclass(frozen=True)
class Memory:
    """Megabytes (10^6 bytes) resident at most: once loaded, through encoding, through decoding.

    Each counts the interpreter and all libraries.  0 where the system does not tell, and for
    commands, whose programs are other processes.
    """

    loaded: int
    encode: int
    decode: int


@dataclass(frozen=True)
class Cold:
    """Seconds in fresh processes: to load the codec, and of the first encode and decode after it.

    Starting Python and importing torch is not counted.
    """

    load_s: float
    encode_s: float
    decode_s: float


@dataclass(frozen=True)
class _First:
    """One process: megabytes when loaded and at the end, seconds to load and to do one thing."""

    loaded: int
    peak: int
    load_s: float
    work_s: float


def measure_cold(recipe: Recipe, pixels: Pixels, stream: bytes) -> tuple[Memory, Cold]:
    """Encode the pixels in one fresh process, decode the stream in another."""
    encode = _in_fresh_process(recipe, pixels)
    decode = _in_fresh_process(recipe, stream)
    return (
        Memory(encode.loaded, encode.peak, decode.peak),
        Cold(encode.load_s, encode.work_s, decode.work_s),
    )


def _in_fresh_process(recipe: Recipe, work: Pixels | bytes) -> _First:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_first, recipe, work).result()


def _first(recipe: Recipe, work: Pixels | bytes) -> _First:
    torch.set_num_threads(recipe.threads)
    begin = time.perf_counter()
    contestant = make_contestant(recipe)
    ready, loaded = time.perf_counter(), peak_memory()
    if isinstance(work, bytes):
        contestant.decompress(work)
    else:
        contestant.compress(work)
    done = time.perf_counter()
    # Of a program that has ended, Linux says at least as much as the process had that began it.
    inside = contestant.about.threads > 0
    return _First(
        round(loaded / 1e6) if inside else 0,
        round(peak_memory() / 1e6) if inside else 0,
        round(ready - begin, 3),
        round(done - ready, 4),
    )
