"""A decoder of symbols written from FORMAT.md alone: Python and numpy integers, slow and plain.

It shares no line with gencodec, imports nothing of it, and no floating point reaches a symbol. That
it gets the symbols of every golden vector is what makes FORMAT.md normative and the prior exact.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_safetensors

Array = np.ndarray
PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))
TYPES = {"I8": "|i1", "I32": "<i4", "F16": "<f2", "F32": "<f4"}


@dataclass(frozen=True)
class File:
    """The weights file: its tensors, config and content hash."""

    tensors: dict[str, Array]
    config: dict[str, int]
    content_hash: str


def read_weights(path: Path) -> File:
    data = path.read_bytes()
    tensors = load_safetensors(data)
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    if metadata["format"] == "gencodec-compact-1":
        before = installed(path.parent, metadata["reference"]) if "reference" in metadata else {}
        tensors = expand(load_safetensors(zlib.decompress(tensors["deflated"].tobytes())), before)
    else:
        assert metadata["format"] == "gencodec-weights-1"
    text = metadata["config"]
    digest = hashlib.sha256(f"gencodec-weights-1\n{text}\n".encode())
    for name in sorted(tensors):
        value = tensors[name]
        shape = ", ".join(map(str, value.shape)) + ("," if value.ndim == 1 else "")
        digest.update(f"{name} {value.dtype.str} ({shape})\n".encode() + value.tobytes())
    assert metadata.get("content", digest.hexdigest()) == digest.hexdigest()
    return File(tensors, json.loads(text), digest.hexdigest())


def installed(folder: Path, content_hash: str) -> dict[str, Array]:
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (row,) = (r for r in manifest["weights"] if r["content_sha256"] == content_hash)
    return read_weights(folder / row["file"]).tensors


def expand(parts: dict[str, Array], before: dict[str, Array]) -> dict[str, Array]:
    """A compact file's tensors; floating point here is the transforms', which decode no symbol."""
    tensors = {}
    for name, part in parts.items():
        if name + "/rows" in parts:
            n = part[0].astype(np.int32) + 256 * part[1].astype(np.int32)
            codes = np.where(n % 2 == 0, n // 2, -(n + 1) // 2).astype(np.float32)
            old = before.get(name)
            if old is None or old.dtype != np.float16 or old.shape != codes.shape:
                old = np.zeros(codes.shape, np.float16)
            rows, columns = (parts[name + of].astype(np.int32) for of in ("/rows", "/columns"))
            steps = np.ldexp(np.float32(1), rows[:, None] + columns[None]).reshape(codes.shape)
            tensors[name] = (old.astype(np.float32) + codes * steps).astype(np.float16)
        elif "/" not in name:
            old = before.get(name)
            alike = old is not None and (old.dtype, old.shape) == (part.dtype, part.shape)
            tensors[name] = part + old if alike and part.dtype.kind == "i" else part
    return tensors


# The prior -------------------------------------------------------------------------------------


def relu(x: Array) -> Array:
    return np.minimum(np.maximum(x, 0), 255)


def compand(v: Array) -> Array:
    return np.clip((v + 1) // 2, -64, 64) + np.clip((v + 32) // 64, -63, 63)


def shuffle(x: Array) -> Array:
    channels, height, width = x.shape
    out = np.zeros((channels // 4, 2 * height, 2 * width), np.int64)
    for a in range(2):
        for b in range(2):
            out[:, a::2, b::2] = x[2 * a + b :: 4]
    return out


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

    def table(self, name: str, row: int) -> Array:
        return self.tensors[f"{name}.rows"][row]

    def conv(self, name: str, x: Array) -> Array:
        weight, bias, shift = (self.tensors[f"{name}.{p}"] for p in ("weight", "bias", "shift"))
        if weight.shape[2] == 1:
            total = np.tensordot(weight[:, :, 0, 0], x, 1)
        else:
            height, width = x.shape[1:]
            padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
            total = np.zeros_like(x)
            for i in range(3):
                for j in range(3):
                    part = padded[:, i : i + height, j : j + width]
                    total += weight[:, 0, i, j][:, None, None] * part
        half = 2 ** (shift - 1)
        return (total + (bias + half)[:, None, None]) // (2**shift)[:, None, None]

    def block(self, name: str, x: Array) -> Array:
        inner = relu(self.conv(f"{name}.depthwise", x))
        return relu(x + self.conv(f"{name}.pointwise", inner))

    def features(self, z16: Array, row: int, height: int, width: int) -> Array:
        x = shuffle(relu(self.conv("up32", compand(z16))))
        x = self.block("block32", x)
        x = shuffle(self.conv("up16", x))[:, :height, :width]
        x = relu(x + self.table("step_features", row)[:, None, None])
        for d in range(self.depth):
            x = self.block(f"blocks16.{d}", x)
        return x

    def context(self, k: int, features: Array, y16: Array) -> Array:
        if k == 0:
            return features
        name = f"contexts.{k - 1}"
        x = relu(self.conv(f"{name}.enter", np.concatenate([features, compand(y16)])))
        for d in range(self.depth):
            x = self.block(f"{name}.blocks.{d}", x)
        return x

    def z_context(self, k: int, z16: Array) -> Array:
        x = relu(self.conv(f"z_contexts.{k - 1}.enter", compand(z16)))
        for d in range(self.hyper_depth):
            x = self.block(f"z_contexts.{k - 1}.blocks.{d}", x)
        return x


# The coder -------------------------------------------------------------------------------------


class Coder:
    """Asymmetric numeral systems in Python integers."""

    def __init__(self, payload: bytes) -> None:
        assert len(payload) % 4 == 0 and len(payload) >= 12
        words = [int.from_bytes(payload[i : i + 4], "little") for i in range(4, len(payload), 4)]
        self.state = words[0] << 32 | words[1]
        self.words = words[:1:-1]  # the next word is the last of the list

    def _advance(self, c: int, p: int) -> None:
        self.state = (self.state >> 24) * p + (self.state & 0xFFFFFF) - c
        if self.state < 2**32:
            self.state = self.state << 32 | self.words.pop()

    def symbol(self, sums: list[int]) -> int:
        """``sums``: the cumulative weights, from 0 to 2^24."""
        entry = bisect_right(sums, self.state & 0xFFFFFF) - 1
        self._advance(sums[entry], sums[entry + 1] - sums[entry])
        return entry

    def uniform(self, n: int) -> int:
        """One of ``n`` values; the last one takes what the division of 2^24 leaves."""
        share = 2**24 // n
        value = min((self.state & 0xFFFFFF) // share, n - 1)
        self._advance(value * share, share if value < n - 1 else 2**24 - (n - 1) * share)
        return value

    @property
    def at_end(self) -> bool:
        return not self.words and self.state == 2**32 + 0x9E3779B9


class Tables:
    """Cumulative weights of every scale index."""

    def __init__(self, file: File) -> None:
        pmf = file.tensors["tables.pmf"].tolist()
        self.half_width = file.tensors["tables.half_width"].tolist()
        self.skip_below = int(file.tensors["tables.skip_below"][0])
        self.sums = []
        for h in self.half_width:
            sums = [0]
            for weight in pmf[: 2 * h + 2]:
                sums.append(sums[-1] + weight)
            assert sums[-1] == 2**24
            self.sums.append(sums)
            pmf = pmf[2 * h + 2 :]
        assert not pmf

    def decode(self, coder: Coder, scale_index: Array) -> Array:
        """The symbols of one pass: groups by scale index, then what lies outside its table."""
        symbols = np.zeros(scale_index.size, np.int64)
        escapes = []
        for i in reversed(range(self.skip_below, 64)):
            h = self.half_width[i]
            for place in np.flatnonzero(scale_index == i):
                symbols[place] = coder.symbol(self.sums[i]) - h
                if symbols[place] == h + 1:
                    escapes.append((place, h))
        for place, h in escapes:
            n_low = coder.uniform(17)
            negative = coder.uniform(2)
            low = coder.uniform(2**n_low) if n_low else 0
            excess = 2**n_low + low - 1
            symbols[place] = -(h + 1 + excess) if negative else h + 1 + excess
        return symbols


# The stream ------------------------------------------------------------------------------------


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def decode(data: bytes, file: File) -> list[list[Array]]:
    """Of each tile the symbols of every pass of z, then of y; a picture may be one tile.

    data: a sound stream made with these weights.
    """
    assert data[:5] == b"\x97GNC\x01" and data[5] < 4
    assert data[6:10].hex() == file.content_hash[:8]
    step = data[10]
    width, at = varint(data, 11)
    height, at = varint(data, at)
    assert data[at] == 8
    assert int.from_bytes(data[at + 1 : at + 3], "little") == zlib.crc32(data[: at + 1]) & 0xFFFF
    at += 3
    sections = {}
    while data[at]:
        tag = data[at]
        size, at = varint(data, at + 1)
        sections[tag] = data[at : at + size]
        at += size
    assert int.from_bytes(data[at + 1 :], "little") == zlib.crc32(data[: at + 1])

    prior, tables, row = Prior(file), Tables(file), step // 4
    assert bool(data[5] & 2) == (3 in sections)
    if 3 not in sections:
        return [decode_tile(sections[1], prior, tables, row, width, height)]
    return [
        decode_tile(payload, prior, tables, row, w, h)
        for payload, w, h in tile_payloads(sections[3], sections[1], width, height)
    ]


def tile_payloads(
    index: bytes, latents: bytes, width: int, height: int
) -> list[tuple[bytes, int, int]]:
    """Each tile as if it were the LATENTS of a picture of its own, with its width and height."""
    assert int.from_bytes(index[-4:], "little") == zlib.crc32(index[:-4])
    side, layers, at = 64 * index[0], index[1], 2
    assert 64 <= side <= 4096 and 1 <= layers <= 8
    corners = [(x, y) for y in range(0, height, side) for x in range(0, width, side)]
    checks, parts = [], []
    for _ in corners:
        checks.append(index[at : at + 4])
        at += 4
        for _ in range(layers):
            words, at = varint(index, at)
            parts.append((words, int.from_bytes(index[at : at + 4], "little")))
            at += 4
    assert at == len(index) - 4
    payloads, at = checks, 0
    for layer in range(layers):
        for t in range(len(corners)):
            words, check = parts[t * layers + layer]
            part = latents[at : at + 4 * words]
            at += 4 * words
            assert len(part) == 4 * words and zlib.crc32(part) == check
            payloads[t] += part
    assert at == len(latents)
    return [
        (payload, min(side, width - x), min(side, height - y))
        for payload, (x, y) in zip(payloads, corners, strict=True)
    ]


def decode_tile(
    payload: bytes, prior: Prior, tables: Tables, row: int, width: int, height: int
) -> list[Array]:
    coder = Coder(payload)
    h, w = -(-height // 16), -(-width // 16)
    latent, hyper = prior.latent, prior.hyper

    z16 = np.zeros((hyper, -(-h // 4), -(-w // 4)), np.int64)
    z_mean, z_scale = (prior.table(name, row)[:, None, None] for name in ("z_mean", "z_scale"))
    passes = []
    if not prior.hyper_depth:
        index = np.broadcast_to(np.clip(z_scale, 0, 63), z16.shape)
        passes.append(tables.decode(coder, index.ravel()))
        z16 = 16 * passes[0].reshape(z16.shape) + np.clip(z_mean, -32767, 32767)
    for k in range(4 if prior.hyper_depth else 0):
        parts = []
        context = prior.z_context(k, z16) if k else None
        for p, (i, j) in enumerate(PHASES):
            channels = slice((k ^ p) * hyper // 4, ((k ^ p) + 1) * hyper // 4)
            at = np.zeros_like(z16[channels, i::2, j::2])
            scale, mean = at + z_scale[channels], at + z_mean[channels]
            if context is not None:
                scale += prior.conv(f"z_scales.{4 * k - 4 + p}", context[:, i::2, j::2])
                mean += prior.conv(f"z_means.{4 * k - 4 + p}", context[:, i::2, j::2])
            scale, mean = np.clip(scale, 0, 63), np.clip(mean, -32767, 32767)
            parts.append((channels, i, j, scale, mean))
        passes.append(decode_pass(coder, tables, parts, z16))

    features = prior.features(z16, row, h, w)
    y16 = np.zeros((latent, h, w), np.int64)
    group = latent // 4
    for k in range(4):
        context = prior.context(k, features, y16)
        parts = []
        for p, (i, j) in enumerate(PHASES):
            channels = slice((k ^ p) * group, ((k ^ p) + 1) * group)
            at_phase = context[:, i::2, j::2]
            scale = prior.conv(f"scales.{4 * k + p}", at_phase)
            scale = np.clip(scale + prior.table("step_scale", row)[channels, None, None], 0, 63)
            means = np.clip(prior.conv(f"means.{4 * k + p}", at_phase), -32767, 32767)
            parts.append((channels, i, j, scale, means))
        passes.append(decode_pass(coder, tables, parts, y16))
    check = 0
    for symbols in passes:
        check = zlib.crc32(symbols.astype("<i4").tobytes(), check)
    assert coder.at_end and check == int.from_bytes(payload[:4], "little")
    return passes


def decode_pass(
    coder: Coder, tables: Tables, parts: list[tuple[slice, int, int, Array, Array]], out: Array
) -> Array:
    """One pass of parts (channels, row, column, scale index, mean): its symbols; values to out."""
    symbols = tables.decode(coder, np.concatenate([part[3].ravel() for part in parts]))
    rest = symbols
    for channels, i, j, scale, mean in parts:
        out[channels, i::2, j::2] = 16 * rest[: scale.size].reshape(scale.shape) + mean
        rest = rest[scale.size :]
    return symbols
