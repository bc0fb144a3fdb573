"""Codecs that can be measured, this one and its rivals, each at one setting."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from gencodec.bitstream import LATENTS, unpack
from gencodec.codec import Codec
from gencodec.codec.device import choose_device
from gencodec.codec.latents import decode_latents
from gencodec.entropy import PassDecoder, ScaleTables, ideal_bits
from gencodec.entropy.ans import Symbols
from gencodec.entropy.coding import Pass, ScaleIndex
from gencodec.image import Pixels
from gencodec.model.config import LATENT_STRIDE
from gencodec.model.registry import find_weights, list_weights
from gencodec.model.weights import Weights, load_weights

RIVALS = {"compressai": "gencodec.bench.compressai_codec"}
"""Families of rivals and the module that opens them, imported when asked for."""


class Contestant(Protocol):
    """What is measured: pixels to a stream and back."""

    @property
    def name(self) -> str:
        """By which the command line asks for it."""

    @property
    def label(self) -> str:
        """For people."""

    @property
    def note(self) -> str:
        """What a reader of its figures must know; may be empty."""

    def compress(self, pixels: Pixels) -> bytes: ...

    def decompress(self, stream: bytes) -> Pixels: ...


@dataclass(frozen=True)
class Account:
    """Where the bits of a stream went: its container, and what the model says of the rest."""

    container_bytes: int
    ideal_bits: float


@dataclass(frozen=True, eq=False)
class Gencodec:
    """This codec at one quality, its weights kept in reach for accounts and stage times."""

    weights: Weights
    device: torch.device
    codec: Codec
    quality: float
    weights_name: str

    name = "gencodec"
    note = ""

    @property
    def label(self) -> str:
        return f"gencodec {self.weights_name}, quality {self.quality:g}"

    def at(self, quality: float) -> Gencodec:
        """The same weights at another quality."""
        return Gencodec(self.weights, self.device, self.codec, quality, self.weights_name)

    def compress(self, pixels: Pixels) -> bytes:
        return self.codec.compress(pixels, quality=self.quality)

    def decompress(self, stream: bytes) -> Pixels:
        return self.codec.decompress(stream)

    def account(self, stream: bytes) -> Account:
        """Decode the symbols of a stream and add up what they cost under the model."""
        container = unpack(stream)
        payload = container.section(LATENTS) or b""
        decoder = _RecordingDecoder(payload, self.weights.tables)
        header = container.header
        step = torch.full((1,), header.step, device=self.device)
        size = (-(-side // LATENT_STRIDE) for side in (header.height, header.width))
        decode_latents(self.weights, [decoder], step, *size)
        bits = ideal_bits(decoder.passes, self.weights.tables)
        return Account(len(stream) - len(payload), bits)


class _RecordingDecoder(PassDecoder):
    """Keeps the passes that it decodes."""

    def __init__(self, payload: bytes, tables: ScaleTables) -> None:
        super().__init__(payload, tables)
        self.passes: list[Pass] = []

    def decode(self, scale_index: ScaleIndex) -> Symbols:
        symbols = super().decode(scale_index)
        self.passes.append((symbols, scale_index))
        return symbols


def load_gencodec(model: str | None, device: str, quality: float) -> Gencodec:
    """model: a shipped name, a weights file, or None for the default; WeightsError if unfit."""
    chosen = choose_device(device)
    path = Path(model) if model and model.endswith(".safetensors") else find_weights(model).path
    weights = load_weights(path, device=chosen)
    return Gencodec(weights, chosen, Codec(weights, chosen), quality, _shipped_name(weights, path))


def _shipped_name(weights: Weights, path: Path) -> str:
    for entry in list_weights():
        if entry.id_hex == weights.digest.hex():
            return entry.name
    return path.stem


def load_rival(name: str, device: torch.device) -> Contestant:
    """name: FAMILY:CODEC, such as compressai:mbt2018-mean.

    ValueError when there is no such rival, ModuleNotFoundError when it is not installed.
    """
    family, _, codec = name.partition(":")
    if family not in RIVALS or not codec:
        raise ValueError(
            f"unknown rival {name!r}; there are {', '.join(f'{f}:...' for f in RIVALS)}"
        )
    rival: Contestant = importlib.import_module(RIVALS[family]).load(codec, device)
    return rival
