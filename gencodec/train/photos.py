"""Photographs in memory: decoded once to uint8, cropped and resized on the training device."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from gencodec.image import Pixels

SUFFIXES = {".avif", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"}
HELD_OUT_ONE_IN = 80
SHRINK_SHARE = 0.5
SHRINK_MOST = 2.0

Photos = dict[str, Pixels]
"""Pictures by name, (H, W, 3) uint8."""


def read_photos(folders: Iterable[Path]) -> Iterator[tuple[str, Pixels | str]]:
    """Every picture below the folders, tar archives included: (name, (H, W, 3) uint8).

    In place of the pixels of a file that cannot be read comes one line that says why.
    """
    for folder in folders:
        paths = sorted(folder.rglob("*")) if folder.is_dir() else [folder]
        for path in paths:
            if path.suffix == ".tar":
                with tarfile.open(path) as archive:
                    for member in archive:
                        handle = archive.extractfile(member) if member.isfile() else None
                        if handle is not None:
                            yield member.name, _decode(handle.read())
            elif path.suffix.lower() in SUFFIXES:
                yield path.name, _decode(path.read_bytes())


def _decode(data: bytes) -> Pixels | str:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"))
    except Exception as error:  # Pillow answers damage with almost any exception
        return f"{type(error).__name__}: {error}".splitlines()[0]


def held_out(name: str) -> bool:
    """Whether a picture is kept from training, decided by its name alone.

    A crop (``NAME__crop.avif``) goes the way of the picture it was cut from.
    """
    return _lot(name) % HELD_OUT_ONE_IN == 0


def _lot(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.replace("__crop", "").encode()).digest()[:4], "big")


def split(photos: Photos) -> tuple[list[Pixels], list[Pixels]]:
    """(to train on, held out); a collection too small for the lot gives its lowest name-hash."""
    kept = [name for name in photos if held_out(name)]
    if not kept and len(photos) > 1:
        kept = [min(photos, key=_lot)]
    chosen = set(kept)
    return (
        [pixels for name, pixels in photos.items() if name not in chosen],
        [pixels for name, pixels in photos.items() if name in chosen],
    )


def centre_crops(photos: Iterable[Pixels], side: int) -> list[Pixels]:
    """The middle (side, side, 3) of every picture that is large enough."""
    crops = []
    for pixels in photos:
        top, left = ((length - side) // 2 for length in pixels.shape[:2])
        if top >= 0 and left >= 0:
            crops.append(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    return crops


class PhotoStore:
    """All pictures back to back in one uint8 tensor on ``device``."""

    def __init__(self, photos: list[Pixels], device: torch.device) -> None:
        if not photos:
            raise ValueError("no pictures to train on")
        sizes = [photo.shape[:2] for photo in photos]
        starts = np.cumsum([0] + [photo.size for photo in photos[:-1]])
        flat = np.concatenate([photo.reshape(-1) for photo in photos])
        self.device = device
        self.pixels = torch.from_numpy(flat).to(device)
        self.heights, self.widths = (
            torch.tensor([size[axis] for size in sizes], device=device) for axis in (0, 1)
        )
        self.starts = torch.from_numpy(starts).to(device)

    def __len__(self) -> int:
        return len(self.starts)

    def largest_side(self) -> int:
        """The largest square, in pixels a side, that some picture holds."""
        return int(torch.minimum(self.heights, self.widths).max())

    def smallest_side(self) -> int:
        """Pixels of the shortest side of any picture."""
        return int(torch.minimum(self.heights, self.widths).min())

    def crops(self, count: int, side: int, rng: np.random.Generator) -> Tensor:
        """Random crops: (count, 3, side, side) float32 in 0..1, flipped and shrunk at random."""
        shrink = rng.uniform(1.0, SHRINK_MOST) if rng.random() < SHRINK_SHARE else 1.0
        source = min(max(side, round(side * shrink)), self.largest_side())
        largest = np.flatnonzero((torch.minimum(self.heights, self.widths) >= source).cpu().numpy())
        if not len(largest):
            raise ValueError(f"no picture is {source} pixels wide and high")
        chosen = torch.from_numpy(rng.choice(largest, count)).to(self.device)
        place = torch.from_numpy(rng.random((2, count))).to(self.device)
        top = (place[0] * (self.heights[chosen] - source + 1)).long()
        left = (place[1] * (self.widths[chosen] - source + 1)).long()
        along = torch.arange(source, device=self.device)
        rows = (top[:, None] + along)[:, :, None]
        columns = (left[:, None] + along)[:, None, :]
        index = (
            self.starts[chosen, None, None] + (rows * self.widths[chosen, None, None] + columns) * 3
        )
        channels = torch.arange(3, device=self.device)
        x = self.pixels[index[:, None] + channels[:, None, None]].float() / 255.0
        if source != side:
            x = functional.interpolate(
                x, (side, side), mode="bicubic", antialias=True, align_corners=False
            ).clamp(0.0, 1.0)
        if rng.random() < 0.5:
            x = x.flip(3)
        if rng.random() < 0.25:
            x = x.transpose(2, 3)
        return x.contiguous()
