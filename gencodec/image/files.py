"""Pictures in files: read anything common into a Picture, write a Picture as a common format."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from gencodec.errors import ImageError, OutputError
from gencodec.image.atomic import PathLike, atomic_write
from gencodec.image.blocks import passed_over
from gencodec.image.colour import decode_colours, is_srgb, raw_mode, to_srgb
from gencodec.image.metadata import photo_tags, read_metadata
from gencodec.image.orientation import orientation, upright
from gencodec.image.picture import Picture, is_grey, simplify, to_pil
from gencodec.image.pillow import bounded_pillow, open_pillow
from gencodec.image.resolution import dpi_of_exif
from gencodec.image.tiff import ready_tiff
from gencodec.image.unkept import unkept

# The same bound as for decoding: what is compressed by default decompresses by default.
DEFAULT_MAX_PIXELS = 2**28

SUFFIXES = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pnm": "PPM",
}
_FRONT_BYTES = 65536  # where the boxes of AVIF and HEIF stand
_JPEG_START, _JPEG_BYTES = b"\xff\xd8", 2**29  # no picture in it is longer; what follows may be
_NO_ALPHA = {"JPEG", "PPM"}
_XMP_TIFF_TAG = 700


def read_picture(
    source: PathLike | bytes | BinaryIO, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Picture:
    """Read a picture from a path, from bytes or from an open binary file.

    The size is checked before any pixel is decoded. ImageError, always in one line, for whatever
    is wrong: missing, damaged, cut, too large, of an unknown kind.
    """
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        try:
            with open(name, "rb") as stream:
                return _read(stream, name, max_pixels)
        except OSError as error:
            raise ImageError(f"cannot read {name}: {error.strerror or error}") from error
        except ValueError as error:  # a name that no file can have
            raise ImageError(f"cannot read {name!a}: {error}") from error
    data = bytes(source) if isinstance(source, (bytes, bytearray, memoryview)) else source.read()
    return _read(io.BytesIO(data), "the picture", max_pixels)


def picture_from_pil(image: Image.Image, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Return the Picture of a Pillow image of any mode, turned upright; errors as `read_picture`.

    The image itself is not changed, but loaded.
    """
    try:
        with bounded_pillow(max_pixels):
            return _picture(image, max_pixels)
    except Exception as error:
        raise _image_error("the picture", error) from error


def write_picture(
    picture: Picture,
    target: PathLike | BinaryIO,
    *,
    format: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write a picture with its metadata to a path (whole or not at all) or to an open file.

    format: PNG, JPEG (quality 95, full chroma), WEBP (lossless; grey with a profile converted to
    sRGB), TIFF (deflate, or uncompressed beside EXIF, of which it takes the photo's own tags) or
    PPM (converted to sRGB, no metadata), by name or by suffix; by default the suffix of the path
    decides, PNG where there is none. `overwrite` is for paths. OutputError when the format
    cannot hold the picture or the target cannot be written.
    """
    if isinstance(target, (str, os.PathLike)):
        data = _encode(picture, format or os.path.splitext(target)[1] or "PNG")
        atomic_write(target, data, overwrite=overwrite)
        return
    data = _encode(picture, format or "PNG")
    try:
        target.write(data)
    except OSError as error:
        raise OutputError(f"cannot write the picture: {error.strerror or error}") from error


def _read(stream: BinaryIO, name: str, max_pixels: int) -> Picture:
    # Pillow's readers answer damage with almost any exception, so all of them are caught here.
    try:
        front = stream.read(_FRONT_BYTES)
        if front.startswith(_JPEG_START):  # something may follow its end
            front += stream.read(_JPEG_BYTES)
        stream.seek(0)
        with bounded_pillow(max_pixels), open_pillow(stream, front) as image:
            image.info.update(passed_over(image, stream, front))
            return _picture(image, max_pixels, front)
    except Exception as error:
        raise _image_error(name, error) from error


def _image_error(name: str, error: Exception) -> ImageError:
    if isinstance(error, UnidentifiedImageError):
        return ImageError(f"cannot read {name}: not a picture of a known format, or damaged")
    if isinstance(error, ModuleNotFoundError):
        return ImageError(f"cannot read {name}: HEIF needs the Python package pillow-heif")
    if isinstance(error, Image.DecompressionBombError):
        return ImageError(f"cannot read {name}: it has far more pixels than the limit")
    if isinstance(error, MemoryError):
        return ImageError(f"cannot read {name}: not enough memory")
    reason = " ".join(str(error).split()) or type(error).__name__
    return ImageError(f"cannot read {name}: {reason}")


def _picture(image: Image.Image, max_pixels: int, front: bytes = b"") -> Picture:
    """Load, decode colours, turn upright, collect metadata. Any exception may come out."""
    _check_size(image, max_pixels)
    negative = ready_tiff(image)
    raw = raw_mode(image)
    image.load()
    _check_size(image, max_pixels)  # an icon's size is known only now
    turned = orientation(image)
    decoded = decode_colours(image, raw)
    if negative:
        decoded = replace(decoded, pixels=np.invert(decoded.pixels))
    metadata = read_metadata(image)
    notes = [*unkept(image, front, managed=metadata.icc is not None)]
    notes += [*decoded.notes, *metadata.notes]
    icc = None if decoded.profile_used else metadata.icc
    pixels, alpha = decoded.pixels, decoded.alpha
    if icc is not None and icc[16:20] != (b"GRAY" if pixels.ndim == 2 else b"RGB "):
        icc = None
        notes.append("colour profile dropped: it does not fit the pixels")
    picture = Picture(
        upright(pixels, turned),
        None if alpha is None else upright(alpha, turned),
        icc,
        metadata.exif,
        metadata.xmp,
        tuple(notes),
    )
    return _simplify_managed(picture)


def _simplify_managed(picture: Picture) -> Picture:
    """`simplify`, where it does not change colours.

    Without a profile grey pixels are taken as sRGB, so equal channels in another colour space
    stay RGB and keep their profile.
    """
    if picture.icc is not None and not picture.grey and is_grey(picture.pixels):
        if not is_srgb(picture.icc):
            alpha = picture.alpha
            opaque = alpha is not None and int(alpha.min()) == 255
            return replace(picture, alpha=None if opaque else alpha)
        picture = replace(picture, icc=None)
    return simplify(picture)


def _check_size(image: Image.Image, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        raise ValueError(
            f"it has {image.width * image.height} pixels ({image.width}x{image.height}), "
            f"the limit is {max_pixels}"
        )
    if image.width < 1 or image.height < 1:
        raise ValueError("it has no pixels")


def _encode(picture: Picture, format: str) -> bytes:
    """Return the bytes of the file; `format` is a name or a suffix."""
    suffix = "." + format.lower().removeprefix(".")
    if suffix not in SUFFIXES:
        known = ", ".join(sorted({name.lower() for name in SUFFIXES.values()}))
        raise OutputError(f"cannot write pictures as {format}; known formats are {known}")
    kind = SUFFIXES[suffix]
    if picture.alpha is not None and kind in _NO_ALPHA:
        raise OutputError(f"{kind} cannot hold transparency; write PNG, WebP or TIFF")
    buffer = io.BytesIO()
    if picture.icc is not None and (kind == "PPM" or (kind == "WEBP" and picture.grey)):
        # There is no place for the profile that says what it looks like: a WebP is always RGB.
        picture = to_srgb(picture)
    image = to_pil(picture)
    image.info.clear()  # what is written is what the options below say, whatever Pillow's habits
    try:
        image.save(buffer, format=kind, **_options(picture, kind))
    except Exception as error:  # Pillow's writers, too, fail in many ways
        if kind == "TIFF" and picture.exif is not None:
            # Its tags are broken: other formats carry them unread, a TIFF has to understand them.
            return _encode(replace(picture, exif=None), format)
        reason = " ".join(str(error).split()) or type(error).__name__
        raise OutputError(f"cannot write the picture as {kind}: {reason}; try PNG") from error
    return buffer.getvalue()


def _options(picture: Picture, kind: str) -> dict[str, Any]:
    """What Pillow's writer for `kind` is told."""
    options: dict[str, Any] = {}
    if kind == "PPM":
        return options
    if picture.icc is not None:
        options["icc_profile"] = picture.icc
    dpi = dpi_of_exif(picture.exif)
    if dpi is not None and kind in ("JPEG", "PNG", "TIFF"):
        options["dpi"] = dpi
    if kind == "TIFF":
        tags = Image.Exif()
        if picture.exif is not None:
            # The block may describe the layout of another file, which must not enter this one.
            source = Image.Exif()
            source.load(picture.exif)
            tags = photo_tags(source)
        # Pillow's compressing TIFF writer cannot hold the directories inside EXIF.
        options["compression"] = "raw" if len(tags) else "tiff_adobe_deflate"
        if picture.xmp is not None:
            tags[_XMP_TIFF_TAG] = picture.xmp
        options["exif"] = tags
        return options
    if picture.exif is not None:
        options["exif"] = b"Exif\0\0" + picture.exif
    if kind == "PNG":
        # Pillow's usual level takes four times as long, most of a decompression, to save a tenth.
        options["compress_level"] = 2
    if kind == "PNG" and picture.xmp is not None:
        chunks = PngImagePlugin.PngInfo()
        # Written raw: an XMP packet is bytes, not always text that Pillow would accept.
        chunks.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + picture.xmp)
        options["pnginfo"] = chunks
    elif picture.xmp is not None:
        options["xmp"] = picture.xmp
    if kind == "JPEG":
        options.update(quality=95, subsampling=0)
    elif kind == "WEBP":
        # exact: the colours under transparent pixels are kept too.
        options.update(lossless=True, exact=True)
    return options
