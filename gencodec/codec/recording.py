"""Decoders that keep what they read: for accounts of a stream, and for streams of no sense."""

from __future__ import annotations

from gencodec.entropy import Pass, PassDecoder, ScaleTables
from gencodec.entropy.ans import Symbols
from gencodec.entropy.coding import ScaleIndex
from gencodec.errors import ChecksumError


class RecordingDecoder(PassDecoder):
    """Keeps the passes that it decodes."""

    def __init__(self, payload: bytes, tables: ScaleTables, *, complete: bool = True) -> None:
        super().__init__(payload, tables, complete=complete)
        self.passes: list[Pass] = []

    def decode(self, scale_index: ScaleIndex) -> Symbols:
        symbols = super().decode(scale_index)
        self.passes.append((symbols, scale_index))
        return symbols


class ForcedDecoder(RecordingDecoder):
    """Goes on where a decoder must stop: words that fail their checks still give symbols.

    Never for pictures that anyone is to trust; `complaint` is what the checks say.
    """

    def __init__(self, payload: bytes, tables: ScaleTables) -> None:
        super().__init__(payload, tables, complete=False)
        self.complaint: str | None = None

    def _decode_escape(self, half_width: int) -> int:
        symbol = super()._decode_escape(half_width)
        if self._oversized:  # which would end the work; here it is a zero like any other
            self._oversized = False
            self.complaint = "a symbol is larger than any encoder writes"
        return symbol

    def finish(self) -> None:
        try:
            super().finish()
        except ChecksumError as error:
            self.complaint = self.complaint or str(error)
        if self.exhausted:
            self.complaint = self.complaint or "the words run out before the symbols do"
