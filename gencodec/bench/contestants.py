"""Codecs that can be measured, this one and its rivals, each at one setting.

A contestant is made from a :class:`Recipe`, so that other processes can make the same one.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from gencodec.bench.pictures import Sample
from gencodec.image import Pixels

OWN_NAME = "gencodec"

FAMILIES = {
    OWN_NAME: "gencodec.bench.own_codec",
    "jpeg": "gencodec.bench.classical",
    "webp": "gencodec.bench.classical",
    "avif": "gencodec.bench.classical",
    "avif-ssim": "gencodec.bench.classical",
    "jxl": "gencodec.bench.classical",
    "jpeg2000": "gencodec.bench.classical",
    "compressai": "gencodec.bench.compressai_codec",
}
"""Families of codecs and the module whose `load` opens them, imported when asked for."""

BISECTIONS = 9
"""Of the qualities tried for a file of a given size."""

COMMANDS = "gencodec.bench.command_codec"
"""Opens the codecs of a TOML file."""


@dataclass(frozen=True)
class About:
    """What a reader of a codec's figures must know.

    name: by which the command line asks for it; label: for people; settings: the call or command
    line, with q for the quality; version: of what did the coding; threads: 0 for programs of their
    own, which choose; note: may be empty.
    """

    name: str
    label: str
    settings: str
    version: str
    threads: int
    note: str = ""


@dataclass(frozen=True)
class Recipe:
    """How any process makes the same contestant.

    name: FAMILY or FAMILY:OPTION (of gencodec: effort, tune, or both as in 4-ssim), or a name in
    the TOML file `codecs`.  quality None: the codec's own middle.  model and device are
    gencodec's, and the device CompressAI's as well.
    """

    name: str
    model: str | None = None
    device: str = "cpu"
    quality: float | None = None
    threads: int = 1
    codecs: Path | None = None


class Contestant(Protocol):
    """What is measured: pixels to a stream and back."""

    @property
    def about(self) -> About: ...

    @property
    def quality(self) -> float:
        """The codec's own quality value, by whatever name it goes there."""

    @property
    def qualities(self) -> tuple[float, ...]:
        """Values for a curve, by ascending rate; empty where there is none to measure."""

    @property
    def whole(self) -> bool:
        """Whether qualities must be whole numbers."""

    @property
    def identity(self) -> str:
        """Everything but the quality and the pixels that decides what comes out."""

    def at(self, quality: float) -> Contestant:
        """The same codec at another quality."""

    def compress(self, pixels: Pixels) -> bytes: ...

    def decompress(self, stream: bytes) -> Pixels: ...


@dataclass(frozen=True)
class Account:
    """Where the bits of a stream went: its container, and what the model says of the rest."""

    container_bytes: int
    ideal_bits: float


class UnknownRivalError(ValueError):
    """No codec goes by that name."""


def search_label(name: str) -> str:
    """This codec's option for people: of ``gencodec:4-ssim`` effort 4 for ssim, '' if none."""
    parts = name.partition(":")[2].split("-")
    return " ".join(f"effort {p}" if p.isdecimal() else f"for {p}" for p in parts if p)


def family_of(name: str) -> str:
    """The part of a codec's name before the colon."""
    return name.partition(":")[0]


def make_contestant(recipe: Recipe) -> Contestant:
    """The contestant of a recipe.

    UnknownRivalError when there is no such codec, ModuleNotFoundError or FileNotFoundError when
    it is not installed here, WeightsError when its weights are not.
    """
    contestant = _loaded(replace(recipe, quality=None))
    return contestant if recipe.quality is None else contestant.at(recipe.quality)


def module_of(name: str, codecs: Path | None) -> str:
    """The module that opens a codec; UnknownRivalError when there is none."""
    if codecs is not None:
        commands = importlib.import_module(COMMANDS)
        if name in commands.read_commands(codecs):
            return COMMANDS
    if family_of(name) not in FAMILIES:
        known = ", ".join(family for family in FAMILIES if family != OWN_NAME)
        raise UnknownRivalError(f"unknown rival {name!r}; there are {known}, and those of --codecs")
    return FAMILIES[family_of(name)]


@lru_cache(maxsize=32)
def _loaded(recipe: Recipe) -> Contestant:
    module = importlib.import_module(module_of(recipe.name, recipe.codecs))
    contestant: Contestant = module.load(recipe)
    return contestant


def nearest_in_bytes(
    contestant: Contestant, sample: Sample, target: int
) -> tuple[Contestant, bytes]:
    """The codec at the quality whose file comes nearest to `target` bytes, and that file.

    Bisection between the ends of the codec's own qualities; whichever try came nearest counts,
    so a rate that does not always rise with quality does no harm.
    """
    levels = contestant.qualities or (contestant.quality,)
    low, high = levels[0], levels[-1]
    tries: dict[float, bytes] = {}

    def size(quality: float) -> int:
        if quality not in tries:
            tries[quality] = contestant.at(quality).compress(sample.pixels)
        return len(tries[quality])

    if size(low) < target < size(high):
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            middle = float(round(middle)) if contestant.whole else middle
            if middle in (low, high) or size(middle) == target:
                break
            low, high = (middle, high) if size(middle) < target else (low, middle)
    best = min(tries, key=lambda quality: abs(len(tries[quality]) - target))
    return contestant.at(best), tries[best]
