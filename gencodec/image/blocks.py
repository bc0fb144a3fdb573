"""Metadata that Pillow passes over: in boxes of JPEG 2000, in an extension of GIF, in the resources
of Photoshop's own files."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from PIL import Image, PsdImagePlugin

from gencodec.image.boxes import boxes
from gencodec.image.metadata import MAX_METADATA_BYTES, STORED_EXIF

IPTC, BOXES = "IPTC of the file", "boxes of the file"  # no text of a PNG, which are in `info` too
_UUIDS = {
    b"JpgTiffExif->JP2": "exif",
    bytes.fromhex("be7acfcb97a942e89c71999491e3afac"): "xmp",
    bytes.fromhex("33c7a4d2b81d4723a0baf1a3e097ad38"): IPTC,
}
_BOXES_OF_DATA = (b"uuid", b"xml ", b"asoc")
_RESOURCES = {1028: IPTC, 1058: "exif", 1060: "xmp"}
_RESOLUTION = 1005  # dots an inch and two units, across and then down
_GIF_XMP = b"\x21\xff\x0bXMP DataXMP"
_GIF_XMP_END = b"\1\xff\xfe\xfd\xfc"  # with which a ramp of 256 bytes begins


def passed_over(image: Image.Image, stream: BinaryIO, front: bytes) -> dict[str, Any]:
    """What `image.info` lacks of an image that is not loaded yet: exif, xmp, dpi; IPTC; and BOXES,
    the number of other boxes with data.

    stream: its file, which is left where it was; front: the first bytes of that.
    """
    place = stream.tell()
    try:
        if image.format == "JPEG2000":
            return _of_jpeg_2000(stream)
        if image.format == "GIF":
            return _of_gif(stream, front)
    finally:
        stream.seek(place)
    if image.format == "AVIF":
        return _of_avif(image)
    return _of_photoshop(image) if isinstance(image, PsdImagePlugin.PsdImageFile) else {}


def _of_jpeg_2000(stream: BinaryIO) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, start, length in boxes(stream):
        stream.seek(start)
        name = _UUIDS.get(stream.read(16)) if kind == b"uuid" else None
        if name is not None:
            found[name] = stream.read(min(max(length - 16, 0), MAX_METADATA_BYTES + 1))
        elif kind in _BOXES_OF_DATA:
            found[BOXES] = found.get(BOXES, 0) + 1
    return found


def _of_gif(stream: BinaryIO, front: bytes) -> dict[str, Any]:
    """The packet is no sequence of blocks, as other data in a GIF are (XMP part 3, 1.1.2)."""
    at = front.find(_GIF_XMP)
    if at < 0:
        return {}
    stream.seek(at + len(_GIF_XMP))
    packet, end, _ = stream.read(MAX_METADATA_BYTES).partition(_GIF_XMP_END)
    return {"xmp": packet} if end else {}


def _of_avif(image: Any) -> dict[str, Any]:
    """Where the boxes turn the picture otherwise than EXIF says, Pillow writes that anew, by which
    text other than ASCII's is lost. Its decoder, though, has the block of the file."""
    try:
        exif = image._decoder.get_info()[4]
    except Exception:  # another Pillow
        return {}
    return {STORED_EXIF: exif} if isinstance(exif, bytes) else {}


def _of_photoshop(image: PsdImagePlugin.PsdImageFile) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, _, data in image.resources:
        if number in _RESOURCES:
            found[_RESOURCES[number]] = data
        elif number == _RESOLUTION and len(data) >= 12:
            across, down = struct.unpack_from(">I4xI", data)
            found["dpi"] = across / 65536, down / 65536
    return found
