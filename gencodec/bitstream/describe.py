"""What can be said of a stream without weights, torch or numpy (`gencodec info`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gencodec.bitstream.container import DEFAULT_LIMITS, bytes_of, unpack_truncated, walk
from gencodec.bitstream.header import VERSION, coded_pixels
from gencodec.bitstream.sections import section_name
from gencodec.bitstream.tiles import TileIndex
from gencodec.errors import ChecksumError, FormatError


@dataclass(frozen=True)
class SectionInfo:
    """One section: `bytes` of payload are there, of `declared_bytes` that were written."""

    tag: int
    name: str
    bytes: int
    declared_bytes: int


@dataclass(frozen=True)
class StreamInfo:
    """What a stream says of itself; plain values only, so that it turns into JSON as it is.

    bpp: 8 x file_bytes / (width x height). tiles: how many parts of the picture are coded apart;
    tile_side: their side in pixels, None where the picture is one. complete: the end of the file
    is there. checks_ok: the check over the whole file holds and no rule is broken. problem: one
    line saying what is wrong, None for a sound stream.
    """

    file_bytes: int
    version: int
    weights_id: str
    step: int
    width: int
    height: int
    grey: bool
    bit_depth: int
    header_bytes: int
    sections: tuple[SectionInfo, ...]
    bpp: float
    tiles: int
    tile_side: int | None
    complete: bool
    checks_ok: bool
    problem: str | None


def describe(data: bytes) -> StreamInfo:
    """Describe a stream as far as it can be followed.

    Raises (as `unpack_header`, or FormatError from a malformed length) only when there is nothing
    to describe; damage and truncation behind the header are reported in the fields.
    """
    data = bytes_of(data)
    layout = walk(data)
    header = layout.header
    problem: str | None = None
    tiles: TileIndex | None = None
    try:
        # Nothing is decoded here, so no size is too large to be described.
        limits = replace(
            DEFAULT_LIMITS,
            max_pixels=header.width * header.height,
            max_tile_pixels=coded_pixels(header.width, header.height),
            max_section_bytes=len(data),
        )
        tiles = unpack_truncated(data, limits=limits).tiles
    except (FormatError, ChecksumError) as error:
        problem = str(error)
    if layout.end is None and problem is None:
        problem = "the file is cut: its end is missing"
    sections = tuple(
        SectionInfo(span.tag, section_name(span.tag), span.present, span.length)
        for span in layout.spans
    )
    return StreamInfo(
        file_bytes=len(data),
        version=VERSION,
        weights_id=header.weights_id.hex(),
        step=header.step,
        width=header.width,
        height=header.height,
        grey=header.grey,
        bit_depth=header.bit_depth,
        header_bytes=layout.header_bytes,
        sections=sections,
        bpp=8 * len(data) / (header.width * header.height),
        tiles=1 if tiles is None else tiles.grid.count,
        tile_side=None if tiles is None else tiles.grid.side,
        complete=layout.end is not None,
        checks_ok=problem is None,
        problem=problem,
    )
