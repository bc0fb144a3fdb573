"""The .gnc stream as bytes: header, sections, checks. Standard library only; see FORMAT.md."""

from gencodec.bitstream.container import (
    ALPHA,
    END,
    EXIF,
    ICC,
    LATENTS,
    RESIDUAL,
    SECTION_NAMES,
    TILES,
    XMP,
    Container,
    Limits,
    Section,
    order_sections,
    pack,
    unpack,
    unpack_truncated,
)
from gencodec.bitstream.describe import SectionInfo, StreamInfo, describe
from gencodec.bitstream.header import MAGIC, MAX_HEADER_BYTES, VERSION, Header, read_header
from gencodec.bitstream.metadata import MAX_METADATA_BYTES, deflate_metadata, inflate_metadata

__all__ = [
    "ALPHA",
    "Container",
    "END",
    "EXIF",
    "Header",
    "ICC",
    "LATENTS",
    "Limits",
    "MAGIC",
    "MAX_HEADER_BYTES",
    "MAX_METADATA_BYTES",
    "RESIDUAL",
    "SECTION_NAMES",
    "Section",
    "SectionInfo",
    "StreamInfo",
    "TILES",
    "VERSION",
    "XMP",
    "deflate_metadata",
    "describe",
    "inflate_metadata",
    "order_sections",
    "pack",
    "read_header",
    "unpack",
    "unpack_truncated",
]
