"""Which weights are shipped: the manifest beside them, read without loading any (or torch)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from gencodec.errors import WeightsError

from .locate import weights_directory

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class WeightsEntry:
    """One released weights file; ``id_hex`` is the SHA-256 of its content, 64 digits.

    encoders: the files of other encoders for it (:mod:`gencodec.model.encoders`), by what they
    are tuned for.
    """

    name: str
    path: Path
    id_hex: str
    config_name: str
    bytes: int
    released: str
    default: bool
    encoders: dict[str, Path] = field(default_factory=dict)


def list_weights() -> list[WeightsEntry]:
    """The entries of the manifest, default first; WeightsError when it is missing or broken."""
    folder = weights_directory()
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        entries = [
            WeightsEntry(
                name=str(row["name"]),
                path=folder / Path(row["file"]).name,
                id_hex=str(row["content_sha256"]),
                config_name=str(row["config"]),
                bytes=int(row["bytes"]),
                released=str(row["released"]),
                default=row["name"] == manifest["default"],
                encoders={
                    str(encoder["tune"]): folder / Path(encoder["file"]).name
                    for encoder in row.get("encoders", ())
                },
            )
            for row in manifest["weights"]
        ]
    except FileNotFoundError:
        raise WeightsError("no weights are installed: weights/manifest.json is missing") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"weights/manifest.json is not readable: {error}") from None
    return sorted(entries, key=lambda entry: not entry.default)


def find_weights(name: str | None = None) -> WeightsEntry:
    """The shipped weights of this name, or the default ones."""
    entries = list_weights()
    for entry in entries:
        if entry.name == name or (name is None and entry.default):
            return entry
    known = ", ".join(entry.name for entry in entries) or "none"
    raise WeightsError(f"no shipped weights are called {name!r} (there are: {known})")


def find_weights_by_id(weights_id: bytes) -> WeightsEntry:
    """The shipped weights that a stream names by its four bytes."""
    for entry in list_weights():
        if entry.id_hex.startswith(weights_id.hex()):
            return entry
    raise WeightsError(
        f"the file was made with weights {weights_id.hex()}, which are not installed here; "
        "install the gencodec version that made it, or name its weights file with --model"
    )
