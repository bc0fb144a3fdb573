"""Large pictures as PPM files, read and written strip by strip: never whole in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gencodec.bitstream import ALPHA, EXIF, ICC, WARNED_PIXELS, XMP, Container, Header
from gencodec.cli.plan import is_special
from gencodec.errors import ImageError

if TYPE_CHECKING:
    from gencodec.codec import Codec
    from gencodec.image import PpmRows

LARGE_PIXELS = 16_000_000
"""Smaller pictures are read whole: strips save little."""


def warning(width: int, height: int) -> str | None:
    """What to say of a picture that is unusually large."""
    if width * height <= WARNED_PIXELS:
        return None
    return f"{width * height // 10**6} megapixels: this takes minutes (--max-pixels sets a limit)"


def large_rows(source: Path | None, max_pixels: int) -> PpmRows | None:
    """The rows of a large PPM file; None for any other input. ImageError over the limit."""
    from gencodec.image import PpmRows, is_plain_ppm

    if source is None or not is_plain_ppm(source):
        return None
    if source.stat().st_size <= LARGE_PIXELS:  # at least a byte a pixel
        return None
    rows = PpmRows(source)
    pixels = rows.width * rows.height
    if pixels > max_pixels:
        raise ImageError(
            f"cannot read {source}: it has {pixels} pixels ({rows.width}x{rows.height}), "
            f"the limit is {max_pixels}"
        )
    return rows if pixels > LARGE_PIXELS else None


def goes_in_strips(container: Container, target: Path | None, picture_format: str) -> bool:
    """Whether a whole picture can be written as it is decoded, with nothing to tell at its end."""
    header = container.header
    plain = all(container.section(tag) is None for tag in (ALPHA, ICC, EXIF, XMP))
    large = header.tiled and header.width * header.height > LARGE_PIXELS
    in_file = target is not None and not is_special(target)
    return container.complete and large and plain and in_file and picture_format == "ppm"


def strips_writer(
    codec: Codec, stream: bytes, header: Header, max_pixels: int
) -> Callable[[BinaryIO], None]:
    """What writes the picture of a stream as PPM into an open file, while it is decoded."""
    from gencodec.image import write_ppm_strips

    def write(file: BinaryIO) -> None:
        strips = codec.decompress_strips(stream, max_pixels=max_pixels)
        write_ppm_strips(file, strips, header.width, header.height, grey=header.grey)

    return write
