"""gencodec: an entropy-coded generative image codec.

    >>> import gencodec
    >>> stream = gencodec.compress("photo.jpg", quality=60)
    >>> pixels = gencodec.decompress(stream)          # uint8 (H, W, 3)
    >>> gencodec.info(stream).bpp                      # needs neither torch nor weights

Everything that needs torch is loaded at first use, so that importing this package and reading
a file's header cost next to nothing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gencodec.bitstream import StreamInfo
from gencodec.bitstream import describe as info
from gencodec.errors import (
    ChecksumError,
    FormatError,
    GencodecError,
    ImageError,
    LimitError,
    NotGencodecError,
    OutputError,
    TargetError,
    TruncatedError,
    UnsupportedVersionError,
    WeightsError,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from gencodec.codec import Codec, ImageLike
    from gencodec.image import Picture

__version__ = "0.1.0"

__all__ = [
    "ChecksumError",
    "Codec",
    "FormatError",
    "GencodecError",
    "ImageError",
    "LimitError",
    "NotGencodecError",
    "OutputError",
    "Picture",
    "StreamInfo",
    "TargetError",
    "TruncatedError",
    "UnsupportedVersionError",
    "WeightsError",
    "compress",
    "decompress",
    "info",
]

_LAZY = {"Codec": "gencodec.codec", "Picture": "gencodec.image"}


def compress(
    image: ImageLike,
    *,
    quality: float = 60.0,
    model: str | Path | None = None,
    device: str = "auto",
) -> bytes:
    """A picture -> a .gnc stream.

    image: a path, a PIL image, a Picture, or a uint8 array (H, W), (H, W, 3) or (H, W, 4).
    quality: 0 (smallest) to 100.  model: a shipped name or a weights file; None is the default.
    Raises ImageError, WeightsError, ValueError (quality out of range).
    """
    return _codec(None if model is None else str(model), device).compress(image, quality=quality)


def decompress(
    data: bytes, *, device: str = "auto", max_pixels: int = 2**28
) -> npt.NDArray[np.uint8]:
    """A .gnc stream -> uint8 (H, W, 3), or (H, W) if grey, or (H, W, 4) if it has alpha.

    The weights it names are found among the installed ones.  Raises FormatError (damaged,
    foreign, cut or too large), ChecksumError, WeightsError.
    """
    return _codec(None, device).decompress(data, max_pixels=max_pixels)


@lru_cache(maxsize=4)
def _codec(model: str | None, device: str) -> Codec:
    from gencodec.codec import Codec

    return Codec.load(model, device=device)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
