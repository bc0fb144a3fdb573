"""Passes of symbols <-> payload, in the canonical order of FORMAT.md.

    pass 0                                   pass 1
    | scale 63 | scale 62 | ... | escapes |    | scale 63 | ...         decode order ->

A picture is a sequence of passes. A pass is a pair of equally long arrays, symbols (int32) and
scale indices (uint8). Elements whose scale index is under `tables.skip_below` are not coded:
their symbol is 0. The others are grouped by descending scale index (a file that is cut keeps what
matters most), in their own order within a group, each group with its one table; the symbols that
lie outside their table follow at the end of the pass.

Payload: u32 CRC-32 of all symbols, then the coder's u32 words in decode order (little-endian).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from gencodec.entropy.ans import AnsDecoder, AnsEncoder, Model, Symbols, exact_model
from gencodec.entropy.tables import CDF_BITS, MAX_SYMBOL, N_SCALES, ScaleTables
from gencodec.errors import ChecksumError, FormatError

ScaleIndex: TypeAlias = npt.NDArray[np.uint8]
Pass: TypeAlias = tuple[Symbols, ScaleIndex]
"""symbols int32 (n,) and scale_index uint8 (n,)."""

# An escape is the excess over the half-width in Elias-gamma shape: its bit length, its sign,
# then the bits under the leading one.
ESCAPE_LENGTHS = 17
CHECK_BYTES = 4
"""Of the check over the symbols, in front of the words."""

_WORD_BYTES = 4
_LEAST_WORDS = 2  # the start state


def encode_passes(passes: Sequence[Pass], tables: ScaleTables) -> bytes:
    """Code all passes of a picture into one payload; `PassDecoder` is the inverse.

    Raises:
        ValueError: when a pass has the wrong shape or dtype, a scale index is out of range, a
            symbol exceeds MAX_SYMBOL, or an element that is not coded has a symbol other than 0.
    """
    models = _Models(tables)
    check = 0
    for symbols, scale_index in passes:
        _check_pass(symbols, scale_index, tables)
        check = _update_check(check, symbols)
    coder = AnsEncoder()
    for symbols, scale_index in reversed(passes):  # the coder is a stack
        grouping = _Grouping(scale_index, tables)
        entries, escaped = _to_entries(symbols, grouping, tables)
        coder.push_uniform(*_escape_digits(escaped))
        for index, span in reversed(list(grouping.groups())):
            coder.push(entries[span], models[index])
    return check.to_bytes(CHECK_BYTES, "little") + coder.words().astype("<u4").tobytes()


def ideal_bits(passes: Sequence[Pass], tables: ScaleTables) -> float:
    """Information content of the passes under the tables, in bits, escapes included.

    Raises:
        ValueError: as `encode_passes`.
    """
    bits = 0.0
    for symbols, scale_index in passes:
        _check_pass(symbols, scale_index, tables)
        grouping = _Grouping(scale_index, tables)
        entries, escaped = _to_entries(symbols, grouping, tables)
        for index, span in grouping.groups():
            table = tables.table(index)
            counts = np.bincount(entries[span], minlength=table.size)
            bits += float(counts @ (CDF_BITS - np.log2(table)))
        _, sizes = _escape_digits(escaped)
        bits += float(np.log2(sizes).sum())
    return bits


class PassDecoder:
    """Decodes a payload pass by pass, as its scale indices become known.

    Args:
        payload: what `encode_passes` made; its end may be missing if `complete` is False.
        complete: False for a cut payload. Missing words then raise nothing: a group during whose
            decoding they run out, and all that follows it, is zeros.

    Raises:
        FormatError: when the payload is no whole number of words, too short or impossible.
    """

    def __init__(self, payload: bytes, tables: ScaleTables, *, complete: bool = True) -> None:
        n_words, rest = divmod(max(len(payload) - CHECK_BYTES, 0), _WORD_BYTES)
        if complete and (rest or n_words < _LEAST_WORDS):
            raise FormatError(f"coded latents cannot be {len(payload)} bytes long")
        view = memoryview(payload)[CHECK_BYTES : CHECK_BYTES + n_words * _WORD_BYTES]
        try:
            self._coder = AnsDecoder(np.frombuffer(view, "<u4"))
        except ValueError as error:
            raise FormatError("coded latents are damaged: their first word is 0") from error
        self._tables = tables
        self._models = _Models(tables)
        self._complete = complete
        self._expected_check = int.from_bytes(payload[:CHECK_BYTES], "little")
        self._check = 0
        self._oversized = False
        self.exhausted = self._coder.ran_out
        """Whether the words ran out; what follows then decodes as zeros."""
        self.requested = 0
        """Coded symbols asked for so far."""
        self.decoded = 0
        """Of these, the symbols that were there."""
        self.missing: npt.NDArray[np.bool_] | None = None
        """Of the last pass, which symbols were not there, bool (n,); None if all were."""

    def decode(self, scale_index: ScaleIndex) -> Symbols:
        """The symbols of the next pass, int32 (n,), for its scale indices, uint8 (n,).

        Raises:
            ValueError: when `scale_index` has the wrong shape or dtype or is out of range.
            ChecksumError: when what is decoded is certainly wrong: the words of a whole payload
                ran out, or a symbol is larger than any encoder writes. Nothing more is computed
                for it then.
        """
        _check_scale_index(scale_index)
        grouping = _Grouping(scale_index, self._tables)
        values = np.zeros(grouping.order.size, np.int32)
        escapes: list[tuple[npt.NDArray[np.intp], int]] = []  # places in grouped order, half-width
        self.requested += values.size
        none_there, there = self.exhausted, grouping.order.size
        for index, span in grouping.groups():
            if self.exhausted:
                break
            entries = self._coder.pop(span.stop - span.start, self._models[index])
            self.exhausted = self._coder.ran_out
            if self.exhausted:
                break
            half_width = int(self._tables.half_width[index])
            np.subtract(entries, half_width, out=values[span])
            escapes.append((span.start + np.flatnonzero(entries == 2 * half_width + 1), half_width))
            self.decoded += entries.size
            there = span.start
        lost = []
        for places, half_width in escapes:
            for place in places:
                values[place] = self._decode_escape(half_width)
                if self.exhausted:
                    lost.append(place)
        symbols = np.zeros(scale_index.size, np.int32)
        symbols[grouping.order] = values
        self.missing = None
        if self.exhausted:
            self.missing = np.full(symbols.size, none_there)
            self.missing[grouping.order[:there]] = True
            self.missing[grouping.order[lost]] = True
        self._check = _update_check(self._check, symbols)
        if self._oversized or (self.exhausted and self._complete):
            raise _wrong_symbols()
        return symbols

    @property
    def words_left(self) -> int:
        """Words that the coder has not taken in yet."""
        return self._coder.words_left

    def _decode_escape(self, half_width: int) -> int:
        """One symbol outside its table, or 0 when the words run out before its end."""
        if not self.exhausted:
            n_low = self._coder.pop_uniform(ESCAPE_LENGTHS)
            negative = self._coder.pop_uniform(2)
            low = self._coder.pop_uniform(1 << n_low) if n_low else 0
            self.exhausted = self._coder.ran_out
        if self.exhausted:
            self.decoded -= 1
            return 0
        magnitude = half_width + (1 << n_low | low)
        if magnitude > MAX_SYMBOL:  # no encoder writes it: `finish` tells, and zero is harmless
            self._oversized = True
            return 0
        return -magnitude if negative else magnitude

    @property
    def decoded_fraction(self) -> float:
        """Share of the coded symbols asked for so far that were there, 0..1."""
        return self.decoded / self.requested if self.requested else float(not self.exhausted)

    def finish(self) -> None:
        """Check all that was decoded; call it after the last pass.

        Raises:
            ChecksumError: when the symbols are not those that were encoded. Symbols of a payload
                whose end is missing cannot be checked, and pass.
        """
        if self.exhausted and not self._complete and not self._oversized:
            return
        right = self._coder.at_start and self._check == self._expected_check
        if self.exhausted or self._oversized or not right:
            raise _wrong_symbols()


def _wrong_symbols() -> ChecksumError:
    return ChecksumError(
        "decoded symbols fail their check: the file is damaged, or was made with other weights"
    )


class _Grouping:
    """Which elements of a pass are coded, and in what order.

    order: places in the pass of the coded elements, in grouped order, intp (coded,).  bounds:
    group i is order[bounds[i]:bounds[i + 1]], 0 <= i < N_SCALES.
    """

    def __init__(self, scale_index: ScaleIndex, tables: ScaleTables) -> None:
        counts = np.bincount(scale_index, minlength=N_SCALES)
        counts[: tables.skip_below] = 0
        bounds = np.concatenate([[0], np.cumsum(counts)])
        # A stable sort of uint8 is numpy's radix sort: linear in the number of elements.
        if bounds[-1] == scale_index.size:
            self.order = np.argsort(scale_index, kind="stable")
        else:
            coded = np.flatnonzero(scale_index >= tables.skip_below)
            self.order = coded[np.argsort(scale_index[coded], kind="stable")]
        self.bounds: list[int] = bounds.tolist()

    def groups(self) -> Iterator[tuple[int, slice]]:
        """Scale index and span in `order` of each group that is not empty, in decode order."""
        for index in reversed(range(N_SCALES)):
            if self.bounds[index] < self.bounds[index + 1]:
                yield index, slice(self.bounds[index], self.bounds[index + 1])


class _Models(dict[int, Model]):
    """The coder's model of each scale index, made when first used."""

    def __init__(self, tables: ScaleTables) -> None:
        super().__init__()
        self._tables = tables

    def __missing__(self, index: int) -> Model:
        model = self[index] = exact_model(self._tables.table(index))
        return model


def _to_entries(
    symbols: Symbols, grouping: _Grouping, tables: ScaleTables
) -> tuple[Symbols, Symbols]:
    """Table entries in grouped order, int32 (coded,), and the escapes among them.

    An escape is given as its signed excess, symbol -+ half-width: never 0, int32 (escapes,).
    """
    entries = symbols[grouping.order]
    escaped = []
    for index, span in grouping.groups():
        half_width = int(tables.half_width[index])
        group = entries[span]  # a view
        places = np.flatnonzero((group > half_width) | (group < -half_width))
        outside = group[places]
        escaped.append(outside - np.sign(outside) * np.int32(half_width))
        group += half_width
        group[places] = 2 * half_width + 1
    return entries, np.concatenate(escaped) if escaped else np.empty(0, np.int32)


def _escape_digits(excess: Symbols) -> tuple[Symbols, Symbols]:
    """The uniform digits of escapes in decode order, and the size of each digit, int32 (digits,).

    Each escape is its bit length less one, its sign, and then, if it is longer than one bit, the
    bits under the leading one.
    """
    magnitude = np.abs(excess)
    n_low = np.frexp(magnitude.astype(np.float64))[1].astype(np.int32) - 1  # exact under 2^53
    low_size = np.left_shift(1, n_low, dtype=np.int32)
    digits = np.stack([n_low, excess < 0, magnitude - low_size], axis=1, dtype=np.int32)
    sizes = np.stack([np.full_like(n_low, ESCAPE_LENGTHS), np.full_like(n_low, 2), low_size], 1)
    present = sizes > 1  # a digit with one possible value is not coded
    return digits[present], sizes[present]


def _update_check(check: int, symbols: Symbols) -> int:
    return zlib.crc32(np.ascontiguousarray(symbols, "<i4").data, check)


def _check_scale_index(scale_index: ScaleIndex) -> None:
    if scale_index.dtype != np.uint8 or scale_index.ndim != 1:
        raise ValueError("scale_index must be a one-dimensional uint8 array")
    if scale_index.size and scale_index.max() >= N_SCALES:
        raise ValueError(f"scale index {scale_index.max()} is not in 0..{N_SCALES - 1}")


def _check_pass(symbols: Symbols, scale_index: ScaleIndex, tables: ScaleTables) -> None:
    _check_scale_index(scale_index)
    if symbols.dtype != np.int32 or symbols.shape != scale_index.shape:
        raise ValueError("symbols must be an int32 array as long as scale_index")
    if symbols.size and (symbols.max() > MAX_SYMBOL or symbols.min() < -MAX_SYMBOL):
        raise ValueError(f"a symbol lies outside -{MAX_SYMBOL}..{MAX_SYMBOL}")
    if tables.skip_below and symbols[scale_index < tables.skip_below].any():
        raise ValueError("an element that is not coded must have symbol 0")
