"""Codecs for those who keep none themselves: a call with a file in, a call with a file out."""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from pathlib import Path

from .codec import Codec


def kept_codec(model: str | Path | None, device: str) -> Codec:
    """One for each weights and device.  A file of weights that is written anew is another.

    model, device and errors as of :meth:`Codec.load`.
    """
    if model is None:
        return _loaded(None, device, None)
    stamp = None
    with contextlib.suppress(OSError, ValueError):  # a name, or what loading will refuse
        state = os.stat(model)
        stamp = state.st_size, state.st_mtime_ns
    return _loaded(str(model), device, stamp)


@lru_cache(maxsize=4)
def _loaded(model: str | None, device: str, stamp: tuple[int, int] | None) -> Codec:
    return Codec.load(model, device=device)
