"""The pictures of an audit: which were trained on, which were held out, and their middles.

Who was trained on is decided by the list that was published with the weights (file name, its
SHA-256, split), or, where there is none, by the rule that the training program follows.
"""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from gencodec.errors import ImageError
from gencodec.image import Pixels
from gencodec.train.photos import SUFFIXES, Photo, as_text, eight_bits, held_out

TRAINED, HELD_OUT = "trained", "held out"


@dataclass(frozen=True, eq=False)
class Source:
    """A picture not yet decoded."""

    name: str
    data: bytes

    def photo(self) -> Photo:
        """Decode; ImageError when it is no picture."""
        try:
            with Image.open(BytesIO(self.data)) as image:
                pixels = np.array(eight_bits(image))
        except Exception as error:  # Pillow answers damage with almost any exception
            raise ImageError(f"{self.name}: {type(error).__name__}") from error
        return Photo(self.name, hashlib.sha256(self.data).hexdigest(), pixels)


def decoded(group: Iterable[Source]) -> list[Photo]:
    """All of them; ImageError when one is no picture."""
    return [source.photo() for source in group]


@dataclass(frozen=True, eq=False)
class Collection:
    """The two groups, undecoded, and how they were told apart."""

    trained: tuple[Source, ...]
    held_out: tuple[Source, ...]
    rule: str


def sources(places: Iterable[Path]) -> Iterator[Source]:
    """Every picture file below folders and in tar archives, undecoded.

    Not `train.photos.PhotoFolder`: a search decodes them one at a time, and more than once.
    ImageError for a place that is not there.
    """
    for place in places:
        if not place.exists():
            raise ImageError(f"{place}: no such file or directory")
        paths = sorted(place.rglob("*")) if place.is_dir() else [place]
        for path in paths:
            if path.suffix == ".tar":
                yield from _archived(path)
            elif path.suffix.lower() in SUFFIXES:
                yield Source(as_text(path.name), path.read_bytes())


def read_collection(places: Sequence[Path], listing: Path | None) -> Collection:
    """Split the pictures of `places` by a list (CSV: file, sha256, split), or by the rule.

    A listed picture counts only if its bytes are the listed ones. ImageError when the list
    names none of the pictures found, or a group stays empty.
    """
    groups: dict[str, list[Source]] = {TRAINED: [], HELD_OUT: []}
    rows = None if listing is None else _read_listing(listing)
    for source in sources(places):
        if rows is None:
            groups[HELD_OUT if held_out(source.name) else TRAINED].append(source)
            continue
        digest, split = rows.get(source.name, ("", ""))
        if split in groups and digest == hashlib.sha256(source.data).hexdigest():
            groups[split].append(source)
    rule = (
        "the training program's rule, by names" if listing is None else f"{listing.name}, SHA-256"
    )
    for split, group in groups.items():
        if not group:
            raise ImageError(f"no {split} picture is there (judged by {rule})")
    return Collection(tuple(groups[TRAINED]), tuple(groups[HELD_OUT]), rule)


def given_collection(trained: Sequence[Path], held_out_places: Sequence[Path]) -> Collection:
    """Two groups that the caller knows; ImageError when one is empty."""
    groups = tuple(sources(trained)), tuple(sources(held_out_places))
    for group, places in zip(groups, (trained, held_out_places), strict=True):
        if not group:
            raise ImageError(f"no pictures in {', '.join(map(str, places))}")
    return Collection(*groups, "as given")


def choose(group: Sequence[Source], count: int, seed: int) -> list[Source]:
    """At most `count` pictures drawn at random."""
    order = np.random.default_rng(seed).permutation(len(group))
    return [group[index] for index in order[:count]]


def crops_of(pixels: Pixels, side: int, count: int, rng: np.random.Generator) -> list[Pixels]:
    """`count` random squares, (side, side, 3); none if the picture is smaller."""
    height, width = pixels.shape[:2]
    if min(height, width) < side:
        return []
    crops = []
    for _ in range(count):
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        crops.append(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    return crops


def _archived(path: Path) -> Iterator[Source]:
    with tarfile.open(path) as archive:
        for member in archive:
            handle = archive.extractfile(member) if member.isfile() else None
            if handle is not None and Path(member.name).suffix.lower() in SUFFIXES:
                yield Source(as_text(member.name), handle.read())


def _read_listing(path: Path) -> dict[str, tuple[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            return {row["file"]: (row["sha256"], row["split"]) for row in csv.DictReader(handle)}
    except (KeyError, UnicodeDecodeError) as error:
        raise ImageError(f"{path}: not a list of pictures (file, sha256, split): {error}") from None
