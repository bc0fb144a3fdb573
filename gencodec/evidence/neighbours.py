"""Nearest neighbours of patches among a large set of pictures, at all places and two scales.

    picture --luma--> 1/8 and 1/16 size --16x16 patches, every place--> 96 numbers, unit length

A patch is 128 x 128 (256 x 256) pixels of the picture. Places are half a reduced pixel apart, 4 (8)
of the picture: at twice that, fine texture passes for another's. A patch's numbers are coordinates
along principal components of such patches with the mean and most of their correlations taken off,
so that two patches are near when their detail agrees, not when both are smooth. Queries are tried
mirrored as well, as training mirrors pictures. The distance is 1 - cosine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from gencodec.image import Pixels
from gencodec.train.photos import Photo

SHRINKS = (8, 16)
PATCH = 16
PATCH_PIXELS = PATCH * SHRINKS[0]
COMPONENTS = 96
WHITENING = 0.4
"""0 leaves the correlations of pixels, 0.5 takes them off: copies are blurred, so not all."""

LEAST_CONTRAST = 6.0
"""Standard deviation of a patch, in grey levels: flat patches look like each other."""
CHUNK = 4096

Distances = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Patches:
    """Queries: (n, 128, 128, 3) uint8 with contrast, and the picture that each was cut from."""

    pixels: Pixels
    picture: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)


@dataclass(frozen=True, eq=False)
class Nearest:
    """For each query: its distance, and where in which picture the neighbour lies."""

    distance: Distances
    picture: npt.NDArray[np.int64]
    top: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    side: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Basis:
    """(96, 1, 16, 16) filters that give a patch its coordinates."""

    filters: Tensor


def fit_basis(photos: Sequence[Photo], rng: np.random.Generator) -> Basis:
    """Principal components of patches of these pictures."""
    samples = []
    for photo in photos:
        luma = _luma(photo.pixels)
        for small in (_reduced(luma, shrink) for shrink in SHRINKS):
            if min(small.shape[1:]) < PATCH:
                continue
            patches = functional.unfold(small[None], PATCH, stride=PATCH // 4)[0].t()
            keep = patches.std(1) > LEAST_CONTRAST
            chosen = patches[keep]
            samples.append(chosen[torch.from_numpy(rng.permutation(len(chosen))[:64])])
    data = torch.cat([torch.zeros((0, PATCH**2)), *samples]).double()
    if len(data) < 2 * COMPONENTS:
        raise ValueError("too few patches with contrast to compare pictures by")
    data = data - data.mean(1, keepdim=True)
    values, vectors = torch.linalg.eigh(data.t() @ data / len(data))
    leading = (
        vectors.flip(1)[:, :COMPONENTS] * values.flip(0)[:COMPONENTS].clamp_min(1e-6) ** -WHITENING
    )
    leading = leading - leading.mean(0)  # blind to brightness, exactly
    return Basis(leading.t().reshape(COMPONENTS, 1, PATCH, PATCH).float())


def cut_patches(pictures: Sequence[Pixels], most: int, rng: np.random.Generator) -> Patches:
    """Up to `most` patches with contrast of each picture, at random places."""
    pixels, origin = [], []
    for index, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        if min(height, width) < PATCH_PIXELS:
            continue
        found = 0
        for _ in range(4 * most):
            top = rng.integers(height - PATCH_PIXELS + 1)
            left = rng.integers(width - PATCH_PIXELS + 1)
            patch = picture[top : top + PATCH_PIXELS, left : left + PATCH_PIXELS]
            if busy(patch):
                pixels.append(patch)
                origin.append(index)
                found += 1
            if found == most:
                break
    stacked = np.stack(pixels) if pixels else np.zeros((0, PATCH_PIXELS, PATCH_PIXELS, 3), np.uint8)
    return Patches(stacked, np.array(origin, np.int64))


def busy(patch: Pixels) -> bool:
    """Whether every quarter of a patch has contrast: lone edges have their like anywhere."""
    (small,) = _reduced(_luma(patch), SHRINKS[0])
    half = PATCH // 2
    quarters = small.view(2, half, 2, half).transpose(1, 2).reshape(4, -1)
    return float(quarters.std(1).min()) > LEAST_CONTRAST


def nearest(queries: Patches, photos: Iterable[Photo], basis: Basis) -> Nearest:
    """Search all places of all pictures, ``side`` being 128 or 256; memory holds one at a time."""
    count = len(queries)
    codes = _codes(queries.pixels, basis)
    best = torch.full((count,), -2.0)
    where = torch.zeros((count, 4), dtype=torch.int64)  # picture, top, left, side
    for number, photo in enumerate(photos):
        for shrink, down, right, small in _between(photo.pixels):
            field = functional.conv2d(small[None], basis.filters)[0]
            columns = field.shape[2]
            features = _unit(field.flatten(1).t())
            for start in range(0, len(features), CHUNK):
                likeness = features[start : start + CHUNK] @ codes.t()
                values, places = likeness.max(0)
                values, flipped = values.view(2, count).max(0)
                places = places.view(2, count).gather(0, flipped[None])[0] + start
                better = values > best
                best = torch.where(better, values, best)
                top = places // columns * shrink + down
                left = places % columns * shrink + right
                found = torch.stack(
                    [torch.full_like(top, number), top, left, torch.full_like(top, PATCH * shrink)],
                    1,
                )
                where[better] = found[better]
    table = where.numpy()
    return Nearest(1.0 - best.double().numpy(), *(table[:, column] for column in range(4)))


def _codes(patches: Pixels, basis: Basis) -> Tensor:
    """Coordinates of patches, then of their mirror images: (2n, 96)."""
    small = torch.stack([_reduced(_luma(patch), SHRINKS[0]) for patch in patches])
    both = torch.cat([small, small.flip(3)])
    return _unit(functional.conv2d(both, basis.filters).flatten(1))


def _unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.norm(dim=1, keepdim=True).clamp_min(LEAST_CONTRAST)


def _between(pixels: Pixels) -> Iterator[tuple[int, int, int, Tensor]]:
    """(shrink, down, right, reduced luma from there on) for all that have room for a patch."""
    luma = _luma(pixels)
    for shrink in SHRINKS:
        for down, right in product((0, shrink // 2), repeat=2):
            rest = luma[:, down:, right:]
            if min(rest.shape[1:]) >= PATCH * shrink:
                yield shrink, down, right, _reduced(rest, shrink)


def _reduced(luma: Tensor, shrink: int) -> Tensor:
    """Means of squares: (1, H, W) -> (1, H // shrink, W // shrink)."""
    return functional.avg_pool2d(luma[None], shrink)[0]


def _luma(pixels: Pixels) -> Tensor:
    """(1, H, W) float32, in grey levels."""
    planes = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float()
    return (planes * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0, keepdim=True)
