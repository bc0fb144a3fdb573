"""What hostile bytes are given to, and what may come out: a result, or an error of its own kind."""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gencodec.errors import GencodecError

MAX_PIXELS = 200 * 200


def describe(data: bytes) -> str:
    """`gencodec info`: the structure alone."""
    from gencodec.bitstream import describe

    try:
        stream = describe(data)
    except GencodecError as error:
        return _told(error)
    return "problem" if stream.problem else "sound"


def read_front(data: bytes) -> str:
    """What the Pillow plugin reads to open a file."""
    from gencodec.bitstream.front import read_front

    try:
        read_front(io.BytesIO(data))
    except GencodecError as error:
        return _told(error)
    return "sound"


def unpack(data: bytes) -> str:
    """The whole structure with every check, metadata and alpha."""
    from gencodec.bitstream import ALPHA, EXIF, ICC, XMP, Limits, inflate_metadata, unpack
    from gencodec.image import decode_alpha

    try:
        container = unpack(data, limits=Limits(max_pixels=MAX_PIXELS))
        for tag in (ICC, EXIF, XMP):
            payload = container.section(tag)
            if payload is not None:
                inflate_metadata(payload)
        alpha = container.section(ALPHA)
        if alpha is not None:
            decode_alpha(alpha, container.header.width, container.header.height)
    except GencodecError as error:
        return _told(error)
    return "sound"


def decompress(data: bytes) -> str:
    """Everything up to pixels; whether cuts or damage are forgiven, the bytes decide."""
    forgive = ({}, {"allow_truncated": True}, {"salvage": True})[zlib.crc32(data) % 3]
    try:
        picture = _codec().decompress_picture(data, max_pixels=MAX_PIXELS, **forgive)
    except GencodecError as error:
        return _told(error)
    assert picture.pixels.shape[:2] == (picture.height, picture.width)
    return "forgiven" if picture.notes else "sound"


def pillow(data: bytes) -> str:
    """Pillow opens, drafts and loads; only what Pillow itself raises may come out."""
    from PIL import Image

    import gencodec.pillow  # noqa: F401

    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data))
            image.draft(None, (9, 9))
            image.load()
    except (OSError, Image.DecompressionBombError) as error:  # UnidentifiedImageError is an OSError
        return _told(error)
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    return "sound"


TARGETS: dict[str, Callable[[bytes], str]] = {
    "info": describe,
    "front": read_front,
    "unpack": unpack,
    "decompress": decompress,
    "pillow": pillow,
}
"""Each returns what was found, so that a run can tell how far behind the first check it came."""

DEEP = ("decompress", "pillow")
"""Those that decode pixels."""


def _told(error: Exception) -> str:
    text = str(error)
    assert text and "\n" not in text, repr(text)
    return type(error).__name__


@lru_cache(maxsize=1)
def _codec() -> Any:
    import torch

    from gencodec.codec import Codec

    torch.set_num_threads(1)
    return Codec.load(device="cpu")
