"""What stands before the coded picture, read without reading the picture."""

from __future__ import annotations

from typing import BinaryIO

from gencodec.bitstream.container import DEFAULT_LIMITS, Container, walk
from gencodec.bitstream.sections import LATENTS, TILES, Section
from gencodec.errors import LimitError

_CHUNK = 1 << 16


def read_front(file: BinaryIO) -> Container:
    """Return the header and the sections before TILES and LATENTS of the stream that begins here.

    Only the header's own check has been made: what the sections say is hearsay until the whole
    stream is unpacked. `complete` is False. A missing end is no error; others as in `unpack`.
    """
    data = file.read(_CHUNK)
    while True:
        layout = walk(data)
        missing = 0
        for span in layout.spans:
            if span.tag not in (TILES, LATENTS):
                if span.length > DEFAULT_LIMITS.max_section_bytes:
                    raise LimitError(f"a section has {span.length} bytes")
                missing = span.length - span.present
        if layout.end is not None or any(span.tag in (TILES, LATENTS) for span in layout.spans):
            break
        more = file.read(missing + _CHUNK)
        if not more:
            break
        data += more
    sections = tuple(
        Section(span.tag, data[span.start : span.start + span.length])
        for span in layout.spans
        if span.tag not in (TILES, LATENTS) and span.present == span.length
    )
    return Container(layout.header, sections, complete=False)
