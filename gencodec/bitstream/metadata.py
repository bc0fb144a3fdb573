"""Metadata payloads (ICC, EXIF, XMP): a zlib stream, inflated only up to a bound."""

from __future__ import annotations

import zlib

from gencodec.errors import FormatError, LimitError

MAX_METADATA_BYTES = 16 * 2**20


def deflate_metadata(raw: bytes) -> bytes:
    """Return `raw` as a zlib stream; LimitError when it is longer than 16 MiB."""
    if len(raw) > MAX_METADATA_BYTES:
        raise LimitError(f"metadata of {len(raw)} bytes; the format holds {MAX_METADATA_BYTES}")
    return zlib.compress(raw, 9)


def inflate_metadata(payload: bytes, *, max_bytes: int = MAX_METADATA_BYTES) -> bytes:
    """Return the bytes that `deflate_metadata` was given; never allocates much over `max_bytes`.

    LimitError when more would come out; FormatError when the stream is damaged, is cut or is
    followed by other bytes.
    """
    stream = zlib.decompressobj()
    try:
        # One byte over the bound tells "too long" from "just fits".
        raw = stream.decompress(payload, max_bytes + 1)
    except zlib.error as error:
        raise FormatError("a metadata section is damaged") from error
    if len(raw) > max_bytes:
        raise LimitError(f"a metadata section inflates to more than {max_bytes} bytes")
    if not stream.eof or stream.unused_data:
        raise FormatError("a metadata section is damaged (cut, or bytes follow it)")
    return raw
