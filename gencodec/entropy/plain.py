"""The coder of constriction in Python integers, for machines that there is no build of it for.

The same words, bit for bit, as FORMAT.md defines them, more slowly. Names and meaning are those of
`constriction.stream` as far as `gencodec.entropy.ans` uses them, which says the rest.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, count, repeat
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

_BITS = 24
_TOTAL = 1 << _BITS
_LOW = _TOTAL - 1
_WORD = (1 << 32) - 1
_REFILL = 1 << 32

Words: TypeAlias = npt.NDArray[np.uint32]
Symbols: TypeAlias = npt.NDArray[np.int32]
Span: TypeAlias = tuple[int, int, int]
"""A symbol, and start and size of its span of the 2^24 values that a state's low bits can take."""


class Model(Protocol):
    """Which span each symbol has."""

    def of(self, symbol: int) -> Span:
        """The span of a symbol; KeyError for one that has none."""

    def at(self, low: int) -> Span:
        """The span that a value lies in."""


class Categorical:
    """Symbols from 0 on with these weights, each at least 1, that sum to 2^24."""

    def __init__(self, weights: npt.NDArray[np.uint32]) -> None:
        sizes: list[int] = weights.tolist()
        self._starts = list(accumulate(sizes, initial=0))[:-1]
        self._spans = list(zip(count(), self._starts, sizes))

    def of(self, symbol: int) -> Span:
        if not 0 <= symbol < len(self._spans):
            raise KeyError(symbol)
        return self._spans[symbol]

    def at(self, low: int) -> Span:
        return self._spans[bisect_right(self._starts, low) - 1]


class Uniform:
    """Symbols 0..size-1; the last one takes what the division of 2^24 leaves.

    Without a size it stands for all of them, for `encode_reverse` with sizes.
    """

    def __init__(self, size: int = 1) -> None:
        self._size = size
        self._share = _TOTAL // size

    def of(self, symbol: int) -> Span:
        if not 0 <= symbol < self._size:
            raise KeyError(symbol)
        start = symbol * self._share
        return symbol, start, self._share if symbol < self._size - 1 else _TOTAL - start

    def at(self, low: int) -> Span:
        return self.of(min(low // self._share, self._size - 1))


class AnsCoder:
    """A stack of symbols in a state of 64 bits and words, the last of which is the next to read."""

    def __init__(self, words: Words) -> None:
        if words.size and words[-1] == 0:
            raise ValueError("the last word is zero")
        self._words: list[int] = words.tolist()
        self._state = 0
        while self._words and self._state < _REFILL:
            self._state = self._state << 32 | self._words.pop()

    def encode_reverse(self, symbols: Symbols, model: Model, sizes: Symbols | None = None) -> None:
        """Push symbols so that they pop in this order; `sizes`: of a uniform model for each."""
        models = repeat(model) if sizes is None else map(Uniform, reversed(sizes.tolist()))
        state, words = self._state, self._words
        for symbol, its in zip(reversed(symbols.tolist()), models, strict=False):
            _, start, size = its.of(symbol)
            if state >> (64 - _BITS) >= size:
                words.append(state & _WORD)
                state >>= 32
            whole, rest = divmod(state, size)
            state = whole << _BITS | start + rest
        self._state = state

    def decode(self, model: Model, amount: int) -> Symbols:
        """Pop symbols; zeros from where the words ran out, in the place of noise."""
        state, words, at = self._state, self._words, model.at
        found = []
        for _ in range(amount):
            low = state & _LOW
            symbol, start, size = at(low)
            state = (state >> _BITS) * size + low - start
            found.append(symbol)
            if state < _REFILL:
                if not words:  # a file may claim millions of symbols and hold none
                    break
                state = state << 32 | words.pop()
        self._state = state
        symbols = np.zeros(amount, np.int32)
        symbols[: len(found)] = found
        return symbols

    def get_compressed(self) -> Words:
        """All words, those of the state last."""
        return np.array([*self._words, self._state & _WORD, self._state >> 32], np.uint32)

    def pos(self) -> tuple[int, int]:
        """How many words are left beside the state, and the state."""
        return len(self._words), self._state
