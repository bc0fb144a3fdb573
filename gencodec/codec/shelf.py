"""The weights that one codec works with, each loaded once: its own, and those that files name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from gencodec.errors import WeightsError
from gencodec.model.encoders import weights_of_encoder, with_encoder
from gencodec.model.registry import (
    PLAIN,
    WeightsEntry,
    find_weights,
    find_weights_by_id,
    list_weights,
)
from gencodec.model.weights import Weights, files_of, load_weights

from .device import narrow_encoder
from .refine import Search


@dataclass(frozen=True)
class Tunes:
    """What the weights of a codec are for, and what there is beside them for other ends.

    own: what they were trained for.  encoders: files of other encoders for them, and weights:
    installed ones to take in their place, both by what they are tuned for.
    """

    own: str = PLAIN
    encoders: Mapping[str, Path] = field(default_factory=dict)
    weights: Mapping[str, WeightsEntry] = field(default_factory=dict)


ONE_TUNE = Tunes()


class WeightsShelf:
    """own: the weights that plain streams are made with, on their device."""

    def __init__(self, own: Weights, device: torch.device, tunes: Tunes = ONE_TUNE) -> None:
        self.own = _narrowed(own, device)
        self._device = device
        self._tunes = tunes
        self._to_make = {PLAIN: self.own, tunes.own: self.own}
        self._loaded = {own.weights_id: own}

    def to_make(self, search: Search) -> Weights:
        """Those for streams of this tune.

        ValueError where neither weights, nor an encoder, nor an effort could bring what is asked
        for.
        """
        tune = search.tune
        if tune not in self._to_make:
            if tune in self._tunes.weights:
                weights_id = bytes.fromhex(self._tunes.weights[tune].id_hex)[:4]
                tuned = self.to_read(weights_id)
            elif tune in self._tunes.encoders:
                tuned = with_encoder(self.own, self._tunes.encoders[tune])
            elif search.effort:
                return self.own
            else:
                raise ValueError(f"tune '{tune}' needs an effort of at least 1 with these weights")
            self._to_make[tune] = _narrowed(tuned, self._device)
        return self._to_make[tune]

    def to_read(self, weights_id: bytes) -> Weights:
        """Those that a stream names; WeightsError when they are not installed."""
        if weights_id not in self._loaded:
            self._loaded[weights_id] = _installed(find_weights_by_id(weights_id), self._device)
        return self._loaded[weights_id]


def open_weights(model: str | Path | None, device: torch.device) -> tuple[Weights, Tunes]:
    """Weights and what there is for other tunes; model: as of ``Codec.load``."""
    if model is None:
        entry = find_weights()
        others = {tune: other for other in list_weights() for tune in other.default_for}
        del others[entry.tune]
        return _installed(entry, device), Tunes(entry.tune, entry.encoders, others)
    path = Path(model)
    if path.suffix != ".safetensors":
        entry = find_weights(str(model))
        return _installed(entry, device), Tunes(entry.tune, entry.encoders)
    trained_for = weights_of_encoder(path)
    if trained_for is None:
        return load_weights(path, device=device), ONE_TUNE
    weights = _installed(find_weights_by_id(trained_for[:4]), device)
    return with_encoder(weights, path), ONE_TUNE


def weights_files(model: str | Path | None) -> tuple[Path, ...]:
    """All files that :func:`open_weights` has to read for its weights."""
    if model is None or Path(model).suffix != ".safetensors":
        return files_of(find_weights(model if model is None else str(model)).path)
    path = Path(model)
    trained_for = weights_of_encoder(path)
    if trained_for is None:
        return files_of(path)
    return (path, *files_of(find_weights_by_id(trained_for[:4]).path))


def _installed(entry: WeightsEntry, device: torch.device) -> Weights:
    """Weights of the manifest; WeightsError when the file is not the one that was released."""
    weights = load_weights(entry.path, device=device)
    if weights.digest.hex() != entry.id_hex:
        raise WeightsError(f"{entry.path.name}: its content is not what the manifest says")
    return weights


def _narrowed(weights: Weights, device: torch.device) -> Weights:
    if device.type == "cpu":
        narrow_encoder(weights.vae)
    return weights
