"""A picture and its coded latents to a stream, and a stream back to its picture."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from gencodec.bitstream import (
    ALPHA,
    EXIF,
    ICC,
    LATENTS,
    SECTION_NAMES,
    TILES,
    WARNED_PIXELS,
    XMP,
    Box,
    Container,
    Header,
    Limits,
    Section,
    TileGrid,
    deflate_metadata,
    inflate_metadata,
    order_sections,
    pack,
    pack_tiles,
    unpack,
    unpack_damaged,
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
    three_channels,
    without_thumbnail,
)
from gencodec.model.weights import Weights

from .view import View

ImageLike: TypeAlias = "Picture | Image.Image | npt.NDArray[np.uint8] | str | os.PathLike[str]"


def side_sections(picture: Picture) -> list[Section]:
    """The sections for what is no colour: alpha and metadata."""
    sections = []
    if picture.alpha is not None:
        sections.append(Section(ALPHA, encode_alpha(picture.alpha)))
    for tag, value in ((ICC, picture.icc), (EXIF, picture.exif), (XMP, picture.xmp)):
        if value is not None:
            sections.append(Section(tag, deflate_metadata(value)))
    return sections


def pack_stream(
    header: Header, tiles: Sequence[Sequence[bytes]], grid: TileGrid | None, rest: Sequence[Section]
) -> bytes:
    """The whole stream: header, the coded parts of each tile, and the other sections.

    tiles: for each tile its symbols_check, then the words of each layer.
    """
    if grid is None:
        (parts,) = tiles
        coded = [Section(LATENTS, b"".join(parts))]
    else:
        index, latents = pack_tiles(grid, tiles)
        coded = [Section(TILES, index), Section(LATENTS, latents)]
    return pack(Container(header, order_sections([*rest, *coded])))


def to_picture(image: ImageLike) -> Picture:
    """Whatever :meth:`Codec.compress` takes, as a Picture; ImageError otherwise."""
    if isinstance(image, Picture):
        return image
    if isinstance(image, np.ndarray):
        return picture_from_array(image)
    if isinstance(image, Image.Image):
        return picture_from_pil(image)
    if isinstance(image, (str, os.PathLike)):
        return read_picture(image)
    raise ImageError(
        f"cannot make a picture of {type(image).__name__}: give a path, a PIL image, "
        "a gencodec.Picture or a uint8 array"
    )


def open_stream(
    data: bytes, max_pixels: int, *, allow_truncated: bool = False, salvage: bool = False
) -> Container:
    """The stream taken apart and checked; a cut or a damaged one only if that is allowed."""
    limits = Limits(max_pixels=max_pixels)
    if salvage:
        container = unpack_damaged(data, limits=limits)
    elif allow_truncated:
        container = unpack_truncated(data, limits=limits)
    else:
        container = unpack(data, limits=limits)
    pixels = container.header.width * container.header.height
    if pixels > WARNED_PIXELS:
        # Pillow's own category: who has decided about it for other formats has for this one.
        warnings.warn(
            f"the picture has {pixels} pixels: it may be a decompression bomb",
            Image.DecompressionBombWarning,
            stacklevel=4,
        )
    return container


def latents_decoder(container: Container, weights: Weights) -> PassDecoder:
    """A decoder at the beginning of the latents of a whole picture without tiles."""
    payload = container.section(LATENTS)
    if payload is None:
        raise FormatError("the file has no picture in it")
    return PassDecoder(payload, weights.tables, complete=container.complete)


def inflated(container: Container, tag: int) -> bytes | None:
    """A metadata section as it was before it was deflated, or None."""
    payload = container.section(tag)
    return None if payload is None else inflate_metadata(payload)


def picture_of(
    container: Container,
    pixels: npt.NDArray[np.uint8],
    view: View | None = None,
    notes: Sequence[str] = (),
) -> Picture:
    """Decoded pixels (H, W, 3) with all that the container says of them."""
    header = container.header
    found = list(notes)
    alpha = container.section(ALPHA)
    metadata = {}
    for name, tag in (("icc", ICC), ("exif", EXIF), ("xmp", XMP)):
        try:
            metadata[name] = inflated(container, tag)
        except FormatError as error:
            if container.checked:
                raise
            found.append(f"{SECTION_NAMES[tag]} is lost: {error}")
    exif = metadata.get("exif")
    if exif and view is not None and view.box != Box(0, 0, header.width, header.height):
        metadata["exif"] = without_thumbnail(exif)  # it would show what was cut away
    return Picture(
        pixels=grey_of(pixels) if header.grey else pixels,
        alpha=None if alpha is None else _alpha_in_view(container, alpha, view, found),
        notes=tuple(found),
        **metadata,
    )


def _alpha_in_view(
    container: Container, payload: bytes, view: View | None, notes: list[str]
) -> npt.NDArray[np.uint8] | None:
    header = container.header
    try:
        alpha = decode_alpha(payload, header.width, header.height)
    except FormatError as error:
        if container.checked:
            raise
        notes.append(f"transparency is lost: {error}")
        return None
    return alpha if view is None else view.of(alpha)


def grey_of(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The mean of the three decoded channels, rounded."""
    return ((pixels.astype(np.uint16).sum(2) * 2 + 3) // 6).astype(np.uint8)


def as_array(picture: Picture) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, 3), (H, W) if grey, (H, W, 4) with alpha."""
    if picture.alpha is None:
        return picture.pixels
    return np.dstack([three_channels(picture.pixels), picture.alpha])
