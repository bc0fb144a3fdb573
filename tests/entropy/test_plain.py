"""The coder in Python, where constriction is not to be had: the same words and symbols."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.entropy import Pass, encode_passes, plain
from gencodec.entropy.ans import STAND_IN, AnsDecoder, AnsEncoder, Symbols
from tests.entropy.passes import TABLES, any_passes, decode_all, sample_pass

stream = pytest.importorskip("constriction").stream

WORDS = st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), max_size=12)
WEIGHTS = st.lists(st.integers(1, 2**18), min_size=2, max_size=40)


@contextmanager
def coding_in_python() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("gencodec.entropy.ans._library", lambda: STAND_IN)
        yield


def weights_of(shares: list[int]) -> np.ndarray:
    """Whole weights that sum to 2^24, in about these proportions."""
    weights = np.array(shares, np.uint64) * 2**23 // sum(shares) + 1
    weights[0] += 2**24 - weights.sum()
    return weights.astype(np.uint32)


@given(any_passes())
def test_payloads_are_those_of_constriction(passes: list[Pass]) -> None:
    theirs = encode_passes(passes, TABLES)
    with coding_in_python():
        assert encode_passes(passes, TABLES) == theirs
        for (symbols, _), decoded in zip(passes, decode_all(theirs, passes), strict=True):
            assert decoded.dtype == np.int32
            np.testing.assert_array_equal(decoded, symbols)


def test_long_payloads_are_those_of_constriction() -> None:
    rng = np.random.default_rng(13)
    passes = [sample_pass(rng, size, 0.05) for size in (9000, 1, 400)]
    theirs = encode_passes(passes, TABLES)
    with coding_in_python():
        assert encode_passes(passes, TABLES) == theirs


@given(WORDS, WEIGHTS, st.lists(st.integers(0, 9) | st.integers(2, 2**16), max_size=12))
def test_of_any_words_the_same_comes(words: list[int], shares: list[int], asked: list[int]) -> None:
    """Until they run out. What is asked for is a run from a table, or one of so many."""
    weights, stack = weights_of(shares), np.array(words, np.uint32)
    if words and words[-1] == 0:
        with pytest.raises(ValueError, match="zero"):
            plain.AnsCoder(stack)
        return
    ours, theirs = plain.AnsCoder(stack), stream.stack.AnsCoder(stack)
    mine = plain.Categorical(weights)
    model = stream.model.Categorical((weights - 1).astype(float), perfect=False, lazy=False)
    assert ours.pos() == theirs.pos()
    for number in asked:
        symbols: Symbols
        if number < 10:
            symbols, expected = ours.decode(mine, number), theirs.decode(model, number)
        else:
            symbols = ours.decode(plain.Uniform(number), 1)
            expected = theirs.decode(stream.model.Uniform(number), 1)
        assert symbols.dtype == np.int32 and symbols.shape == expected.shape
        ran_out = theirs.pos()[1] < 2**32
        assert (ours.pos()[1] < 2**32) == ran_out
        if ran_out:
            break
        assert symbols.tolist() == expected.tolist()
        assert ours.pos() == theirs.pos()


@given(st.lists(st.tuples(st.integers(2, 2**16), st.floats(0, 1, exclude_max=True)), max_size=20))
def test_one_of_so_many(drawn: list[tuple[int, float]]) -> None:
    sizes = [size for size, _ in drawn]
    symbols = np.array([int(size * share) for size, share in drawn], np.int32)
    encoder = AnsEncoder()
    encoder.push_uniform(symbols, np.array(sizes, np.int32))
    with coding_in_python():
        ours = AnsEncoder()
        ours.push_uniform(symbols, np.array(sizes, np.int32))
        assert ours.words().tolist() == encoder.words().tolist()
        decoder = AnsDecoder(ours.words())
        assert [decoder.pop_uniform(size) for size in sizes] == symbols.tolist()
        assert decoder.at_start and not decoder.ran_out


@pytest.mark.parametrize("symbol", [-1, 3])
def test_a_symbol_without_a_span_is_refused(symbol: int) -> None:
    coder = plain.AnsCoder(np.array([5, 1], np.uint32))
    for model in (plain.Categorical(weights_of([1, 2, 3])), plain.Uniform(3)):
        with pytest.raises(KeyError):
            coder.encode_reverse(np.array([symbol], np.int32), model)
