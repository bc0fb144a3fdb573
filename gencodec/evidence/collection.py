"""The pictures of an audit: which were trained on, which were held out, and their middles.

Who was trained on is decided by the list that was published with the weights or that a run left
(SHA-256, split), or, where there is none, by the rule that the training program follows.
"""

from __future__ import annotations

import csv
import hashlib
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from gencodec.errors import ImageError
from gencodec.image import Pixels
from gencodec.names import has_suffix
from gencodec.train.gallery import KEPT_OUT, TRAINED
from gencodec.train.photos import SUFFIXES, Photo, as_text, eight_bits, split

ARCHIVE = ".tar"


@dataclass(frozen=True, eq=False)
class Source:
    """A picture not yet decoded."""

    name: str
    data: bytes

    @property
    def sha256(self) -> str:
        """Of the file."""
        return hashlib.sha256(self.data).hexdigest()

    def photo(self) -> Photo:
        """Decode; ImageError when it is no picture."""
        return self._opened(lambda image: np.array(eight_bits(image)))

    def outline(self) -> Photo:
        """The same without decoding: of its size, and black. ImageError when it is no picture."""
        return self._opened(
            lambda image: np.broadcast_to(np.uint8(0), (image.height, image.width, 3))
        )

    def _opened(self, pixels_of: Callable[[Image.Image], Pixels]) -> Photo:
        try:
            with Image.open(BytesIO(self.data)) as image:
                pixels = pixels_of(image)
        except Exception as error:  # Pillow answers damage with almost any exception
            raise ImageError(f"{self.name}: {type(error).__name__}") from error
        return Photo(self.name, self.sha256, pixels)


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
    """Every picture file below folders and in tar archives, undecoded, named as in training.

    Not `train.photos.PhotoFolder`: a search decodes them one at a time, and more than once.
    ImageError for a place that is not there, or is a file of another kind, and for a damaged
    archive.
    """
    for place in places:
        if not place.exists():
            raise ImageError(f"{place}: no such file or directory")
        if not place.is_dir() and not _is_wanted(place):
            kinds = ", ".join(sorted(SUFFIXES))
            raise ImageError(f"{place}: neither a folder, a tar file nor a picture ({kinds})")
        folder = place if place.is_dir() else place.parent
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if not path.is_file() or not _is_wanted(path):
                continue
            if path.suffix.lower() == ARCHIVE:
                yield from _archived(path)
            else:
                yield Source(as_text(path.relative_to(folder).as_posix()), path.read_bytes())


def read_collection(places: Sequence[Path], listing: Path | None) -> Collection:
    """Split the pictures of `places` by a list (CSV: file, sha256, split), or by the rule.

    A picture is the listed one by its bytes, whatever it is called here. ImageError when the list
    names none of the pictures found, or a group stays empty.
    """
    found = list(sources(places))
    if listing is None:
        split_of = _by_rule(found)
        rule = "the training program's rule, by names"
    else:
        split_of = _read_listing(listing)
        rule = f"{listing.name}, SHA-256"
    groups: dict[str, list[Source]] = {TRAINED: [], KEPT_OUT: []}
    for source in found:
        part = split_of.get(source.sha256)
        if part in groups:
            groups[part].append(source)
    for name, group in groups.items():
        if not group:
            raise ImageError(f"no {name} picture is there (judged by {rule})")
    return Collection(tuple(groups[TRAINED]), tuple(groups[KEPT_OUT]), rule)


def given_collection(trained: Sequence[Path], held_out_places: Sequence[Path]) -> Collection:
    """Two groups that the caller knows; ImageError when one is empty, or both hold a picture."""
    groups = tuple(sources(trained)), tuple(sources(held_out_places))
    for group, places in zip(groups, (trained, held_out_places), strict=True):
        if not group:
            raise ImageError(f"no pictures in {', '.join(map(str, places))}")
    known = {source.sha256 for source in groups[0]}
    both = [source.name for source in groups[1] if source.sha256 in known]
    if both:
        raise ImageError(
            f"{len(both)} held-out pictures are among the trained ones, {both[0]} first"
        )
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


def _is_wanted(path: Path) -> bool:
    return has_suffix(path.name, SUFFIXES | {ARCHIVE})


def _archived(path: Path) -> Iterator[Source]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                handle = archive.extractfile(member) if member.isfile() else None
                if handle is not None and has_suffix(member.name, SUFFIXES):
                    yield Source(as_text(member.name), handle.read())
    except tarfile.TarError as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        raise ImageError(f"{path}: {reason} (an archive cut short?)") from error


def _by_rule(found: Sequence[Source]) -> dict[str, str]:
    """By SHA-256, into which group a run over these pictures puts each."""
    trained, kept = split([source.outline() for source in found])
    return {photo.sha256: TRAINED for photo in trained} | {photo.sha256: KEPT_OUT for photo in kept}


def _read_listing(path: Path) -> dict[str, str]:
    """By SHA-256; of one that is listed as both, it was trained on."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = [(row["sha256"], row["split"]) for row in csv.DictReader(handle)]
    except (KeyError, ValueError, csv.Error) as error:
        raise ImageError(f"{path}: not a list of pictures (file, sha256, split): {error}") from None
    return dict(rows) | {sha256: part for sha256, part in rows if part == TRAINED}
