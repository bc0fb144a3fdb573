"""Raw files of cameras, which are no pictures before they are developed."""

import re

# By maker and kind: Canon CR2, CR3 and CRW; Fujifilm RAF; Olympus ORF; Panasonic RW2; Minolta MRW;
# Sigma X3F.  The first is a TIFF too, whose first image is a preview with nothing to say so.  What
# other makers, and DNG, put first says what it is (NewSubfileType; gencodec/image/tiff.py).
_BEGINNINGS = re.compile(
    rb"II\*\0\x10\0\0\0CR\x02\0|....ftypcrx |II....HEAPCCDR|FUJIFILMCCD-RAW"
    rb"|IIR[OS]|MMOR|IIU\0|\0MRM|FOVb",
    re.DOTALL,
)


def is_raw(front: bytes) -> bool:
    """Whether a file that begins with these bytes, 14 at least, is a camera's raw data."""
    return _BEGINNINGS.match(front) is not None
