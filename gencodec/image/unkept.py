"""What a picture file holds beside pixels and metadata and a stream has no place for.

Each finding is one note, so that nobody deletes an original without having been told.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin, PsdImagePlugin, TiffImagePlugin, TiffTags

from gencodec.amounts import counted
from gencodec.image.blocks import BOXES, IPTC
from gencodec.image.metadata import PNG_XMP
from gencodec.image.resolution import oblong
from gencodec.image.tiff import EXTRA_SAMPLES, PHOTO_DIRECTORIES, PHOTO_TAGS, SUB_IFDS, integers

_IPTC_BLOCK = 0x0404  # of the resources in Photoshop's JPEG segment
_PATHS = {*range(2000, 2999)}  # of the same, such as the one to cut out along
_IPTC_OF_TIFF = 33723
_PHOTOSHOP_OF_TIFF = (34377, 37724)  # its resources, its layers
# Up to here the tags of TIFF 6.0 say how the pixels are stored.  Of the others some are kept, have
# a note of their own, or are SGI's for the same purpose, or fill up room.
_LAST_OF_TIFF_6 = 532
_TIFF_TAGS_ELSEWHERE = {*PHOTO_TAGS, *PHOTO_DIRECTORIES, _IPTC_OF_TIFF, *_PHOTOSHOP_OF_TIFF}
_TIFF_TAGS_ELSEWHERE |= {700, 34675, 32995, 32996, 32997, 32998, 59932, 59933}
_UNSPECIFIED = 0  # what an extra sample of a TIFF may be for
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/"
_GAIN_MAP_SEGMENT = b"urn:iso:std:iso:ts:21496"  # ISO 21496-1's version, before the map itself
# What begins segments that are kept, told in another note, or of the file and not of the picture.
_JPEG_SEGMENTS = (
    *(b"Exif\0", b"http://ns.adobe.com/x", b"ICC_PROFILE\0", b"MPF\0", b"Photoshop "),
    *(b"JFIF\0", b"JFXX\0", b"AVI1", b"Adobe", b"Ducky", _GAIN_MAP_SEGMENT),
)
_C2PA_SEGMENT = b"JP"  # of APP11: JPEG's universal metadata boxes
_LIST_OF_MPF, _PREVIEW_OF_MPF = 0xB002, "Large Thumbnail"
_GAIN_MAP_BRAND = b"tmap"  # of the files of ISO 21496-1, among the brands that a file names first
# What phones write that append a video to the picture.
_MOTION = re.compile(rb"Camera:(MotionPhoto|MicroVideo)\s*(=\s*[\"']|>)\s*1\b")
# Where a picture says in a signed way who made it: a box of AVIF and HEIF, a chunk of PNG.
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_C2PA_CHUNK = b"caBX"
_SEVERAL = "the file holds several images; only the first is kept"
_FURTHER = "the file holds further images (such as a gain map); only the first is kept"
_PHOTOSHOP = "Photoshop's own data (paths, layers, ...) are not kept"
_IPTC = "IPTC data (captions, keywords) are not kept"
# Between segments, or in coded data, where 00 and RST follow an FF that is not a marker's.
_JPEG_MARKER = re.compile(rb"\xff[^\0\xd0-\xd7\xff]")
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_PADDING = b"\0 \t\r\n" + _JPEG_END  # also by scripts that print a line's end behind a file
# Texts of PNG that are kept as metadata, and those in which ImageMagick repeats other metadata.
_PNG_TEXTS_KEPT = (PNG_XMP, "Raw profile type exif", "Raw profile type xmp", "exif")
_PNG_TEXTS_REPEATED = ("date:", "icc:", "tiff:", "xmp:", "dc:")
# White, red, green and blue of sRGB, as a PNG states them.
_SRGB_PRIMARIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
# Code points of BT.709, BT.601 and "unspecified", and of the curves near sRGB's.
_NEAR_SRGB_PRIMARIES, _NEAR_SRGB_TRANSFERS = (1, 2, 5, 6), (1, 2, 6, 13)
# Where a BMP says how long its header is and, in the fifth version, of what kind its colours are.
_BMP_HEADER, _BMP_COLOURS, _BMP_VERSION_5 = 14, 70, 124
_BMP_PROFILES = (b"DEBM", b"KNIL")  # "MBED" and "LINK", the last byte first
_JPEG_2000_START = b"\xff\x4f\xff\x51"  # of its stream of code, within boxes or without
_GAMMA_TOLERANCE, _PRIMARIES_TOLERANCE = 0.005, 0.001


def unkept(image: Image.Image, front: bytes, *, managed: bool) -> list[str]:
    """Return the notes for a loaded image.

    front: the first bytes of its file, where there is one; of a JPEG all. managed: it has a colour
    profile, next to which other colour information counts for nothing.
    """
    notes = []
    if getattr(image, "is_animated", False) and image.format != "MPO":
        notes.append(_SEVERAL)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        notes += _of_jpeg(image, front)
    if isinstance(image, PngImagePlugin.PngImageFile):
        notes += _of_png(image.info, dict(image.text), managed)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        notes += _of_tiff(image.tag_v2)
    if image.format in ("AVIF", "HEIF"):
        notes += _of_boxes(image.info, front)
    notes += _of_others(image, front, managed)
    if not managed and image.format in ("AVIF", "HEIF", "PNG") and _is_other_space(front):
        notes.append("colours of a wide or high-dynamic-range space (CICP) are taken as sRGB")
    depth = 8
    if image.format in ("AVIF", "HEIF"):
        depth = _depth_of_boxes(front)
    elif image.format == "JPEG2000":
        depth = _depth_of_jpeg_2000(front)
    if depth > 8 and not image.mode.startswith("I"):  # wide greys have a note
        notes.append(f"{depth}-bit samples reduced to 8 bits")
    return notes


def _of_jpeg(image: JpegImagePlugin.JpegImageFile, whole: bytes) -> list[str]:
    notes = []
    resources = image.info.get("photoshop")
    resources = resources if isinstance(resources, Mapping) else {}
    if resources.get(_IPTC_BLOCK):
        notes.append(_IPTC)
    if _PATHS & resources.keys():
        notes.append(_PHOTOSHOP)
    if image.info.get("comment"):
        notes.append("the comment in the JPEG is not kept")
    if any(kind == "APP1" and data.startswith(_EXTENDED_XMP) for kind, data in image.applist):
        notes.append("only the main packet of the XMP is kept, not its extension")
    told = (*_JPEG_SEGMENTS, _C2PA_SEGMENT) if _has_credentials(image, whole) else _JPEG_SEGMENTS
    others = [
        f"{kind} {name[0].decode()}" if (name := re.match(rb"\w{1,20}", data)) else kind
        for kind, data in image.applist
        if kind != "COM" and data.strip(b"\0") and not data.startswith(told)
    ]
    if others:
        notes.append(f"segments of the JPEG are not kept ({_listed(list(dict.fromkeys(others)))})")
    behind = _pictures_behind(image)
    if any(_PREVIEW_OF_MPF not in kind for kind in behind):
        notes.append(_SEVERAL if image.format == "MPO" else _FURTHER)
    elif (rest := _behind_jpeg(whole, previews=len(behind))) and not _is_in_motion(image, whole):
        # A phone's time and country are a hundred bytes, its video millions.
        notes.append(f"what follows the end of the JPEG is not kept ({counted(len(rest), 'byte')})")
    return notes


def _behind_jpeg(data: bytes, *, previews: int = 0) -> bytes:
    """What stands behind the end of the picture, such as a phone's video, but for padding and so
    many smaller versions of it."""
    at = 0
    for _ in range(1 + previews):
        at = max(at, data.find(_JPEG_START, at) + len(_JPEG_START))
        while marker := _JPEG_MARKER.search(data, at):
            at = marker.end()
            if marker[0] == _JPEG_END:
                break
            at += int.from_bytes(data[at : at + 2], "big")
        else:
            return b""
    return data[at:].strip(_PADDING)


def _pictures_behind(image: Any) -> list[str]:
    """The kinds of pictures behind a JPEG that it lists; cameras put previews there."""
    try:
        return [one["Attribute"]["MPType"] for one in (image._getmp() or {})[_LIST_OF_MPF][1:]]
    except Exception:  # a broken directory or none: Pillow finds no other pictures either
        return []


def _of_png(info: Mapping[Any, Any], texts: Mapping[str, object], managed: bool) -> list[str]:
    notes = []
    has_exif = "exif" in info or "Raw profile type exif" in info
    repeated = (*_PNG_TEXTS_REPEATED, "exif:") if has_exif else _PNG_TEXTS_REPEATED
    lost = [
        " ".join(name.split())
        for name in texts
        if name not in _PNG_TEXTS_KEPT and not name.startswith(repeated)
    ]
    if lost:
        notes.append(f"texts in the PNG are not kept ({_listed(lost)})")
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
    if _IPTC_OF_TIFF in tags:
        notes.append(_IPTC)
    if any(tag in tags for tag in _PHOTOSHOP_OF_TIFF):
        notes.append(_PHOTOSHOP)
    if _UNSPECIFIED in integers(tags, EXTRA_SAMPLES):
        notes.append("a channel of unspecified meaning beside the colours is not kept")
    lost = sorted(tag for tag in tags if tag > _LAST_OF_TIFF_6 and tag not in _TIFF_TAGS_ELSEWHERE)
    if lost:
        names = [TiffTags.lookup(tag).name.removesuffix("Tag") for tag in lost]
        names = [name.replace("unknown", str(tag)) for tag, name in zip(lost, names, strict=True)]
        notes.append(f"tags of the TIFF are not kept ({_listed(names)})")
    return notes


def _listed(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _of_boxes(info: Mapping[Any, Any], front: bytes) -> list[str]:
    """Of AVIF and HEIF; pillow-heif tells which pictures and blocks belong to the first one."""
    notes = []
    brands = front[: int.from_bytes(front[:4], "big")]
    if info.get("aux") or info.get("depth_images") or _GAIN_MAP_BRAND in brands:
        notes.append(_FURTHER)
    if any(block["type"] == "iptc" for block in info.get("metadata", ())):
        notes.append(_IPTC)
    return notes


def _of_others(image: Image.Image, front: bytes, managed: bool) -> list[str]:
    notes = []
    if _is_in_motion(image, front):
        notes.append("the video of the motion photo is not kept")
    if _has_credentials(image, front):
        notes.append("content credentials (C2PA) are not kept")
    if image.info.get(IPTC):
        notes.append(_IPTC)
    if image.info.get(BOXES):
        notes.append("further data in the JPEG 2000 (such as its place on a map) are not kept")
    if shape := oblong(image):
        stated = "{:g} across to {:g} down".format(*shape)
        notes.append(f"pixels that are not square ({stated}) are taken as square")
    resources = image.resources if isinstance(image, PsdImagePlugin.PsdImageFile) else ()
    if any(number in _PATHS for number, _, _ in resources):
        notes.append(_PHOTOSHOP)
    if image.format == "GIF" and image.info.get("comment"):
        notes.append("the comment in the GIF is not kept")
    if image.format == "ICO" and len(image.info.get("sizes", ())) > 1:
        notes.append("the file holds several images; only the largest is kept")
    if not managed and (
        (image.format == "BMP" and _is_managed_bmp(front))
        or (image.format == "JPEG2000" and _is_managed_jpeg_2000(front))
    ):
        kind = image.format.replace("JPEG2000", "JPEG 2000")
        notes.append(f"the colour profile in the {kind} is not kept")
    return notes


def _is_in_motion(image: Image.Image, front: bytes) -> bool:
    """By its XMP, which outlives the video where a JPEG was edited."""
    xmp = image.info.get("xmp", b"")
    text = xmp.encode("utf-8", "surrogateescape") if isinstance(xmp, str) else xmp
    is_jpeg = isinstance(image, JpegImagePlugin.JpegImageFile)
    return _MOTION.search(text) is not None and (not is_jpeg or _behind_jpeg(front) != b"")


def _has_credentials(image: Image.Image, front: bytes) -> bool:
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        return any(kind == "APP11" and b"c2pa" in data for kind, data in image.applist)
    if isinstance(image, PngImagePlugin.PngImageFile):
        return any(chunk[0] == _C2PA_CHUNK for chunk in image.private_chunks)
    return image.format in ("AVIF", "HEIF") and _C2PA_UUID in front


def _is_managed_bmp(front: bytes) -> bool:
    length = int.from_bytes(front[_BMP_HEADER : _BMP_HEADER + 4], "little")
    return length >= _BMP_VERSION_5 and front[_BMP_COLOURS : _BMP_COLOURS + 4] in _BMP_PROFILES


def _is_managed_jpeg_2000(front: bytes) -> bool:
    """Whether a `colr` box holds a profile (ISO/IEC 15444-1, I.5.3.3): its method is not 1."""
    head, _, _ = front.partition(_JPEG_2000_START)
    return any(part[:1] in (b"\2", b"\3") for part in head.split(b"colr")[1:])


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


def _depth_of_jpeg_2000(front: bytes) -> int:
    """Bits a sample by the segment SIZ (ISO/IEC 15444-1, A.5.1), else by the box `ihdr`."""
    at = front.find(_JPEG_2000_START)
    if at >= 0 and at + 42 <= len(front):
        (count,) = struct.unpack_from(">H", front, at + 40)
        return max(
            ((depth & 127) + 1 for depth in front[at + 42 : at + 42 + 3 * count : 3]), default=8
        )
    at = front.find(b"ihdr")
    depth = front[at + 14 : at + 15] if at >= 0 else b""
    return (depth[0] & 127) + 1 if depth and depth[0] != 255 else 8
