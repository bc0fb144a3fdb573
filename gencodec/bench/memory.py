"""Peak resident memory of a codec, in a process of its own for each thing it does."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from gencodec.bench.contestants import Contestant, load_gencodec, load_rival
from gencodec.bench.environment import peak_memory
from gencodec.bench.options import use_threads
from gencodec.image import Pixels


@dataclass(frozen=True)
class Recipe:
    """How another process makes the same contestant: a codec's name, and what it needs."""

    name: str
    model: str | None
    device: str
    quality: float
    threads: int


@dataclass(frozen=True)
class Memory:
    """Megabytes (10^6 bytes) resident at most: once loaded, through encoding, through decoding.

    Each counts the interpreter and all libraries.  0 where the system does not tell.
    """

    loaded: int
    encode: int
    decode: int


def measure_memory(recipe: Recipe, pixels: Pixels, stream: bytes) -> Memory:
    """Encode the pixels in one fresh process, decode the stream in another."""
    loaded, encode = _in_fresh_process(recipe, pixels)
    _, decode = _in_fresh_process(recipe, stream)
    return Memory(loaded, encode, decode)


def make_contestant(recipe: Recipe) -> Contestant:
    """The contestant of a recipe."""
    gencodec = load_gencodec(recipe.model, recipe.device, recipe.quality)
    return gencodec if recipe.name == gencodec.name else load_rival(recipe.name, gencodec.device)


def _in_fresh_process(recipe: Recipe, work: Pixels | bytes) -> tuple[int, int]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_peaks, recipe, work).result()


def _peaks(recipe: Recipe, work: Pixels | bytes) -> tuple[int, int]:
    use_threads(recipe.threads)
    contestant = make_contestant(recipe)
    loaded = peak_memory()
    if isinstance(work, bytes):
        contestant.decompress(work)
    else:
        contestant.compress(work)
    return round(loaded / 1e6), round(peak_memory() / 1e6)
