"""Asymmetric numeral systems over 32-bit words: the one import of constriction.

The coder is a stack: what is pushed last is popped first. `AnsEncoder` is therefore fed in
reverse of decode order, and hands out its words with the first word to be decoded in front,
so that a payload whose end is missing still decodes its beginning.

Both sides hold a state of 64 bits. While words remain, it is at least 2^32 after each step;
a smaller state means that a refill found no word, and that what is popped next is noise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from gencodec.entropy import plain

# The coder starts from this state, and decoding must end in it: the state after a wrong decode
# is as good as random, so this one word (with the count of words) finds it. constriction's own
# `is_empty` would accept 4 to 14 % of wrong decodes.
START_WORDS = (0x9E3779B9, 1)
START_STATE = START_WORDS[1] << 32 | START_WORDS[0]
_REFILLED = 1 << 32

Symbols: TypeAlias = npt.NDArray[np.int32]
Model: TypeAlias = Any  # constriction has no type stubs


class Library(NamedTuple):
    """What codes: constriction, or what stands in for it."""

    coder: Callable[[npt.NDArray[np.uint32]], Any]
    uniform: Callable[..., Model]
    exact_model: Callable[[npt.NDArray[np.uint32]], Model]


STAND_IN = Library(plain.AnsCoder, plain.Uniform, plain.Categorical)


@cache
def _library() -> Library:
    # Loaded by the first symbol: training needs tables but no coder.
    if find_spec("constriction") is None:  # Linux on ARM, for one, has no build of it
        return STAND_IN
    from constriction import stream

    def categorical(weights: npt.NDArray[np.uint32]) -> Model:
        # constriction gives every symbol one unit first and shares out the rest in proportion, so
        # w - 1 in, with nothing left to round, is w inside. `perfect` stays off: it would spend
        # time on moving units about to the same end.
        chances = (weights - 1).astype(np.float64)
        return stream.model.Categorical(chances, perfect=False, lazy=False)

    return Library(stream.stack.AnsCoder, stream.model.Uniform, categorical)


def exact_model(weights: npt.NDArray[np.uint32]) -> Model:
    """A model with exactly these integer weights, each >= 1 and summing to 2^24."""
    return _library().exact_model(weights)


class AnsEncoder:
    """Pushes symbols, last to be decoded first."""

    def __init__(self) -> None:
        self._coder = _library().coder(np.array(START_WORDS, np.uint32))

    def push(self, symbols: Symbols, model: Model) -> None:
        """Push a run of symbols that `AnsDecoder.pop` gives back in the same order.

        Args:
            symbols: int32 (n,), each within the model's support. One outside it raises
                KeyError and leaves the coder unusable: check before.
        """
        self._coder.encode_reverse(symbols, model)

    def push_uniform(self, symbols: Symbols, sizes: Symbols) -> None:
        """Push a run of equally probable symbols, symbols[i] in 0..sizes[i]-1, sizes[i] >= 2."""
        self._coder.encode_reverse(symbols, _library().uniform(), sizes)

    def words(self) -> npt.NDArray[np.uint32]:
        """The coded words in decode order, uint32 (n >= 2,)."""
        words: npt.NDArray[np.uint32] = self._coder.get_compressed()[::-1]
        return words


class AnsDecoder:
    """Pops symbols in the order of decoding.

    Wrong or missing words raise nothing; they pop wrong symbols. `ran_out` and `at_start` tell.

    Args:
        words: uint32 (n,) in decode order.

    Raises:
        ValueError: when the first word is zero, which no encoder writes.
    """

    def __init__(self, words: npt.NDArray[np.uint32]) -> None:
        self._coder = _library().coder(np.ascontiguousarray(words[::-1], np.uint32))

    def pop(self, count: int, model: Model) -> Symbols:
        """The next `count` symbols, int32 (count,). The caller bounds `count`: it is allocated."""
        symbols: Symbols = self._coder.decode(model, count)
        return symbols

    def pop_uniform(self, size: int) -> int:
        """The next symbol out of `size` >= 2 equally probable ones."""
        return int(self._coder.decode(_library().uniform(size), 1)[0])

    @property
    def ran_out(self) -> bool:
        """Whether a refill of the state found no word."""
        return bool(self._coder.pos()[1] < _REFILLED)

    @property
    def words_left(self) -> int:
        """Words that have not entered the state yet."""
        return int(self._coder.pos()[0])

    @property
    def at_start(self) -> bool:
        """Whether every word is used and the encoder's start state is back."""
        return bool(self._coder.pos() == (0, START_STATE))
