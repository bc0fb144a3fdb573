"""Payloads cut short, changed or made up: the right beginning, a refusal, never a crash."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.entropy import (
    MAX_SYMBOL,
    N_SCALES,
    PassDecoder,
    encode_passes,
)
from gencodec.errors import ChecksumError, FormatError
from tests.entropy.passes import SKIP_BELOW, TABLES, sample_pass


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
