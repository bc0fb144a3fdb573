"""Which weights are shipped: the manifest beside them, read without loading any (or torch)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from gencodec.errors import WeightsError

from .locate import weights_directory

MANIFEST = "manifest.json"

PLAIN = "mse"
"""What weights are for unless the manifest says otherwise; others are tunes, such as ``ssim``."""


@dataclass(frozen=True)
class WeightsEntry:
    """One released weights file; ``id_hex`` is the SHA-256 of its content, 64 digits.

    tune: what it was trained for.  default_for: the tunes for which it is taken where no weights
    are named.  encoders: the files of other encoders for it (:mod:`gencodec.model.encoders`), by
    what they are tuned for.
    """

    name: str
    path: Path
    id_hex: str
    config_name: str
    bytes: int
    released: str
    tune: str = PLAIN
    default_for: tuple[str, ...] = ()
    encoders: dict[str, Path] = field(default_factory=dict)

    @property
    def default(self) -> bool:
        """Whether it is taken where nothing at all is said."""
        return PLAIN in self.default_for

    @property
    def tunes(self) -> set[str]:
        """What it makes files for without any search."""
        return {self.tune, *self.encoders}


def list_weights() -> list[WeightsEntry]:
    """The entries of the manifest, default first; WeightsError when it is missing or broken."""
    folder = weights_directory()
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        defaults = {**manifest.get("tuned", {}), PLAIN: manifest["default"]}
        entries = [
            WeightsEntry(
                name=str(row["name"]),
                path=folder / Path(row["file"]).name,
                id_hex=str(row["content_sha256"]),
                config_name=str(row["config"]),
                bytes=int(row["bytes"]),
                released=str(row["released"]),
                tune=str(row.get("tune", PLAIN)),
                default_for=tuple(tune for tune, name in defaults.items() if name == row["name"]),
                encoders={
                    str(encoder["tune"]): folder / Path(encoder["file"]).name
                    for encoder in row.get("encoders", ())
                },
            )
            for row in manifest["weights"]
        ]
    except FileNotFoundError:
        raise WeightsError("no weights are installed: weights/manifest.json is missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(f"weights/manifest.json is not readable: {error}") from None
    return sorted(entries, key=lambda entry: not entry.default)


def find_weights(name: str | None = None, tune: str = PLAIN) -> WeightsEntry:
    """The shipped weights of this name; without one those for this tune, or the default ones."""
    entries = list_weights()
    for wanted in (tune, PLAIN):
        for entry in entries:
            if entry.name == name or (name is None and wanted in entry.default_for):
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
