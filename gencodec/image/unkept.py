"""What a picture file holds beside pixels and metadata and a stream has no place for.

Each finding is one note, so that nobody deletes an original without having been told.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from gencodec.image.tiff import SUB_IFDS

_IPTC_BLOCK = 0x0404  # of the resources in Photoshop's JPEG segment
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/"
_PICTURES_OF_MPF = 0xB001
# Texts of PNG that are kept as metadata, and those in which ImageMagick repeats other metadata.
_PNG_TEXTS_KEPT = ("XML:com.adobe.xmp", "Raw profile type exif", "Raw profile type xmp", "exif")
_PNG_TEXTS_REPEATED = ("date:", "exif:", "icc:", "tiff:", "xmp:", "dc:")
# White, red, green and blue of sRGB, as a PNG states them.
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
# Code points of BT.709, BT.601 and "unspecified", and of the curves near sRGB's.
_NEAR_SRGB_PRIMARIES, _NEAR_SRGB_TRANSFERS = (1, 2, 5, 6), (1, 2, 6, 13)
_GAMMA_TOLERANCE, _PRIMARIES_TOLERANCE = 0.005, 0.001


def unkept(image: Image.Image, front: bytes, *, managed: bool) -> list[str]:
    """Return the notes for a loaded image.

    front: the first bytes of its file, where there is one. managed: it has a colour profile, next
    to which other colour information counts for nothing.
    """
    notes = []
    if getattr(image, "is_animated", False):
        notes.append("the file holds several images; only the first is kept")
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        notes += _of_jpeg(image)
    if isinstance(image, PngImagePlugin.PngImageFile):
        notes += _of_png(image.info, dict(image.text), managed)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        notes += _of_tiff(image.tag_v2)
    if not managed and image.format in ("AVIF", "HEIF", "PNG") and _is_other_space(front):
        notes.append("colours of a wide or high-dynamic-range space (CICP) are taken as sRGB")
    depth = _depth_of_boxes(front) if image.format in ("AVIF", "HEIF") else 8
    if depth > 8:
        notes.append(f"{depth}-bit samples reduced to 8 bits")
    return notes


def _of_jpeg(image: JpegImagePlugin.JpegImageFile) -> list[str]:
    notes = []
    resources = image.info.get("photoshop")
    if isinstance(resources, Mapping) and resources.get(_IPTC_BLOCK):
        notes.append("IPTC data (captions, keywords) are not kept")
    if image.info.get("comment"):
        notes.append("the comment in the JPEG is not kept")
    if any(kind == "APP1" and data.startswith(_EXTENDED_XMP) for kind, data in image.applist):
        notes.append("only the main packet of the XMP is kept, not its extension")
    if image.format == "JPEG" and _pictures_of(image) > 1:
        notes.append("the file holds further images (such as a gain map); only the first is kept")
    return notes


def _pictures_of(image: JpegImagePlugin.JpegImageFile) -> int:
    try:
        directory: Any = image._getmp()
        return int(directory[_PICTURES_OF_MPF]) if directory else 1
    except Exception:  # a broken directory: Pillow finds no other pictures either
        return 1


def _of_png(info: Mapping[Any, Any], texts: Mapping[str, object], managed: bool) -> list[str]:
    notes = []
    lost = [
        " ".join(name.split())
        for name in texts
        if name not in _PNG_TEXTS_KEPT and not name.startswith(_PNG_TEXTS_REPEATED)
    ]
    if lost:
        more = ", ..." if len(lost) > 5 else ""
        notes.append(f"texts in the PNG are not kept ({', '.join(lost[:5])}{more})")
    if managed or "srgb" in info:
        return notes
    gamma, primaries = info.get("gamma"), info.get("chromaticity")
    if isinstance(gamma, float) and abs(gamma - 1 / 2.2) > _GAMMA_TOLERANCE:
        notes.append("the gamma that the PNG declares is not kept")
    if isinstance(primaries, tuple) and any(
        abs(one - other) > _PRIMARIES_TOLERANCE
        for one, other in zip(primaries, _SRGB_PRIMARIES, strict=False)
    ):
        notes.append("the primary colours that the PNG declares are not kept")
    return notes


def _of_tiff(tags: TiffImagePlugin.ImageFileDirectory_v2) -> list[str]:
    notes = []
    if SUB_IFDS in tags:
        notes.append("the file holds further images (SubIFDs); only the first is kept")
    return notes


def _is_other_space(front: bytes) -> bool:
    """Whether code points (ITU-T H.273) in AVIF, HEIF or PNG name colours unlike sRGB's."""
    box, chunk = front.find(b"colrnclx"), front.find(b"\0\0\0\4cICP")
    if box >= 0 and box + 12 <= len(front):
        primaries, transfer = struct.unpack_from(">HH", front, box + 8)
    elif chunk >= 0 and chunk + 10 <= len(front):
        primaries, transfer = front[chunk + 8], front[chunk + 9]
    else:
        return False
    return primaries not in _NEAR_SRGB_PRIMARIES or transfer not in _NEAR_SRGB_TRANSFERS


def _depth_of_boxes(front: bytes) -> int:
    """Bits a sample by the first `pixi` box (ISO/IEC 23008-12, 6.5.6); 8 where there is none."""
    at = front.find(b"pixi")
    if at < 0 or at + 10 > len(front) or front[at + 8] == 0:
        return 8
    return max(front[at + 9 : at + 9 + front[at + 8]])
