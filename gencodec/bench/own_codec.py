"""This codec as a contestant, with an account of where the bits of its streams go."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import torch

from gencodec.bench.contestants import (
    OWN_NAME,
    About,
    Account,
    Recipe,
    UnknownRivalError,
    effort_label,
)
from gencodec.bitstream import LATENTS, unpack
from gencodec.codec import DEFAULT_QUALITY, EFFORT_MAX, Codec, Search
from gencodec.codec.device import choose_device
from gencodec.codec.latents import decode_latents
from gencodec.codec.recording import RecordingDecoder
from gencodec.entropy import ideal_bits
from gencodec.image import Pixels
from gencodec.model.config import LATENT_STRIDE
from gencodec.model.registry import find_weights, list_weights
from gencodec.model.weights import Weights, load_weights

QUALITIES = (0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 100.0)

FLOORS = ("bitstream", "image", "entropy", "model", "codec")
"""Whose source decides what a stream is."""


@dataclass(frozen=True, eq=False)
class Gencodec:
    """This codec at one quality, its weights kept in reach for accounts and stage times."""

    weights: Weights
    device: torch.device
    codec: Codec
    quality: float
    weights_name: str
    threads: int
    search: Search = field(default_factory=Search)

    qualities = QUALITIES
    whole = False

    @property
    def about(self) -> About:
        version = str(getattr(sys.modules["gencodec"], "__version__", "unknown"))
        name, label, settings = OWN_NAME, f"gencodec {self.weights_name}", "quality=q"
        effort, tune = self.search.effort, self.search.tune
        if effort:
            name += f":{effort}" if tune == "mse" else f":{effort}-{tune}"
            label += f", {effort_label(name)}"
            settings += f", effort={effort}, tune='{tune}'"
        return About(
            name=name,
            label=label,
            settings=f"compress(pixels, {settings})",
            version=f"gencodec {version}, weights {self.weights.digest.hex()[:8]}",
            threads=self.threads,
        )

    @property
    def identity(self) -> str:
        about = self.about
        weights = self.weights.digest.hex()
        return f"{about.settings} {about.version} {weights} {self.device} {_code_digest()}"

    def at(self, quality: float) -> Gencodec:
        return replace(self, quality=quality)

    def compress(self, pixels: Pixels) -> bytes:
        return self.codec.compress(
            pixels, quality=self.quality, effort=self.search.effort, tune=self.search.tune
        )

    def decompress(self, stream: bytes) -> Pixels:
        return self.codec.decompress(stream)

    def account(self, stream: bytes) -> Account:
        """Decode the symbols of a stream and add up what they cost under the model."""
        container = unpack(stream)
        payload = container.section(LATENTS) or b""
        decoder = RecordingDecoder(payload, self.weights.tables)
        header = container.header
        step = torch.full((1,), header.step, device=self.device)
        size = (-(-side // LATENT_STRIDE) for side in (header.height, header.width))
        decode_latents(self.weights, [decoder], step, *size)
        bits = ideal_bits(decoder.passes, self.weights.tables)
        return Account(len(stream) - len(payload), bits)


def load(recipe: Recipe) -> Gencodec:
    """recipe.model: a shipped name, a weights file, or None for the default.

    The option in recipe.name is the effort, and what it is tuned for: ``4``, ``4-ssim``.
    WeightsError when the weights are not there or not sound, UnknownRivalError when the option is
    none.
    """
    search = _search(recipe.name)
    chosen = choose_device(recipe.device)
    model = recipe.model
    path = Path(model) if model and model.endswith(".safetensors") else find_weights(model).path
    weights = load_weights(path, device=chosen)
    codec = Codec(weights, chosen)
    quality = DEFAULT_QUALITY if recipe.quality is None else recipe.quality
    name = _shipped_name(weights, path)
    return Gencodec(weights, chosen, codec, quality, name, recipe.threads, search)


def _search(name: str) -> Search:
    option = name.partition(":")[2]
    if not option:
        return Search()
    effort, dash, tune = option.partition("-")
    try:
        if not (
            effort.isascii() and effort.isdecimal() and int(effort) and bool(tune) == bool(dash)
        ):
            raise ValueError(option)
        return Search(int(effort), tune or "mse")
    except ValueError:
        known = f"efforts 1 to {EFFORT_MAX}, alone or with -ssim"
        raise UnknownRivalError(f"no {name}; there are {known}") from None


def _shipped_name(weights: Weights, path: Path) -> str:
    for entry in list_weights():
        if entry.id_hex == weights.digest.hex():
            return entry.name
    return path.stem


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """SHA-256 over the sources that make streams: measured rows are kept only while they stand."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for floor in FLOORS:
        for path in sorted((package / floor).rglob("*.py")):
            digest.update(path.relative_to(package).as_posix().encode() + b"\0")
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
