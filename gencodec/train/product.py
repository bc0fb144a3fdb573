"""What a run leaves behind: a weights file, or another encoder for weights there are."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from gencodec.amounts import megapixels
from gencodec.codec import Codec
from gencodec.image import Pixels, atomic_write
from gencodec.model.encoders import pack_encoder, with_encoder
from gencodec.model.vae import ImageVae
from gencodec.model.weights import Weights

from .export import fit_weights, measured, plain_weights
from .heldout import QUALITIES, HeldOutScores, measure_held_out
from .photos import middle
from .store import PhotoStore

WEIGHTS = "weights.safetensors"
ENCODER = "encoder.safetensors"
CURVE = "curve.json"
TABLE_SAMPLES, TABLE_PIXELS = 96, 2**20
"""Pictures that the symbols are counted on, and the most pixels of each: large ones would take
longer than a short run, and have no more to tell."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class WeightsProduct:
    """Of a run that trains everything: weights in the folder ``run``."""

    run: Path

    def snapshot(self, vae: ImageVae) -> None:
        """Write what can be used at once; OutputError when it cannot be written."""
        atomic_write(self.run / WEIGHTS, plain_weights(vae), overwrite=True)

    def finish(
        self, vae: ImageVae, photos: PhotoStore, held_out: Sequence[Pixels], say: Say
    ) -> None:
        """Fit the coding tables, prove, write and measure."""
        samples = [middle(picture, TABLE_PIXELS) for picture in photos.spread(TABLE_SAMPLES)]
        pixels = sum(sample.shape[0] * sample.shape[1] for sample in samples)
        say(f"fitting the coding tables to {megapixels(pixels / 1e6)}, then measuring")
        data = fit_weights(vae, samples)
        atomic_write(self.run / WEIGHTS, data, overwrite=True)
        candidate = measured(data, held_out)
        _write_curve(self.run, {"content_sha256": candidate.content_sha256}, candidate.scores)


@dataclass(frozen=True)
class EncoderProduct:
    """Of a run that trains g_a alone: an encoder for the weights it started from."""

    run: Path
    weights: Weights

    def snapshot(self, vae: ImageVae) -> None:
        """As :meth:`WeightsProduct.snapshot`."""
        atomic_write(self.run / ENCODER, pack_encoder(vae.g_a, self.weights), overwrite=True)

    def finish(
        self, vae: ImageVae, photos: PhotoStore, held_out: Sequence[Pixels], say: Say
    ) -> None:
        """Write and measure."""
        self.snapshot(vae)
        data = (self.run / ENCODER).read_bytes()
        scores = measured_encoder(data, self.weights, held_out)
        _write_curve(self.run, {"file_sha256": hashlib.sha256(data).hexdigest()}, scores)


def measured_encoder(data: bytes, weights: Weights, held_out: Sequence[Pixels]) -> HeldOutScores:
    """What the bytes of an encoder file for these weights score, in real bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ENCODER
        path.write_bytes(data)
        tuned = with_encoder(weights, path)
    return measure_held_out(Codec(tuned, torch.device("cpu")), held_out)


def _write_curve(run: Path, of: dict[str, str], scores: HeldOutScores) -> None:
    curve = {**of, "quality": QUALITIES, **asdict(scores)}
    atomic_write(run / CURVE, (json.dumps(curve) + "\n").encode(), overwrite=True)
