"""The weights that one codec works with, each loaded once: its own, and those that files name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch

from gencodec.errors import WeightsError
from gencodec.model.encoders import weights_of_encoder, with_encoder
from gencodec.model.registry import WeightsEntry, find_weights, find_weights_by_id
from gencodec.model.weights import Weights, load_weights

from .device import narrow_encoder
from .refine import Search

NO_ENCODERS: Mapping[str, Path] = MappingProxyType({})


class WeightsShelf:
    """own: the weights that streams are made with, on their device.

    encoders: files of other encoders for them, by what they are tuned for.
    """

    def __init__(
        self,
        own: Weights,
        device: torch.device,
        encoders: Mapping[str, Path] = NO_ENCODERS,
    ) -> None:
        self.own = _narrowed(own, device)
        self._device = device
        self._encoders = encoders
        self._tuned = {"mse": self.own}
        self._loaded = {own.weights_id: own}

    def to_make(self, search: Search) -> Weights:
        """Those for streams of this tune: of one digest all, as only their g_a differs.

        ValueError where neither an encoder nor an effort could bring what is asked for.
        """
        tune = search.tune
        if tune not in self._tuned:
            if tune not in self._encoders:
                if search.effort:
                    return self.own
                raise ValueError(f"tune '{tune}' needs an effort of at least 1 with these weights")
            tuned = with_encoder(self.own, self._encoders[tune])
            self._tuned[tune] = _narrowed(tuned, self._device)
        return self._tuned[tune]

    def to_read(self, weights_id: bytes) -> Weights:
        """Those that a stream names; WeightsError when they are not installed."""
        if weights_id not in self._loaded:
            self._loaded[weights_id] = _installed(find_weights_by_id(weights_id), self._device)
        return self._loaded[weights_id]


def open_weights(
    model: str | Path | None, device: torch.device
) -> tuple[Weights, Mapping[str, Path]]:
    """Weights and what other encoders there are for them; model: as of ``Codec.load``."""
    if model is None or Path(model).suffix != ".safetensors":
        entry = find_weights(None if model is None else str(model))
        return _installed(entry, device), entry.encoders
    path = Path(model)
    trained_for = weights_of_encoder(path)
    if trained_for is None:
        return load_weights(path, device=device), NO_ENCODERS
    weights = _installed(find_weights_by_id(trained_for[:4]), device)
    return with_encoder(weights, path), NO_ENCODERS


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
