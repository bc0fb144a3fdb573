"""Passes to code, and the tables that the tests code them with."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from gencodec.entropy import (
    MAX_SYMBOL,
    N_SCALES,
    Pass,
    PassDecoder,
    gaussian_tables,
)

SCALES = np.geomspace(0.06, 40.0, N_SCALES)
SKIP_BELOW = 4
TABLES = gaussian_tables(SCALES, skip_below=SKIP_BELOW)


def sample_pass(rng: np.random.Generator, size: int, escapes: float = 0.0) -> Pass:
    """Symbols as the tables expect them, and a share of far outliers."""
    scale_index = rng.integers(0, N_SCALES, size).astype(np.uint8)
    symbols = np.rint(rng.normal(0.0, SCALES[scale_index]))
    outliers = rng.random(size) < escapes
    symbols[outliers] = rng.integers(-MAX_SYMBOL, MAX_SYMBOL + 1, int(outliers.sum()))
    symbols[scale_index < SKIP_BELOW] = 0
    return symbols.astype(np.int32), scale_index


def decode_all(payload: bytes, passes: list[Pass]) -> list[np.ndarray]:
    decoder = PassDecoder(payload, TABLES)
    decoded = [decoder.decode(scale_index) for _, scale_index in passes]
    decoder.finish()
    assert decoder.decoded == decoder.requested and not decoder.exhausted
    assert decoder.decoded_fraction == 1.0
    return decoded


@st.composite
def any_passes(draw: st.DrawFn) -> list[Pass]:
    """A few short passes, empty ones among them, with symbols of every magnitude."""
    passes = []
    for _ in range(draw(st.integers(0, 4))):
        scale_index = np.array(draw(st.lists(st.integers(0, N_SCALES - 1), max_size=40)), np.uint8)
        near = st.integers(-3, 3)
        far = st.integers(-MAX_SYMBOL, MAX_SYMBOL)
        drawn = [draw(near | far) if i >= SKIP_BELOW else 0 for i in scale_index]
        passes.append((np.array(drawn, np.int32), scale_index))
    return passes
