"""What is expected of the symbols, in integers alone (FORMAT.md, "The prior")."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .weights import Array, File

PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))


@dataclass(frozen=True)
class Part:
    """One phase of a pass: where it lies in z or y, and what is expected there."""

    place: tuple[slice, slice, slice]
    scale: Array
    mean: Array


def relu(x: Array) -> Array:
    return np.minimum(np.maximum(x, 0), 255)


def compand(v: Array) -> Array:
    return np.clip((v + 1) // 2, -64, 64) + np.clip((v + 32) // 64, -63, 63)


def shuffle(x: Array, factor: int = 2) -> Array:
    channels, height, width = x.shape
    out = np.zeros((channels // factor**2, factor * height, factor * width), x.dtype)
    for a in range(factor):
        for b in range(factor):
            out[:, a::factor, b::factor] = x[factor * a + b :: factor**2]
    return out


def convolve(weight: Array, x: Array) -> Array:
    """1x1 over all channels, or depthwise 3x3; positions outside read as 0."""
    if weight.shape[2] == 1:
        # The prior's sums, of 8-bit products, are exact in float64, which NumPy adds ten times as
        # fast as whole numbers.
        return np.tensordot(weight[:, :, 0, 0].astype(float), x.astype(float), 1).astype(x.dtype)
    height, width = x.shape[1:]
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    total = np.zeros_like(x)
    for i in range(3):
        for j in range(3):
            part = padded[:, i : i + height, j : j + width]
            total += weight[:, 0, i, j][:, None, None] * part
    return total


class Prior:
    """The prior of one weights file; arrays are int64 (channel, row, column)."""

    def __init__(self, file: File) -> None:
        self.depth, self.hyper_depth = file.config["prior_depth"], file.config.get("hyper_depth", 0)
        self.latent, self.hyper = file.config["latent"], file.config["hyper"]
        self.tensors = {
            name.removeprefix("prior."): value.astype(np.int64)
            for name, value in file.tensors.items()
            if name.startswith("prior.")
        }

    def walk(
        self, row: int, height: int, width: int, symbols_of: Callable[[list[Part]], Array]
    ) -> Array:
        """Pass by pass from their symbols to y16; height and width count positions of y."""
        z16 = np.zeros((self.hyper, -(-height // 4), -(-width // 4)), np.int64)
        y16 = np.zeros((self.latent, height, width), np.int64)
        for k in range(4 if self.hyper_depth else 1):
            _fill(z16, self.z_parts(k, z16, row), symbols_of)
        features = self.features(z16, row, height, width)
        for k in range(4):
            _fill(y16, self.y_parts(k, features, y16, row), symbols_of)
        return y16

    def table(self, name: str, row: int) -> Array:
        return self.tensors[f"{name}.rows"][row][:, None, None]

    def conv(self, name: str, x: Array) -> Array:
        weight, bias, shift = (self.tensors[f"{name}.{p}"] for p in ("weight", "bias", "shift"))
        half = 2 ** (shift - 1)
        return (convolve(weight, x) + (bias + half)[:, None, None]) // (2**shift)[:, None, None]

    def block(self, name: str, x: Array) -> Array:
        inner = relu(self.conv(f"{name}.depthwise", x))
        return relu(x + self.conv(f"{name}.pointwise", inner))

    def context(self, name: str, depth: int, x: Array) -> Array:
        x = relu(self.conv(f"{name}.enter", x))
        for d in range(depth):
            x = self.block(f"{name}.blocks.{d}", x)
        return x

    def features(self, z16: Array, row: int, height: int, width: int) -> Array:
        x = shuffle(relu(self.conv("up32", compand(z16))))
        x = self.block("block32", x)
        x = shuffle(self.conv("up16", x))[:, :height, :width]
        x = relu(x + self.table("step_features", row))
        for d in range(self.depth):
            x = self.block(f"blocks16.{d}", x)
        return x

    def z_parts(self, k: int, z16: Array, row: int) -> list[Part]:
        scales, means = self.table("z_scale", row), self.table("z_mean", row)
        if not self.hyper_depth:
            nothing = np.zeros_like(z16)
            return [_part((slice(None),) * 3, nothing + scales, nothing + means)]
        parts = []
        context = self.context(f"z_contexts.{k - 1}", self.hyper_depth, compand(z16)) if k else None
        for p, place in enumerate(_places(k, self.hyper)):
            nothing = np.zeros_like(z16[place])
            scale, mean = nothing + scales[place[0]], nothing + means[place[0]]
            if context is not None:
                here = context[:, place[1], place[2]]
                scale += self.conv(f"z_scales.{4 * k - 4 + p}", here)
                mean += self.conv(f"z_means.{4 * k - 4 + p}", here)
            parts.append(_part(place, scale, mean))
        return parts

    def y_parts(self, k: int, features: Array, y16: Array, row: int) -> list[Part]:
        context, parts = features, []
        if k:
            told = np.concatenate([features, compand(y16)])
            context = self.context(f"contexts.{k - 1}", self.depth, told)
        for p, place in enumerate(_places(k, self.latent)):
            here = context[:, place[1], place[2]]
            scale = self.conv(f"scales.{4 * k + p}", here) + self.table("step_scale", row)[place[0]]
            parts.append(_part(place, scale, self.conv(f"means.{4 * k + p}", here)))
        return parts


def _places(k: int, channels: int) -> list[tuple[slice, slice, slice]]:
    """Of each phase of pass k: its group of channels, its rows and its columns."""
    size = channels // 4
    return [
        (slice((k ^ p) * size, ((k ^ p) + 1) * size), slice(i, None, 2), slice(j, None, 2))
        for p, (i, j) in enumerate(PHASES)
    ]


def _part(place: tuple[slice, slice, slice], scale: Array, mean: Array) -> Part:
    return Part(place, np.clip(scale, 0, 63), np.clip(mean, -32767, 32767))


def _fill(out: Array, parts: list[Part], symbols_of: Callable[[list[Part]], Array]) -> None:
    rest = symbols_of(parts)
    for part in parts:
        symbols, rest = rest[: part.mean.size], rest[part.mean.size :]
        out[part.place] = 16 * symbols.reshape(part.mean.shape) + part.mean


# The self-test ---------------------------------------------------------------------------------


def prior_digest(file: File) -> str:
    prior, height, width = Prior(file), 10, 13
    z = _made_up((2, prior.hyper, 3, 4), 5)
    y = _made_up((2, prior.latent, height, width), 200)
    said = []
    for picture, row in enumerate((3, 40)):
        passes: list[list[Part]] = []

        def symbols_of(
            parts: list[Part], picture: int = picture, passes: list[list[Part]] = passes
        ) -> Array:
            of_z = len(passes) < (4 if prior.hyper_depth else 1)
            passes.append(parts)
            values = (z if of_z else y)[picture]
            return np.concatenate([values[part.place].ravel() for part in parts])

        prior.walk(row, height, width, symbols_of)
        said.append([part for parts in passes for part in parts])
    digest = hashlib.sha256()
    for n, (first, second) in enumerate(zip(*said, strict=True)):
        for pair in ((first.mean, second.mean), (first.scale, second.scale)):
            both = np.stack(pair)
            told = both if n or prior.hyper_depth else both[:, :, :1, :1]
            digest.update(told.astype("<i4").tobytes())
    return digest.hexdigest()[:16]


def _made_up(shape: tuple[int, ...], largest: int) -> Array:
    values = []
    for i in range(1, int(np.prod(shape)) + 1):
        t = 2 * (i * 0x9E3779B97F4A7C15 % 2**64 >> 40) / 2**24 - 1
        values.append(round((1 if t > 0 else -1) * largest * t**6))
    return np.array(values, np.int64).reshape(shape)
