"""A picture and its coded latents to a stream, and a stream back to its picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from gencodec.bitstream import (
    ALPHA,
    EXIF,
    ICC,
    LATENTS,
    XMP,
    Container,
    Header,
    Limits,
    Section,
    deflate_metadata,
    inflate_metadata,
    order_sections,
    pack,
    unpack,
    unpack_truncated,
)
from gencodec.entropy import PassDecoder
from gencodec.errors import FormatError, ImageError
from gencodec.image import (
    Picture,
    decode_alpha,
    encode_alpha,
    picture_from_array,
    picture_from_pil,
    read_picture,
)
from gencodec.model.config import LATENT_STRIDE
from gencodec.model.weights import Weights

ImageLike: TypeAlias = "Picture | Image.Image | npt.NDArray[np.uint8] | str | Path"


def pack_stream(picture: Picture, payload: bytes, *, weights_id: bytes, step: int) -> bytes:
    """The whole stream: header, the picture's alpha and metadata, its coded latents."""
    header = Header(
        weights_id=weights_id,
        step=step,
        width=picture.width,
        height=picture.height,
        grey=picture.grey,
    )
    sections = [Section(LATENTS, payload)]
    if picture.alpha is not None:
        sections.append(Section(ALPHA, encode_alpha(picture.alpha)))
    for tag, value in ((ICC, picture.icc), (EXIF, picture.exif), (XMP, picture.xmp)):
        if value is not None:
            sections.append(Section(tag, deflate_metadata(value)))
    return pack(Container(header, order_sections(sections)))


def to_picture(image: ImageLike) -> Picture:
    """Whatever :meth:`Codec.compress` takes, as a Picture; ImageError otherwise."""
    if isinstance(image, Picture):
        return image
    if isinstance(image, np.ndarray):
        return picture_from_array(image)
    if isinstance(image, Image.Image):
        return picture_from_pil(image)
    if isinstance(image, (str, Path)):
        return read_picture(Path(image))
    raise ImageError(f"cannot make a picture of {type(image).__name__}")


def open_stream(data: bytes, max_pixels: int, allow_truncated: bool) -> Container:
    """The stream taken apart and checked; a cut one only if that is allowed."""
    limits = Limits(max_pixels=max_pixels)
    if allow_truncated:
        return unpack_truncated(data, limits=limits)
    return unpack(data, limits=limits)


def latents_decoder(container: Container, weights: Weights) -> PassDecoder:
    """A decoder at the beginning of the stream's latents; what is missing decodes as zeros."""
    payload = container.section(LATENTS)
    if payload is None:
        if container.complete:
            raise FormatError("the file has no picture in it")
        payload = b""
    return PassDecoder(payload, weights.tables, complete=container.complete)


def latent_size(header: Header) -> tuple[int, int]:
    """(rows, columns) of y for the picture of this header."""
    return -(-header.height // LATENT_STRIDE), -(-header.width // LATENT_STRIDE)


def inflated(container: Container, tag: int) -> bytes | None:
    """A metadata section as it was before it was deflated, or None."""
    payload = container.section(tag)
    return None if payload is None else inflate_metadata(payload)


def picture_of(
    container: Container, pixels: npt.NDArray[np.uint8], decoder: PassDecoder
) -> Picture:
    """Decoded pixels (H, W, 3) with all that the container says of them."""
    header = container.header
    alpha = container.section(ALPHA)
    picture = Picture(
        pixels=_grey(pixels) if header.grey else pixels,
        alpha=None if alpha is None else decode_alpha(alpha, header.width, header.height),
        icc=inflated(container, ICC),
        exif=inflated(container, EXIF),
        xmp=inflated(container, XMP),
    )
    if container.complete:
        return picture
    share = decoder.decoded / decoder.requested if decoder.requested else 0.0
    return replace(
        picture,
        notes=(f"the file is cut: {share:.0%} of its symbols are there, the rest is guessed",),
    )


def rgb(picture: Picture) -> npt.NDArray[np.uint8]:
    """The pixels as (H, W, 3), grey ones three times."""
    if not picture.grey:
        return picture.pixels
    return np.repeat(picture.pixels[:, :, None], 3, axis=2)


def _grey(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The mean of the three decoded channels, rounded."""
    return ((pixels.astype(np.uint16).sum(2) * 2 + 3) // 6).astype(np.uint8)


def as_array(picture: Picture) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, 3), (H, W) if grey, (H, W, 4) with alpha."""
    if picture.alpha is None:
        return picture.pixels
    return np.dstack([rgb(picture), picture.alpha])
