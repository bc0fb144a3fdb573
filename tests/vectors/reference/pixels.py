"""The synthesis in float32 (FORMAT.md, "Pixels")."""

from __future__ import annotations

import numpy as np

from .prior import convolve, shuffle
from .stream import Decoded
from .weights import Array, File


def pixels_of(decoded: Decoded, file: File) -> Array:
    """uint8 (height, width, 3), or (height, width) if grey."""
    x_hat = _Synthesis(file)(decoded.y16, decoded.step / 255)
    samples = np.clip(np.floor(255 * x_hat + 0.5), 0, 255).astype(np.int64)
    samples = samples[:, : decoded.height, : decoded.width]
    if decoded.grey:
        return ((2 * samples.sum(0) + 3) // 6).astype(np.uint8)
    return samples.transpose(1, 2, 0).astype(np.uint8)


class _Synthesis:
    def __init__(self, file: File) -> None:
        self.depth16, self.depth8 = file.config["depth16"], file.config["depth8"]
        self.tensors = {
            name.removeprefix("g_s."): value.astype(np.float32)
            for name, value in file.tensors.items()
            if name.startswith("g_s.")
        }

    def __call__(self, y16: Array, t: float) -> Array:
        u = y16.astype(np.float32) / 16 * self.gain("gain", t)
        for d in range(self.depth16):
            u = self.block(f"blocks16.{d}", u)
        u = shuffle(self.conv("up", u)) * self.gain("gain8", t)
        for d in range(self.depth8):
            u = self.block(f"blocks8.{d}", u)
        return shuffle(self.conv("leave", u), 8) + 0.5

    def gain(self, name: str, t: float) -> Array:
        knots = self.tensors[f"{name}.log_gain"]
        places = np.linspace(0, 1, len(knots))
        curves = [np.exp(np.interp(t, places, curve)) for curve in knots.T]
        return np.array(curves, np.float32)[:, None, None]

    def conv(self, name: str, x: Array) -> Array:
        bias = self.tensors[f"{name}.bias"][:, None, None]
        return convolve(self.tensors[f"{name}.weight"], x) + bias

    def block(self, name: str, x: Array) -> Array:
        inner = self.conv(f"{name}.enter", x)
        inner = self.conv(f"{name}.depthwise", np.where(inner > 0, inner, inner / 10))
        x = x + self.conv(f"{name}.leave", inner)
        a, b = np.split(self.conv(f"{name}.gate", x), 2)
        return x + self.conv(f"{name}.mix", a / (1 + np.exp(np.minimum(-b, 80))))
