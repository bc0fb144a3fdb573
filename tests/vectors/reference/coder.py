"""Asymmetric numeral systems in Python integers (FORMAT.md, "LATENTS")."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import suppress

import numpy as np

from .weights import Array, File


class RanOutError(Exception):
    """A refill of the state found no word."""


class Coder:
    """Words in the order of decoding; those behind the last whole one are dropped."""

    def __init__(self, payload: bytes) -> None:
        size = len(payload) // 4 * 4
        words = [int.from_bytes(payload[i : i + 4], "little") for i in range(0, size, 4)]
        self.ran_out = len(words) < 2
        self.state = 0 if self.ran_out else words[0] << 32 | words[1]
        assert self.ran_out or words[0]
        self.words = words[:1:-1]  # the next word is the last of the list

    def _advance(self, c: int, p: int) -> None:
        self.state = (self.state >> 24) * p + (self.state & 0xFFFFFF) - c
        if self.state < 2**32:
            if not self.words:
                self.ran_out = True
                raise RanOutError
            self.state = self.state << 32 | self.words.pop()

    def symbol(self, sums: list[int]) -> int:
        """``sums``: the cumulative weights, from 0 to 2^24."""
        entry = bisect_right(sums, self.state & 0xFFFFFF) - 1
        self._advance(sums[entry], sums[entry + 1] - sums[entry])
        return entry

    def uniform(self, n: int) -> int:
        """One of ``n`` values; the last one takes what the division of 2^24 leaves."""
        share = 2**24 // n
        value = min((self.state & 0xFFFFFF) // share, n - 1)
        self._advance(value * share, share if value < n - 1 else 2**24 - (n - 1) * share)
        return value

    @property
    def at_end(self) -> bool:
        return not self.words and self.state == 2**32 + 0x9E3779B9


class Tables:
    """Cumulative weights of every scale index."""

    def __init__(self, file: File) -> None:
        pmf = file.tensors["tables.pmf"].tolist()
        self.half_width = file.tensors["tables.half_width"].tolist()
        self.skip_below = int(file.tensors["tables.skip_below"][0])
        self.sums = []
        for h in self.half_width:
            sums = [0]
            for weight in pmf[: 2 * h + 2]:
                sums.append(sums[-1] + weight)
            assert sums[-1] == 2**24
            self.sums.append(sums)
            pmf = pmf[2 * h + 2 :]
        assert not pmf

    def decode(self, coder: Coder, scale_index: Array) -> Array:
        """The symbols of one pass; zeros from where the words run out."""
        symbols = np.zeros(scale_index.size, np.int64)
        if not coder.ran_out:
            with suppress(RanOutError):
                self._decode(coder, scale_index, symbols)
        return symbols

    def _decode(self, coder: Coder, scale_index: Array, symbols: Array) -> None:
        """The groups by scale index, then what lies outside its table."""
        escapes = []
        for i in reversed(range(self.skip_below, 64)):
            h, places = self.half_width[i], np.flatnonzero(scale_index == i)
            entries = np.array([coder.symbol(self.sums[i]) for _ in places], np.int64)
            inside = entries <= 2 * h
            symbols[places[inside]] = entries[inside] - h
            escapes += [(place, h) for place in places[~inside]]
        for place, h in escapes:
            n_low = coder.uniform(17)
            negative = coder.uniform(2)
            low = coder.uniform(2**n_low) if n_low else 0
            excess = 2**n_low + low - 1
            assert h + 1 + excess <= 65535
            symbols[place] = -(h + 1 + excess) if negative else h + 1 + excess
