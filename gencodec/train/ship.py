"""From the folder of a finished run to shipped weights, with model card and list of pictures.

Needs of the folder only its small files, so a run may have been made on another machine.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from gencodec.codec.shelf import open_weights
from gencodec.errors import ImageError, WeightsError
from gencodec.image import Pixels, atomic_write
from gencodec.model.encoders import weights_of_encoder
from gencodec.model.locate import weights_directory

from .card import TrainingRecord
from .compaction import SAMPLES, add_reference, compact_weights, reference_of
from .export import measured, ship
from .gallery import KEPT_OUT, PICTURES, TRAINED, read_rows
from .journal import read_log
from .notes import read_note
from .photos import Photo, PhotoFolder, original_of
from .product import WEIGHTS
from .rest import trained_pictures
from .run import evaluation_crops

UNUSED = "unused"


def read_pictures(
    runs: Sequence[Path], folder: Path, made_of: Sequence[str] = ()
) -> list[dict[str, str]]:
    """The rows of the last run's list of pictures, as they stand for its weights.

    runs: each but the first went on from the one before.  made_of: names of the shipped weights in
    ``folder`` that the start of the first was made of, if it is not shipped itself.  What those, or
    the shipped weights that the first started from, and earlier runs were trained on counts as
    trained on, and is listed even where the last run did not have it; a picture of the same
    original, held out by the last, is then of no use.  WeightsError when there is no such list.
    """
    rows = read_rows(runs[-1] / PICTURES)
    lists = [run / PICTURES for run in runs[:-1]]
    for name in made_of or _start(runs[0]):
        if weights_of_encoder(folder / f"{name}.safetensors") is not None:
            name = Path(name).stem  # an encoder is called WEIGHTS.TUNE, and saw what those saw
        lists.append(folder / f"{name}.{PICTURES}")
    # Last what tells of sources and licences too, which then stands.
    seen = {row["sha256"]: row for path in lists for row in _trained_on(path)}
    originals = {original_of(row["file"]) for row in seen.values()}
    own = {row["sha256"] for row in rows}
    # One file may be listed under several names, of which older runs held out some.
    trained = seen.keys() | {row["sha256"] for row in rows if row["split"] == TRAINED}
    for row in rows:
        if row["sha256"] in trained:
            row["split"] = TRAINED
        elif row["split"] == KEPT_OUT and original_of(row["file"]) in originals:
            row["split"] = UNUSED
    return rows + [row for digest, row in seen.items() if digest not in own]


def _start(run: Path) -> list[str]:
    init = read_note(run).init
    return [] if init is None else [init]


def _trained_on(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        raise WeightsError(f"the list of what was trained on before, {path}, is missing")
    return [row for row in read_rows(path) if row["split"] == TRAINED]


def record_of(
    run: Path, pictures: Sequence[dict[str, str]], made_of: Sequence[str] = ()
) -> TrainingRecord:
    """What the model card says of a run, from its note, its log and its list of pictures.

    made_of: names of the weights that its start was made of, if that is not shipped itself.
    """
    note, rows = read_note(run), read_log(run)
    if not rows:
        raise WeightsError(f"{run}: the log of the run is empty")
    trained = [row for row in pictures if row["split"] == TRAINED]
    return TrainingRecord(
        pictures=len(trained),
        held_out=sum(row["split"] == KEPT_OUT for row in pictures),
        megapixels=sum(int(row["width"]) * int(row["height"]) for row in trained) / 1e6,
        minutes=float(str(rows[-1]["minutes"])),
        steps=int(str(rows[-1]["step"])),
        plan=note.plan,
        start=f"weights made of {', '.join(made_of)}" if made_of else note.start,
        machine=note.machine,
    )


def held_out_pixels(pictures: Sequence[dict[str, str]], sources: Sequence[Path]) -> list[Pixels]:
    """The pictures that were kept out, found again by their SHA-256; ImageError if one lacks."""
    wanted = {row["sha256"] for row in pictures if row["split"] == KEPT_OUT}
    found = {
        photo.sha256: photo.pixels
        for photo in PhotoFolder(sources).new()
        if isinstance(photo, Photo) and photo.sha256 in wanted
    }
    if not wanted or len(found) < len(wanted):
        raise ImageError(f"{len(found)} of the run's {len(wanted)} held-out pictures are here")
    return [found[digest] for digest in sorted(found)]


def listed(own: Sequence[dict[str, str]], manifests: Sequence[Path]) -> bytes:
    """A run's pictures with what the manifests of the collections say of each, as CSV.

    Rows that come from an earlier list say it themselves.
    """
    known = {row["file"]: row for manifest in manifests for row in read_rows(manifest)}
    unknown = [row["file"] for row in own if row["file"] not in known and set(row) <= set(own[0])]
    if unknown:
        names = ", ".join(map(str, manifests))
        raise ValueError(f"{names}: {len(unknown)} pictures are not named, {unknown[0]} first")
    columns = dict.fromkeys(name for row in known.values() for name in row)
    more = [name for name in columns if name not in own[0] and name != "shard"]
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, [*own[0], *more], lineterminator="\n", extrasaction="ignore")
    table.writeheader()
    table.writerows({**known.get(row["file"], {}), **row} for row in own)
    return text.getvalue().encode()


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train ship``."""
    parser.add_argument("training_run", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("sources", type=Path, nargs="+", metavar="DIR", help="its pictures")
    parser.add_argument(
        "--earlier",
        type=Path,
        action="append",
        default=[],
        metavar="RUN",
        help="a run whose weights RUN started from; may be repeated, first the first",
    )
    parser.add_argument(
        "--made-of",
        action="append",
        default=[],
        metavar="NAME",
        help="shipped weights that the start of the first run was made of, if it is not shipped "
        "itself (transfer, equalise); may be repeated",
    )
    parser.add_argument("--name", required=True, help="of the weights, such as base-4")
    parser.add_argument(
        "--manifest",
        type=Path,
        action="append",
        required=True,
        metavar="CSV",
        help="columns file, source, licence and more for every picture; may be repeated",
    )
    parser.add_argument(
        "--data", type=Path, required=True, metavar="TXT", help="the card's paragraph on the data"
    )
    add_reference(parser)
    parser.add_argument("--folder", type=Path, metavar="DIR", help="default: the shipped weights'")
    parser.add_argument("--released", metavar="DATE", help="default: today")


def run(args: argparse.Namespace) -> int:
    """Make compact, measure, compare with what is shipped, and ship if better."""
    folder, reference = args.folder or weights_directory(), reference_of(args)
    runs = [*args.earlier, args.training_run]
    pictures = read_pictures(runs, folder, args.made_of)
    table = listed(pictures, args.manifest)
    records = [record_of(run, pictures) for run in runs[1:]]
    records.insert(0, record_of(runs[0], pictures, args.made_of))
    held_out = evaluation_crops(held_out_pixels(pictures, args.sources))
    samples = trained_pictures(args.sources, max(1, len(pictures) // SAMPLES))
    data = compact_weights(args.training_run / WEIGHTS, samples, reference=reference)
    candidate = measured(data, held_out)
    cpu = torch.device("cpu")
    starts = args.made_of or _start(runs[0])
    configs = [open_weights(folder / f"{name}.safetensors", cpu)[0].vae.config for name in starts]
    if configs and candidate.config not in configs:
        records[0] = replace(records[0], start=f"{records[0].start}, grown")
    gain = ship(
        candidate,
        folder,
        name=args.name,
        released=args.released or datetime.date.today().isoformat(),
        held_out=held_out,
        record=replace(records[-1], earlier=tuple(records[:-1])),
        data=args.data.read_text(encoding="utf-8").strip(),
        reference=args.reference,
    )
    atomic_write(folder / f"{args.name}.pictures.csv", table, overwrite=True)
    against = "" if gain is None else f", {gain:+.1f} % of bits against what there was before"
    print(f"{args.name}: {candidate.content_sha256[:8]}{against}", file=sys.stderr)
    return 0
