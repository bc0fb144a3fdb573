"""Integer tables: their sums, the checks on them, and that the coder uses exactly these weights."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gencodec.entropy import N_SCALES, ScaleTables, gaussian_tables
from gencodec.entropy.ans import START_STATE, AnsDecoder, AnsEncoder, exact_model
from gencodec.entropy.tables import CDF_TOTAL, TAIL_MASS

SCALES = np.geomspace(0.04, 200.0, N_SCALES)


def random_weights(rng: np.random.Generator, size: int) -> np.ndarray:
    """Weights >= 1 of very unequal size that sum to 2^24, uint32 (size,)."""
    shares = rng.gamma(0.2, size=size)
    weights = 1 + np.floor(shares / shares.sum() * (CDF_TOTAL - size)).astype(np.int64)
    weights[rng.integers(size)] += CDF_TOTAL - weights.sum()
    return weights.astype(np.uint32)


def coded_state(model: object, symbol: int) -> int:
    """The coder's state after one push on the start state, which one push cannot flush."""
    encoder = AnsEncoder()
    encoder.push(np.array([symbol], np.int32), model)
    high, low = encoder.words()
    return int(high) << 32 | int(low)


@pytest.mark.parametrize("size", [4, 5, 64, 1001])
def test_the_coder_uses_exactly_these_weights(size: int) -> None:
    """One push turns state s into (s // w) << 24 | (cdf + s % w): any other w or cdf shows."""
    rng = np.random.default_rng(size)
    weights = random_weights(rng, size)
    cdf = np.concatenate([[0], np.cumsum(weights.astype(np.int64))])
    model = exact_model(weights)
    for symbol in range(size):
        weight = int(weights[symbol])
        quotient, rest = divmod(START_STATE, weight)
        expected = quotient << 24 | (int(cdf[symbol]) + rest)
        assert coded_state(model, symbol) == expected
        both_words = np.array([expected >> 32, expected & 0xFFFFFFFF], np.uint32)
        decoder = AnsDecoder(both_words)
        assert decoder.pop(1, model).tolist() == [symbol]
        assert decoder.at_start


def test_gaussian_tables_are_valid_symmetric_and_close_to_the_gaussian() -> None:
    tables = gaussian_tables(SCALES, skip_below=5)
    for index, sigma in enumerate(SCALES):
        table = tables.table(index).astype(np.int64)
        half_width = int(tables.half_width[index])
        assert table.sum() == CDF_TOTAL and table.min() >= 1
        regular = table[:-1]
        assert (regular == regular[::-1]).all()
        assert (np.diff(regular[half_width:]) <= 1).all()  # a unit of rounding
        symbols = np.arange(-half_width, half_width + 1)
        edges = [math.erf((s + d) / (sigma * math.sqrt(2))) for s in symbols for d in (-0.5, 0.5)]
        masses = 0.5 * (np.array(edges[1::2]) - np.array(edges[::2]))
        assert np.abs(regular - masses * CDF_TOTAL).max() <= table.size + 2
        assert table[-1] <= TAIL_MASS * CDF_TOTAL + 2
        assert half_width == 1 or half_width < 6 * sigma + 1


@given(st.floats(0.01, 10.0), st.floats(1.01, 1.15))
@settings(max_examples=30)
def test_any_ascending_scales_can_be_tabled(first: float, ratio: float) -> None:
    tables = gaussian_tables(np.minimum(first * ratio ** np.arange(N_SCALES), 8000 + np.arange(64)))
    tables.validate()


def test_arrays_round_trip() -> None:
    tables = gaussian_tables(SCALES, skip_below=7)
    again = ScaleTables.from_arrays(tables.to_arrays())
    assert (again.pmf == tables.pmf).all() and again.pmf.dtype == np.uint32
    assert (again.half_width == tables.half_width).all()
    assert again.skip_below == 7
    as_int64 = {name: array.astype(np.int64) for name, array in tables.to_arrays().items()}
    assert (ScaleTables.from_arrays(as_int64).pmf == tables.pmf).all()


def test_tables_are_private_and_read_only() -> None:
    arrays = gaussian_tables(SCALES).to_arrays()
    tables = ScaleTables.from_arrays(arrays)
    before = tables.pmf.copy()
    arrays["pmf"][:] = 0
    assert (tables.pmf == before).all()
    with pytest.raises(ValueError, match="read-only"):
        tables.pmf[0] = 1


def test_bad_tables_are_refused() -> None:
    tables = gaussian_tables(SCALES)
    moved = tables.pmf.copy()
    moved[0] += 1
    zero = tables.pmf.copy()
    zero[1] += zero[0]
    zero[0] = 0
    narrow = tables.half_width.copy()
    narrow[3] = 0
    changes: list[tuple[dict[str, Any], str]] = [
        ({"pmf": moved}, "table 0 sums to"),
        ({"pmf": zero}, "weight of zero"),
        ({"pmf": tables.pmf[:-1]}, "entries"),
        ({"pmf": tables.pmf.astype(np.float32)}, "integer array"),
        ({"pmf": tables.pmf.astype(np.int64) - CDF_TOTAL}, "no uint32"),
        ({"pmf": tables.pmf.reshape(1, -1)}, "one-dimensional"),
        ({"half_width": narrow}, "half-width"),
        ({"half_width": tables.half_width + 70000}, "half-width"),
        ({"half_width": tables.half_width[:-1]}, "63 tables"),
        ({"half_width": tables.half_width[:0]}, "empty"),
        ({"skip_below": -1}, "skip_below"),
        ({"skip_below": 65}, "skip_below"),
    ]
    for change, message in changes:
        with pytest.raises(ValueError, match=message):
            replace(tables, **change)
    with pytest.raises(ValueError, match="missing from the tables: half_width, skip_below"):
        ScaleTables.from_arrays({"pmf": tables.pmf})


@pytest.mark.parametrize(
    "scales",
    [
        SCALES[:-1],
        SCALES[::-1],
        np.r_[0.0, SCALES[1:]],
        np.r_[SCALES[:-1], np.nan],
        np.r_[SCALES[:-1], np.inf],
        SCALES * 1000,
    ],
    ids=["too few", "descending", "zero", "nan", "infinite", "too large"],
)
def test_bad_scales_are_refused(scales: np.ndarray) -> None:
    with pytest.raises(ValueError, match="scale"):
        gaussian_tables(scales)
