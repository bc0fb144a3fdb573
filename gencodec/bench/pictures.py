"""The images of a measurement: every picture in a folder, pixels only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gencodec.errors import ImageError
from gencodec.image import Pixels, read_picture

SUFFIXES = {".png", ".ppm", ".pgm", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg"}


@dataclass(frozen=True, eq=False)
class Sample:
    """Pixels without alpha and metadata, whose bytes would blur what is measured."""

    name: str
    pixels: Pixels

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True)
class Dataset:
    """Which images were measured; sha256 is that of all their pixels in order."""

    folder: str
    images: int
    megapixels: float
    sha256: str


def find_pictures(folder: Path, *, limit: int | None = None) -> list[Path]:
    """Picture files directly in a folder, by name, the first `limit`; ImageError if none."""
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ImageError(f"{folder}: no pictures in it")
    return paths[:limit]


def load_picture(path: Path) -> Sample:
    """Read one; ImageError when it is none."""
    return Sample(path.stem, read_picture(path).pixels)


def dataset(folder: Path, pictures: Iterable[Sample]) -> Dataset:
    """The identity of a set of pictures."""
    digest, count, pixels = hashlib.sha256(), 0, 0
    for picture in pictures:
        digest.update(f"{picture.name} {picture.pixels.shape}\n".encode())
        digest.update(picture.pixels.tobytes())
        count, pixels = count + 1, pixels + picture.width * picture.height
    return Dataset(folder.resolve().name, count, round(pixels / 1e6, 3), digest.hexdigest())
