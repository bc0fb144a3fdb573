"""TIFF files that Pillow takes for others than they are: refused, or mended before loading."""

from __future__ import annotations

from PIL import Image, TiffImagePlugin

NEW_SUBFILE_TYPE, SUB_IFDS, EXTRA_SAMPLES = 254, 330, 338
# Of a file's own tags, those that speak of the photo and not of how the file is laid out: document,
# description, maker, model, page, software, date, artist, computer, rating (stars, percent),
# copyright; Windows' title, comment, author, keywords, subject.
_TEXTS_OF_WINDOWS = (0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F)
PHOTO_TAGS = (
    *(0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0131, 0x0132, 0x013B, 0x013C),
    *(0x4746, 0x4749, 0x8298, *_TEXTS_OF_WINDOWS),
)
PHOTO_DIRECTORIES = (0x8769, 0x8825)  # EXIF, GPS
_REDUCED = 1  # the bit of NewSubfileType that says: a smaller version of another picture
_BITS, _PHOTOMETRIC, _FILL_ORDER, _PLANES, _SAMPLE_FORMAT = 258, 262, 266, 284, 339
_MIN_IS_WHITE, _SEPARATE, _SIGNED = 0, 2, 2
# libtiff hands out samples in the order of the machine; for these Pillow swaps them once more.
_ORDER_OF_THE_MACHINE = {
    "F;32F": "F;32NF",
    "F;32BF": "F;32NF",
    "I;16S": "I;16NS",
    "I;16BS": "I;16NS",
    "I;32S": "I;32NS",
    "I;32BS": "I;32NS",
}


def ready_tiff(image: Image.Image) -> bool:
    """Make a TIFF that is not loaded yet ready for that, and say whether its greys are negative.

    True: 0 is white, and Pillow will take it for black. ValueError where loading would give a
    wrong picture. Other images, and what was loaded before, stay as they are: False.
    """
    if not isinstance(image, TiffImagePlugin.TiffImageFile) or not image.tile:
        return False
    xmp = image.info.get("xmp")
    if isinstance(xmp, str):  # of type ASCII, of which Pillow makes text and then cannot search it
        image.info["xmp"] = xmp.encode("latin-1", "replace")
    tags = image.tag_v2
    photometric, planes = integers(tags, _PHOTOMETRIC)[:1], integers(tags, _PLANES)[:1]
    if SUB_IFDS in tags and any(kind & _REDUCED for kind in integers(tags, NEW_SUBFILE_TYPE)):
        raise ValueError(
            "its first image is a reduced one, as in raw data of cameras; develop it first"
        )
    if image.mode in ("LA", "La") and planes == (_SEPARATE,):
        raise ValueError("grey and its transparency in separate planes are not supported")
    if image.tile[0].codec_name == "raw" and planes == (_SEPARATE,):
        # Of how samples are stored, Pillow then keeps the letter of the plane and nothing else.
        plain = all(bits == 8 for bits in integers(tags, _BITS) or (1,))
        if not plain or photometric in ((), (_MIN_IS_WHITE,)) or 2 in integers(tags, _FILL_ORDER):
            raise ValueError("uncompressed separate planes are read with plain 8-bit samples only")
    if image.mode == "L" and _SIGNED in integers(tags, _SAMPLE_FORMAT):
        raise ValueError("signed 8-bit samples are not supported")
    if image.tile[0].codec_name == "libtiff":
        tile = image.tile[0]
        raw, *rest = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        image.tile = [tile._replace(args=(_ORDER_OF_THE_MACHINE.get(str(raw), raw), *rest))]
    return image.mode in ("I;16", "F") and photometric in ((), (_MIN_IS_WHITE,))


def integers(tags: TiffImagePlugin.ImageFileDirectory_v2, tag: int) -> tuple[int, ...]:
    """The values of a tag that are integers; () where it is missing."""
    value = tags.get(tag, ())
    values = value if isinstance(value, tuple) else (value,)
    return tuple(value for value in values if isinstance(value, int))
