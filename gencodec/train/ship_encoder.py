"""Encoders for weights that are shipped: from a run of g_a alone to a file beside them.

A stream names the same weights whichever g_a made it, so nothing released changes.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gencodec.errors import WeightsError
from gencodec.image import Pixels, atomic_write
from gencodec.model.locate import weights_directory
from gencodec.model.registry import MANIFEST, PLAIN
from gencodec.model.weights import load_weights

from .card import TrainingRecord, encoder_card
from .export import gain_of, predecessor
from .gallery import PICTURES, TRAINED, read_rows
from .heldout import rounded_curve
from .notes import read_note
from .product import ENCODER, measured_encoder
from .run import evaluation_crops
from .ship import held_out_pixels, read_pictures, record_of


def ship_encoder(
    data: bytes,
    folder: Path,
    *,
    released: str,
    held_out: Sequence[Pixels],
    record: TrainingRecord,
) -> float:
    """Write an encoder file beside the default weights, as theirs for what it was trained for.

    Returns the BD-rate in percent, by MS-SSIM, against the encoder that there was for it, that of
    the weights if none.  WeightsError when the new one is no better, for other weights, or for
    what those are themselves trained for.
    """
    tune = record.plan.distortion
    if tune == PLAIN:
        raise WeightsError(f"for {tune} the weights have their own encoder")
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (row,) = (row for row in manifest["weights"] if row["name"] == manifest["default"])
    others = [encoder for encoder in row.get("encoders", ()) if encoder["tune"] != tune]
    weights = load_weights(folder / row["file"])
    name = f"{row['name']}.{tune}"
    path = folder / f"{name}.safetensors"
    scores = measured_encoder(data, weights, held_out)
    before = predecessor(folder, row["name"], tune, held_out)
    gain = gain_of("this encoder is", scores, before, tune)
    card = encoder_card(name, row["name"], record, scores, before=before)
    atomic_write(path, data, overwrite=True)
    atomic_write(folder / f"{name}.md", card.encode(), overwrite=True)
    new = {
        "tune": tune,
        "file": path.name,
        "file_sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "released": released,
        "held_out_curve": rounded_curve(scores),
    }
    row["encoders"] = [*others, new]
    text = json.dumps(manifest, indent=2) + "\n"
    atomic_write(folder / MANIFEST, text.encode(), overwrite=True)
    return gain


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train ship-encoder``."""
    parser.add_argument("training_run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("sources", type=Path, nargs="+", metavar="DIR", help="its pictures")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="default: the shipped weights'")
    parser.add_argument("--released", metavar="DATE", help="default: today")


def run(args: argparse.Namespace) -> int:
    """Measure, compare with what is shipped, and ship if better."""
    folder = args.folder or weights_directory()
    note, pictures = read_note(args.training_run), read_pictures([args.training_run], folder)
    listed = {row["sha256"] for row in read_rows(folder / f"{note.init}.{PICTURES}")}
    new = [
        row["file"] for row in pictures if row["split"] == TRAINED and row["sha256"] not in listed
    ]
    if new:
        raise WeightsError(f"{new[0]} and {len(new) - 1} more are not in the list of {note.init}")
    held_out = evaluation_crops(held_out_pixels(pictures, args.sources))
    data = (args.training_run / ENCODER).read_bytes()
    gain = ship_encoder(
        data,
        folder,
        released=args.released or datetime.date.today().isoformat(),
        held_out=held_out,
        record=record_of(args.training_run, pictures),
    )
    print(f"{gain:+.1f} % of bits at equal MS-SSIM against the encoder before", file=sys.stderr)
    return 0
