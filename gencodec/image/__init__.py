"""Pictures in files, arrays and Pillow images; padding; alpha. numpy and Pillow only."""

from gencodec.image.alpha import decode_alpha, encode_alpha
from gencodec.image.atomic import atomic_write, check_place
from gencodec.image.attributes import has_access_list, user_attributes
from gencodec.image.colour import to_srgb
from gencodec.image.files import (
    DEFAULT_MAX_PIXELS,
    SUFFIXES,
    picture_from_pil,
    read_picture,
    write_picture,
)
from gencodec.image.hidden import smooth_hidden
from gencodec.image.pad import crop, pad
from gencodec.image.picture import Picture, Pixels, picture_from_array, three_channels, to_pil
from gencodec.image.pillow import open_pillow
from gencodec.image.strips import PictureRows, PixelRows, PpmRows, is_plain_ppm, write_ppm_strips
from gencodec.image.thumbnail import without_thumbnail

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "Picture",
    "PictureRows",
    "PixelRows",
    "Pixels",
    "PpmRows",
    "SUFFIXES",
    "atomic_write",
    "check_place",
    "crop",
    "decode_alpha",
    "encode_alpha",
    "has_access_list",
    "is_plain_ppm",
    "open_pillow",
    "pad",
    "picture_from_array",
    "picture_from_pil",
    "read_picture",
    "smooth_hidden",
    "three_channels",
    "to_pil",
    "to_srgb",
    "user_attributes",
    "without_thumbnail",
    "write_picture",
    "write_ppm_strips",
]
