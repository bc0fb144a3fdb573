"""Passes to payload and back: order, escapes, sizes, and what is refused."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
from hypothesis import given

from gencodec.entropy import (
    MAX_SYMBOL,
    N_SCALES,
    Pass,
    PassDecoder,
    ScaleTables,
    encode_passes,
    ideal_bits,
)
from tests.entropy.passes import SKIP_BELOW, TABLES, any_passes, decode_all, sample_pass


@given(any_passes())
def test_round_trip_of_any_passes(passes: list[Pass]) -> None:
    payload = encode_passes(passes, TABLES)
    for (symbols, _), decoded in zip(passes, decode_all(payload, passes), strict=True):
        assert decoded.dtype == np.int32
        np.testing.assert_array_equal(decoded, symbols)


@pytest.mark.parametrize("escapes", [0.0, 0.01, 1.0])
def test_round_trip_of_long_passes(escapes: float) -> None:
    rng = np.random.default_rng(7)
    passes = [sample_pass(rng, size, escapes) for size in (5000, 0, 1, 257)]
    payload = encode_passes(passes, TABLES)
    for (symbols, _), decoded in zip(passes, decode_all(payload, passes), strict=True):
        np.testing.assert_array_equal(decoded, symbols)


def test_symbols_just_inside_and_outside_every_table() -> None:
    scale_index = np.repeat(np.arange(SKIP_BELOW, N_SCALES, dtype=np.uint8), 8)
    half_width = TABLES.half_width[scale_index]
    offsets = np.tile([-2, -1, 0, 1, 2, 3, 4, 5], N_SCALES - SKIP_BELOW).astype(np.int32)
    passes = [((half_width + offsets), scale_index), (-(half_width + offsets), scale_index)]
    limits = np.array([MAX_SYMBOL, -MAX_SYMBOL], np.int32)
    passes.append((limits, np.array([SKIP_BELOW, 63], np.uint8)))
    for (symbols, _), decoded in zip(
        passes, decode_all(encode_passes(passes, TABLES), passes), strict=True
    ):
        np.testing.assert_array_equal(decoded, symbols)


def integer_tables() -> ScaleTables:
    """Triangular tables made without any floating point, so that they are the same everywhere."""
    half_width = 1 + np.arange(N_SCALES, dtype=np.int32) // 8
    tables = []
    for h in half_width.tolist():
        triangle = [(h + 1 - abs(symbol)) * (1 << 16) for symbol in range(-h, h + 1)]
        triangle[h] += (1 << 24) - sum(triangle) - 4096
        tables += [*triangle, 4096]
    return ScaleTables(np.array(tables, np.uint32), half_width, SKIP_BELOW)


PINNED_PASSES: list[Pass] = [
    (
        np.array([0, 3, -1, 0, 400, 0, -2, 1], np.int32),
        np.array([0, 40, 20, 3, 20, 63, 40, 4], np.uint8),
    ),
    (np.array([-65535, 0, 2], np.int32), np.array([12, 12, 12], np.uint8)),
]
PINNED_CHECK = 830295729
PINNED_WORDS = [372790520, 430403627, 2231332318, 1008610943]


def test_the_bytes_of_a_small_example_never_change() -> None:
    """Two passes, five groups and two escapes: a change here is a change of the format."""
    payload = encode_passes(PINNED_PASSES, integer_tables())
    assert np.frombuffer(payload, "<u4").tolist() == [PINNED_CHECK, *PINNED_WORDS]
    joined = b"".join(symbols.astype("<i4").tobytes() for symbols, _ in PINNED_PASSES)
    assert zlib.crc32(joined) == PINNED_CHECK
    decoded = reference_decode(payload, [scales for _, scales in PINNED_PASSES], integer_tables())
    for (symbols, _), again in zip(PINNED_PASSES, decoded, strict=True):
        np.testing.assert_array_equal(again, symbols)


def reference_decode(
    payload: bytes, scale_indices: list[np.ndarray], tables: ScaleTables
) -> list[np.ndarray]:
    """The payload's definition in plain integers, word by word: no constriction, no grouping."""
    words = np.frombuffer(payload[4:], "<u4").tolist()
    state = words[0] << 32 | words[1]
    used = 2

    def pop(weights: list[int]) -> int:
        nonlocal state, used
        low = state & (1 << 24) - 1
        symbol, start = 0, 0
        while low >= start + weights[symbol]:
            start += weights[symbol]
            symbol += 1
        state = weights[symbol] * (state >> 24) + low - start
        if state < 1 << 32:
            state = state << 32 | words[used]
            used += 1
        return symbol

    def uniform(size: int) -> int:
        each = (1 << 24) // size
        return pop([each] * (size - 1) + [(1 << 24) - each * (size - 1)])

    decoded = []
    for scale_index in scale_indices:
        symbols = np.zeros(scale_index.size, np.int32)
        escapes = []
        for index in reversed(range(tables.skip_below, N_SCALES)):
            half_width = int(tables.half_width[index])
            for place in np.flatnonzero(scale_index == index):
                entry = pop(tables.table(index).tolist())
                symbols[place] = entry - half_width
                if entry == 2 * half_width + 1:
                    escapes.append((place, half_width))
        for place, half_width in escapes:
            n_low = uniform(17)
            sign = -1 if uniform(2) else 1
            low = uniform(1 << n_low) if n_low else 0
            symbols[place] = sign * (half_width + (1 << n_low) + low)
        decoded.append(symbols)
    assert used == len(words)
    assert state == 1 << 32 | 0x9E3779B9
    return decoded


def test_an_independent_decoder_agrees() -> None:
    rng = np.random.default_rng(3)
    passes = [sample_pass(rng, size, 0.1) for size in (60, 1, 33)]
    decoded = reference_decode(
        encode_passes(passes, TABLES), [scales for _, scales in passes], TABLES
    )
    for (symbols, _), again in zip(passes, decoded, strict=True):
        np.testing.assert_array_equal(again, symbols)


@pytest.mark.parametrize("escapes", [0.0, 0.02, 0.5])
def test_actual_size_is_the_ideal_size(escapes: float) -> None:
    rng = np.random.default_rng(11)
    passes = [sample_pass(rng, size, escapes) for size in (20_000, 0, 300)]
    ideal_bytes = ideal_bits(passes, TABLES) / 8
    actual_bytes = len(encode_passes(passes, TABLES))
    assert ideal_bytes <= actual_bytes <= ideal_bytes * 1.01 + 16


def test_ideal_bits_by_hand() -> None:
    scale_index = np.array([30, 30, 0], np.uint8)
    half_width = int(TABLES.half_width[30])
    table = TABLES.table(30)
    passes = [(np.array([2, -(half_width + 5), 0], np.int32), scale_index)]
    regular = 24 - math.log2(table[half_width + 2])
    escape = 24 - math.log2(table[-1]) + math.log2(17) + 1 + 2  # 5 is 101b: two low bits
    assert ideal_bits(passes, TABLES) == pytest.approx(regular + escape)
    assert ideal_bits([], TABLES) == 0.0


def test_nothing_coded_is_three_words() -> None:
    scale_index = np.zeros(9, np.uint8)
    for passes in ([], [(np.zeros(9, np.int32), scale_index)]):
        payload = encode_passes(passes, TABLES)
        assert len(payload) == 12
        decode_all(payload, passes)


@pytest.mark.parametrize(
    ("symbols", "scale_index", "message"),
    [
        (np.zeros(3, np.int64), np.zeros(3, np.uint8), "int32"),
        (np.zeros(2, np.int32), np.zeros(3, np.uint8), "as long as"),
        (np.zeros((1, 3), np.int32), np.zeros((1, 3), np.uint8), "one-dimensional"),
        (np.zeros(3, np.int32), np.zeros(3, np.int32), "uint8"),
        (np.zeros(1, np.int32), np.full(1, 64, np.uint8), "64 is not in 0..63"),
        (np.ones(1, np.int32), np.full(1, 3, np.uint8), "not coded"),
        (np.full(1, 65536, np.int32), np.full(1, 63, np.uint8), "outside"),
        (np.full(1, -(2**31), np.int32), np.full(1, 63, np.uint8), "outside"),
    ],
)
def test_bad_passes_are_refused(symbols: np.ndarray, scale_index: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode_passes([(symbols, scale_index)], TABLES)
    with pytest.raises(ValueError, match=message):
        ideal_bits([(symbols, scale_index)], TABLES)


@pytest.mark.parametrize(
    "scale_index", [np.full(1, 64, np.uint8), np.zeros(1, np.int32), np.zeros((1, 1), np.uint8)]
)
def test_decode_refuses_bad_scale_indices(scale_index: np.ndarray) -> None:
    decoder = PassDecoder(encode_passes([], TABLES), TABLES)
    with pytest.raises(ValueError, match=r"scale.index"):
        decoder.decode(scale_index)
