"""This codec as a contestant, with an account of where the bits of its streams go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from gencodec.bench.contestants import (
    OWN_NAME,
    About,
    Account,
    Recipe,
    UnknownRivalError,
    search_label,
)
from gencodec.bench.environment import own_version
from gencodec.bench.pictures import name_of
from gencodec.bitstream import LATENTS, Box, Container, unpack
from gencodec.codec import DEFAULT_QUALITY, EFFORT_MAX, Codec, Search
from gencodec.codec.device import choose_device
from gencodec.codec.latents import decode_latents
from gencodec.codec.recording import RecordingDecoder
from gencodec.codec.refine import NO_SEARCH
from gencodec.codec.shelf import open_weights
from gencodec.codec.tiles import latent_size
from gencodec.entropy import ideal_bits
from gencodec.entropy.coding import CHECK_BYTES
from gencodec.image import Pixels
from gencodec.model.distortion import DISTORTIONS
from gencodec.model.registry import list_weights
from gencodec.model.weights import Weights

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
    search: Search = NO_SEARCH
    encoder_sha256: str = ""

    qualities = QUALITIES
    whole = False

    @property
    def about(self) -> About:
        name, label, settings = OWN_NAME, f"gencodec {self.weights_name}", "quality=q"
        if self.search != NO_SEARCH:
            name += f":{_option(self.search)}"
            label += f", {search_label(name)}"
            settings += f", effort={self.search.effort}, tune='{self.search.tune}'"
        return About(
            name=name,
            label=label,
            settings=f"compress(pixels, {settings})",
            version=f"gencodec {own_version()}, weights {self.weights.digest.hex()[:8]}",
            threads=self.threads,
        )

    @property
    def identity(self) -> str:
        about = self.about
        weights = f"{self.weights.digest.hex()} {self.encoder_sha256}"
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
        step = torch.full((1,), container.header.step, device=self.device)
        bits = 0.0
        for payload, box in tile_payloads(container):
            decoder = RecordingDecoder(payload, self.weights.tables)
            decode_latents(self.weights, [decoder], step, *latent_size(box))
            bits += ideal_bits(decoder.passes, self.weights.tables)
        return Account(len(stream) - len(container.section(LATENTS) or b""), bits)


def tile_payloads(container: Container) -> Iterator[tuple[bytes, Box]]:
    """Each tile of a whole stream: its coded symbols, check first, and the pixels they are for."""
    latents, index, header = container.section(LATENTS) or b"", container.tiles, container.header
    if index is None:
        yield latents, Box(0, 0, header.width, header.height)
        return
    for number, tile in enumerate(index.tiles):
        words = b"".join(latents[place] for place in index.slices(number))
        yield tile.symbols_check.to_bytes(CHECK_BYTES, "little") + words, index.grid.box(number)


def load(recipe: Recipe) -> Gencodec:
    """recipe.model: a shipped name, a weights file, or None for the default.

    The option in recipe.name is the effort, what is tuned for, or both: ``4``, ``ssim`` or
    ``4-ssim``.  WeightsError when the weights are not there or not sound, UnknownRivalError when
    the option is none, or none with these weights.
    """
    search = _search(recipe.name)
    chosen = choose_device(recipe.device)
    own, tunes = open_weights(recipe.model, chosen)
    codec = Codec(own, chosen, tunes)
    try:
        weights = codec.weights_for(search)
    except ValueError as error:
        raise UnknownRivalError(f"no {recipe.name}: {error}") from None
    encoder = tunes.encoders.get(search.tune) if weights.digest == own.digest else None
    quality = DEFAULT_QUALITY if recipe.quality is None else recipe.quality
    name = _shipped_name(weights) or name_of(Path(recipe.model or ""))
    digest = "" if encoder is None else hashlib.sha256(encoder.read_bytes()).hexdigest()
    return Gencodec(weights, chosen, codec, quality, name, recipe.threads, search, digest)


def _option(search: Search) -> str:
    """4 for an effort of 4, ssim for that tune, 4-ssim for both."""
    effort = str(search.effort) if search.effort else ""
    tune = search.tune if search.tune != NO_SEARCH.tune else ""
    return "-".join(filter(None, (effort, tune)))


def _search(name: str) -> Search:
    """The inverse of :func:`_option`, of a codec's whole name."""
    searches = (Search(n, tune) for n in range(EFFORT_MAX + 1) for tune in DISTORTIONS)
    known = {_option(search): search for search in searches}
    option = name.partition(":")[2]
    if option not in known or (":" in name and not option):
        what = f"efforts 1 to {EFFORT_MAX}, ssim, and both as in 4-ssim"
        raise UnknownRivalError(f"no {name}; there are {what}")
    return known[option]


def _shipped_name(weights: Weights) -> str | None:
    names = (entry.name for entry in list_weights() if entry.id_hex == weights.digest.hex())
    return next(names, None)


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
