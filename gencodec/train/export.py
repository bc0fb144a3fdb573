"""From a trained model to shipped weights: tables fitted, proven, measured, and never worse.

learned model --count symbols--> fitted tables --freeze, prove--> candidate file
candidate --real bytes on held-out pictures--> curve --BD-rate against what is shipped--> ship
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gencodec.bench.curves import bd_rate
from gencodec.codec import Codec
from gencodec.codec.latents import quantise
from gencodec.codec.transform import analyze
from gencodec.entropy import ScaleTables, fitted_tables, gaussian_tables
from gencodec.errors import WeightsError
from gencodec.image import Pixels, atomic_write
from gencodec.model.encoders import with_encoder
from gencodec.model.registry import MANIFEST, PLAIN
from gencodec.model.scales import SCALE_LEVELS, SKIP_BELOW, scale_of
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.model.weights import Weights, freeze, load_weights, pack_weights

from .card import Candidate, Predecessor, TrainingRecord, model_card
from .heldout import HeldOutScores, measure_held_out, rounded_curve

TABLE_STEPS = (10, 50, 90, 130, 170, 210, 250)


def plain_weights(vae: ImageVae) -> bytes:
    """The bytes of a weights file with Gaussian coding tables, good for use at once.

    ValueError when the prior cannot be proven exact.
    """
    return pack_weights(vae.config, freeze(vae, _gaussian()))


def fit_weights(vae: ImageVae, samples: Sequence[Pixels]) -> bytes:
    """The same with tables bent to the symbols of ``samples``, (H, W, 3) uint8 pictures."""
    plain = _gaussian()
    counts = count_symbols(loaded(plain_weights(vae)).vae, samples, plain)
    return pack_weights(vae.config, freeze(vae, fitted_tables(plain, counts)))


def loaded(data: bytes) -> Weights:
    """The weights, on the CPU, of which these are a file's bytes; WeightsError as from a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        path.write_bytes(data)
        return load_weights(path)


def measured(data: bytes, held_out: Sequence[Pixels]) -> Candidate:
    """The bytes of a weights file with what it scores, in real bytes.

    held_out: (H, W, 3) uint8 pictures.
    """
    weights = loaded(data)
    config = weights.vae.config
    with torch.device("meta"):  # to be counted, not to be drawn
        parameters = sum(parameter.numel() for parameter in learned_vae(config).parameters())
    scores = measure_held_out(Codec(weights, torch.device("cpu")), held_out)
    return Candidate(data, weights.digest.hex(), config, parameters, scores)


def _gaussian() -> ScaleTables:
    return gaussian_tables([scale_of(i) for i in range(SCALE_LEVELS)], SKIP_BELOW)


def count_symbols(
    vae: ImageVae, pictures: Sequence[Pixels], tables: ScaleTables
) -> list[npt.NDArray[np.int64]]:
    """How often each table entry would be coded, over all pictures and several qualities."""
    counts = [np.zeros(tables.table(i).size, np.int64) for i in range(SCALE_LEVELS)]
    for number, picture in enumerate(pictures):
        step = torch.tensor([TABLE_STEPS[number % len(TABLE_STEPS)]])
        (latents,) = quantise(vae, analyze(vae, picture[None], step), step)
        for symbols, scale_index in latents.passes:
            for i in np.unique(scale_index):
                half_width = int(tables.half_width[i])
                values = symbols[scale_index == i]
                inside = np.abs(values) <= half_width
                entries = np.where(inside, values + half_width, 2 * half_width + 1)
                counts[i] += np.bincount(entries, minlength=counts[i].size)
    return counts


def ship(
    candidate: Candidate,
    folder: Path,
    *,
    name: str,
    released: str,
    held_out: Sequence[Pixels],
    record: TrainingRecord,
    data: str,
    reference: str | None = None,
) -> float | None:
    """Write the candidate as ``name``, with its card, and make it the default for its tune.

    Its tune is the distortion that it was trained for.  Older files stay, so that streams made
    with them stay decodable.  record, data: what the model card says of the run and of its
    pictures; reference: the name of the weights that the file needs, for the card.

    Returns the BD-rate in percent against what streams of that tune were made with so far (None
    if there was nothing): by PSNR, for another tune by MS-SSIM.  WeightsError when the candidate
    is no better, or the name is taken.
    """
    manifest_path, tune = folder / MANIFEST, record.plan.distortion
    manifest: dict[str, Any] = {"default": name, "weights": []}
    if manifest_path.exists():
        manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    gain = before = None
    if manifest["weights"]:
        taken = manifest.get("tuned", {}).get(tune, manifest["default"])
        before = predecessor(folder, taken, tune, held_out)
        gain = gain_of("these weights are", candidate.scores, before, tune)
    if any(row["name"] == name for row in manifest["weights"]):
        raise WeightsError(f"weights called {name!r} are already released; choose another name")
    file = f"{name}.safetensors"
    card = model_card(name, candidate, record, data=data, before=before, reference=reference)
    atomic_write(folder / file, candidate.data, overwrite=False)
    atomic_write(folder / f"{name}.md", card.encode(), overwrite=False)
    if tune == PLAIN:
        manifest["default"] = name
    else:
        manifest["tuned"] = {**manifest.get("tuned", {}), tune: name}
    manifest["weights"].append(
        {
            "name": name,
            "file": file,
            "content_sha256": candidate.content_sha256,
            "config": candidate.config.name,
            "bytes": len(candidate.data),
            "released": released,
            **({} if tune == PLAIN else {"tune": tune}),
            "held_out_curve": rounded_curve(candidate.scores),
        }
    )
    text = json.dumps(manifest, indent=2) + "\n"
    atomic_write(manifest_path, text.encode(), overwrite=True)
    return gain


def gain_of(subject: str, scores: HeldOutScores, before: Predecessor, tune: str) -> float:
    """The BD-rate in percent, by what both are for; WeightsError when it is no better."""
    pair = (scores, before.scores)
    gain = bd_rate(*(each.curve if tune == PLAIN else each.structure for each in pair))
    if not gain < 0.0:  # NaN is no better either
        raise WeightsError(f"{subject} no better than {before.name} ({gain:+.1f} %)")
    return gain


def predecessor(folder: Path, name: str, tune: str, held_out: Sequence[Pixels]) -> Predecessor:
    """What these weights in a folder of shipped ones make for a tune, measured.

    They make it with their encoder for it, if they have one.
    """
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (row,) = (row for row in manifest["weights"] if row["name"] == name)
    weights = load_weights(folder / row["file"])
    encoders = {encoder["tune"]: folder / encoder["file"] for encoder in row.get("encoders", ())}
    if tune in encoders:
        weights, name = with_encoder(weights, encoders[tune]), encoders[tune].stem
    return Predecessor(name, measure_held_out(Codec(weights, torch.device("cpu")), held_out))
