"""The images of a measurement: every picture in a folder, or one, pixels only."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from gencodec.errors import ImageError
from gencodec.image import Pixels, read_picture
from gencodec.names import has_suffix, visible

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

    @property
    def sha256(self) -> str:
        """Of shape and samples, whatever the file that holds them is called and made of."""
        digest = hashlib.sha256(f"{self.pixels.shape}\n".encode())
        digest.update(self.pixels.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """Which images were measured; sha256 is that of all their pixels in order."""

    folder: str
    images: int
    megapixels: float
    sha256: str


def find_pictures(folder: Path, *, limit: int | None = None) -> list[Path]:
    """Picture files directly in a folder, by name, the first `limit`; ImageError if none.

    Of files that differ in their suffix alone, which would be the same row, the first counts.
    What is no folder but a file is the one picture, whatever its suffix.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise ImageError(f"{folder}: no such folder or picture")
    found = (path for path in folder.iterdir() if has_suffix(path.name, SUFFIXES))
    paths: dict[str, Path] = {}
    for path in sorted(found):
        # A pipe would be waited for; what cannot be looked at is told when it cannot be read.
        if os.path.exists(path) and not os.path.isfile(path):
            continue
        paths.setdefault(name_of(path), path)
    if not paths:
        raise ImageError(f"{folder}: no pictures in it")
    return list(paths.values())[:limit]


def load_picture(path: Path) -> Sample:
    """Read one; ImageError when it is none."""
    return Sample(name_of(path), read_picture(path).pixels)


def name_of(path: Path) -> str:
    """What rows and reports call a picture: its file's name without the suffix, fit to print."""
    return visible(path.stem)


class Census:
    """Counts pictures one by one, so that a large folder need not be held in memory."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._images = self._pixels = 0

    def add(self, picture: Sample) -> None:
        self._digest.update(f"{picture.name} {picture.pixels.shape}\n".encode())
        self._digest.update(picture.pixels.tobytes())
        self._images += 1
        self._pixels += picture.width * picture.height

    def dataset(self, folder: Path) -> Dataset:
        """The identity of what was added."""
        name, size = visible(folder.resolve().name), round(self._pixels / 1e6, 3)
        return Dataset(name, self._images, size, self._digest.hexdigest())
