"""ICC, EXIF and XMP as a file had them, brought to one form and kept within bounds."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import ExifTags, Image, TiffImagePlugin

from gencodec.image.orientation import ORIENTATION_TAG, orientation, reset_in_exif, reset_in_xmp
from gencodec.image.resolution import (
    agrees,
    exif_of_dpi,
    resolution_tags,
    stated_dpi,
    with_dpi,
)
from gencodec.image.thumbnail import without_thumbnail
from gencodec.image.tiff import PHOTO_DIRECTORIES, PHOTO_TAGS

MAX_METADATA_BYTES = 16 * 2**20

STORED_EXIF = "exif of the file"  # in `info`, where "exif" is not it
PNG_XMP = "XML:com.adobe.xmp"  # the text in a PNG

_EXIF_PREFIX = b"Exif\0\0"
_TIFF_STARTS = (b"II*\0", b"MM\0*")
# Only a file's own directory says where its pixels are: in strips, in tiles.
_TIFF_LAYOUT_TAGS = (0x0111, 0x0144)


@dataclass(frozen=True)
class Metadata:
    """What is kept beside the pixels; see `Picture` for the fields."""

    icc: bytes | None
    exif: bytes | None
    xmp: bytes | None
    notes: tuple[str, ...]


def read_metadata(image: Image.Image) -> Metadata:
    """Collect the metadata of a loaded image, with the orientation in EXIF and XMP set to 1."""
    notes: list[str] = []
    icc = _bytes(image.info.get("icc_profile"))
    if icc is not None and (len(icc) < 128 or icc[36:40] != b"acsp"):
        icc = None
        notes.append("damaged colour profile dropped")
    exif = _with_resolution(_exif(image, notes), image, notes)
    xmp = _bytes(image.info.get("xmp"))
    if xmp is None:
        xmp = _text_profile(image.info.get("Raw profile type xmp"))
    if xmp is None:  # libvips writes a chunk of another kind, in which Pillow does not look for it
        xmp = image.info.get(PNG_XMP, "").encode("latin-1", "replace") or None
    if xmp is not None:
        xmp = reset_in_xmp(xmp)
    return Metadata(
        icc=_bounded("ICC", icc, notes),
        exif=_bounded("EXIF", exif, notes),
        xmp=_bounded("XMP", xmp, notes),
        notes=tuple(notes),
    )


def _bounded(name: str, block: bytes | None, notes: list[str]) -> bytes | None:
    if block is None or len(block) <= MAX_METADATA_BYTES:
        return block
    notes.append(f"{name} of {len(block)} bytes dropped (the limit is 16 MiB)")
    return None


def _exif(image: Image.Image, notes: list[str]) -> bytes | None:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return _exif_of_tiff(image, notes)
    block = _bytes(image.info.get(STORED_EXIF)) or _bytes(image.info.get("exif"))
    if block is None:
        block = _text_profile(image.info.get("Raw profile type exif"))
    if block is None:
        return None
    block = block.removeprefix(_EXIF_PREFIX)
    if not block.startswith(_TIFF_STARTS):
        notes.append("damaged EXIF dropped")
        return None
    reset = reset_in_exif(block)
    # The small picture in it lies as the large one lay; nothing would say so any more.
    reset_before = image.info.get("original_orientation") is not None  # by pillow-heif
    turned = reset != block or reset_before or orientation(image) != 1
    block = without_thumbnail(reset) if turned else block
    left = Image.Exif()
    try:
        left.load(block)
        again = left.get(ORIENTATION_TAG, 1) != 1
    except Exception:  # no reader can follow it, so none will turn the picture by it
        again = False
    if again:
        # Kept, it would turn the picture a second time.
        notes.append("EXIF dropped: its orientation could not be reset")
        return None
    return block


def _with_resolution(exif: bytes | None, image: Image.Image, notes: list[str]) -> bytes | None:
    """EXIF that also says what the file states beside it."""
    dpi = stated_dpi(image)
    if exif is None or dpi is None or agrees(exif, dpi):
        return exif_of_dpi(dpi) if exif is None else exif
    longer = with_dpi(exif, dpi)
    if longer is None:
        stated = " x ".join(f"{value:.6g}" for value in dpi)
        notes.append(f"the resolution of {stated} dpi is not kept: EXIF says otherwise")
    return longer or exif


def _exif_of_tiff(image: Image.Image, notes: list[str]) -> bytes | None:
    """A TIFF file is its own EXIF block, so the part that speaks of the photo is written anew."""
    try:
        block = exif_bytes(photo_tags(image.getexif()))
        return None if block is None else block.removeprefix(_EXIF_PREFIX)
    except Exception:  # Pillow fails in many ways on odd tags; the pixels are worth more
        notes.append("EXIF of the TIFF file could not be kept")
        return None


def exif_bytes(source: Image.Exif) -> bytes | None:
    """The block, as Pillow writes it, of tags that an image had or was given; None of none.

    The directory of a TIFF file, which holds XMP and ICC too, becomes that of the photo. Any
    exception may come out of broken tags.
    """
    if any(tag in source for tag in _TIFF_LAYOUT_TAGS):
        source = photo_tags(source)
    # An Exif counts as empty, too, whose only tags were put into a directory of its own.
    return source.tobytes() if len(source) or any(source._ifds.values()) else None


def photo_tags(source: Image.Exif) -> Image.Exif:
    """The tags that speak of the photo and not of how a file is laid out. Any exception may come
    out of broken ones."""
    kept = Image.Exif()
    kept.endian = source.endian  # which maker notes share
    for tag in PHOTO_TAGS:
        if tag in source:
            kept[tag] = _as_read(source[tag])
    for tag in PHOTO_DIRECTORIES:
        directory = {key: _as_read(value) for key, value in source.get_ifd(tag).items()}
        if tag == ExifTags.IFD.Exif:
            directory = {key: _undefined(value) for key, value in directory.items()}
        if ExifTags.IFD.Interop in directory:
            directory[ExifTags.IFD.Interop] = source.get_ifd(ExifTags.IFD.Interop)
        if directory:
            kept.get_ifd(tag).update(directory)  # where the writer of TIFF looks
            kept[tag] = directory
    if len(kept):  # a resolution alone is told without a block of its own
        for tag, value in resolution_tags(source).items():
            kept[tag] = value
    return kept


class _Text(str):
    """Text of EXIF, which Pillow reads as Latin-1, whatever it is, and would write as ASCII."""

    def encode(self, encoding: str = "", errors: str = "") -> bytes:
        return super().encode("latin-1", "replace")


def _as_read(value: object) -> object:
    return _Text(value) if isinstance(value, str) else value


def _undefined(value: object) -> object:
    """Bytes in EXIF's own directory, such as a comment with its encoding, have the type UNDEFINED;
    those that are `bytes` Pillow would write as numbers."""
    return [bytearray(value)] if isinstance(value, bytes) else value


def _text_profile(text: object) -> bytes | None:
    """ImageMagick's way in PNG: "\\n<name>\\n <length>\\n<hexadecimal digits in lines>"."""
    if not isinstance(text, str):
        return None
    lines = text.split("\n")
    try:
        return bytes.fromhex("".join(lines[3:])[: 2 * int(lines[2])])
    except (IndexError, ValueError):
        return None


def _bytes(value: object) -> bytes | None:
    """Metadata as bytes; Pillow hands out text for some formats. Empty means none."""
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return value if isinstance(value, bytes) and value else None
