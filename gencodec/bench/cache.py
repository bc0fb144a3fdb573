"""Measured rows kept from run to run: one small file for each codec, setting and picture."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from gencodec.bench.environment import version_of
from gencodec.bench.metrics import METRICS
from gencodec.bench.report import T, from_text, to_text
from gencodec.errors import OutputError
from gencodec.image import atomic_write

FORM = 1
"""Counts changes of what is measured that no version below would show."""


def default_folder() -> Path:
    """Where caches go on this system, XDG_CACHE_HOME or ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gencodec" / "bench"


class Cache:
    """Rows by all that decides them: codec, settings and versions, quality, picture, metrics."""

    def __init__(self, folder: Path | None) -> None:
        """folder: made when first written to; None keeps nothing."""
        self._folder = folder
        self._metrics = [f"{m.package} {version_of(m.package)}" for m in METRICS if m.package]

    def key(self, identity: str, quality: float, picture_sha256: str) -> str:
        """identity: of the codec, as :class:`gencodec.bench.contestants.Contestant` says."""
        parts = [FORM, identity, quality, picture_sha256, self._metrics]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def get(self, key: str, kind: type[T]) -> T | None:
        """A row that was put; None when there is none, or none that can be read."""
        if self._folder is None:
            return None
        try:
            return from_text(kind, self._path(self._folder, key).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def put(self, key: str, row: object) -> None:
        """Keep a row; where nothing can be written, nothing is kept."""
        if self._folder is None:
            return
        path = self._path(self._folder, key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(path, to_text(row).encode(), overwrite=True)
        except (OSError, OutputError):
            self._folder = None

    @staticmethod
    def _path(folder: Path, key: str) -> Path:
        return folder / key[:2] / f"{key[2:]}.json"
