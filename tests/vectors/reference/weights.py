"""Weights files, plain and compact (FORMAT.md, "The weights file")."""

from __future__ import annotations

import functools
import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load as load_safetensors

Array = np.ndarray


@dataclass(frozen=True)
class File:
    """The weights file: its tensors, config, content hash and what else it says of itself."""

    tensors: dict[str, Array]
    config: dict[str, int]
    content_hash: str
    metadata: dict[str, str]


@functools.lru_cache(maxsize=2)  # the vectors of one weights file come one after another
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
    return File(tensors, json.loads(text), digest.hexdigest(), metadata)


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
