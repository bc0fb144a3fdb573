"""The whole stream: header, tagged sections, end mark with a check over every byte.

::

    header | tag length payload | tag length payload | ... | 0x00 crc32

Two steps read a stream. `walk` follows the structure alone and so decides what is missing;
the meaning of the sections is judged after the check, so that damage is called damage.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from gencodec.amounts import counted
from gencodec.bitstream.header import Header, coded_pixels, pack_header, unpack_header
from gencodec.bitstream.sections import (
    END,
    LATENTS,
    MAX_SECTIONS,
    ORDER,
    TILES,
    Section,
    check_sections,
    section_name,
)
from gencodec.bitstream.tiles import TileIndex, unpack_tiles
from gencodec.bitstream.varint import MAX_VARINT, pack_varint, unpack_varint
from gencodec.errors import (
    ChecksumError,
    FormatError,
    LimitError,
    TruncatedError,
    UnsupportedVersionError,
)

WARNED_PIXELS = 100_000_000
"""A picture of more is either meant, and takes minutes, or a decompression bomb: users are told."""

_CRC_BYTES = 4


@dataclass(frozen=True)
class Limits:
    """What a reader is willing to handle. A stream that asks for more raises LimitError.

    max_pixels: width times height; max_tile_pixels: the same of one tile, which is the whole
    picture where there are none, but as :func:`coded_pixels` counts: memory grows with them;
    max_section_bytes: one payload.
    """

    max_pixels: int = 2**28
    max_tile_pixels: int = 64_000_000
    max_section_bytes: int = 2**30


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Container:
    """A stream taken apart.

    complete: False when the end of the file, and with it an end of the latents, is missing.
    checked: False when the check over the file was not made, or differed and was let pass.
    tiles: what the TILES section says, set by reading a stream; None without one.
    """

    header: Header
    sections: tuple[Section, ...]
    complete: bool = True
    checked: bool = True
    tiles: TileIndex | None = field(default=None, compare=False)

    def section(self, tag: int) -> bytes | None:
        """Return the payload of the first section with this tag, or None."""
        return next((part.payload for part in self.sections if part.tag == tag), None)


@dataclass(frozen=True)
class Span:
    """Where a payload lies: `length` bytes declared at `start`, of which `present` are there."""

    tag: int
    start: int
    length: int
    present: int


@dataclass(frozen=True)
class Layout:
    """The structure of a stream. `end` is the offset of the END tag, None when it is missing."""

    header: Header
    header_bytes: int
    spans: tuple[Span, ...]
    end: int | None


def pack(container: Container) -> bytes:
    """Return the stream. FormatError for whatever `unpack` would refuse, Limits apart."""
    if not (container.complete and container.checked):
        raise FormatError("a cut picture cannot be packed again: its latents are not all there")
    check_sections(container.sections)
    _read_tiles(container.header, container.sections, complete=True)
    parts = [pack_header(container.header)]
    for section in container.sections:
        if len(section.payload) > MAX_VARINT:
            name = section_name(section.tag)
            raise LimitError(f"section {name} is longer than {MAX_VARINT} bytes")
        parts += [bytes((section.tag,)), pack_varint(len(section.payload)), section.payload]
    parts.append(bytes((END,)))
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    parts.append(crc.to_bytes(_CRC_BYTES, "little"))
    return b"".join(parts)


def unpack(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Container:
    """Take a whole stream apart; the inverse of `pack`.

    NotGencodecError, UnsupportedVersionError, TruncatedError (the structure runs past the end),
    LimitError, ChecksumError (header or file check differs) or FormatError (another rule broken,
    bytes after END among them).
    """
    data = bytes_of(data)
    layout = walk(data)
    if layout.end is None:
        raise TruncatedError("the file is cut: its end is missing")
    return _complete(data, layout, layout.end, limits)


def unpack_truncated(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Container:
    """Take apart a stream whose end may be missing.

    With its end missing, `complete` is False, the LATENTS payload is what is there of it (the
    section is absent when the cut lies before it), and another section that is cut is left out;
    nothing but the header is verified then. A stream with its end is read as by `unpack`. Errors
    as in `unpack`; TruncatedError only for a cut inside the header.
    """
    data = bytes_of(data)
    layout = walk(data)
    if layout.end is not None:
        return _complete(data, layout, layout.end, limits)
    kept = [span for span in layout.spans if span.present == span.length or span.tag == LATENTS]
    return _take(data, layout, kept, limits, complete=False, checked=False)


def unpack_damaged(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> Container:
    """Take apart what can be found of a stream that is damaged, cut, or both.

    A sound stream is read as by `unpack`. Of another nothing but the header, and in a tiled one
    the index, is verified: `checked` is False, the first section of each known tag is kept if
    it is whole (LATENTS also if not), and all else is left out. Errors are those of the header
    and of the limits, and ChecksumError or TruncatedError when the index of the tiles is lost.
    """
    data = bytes_of(data)
    try:
        return unpack(data, limits=limits)
    except UnsupportedVersionError:
        raise  # its checks are right: nothing is damaged
    except (FormatError, ChecksumError):
        header, _ = unpack_header(data)
    layout = walk(data, forgiving=True)
    spans: dict[int, Span] = {}
    for span in layout.spans:
        if span.tag in ORDER and (span.present == span.length or span.tag == LATENTS):
            spans.setdefault(span.tag, span)
    if not header.tiled:
        spans.pop(TILES, None)
    kept = sorted(spans.values(), key=lambda span: ORDER[span.tag])
    latents = spans.get(LATENTS)
    whole = latents is not None and latents.present == latents.length
    return _take(data, layout, kept, limits, complete=whole, checked=False)


def bytes_of(data: object) -> bytes:
    """What a caller hands in as a stream; TypeError for what holds no bytes, such as a path.

    Not `bytes`, which makes the letters of a path a stream, and n zeros of the number n.
    """
    if isinstance(data, bytes):
        return data
    try:
        return bytes(memoryview(data))  # type: ignore[arg-type]
    except TypeError:
        kind = type(data).__name__
        raise TypeError(f"a stream is bytes, not {kind}: read its file first") from None


def walk(data: bytes, *, forgiving: bool = False) -> Layout:
    """Follow the structure to END or to the end of the data; payloads are not touched.

    The errors of the header, FormatError for a malformed length, LimitError for too many
    sections; if `forgiving`, these two end the walk instead. A missing end is no error here:
    `end` is None.
    """
    header, offset = unpack_header(data)
    header_bytes = offset
    spans: list[Span] = []
    while offset < len(data):
        tag = data[offset]
        if tag == END:
            whole = offset + 1 + _CRC_BYTES <= len(data)
            return Layout(header, header_bytes, tuple(spans), offset if whole else None)
        if len(spans) == MAX_SECTIONS:
            if forgiving:
                break
            raise LimitError(f"the file has more than {MAX_SECTIONS} sections")
        try:
            length, start = unpack_varint(data, offset + 1)
        except TruncatedError:
            break
        except FormatError:
            if forgiving:
                break
            raise
        present = min(length, len(data) - start)
        spans.append(Span(tag, start, length, present))
        offset = start + length
    return Layout(header, header_bytes, tuple(spans), None)


def check_end(data: bytes, end: int) -> None:
    """Check the CRC-32 behind the END tag at `end`, and that nothing follows it."""
    stored = data[end + 1 : end + 1 + _CRC_BYTES]
    if zlib.crc32(memoryview(data)[: end + 1]) != int.from_bytes(stored, "little"):
        raise ChecksumError("the file is damaged (its check differs)")
    extra = len(data) - (end + 1 + _CRC_BYTES)
    if extra:
        verb = "follows" if extra == 1 else "follow"
        raise FormatError(f"{counted(extra, 'byte')} {verb} the end of the picture")


def _complete(data: bytes, layout: Layout, end: int, limits: Limits) -> Container:
    check_end(data, end)
    return _take(data, layout, layout.spans, limits, complete=True, checked=True)


def _take(
    data: bytes,
    layout: Layout,
    spans: Iterable[Span],
    limits: Limits,
    *,
    complete: bool,
    checked: bool,
) -> Container:
    """Copy the payloads out, after every check that needs none of their bytes."""
    pixels = layout.header.width * layout.header.height
    if pixels > limits.max_pixels:
        raise LimitError(
            f"the picture has {pixels} pixels "
            f"({layout.header.width}x{layout.header.height}), the limit is {limits.max_pixels}"
        )
    coded = coded_pixels(layout.header.width, layout.header.height)
    if coded > limits.max_tile_pixels and not layout.header.tiled:
        raise LimitError(
            f"the picture has {coded} pixels in one tile, the limit is {limits.max_tile_pixels}"
        )
    for span in layout.spans:
        # On a cut file a length is only a claim; what counts is what would be copied.
        if span.present > limits.max_section_bytes:
            raise LimitError(
                f"section {section_name(span.tag)} has {span.length} bytes, "
                f"the limit is {limits.max_section_bytes}"
            )
    sections = tuple(
        Section(span.tag, data[span.start : span.start + span.present]) for span in spans
    )
    check_sections(sections, complete=complete)
    tiles = _read_tiles(layout.header, sections, complete=complete and checked)
    return Container(layout.header, sections, complete, checked, tiles)


def _read_tiles(header: Header, sections: Iterable[Section], *, complete: bool) -> TileIndex | None:
    """The index of the tiles, where the header says that there are some.

    Of a cut file, or of one that is damaged, not everything needs to be there.
    """
    payloads = {section.tag: section.payload for section in sections}
    if header.tiled != (TILES in payloads):
        if not header.tiled:
            raise FormatError("the file lists tiles, but its header says that there are none")
        if complete:
            raise FormatError("the file does not list its tiles (no TILES section)")
        raise TruncatedError("the file ends before the list of its tiles: no picture is left")
    if not header.tiled:
        return None
    tiles = unpack_tiles(payloads[TILES], header.width, header.height)
    if complete and len(payloads[LATENTS]) != tiles.latents_bytes:
        raise FormatError(
            f"the tiles have {len(payloads[LATENTS])} bytes, their index says {tiles.latents_bytes}"
        )
    return tiles
