"""Passes to payload and back: order, escapes, checks, missing and wrong words."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.entropy import (
    MAX_SYMBOL,
    N_SCALES,
    Pass,
    PassDecoder,
    ScaleTables,
    encode_passes,
    gaussian_tables,
    ideal_bits,
)
from gencodec.errors import ChecksumError, FormatError

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


def coded_order(scale_index: np.ndarray) -> np.ndarray:
    coded = np.flatnonzero(scale_index >= SKIP_BELOW)
    return coded[np.argsort(-scale_index[coded].astype(int), kind="stable")]


@pytest.mark.parametrize("escapes", [0.0, 0.1])
def test_a_cut_payload_decodes_its_beginning(escapes: float) -> None:
    rng = np.random.default_rng(5)
    passes = [sample_pass(rng, size, escapes) for size in (150, 0, 90)]
    payload = encode_passes(passes, TABLES)
    fractions = []
    for size in range(len(payload)):  # every byte: an odd end is dropped with its word
        decoder = PassDecoder(payload[:size], TABLES, complete=False)
        ended = False
        for symbols, scale_index in passes:
            decoded = decoder.decode(scale_index)
            order = coded_order(scale_index)
            right = decoded == symbols
            assert (right | (decoded == 0)).all()
            assert not ended or not decoded.any()
            if not escapes:  # then what is missing is one run at the end of the grouped order
                wrong = np.flatnonzero(~right[order])
                assert not wrong.size or not decoded[order][wrong[0] :].any()
            ended = decoder.exhausted
        assert decoder.exhausted
        fractions.append(decoder.decoded_fraction)
        decoder.finish()
    assert fractions == sorted(fractions)
    assert fractions[0] == 0.0 and 0.5 < fractions[-1] < 1.0


def test_a_group_that_runs_out_is_zero_and_all_before_it_is_right() -> None:
    groups = (40, 30, 20, 10)
    scale_index = np.repeat(np.array(groups, np.uint8), 50)
    rng = np.random.default_rng(2)
    symbols = rng.integers(-1, 2, 200).astype(np.int32)
    payload = encode_passes([(symbols, scale_index)], TABLES)
    seen = set()
    for size in range(4, len(payload), 4):
        decoder = PassDecoder(payload[:size], TABLES, complete=False)
        decoded = decoder.decode(scale_index)
        assert decoder.decoded % 50 == 0
        np.testing.assert_array_equal(decoded[: decoder.decoded], symbols[: decoder.decoded])
        assert not decoded[decoder.decoded :].any()
        seen.add(decoder.decoded)
    assert seen == {0, 50, 100, 150}


def test_complete_payload_is_also_checked_when_read_as_cut() -> None:
    rng = np.random.default_rng(4)
    passes = [sample_pass(rng, 400)]
    payload = encode_passes(passes, TABLES)
    decoder = PassDecoder(payload, TABLES, complete=False)
    np.testing.assert_array_equal(decoder.decode(passes[0][1]), passes[0][0])
    assert not decoder.exhausted and decoder.decoded_fraction == 1.0
    decoder.finish()
    wrong_check = bytes([payload[0] ^ 1]) + payload[1:]
    decoder = PassDecoder(wrong_check, TABLES, complete=False)
    decoder.decode(passes[0][1])
    with pytest.raises(ChecksumError):
        decoder.finish()


def decode_and_check(payload: bytes, scale_indices: list[np.ndarray]) -> None:
    """As the codec does: what is wrong shows on the way or at the end."""
    decoder = PassDecoder(payload, TABLES)
    for scale_index in scale_indices:
        decoder.decode(scale_index)
    decoder.finish()


def test_every_flipped_bit_is_found() -> None:
    rng = np.random.default_rng(6)
    passes = [sample_pass(rng, size, 0.02) for size in (100, 60)]
    payload = encode_passes(passes, TABLES)
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ChecksumError):
            decode_and_check(bytes(damaged), [scale_index for _, scale_index in passes])


def test_other_scale_indices_or_words_too_many_or_too_few_are_found() -> None:
    rng = np.random.default_rng(8)
    symbols, scale_index = sample_pass(rng, 300)
    payload = encode_passes([(symbols, scale_index)], TABLES)
    other = scale_index.copy()
    other[150] ^= 1
    for data, scales in [
        (payload, other),
        (payload[:-4], scale_index),
        (payload + bytes(4), scale_index),
        (payload, scale_index[:-1]),
    ]:
        with pytest.raises(ChecksumError):
            decode_and_check(data, [scales])


def test_words_that_run_out_end_the_decoding() -> None:
    """Nothing is computed for a pass behind them: the caller need not ask for it."""
    rng = np.random.default_rng(10)
    passes = [sample_pass(rng, 300) for _ in range(3)]
    payload = encode_passes(passes, TABLES)
    decoder = PassDecoder(payload[: len(payload) // 8 * 4], TABLES)
    decoder.decode(passes[0][1])
    with pytest.raises(ChecksumError):
        decoder.decode(passes[1][1])


def test_words_left_tell_how_far_the_decoder_is() -> None:
    """A payload cut there still decodes every pass up to there."""
    rng = np.random.default_rng(11)
    passes = [sample_pass(rng, size, 0.02) for size in (200, 1, 300)]
    payload = encode_passes(passes, TABLES)
    decoder = PassDecoder(payload, TABLES)
    for count, (_, scale_index) in enumerate(passes, 1):
        decoder.decode(scale_index)
        cut = PassDecoder(payload[: len(payload) - 4 * decoder.words_left], TABLES, complete=False)
        for symbols, scales in passes[:count]:
            np.testing.assert_array_equal(cut.decode(scales), symbols)
        assert not cut.exhausted
    assert decoder.words_left == 0


def test_unfinished_decoding_fails_the_check() -> None:
    rng = np.random.default_rng(9)
    payload = encode_passes([sample_pass(rng, 50)], TABLES)
    with pytest.raises(ChecksumError):
        PassDecoder(payload, TABLES).finish()


@pytest.mark.parametrize("payload", [b"", b"1234", b"12345678", b"x" * 13, b"x" * 15])
def test_impossible_lengths_are_refused(payload: bytes) -> None:
    with pytest.raises(FormatError, match="bytes long"):
        PassDecoder(payload, TABLES)


def test_zero_first_word_is_refused() -> None:
    for complete in (True, False):
        with pytest.raises(FormatError, match="first word is 0"):
            PassDecoder(bytes(4) + bytes(4) + b"abcdefgh", TABLES, complete=complete)


@given(st.binary(max_size=200), st.booleans(), st.integers(0, 2**32))
def test_garbage_never_crashes(words: bytes, complete: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    try:
        decoder = PassDecoder(words, TABLES, complete=complete)
    except FormatError:
        return
    for size in (40, 0, 500):
        scale_index = rng.integers(0, N_SCALES, size).astype(np.uint8)
        try:
            decoded = decoder.decode(scale_index)
        except ChecksumError:
            return
        assert decoded.size == size and np.abs(decoded).max(initial=0) <= MAX_SYMBOL
        assert not decoded[scale_index < SKIP_BELOW].any()
    assert 0.0 <= decoder.decoded_fraction <= 1.0
    if complete:
        with pytest.raises(ChecksumError):
            decoder.finish()


def test_an_escape_longer_than_any_encoder_writes_is_found() -> None:
    """17 bits exceed every symbol: hand-made words ask for it, the decoder stays in range."""
    from gencodec.entropy.ans import AnsEncoder, exact_model

    scale_index = np.array([20], np.uint8)
    half_width = int(TABLES.half_width[20])
    coder = AnsEncoder()
    digits = np.array([16, 0, 5], np.int32)
    coder.push_uniform(digits, np.array([17, 2, 1 << 16], np.int32))
    coder.push(np.array([2 * half_width + 1], np.int32), exact_model(TABLES.table(20)))
    check = zlib.crc32(np.zeros(1, "<i4").tobytes()).to_bytes(4, "little")
    for complete in (True, False):
        payload = check + coder.words().astype("<u4").tobytes()
        decoder = PassDecoder(payload, TABLES, complete=complete)
        with pytest.raises(ChecksumError):
            decoder.decode(scale_index)
