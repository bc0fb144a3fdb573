"""One door to Pillow's readers: which formats, how many pixels, and no warnings on stderr."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from PIL import Image

from gencodec.bitstream import MAGIC
from gencodec.image.boxes import is_cut
from gencodec.image.raw import is_raw

# Left out on purpose: EPS and WMF run or need other programs, the scientific ones hold no photo.
READ_FORMATS = (
    "AVIF",
    "BMP",
    "DDS",
    "DIB",
    "GIF",
    "HEIF",
    "ICO",
    "JPEG",
    "JPEG2000",
    "MPO",
    "PCX",
    "PNG",
    "PPM",
    "PSD",
    "QOI",
    "SGI",
    "TGA",
    "TIFF",
    "WEBP",
)

# Of files coded by HEVC; those coded by AV1 are Pillow's own AVIF.
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}

# Pillow's pixel limit and Python's warning filters are both global, so reads take turns.
_LOCK = threading.RLock()


@contextmanager
def bounded_pillow(max_pixels: int) -> Iterator[None]:
    """Let Pillow refuse any frame of more than 2 x `max_pixels` by itself; silence its warnings.

    The factor two is Pillow's own; a caller compares `size` with `max_pixels` before loading.
    """
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def open_pillow(stream: BinaryIO, front: bytes) -> Image.Image:
    """Read the header of a picture in one of READ_FORMATS (as far as this Pillow has them).

    front: the first bytes of the stream. ModuleNotFoundError for HEIF without pillow-heif,
    ValueError for one that is cut: libheif would fill what is missing with green; for a
    camera's raw data; and for a stream of our own.
    """
    if front.startswith(MAGIC):
        raise ValueError("a gencodec stream already; decompress it first")
    if is_raw(front):
        raise ValueError("a camera's raw data; develop it first")
    Image.init()
    if front[4:8] == b"ftyp" and front[8:12] in _HEIF_BRANDS:
        import pillow_heif

        pillow_heif.register_heif_opener()
        if is_cut(stream):
            raise ValueError("the file is cut")
    return Image.open(stream, formats=[name for name in READ_FORMATS if name in Image.OPEN])
