"""gencodec: an entropy-coded generative image codec.

    >>> import gencodec
    >>> stream = gencodec.compress("photo.jpg", quality=60)
    >>> pixels = gencodec.decompress(stream)          # uint8 (H, W, 3)
    >>> gencodec.info(stream).bpp                      # needs neither torch nor weights

Everything that needs torch is loaded at first use, so that importing this package and reading
a file's header cost next to nothing.
"""

from __future__ import annotations

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
    target_bytes: int | None = None,
    tile: int | str | None = "auto",
    effort: int = 0,
    tune: str = "mse",
    model: str | Path | None = None,
    device: str = "auto",
) -> bytes:
    """A picture -> a .gnc stream.

    image: a path, a PIL image, a Picture, or a uint8 array (H, W), (H, W, 3) or (H, W, 4).
    quality: 0 (smallest) to 100.  target_bytes: the best stream of at most that size, whatever
    quality it takes.  tile: the side of tiles in pixels, None for one tile, ``"auto"`` for tiles
    in large pictures.  effort: how many times the symbols are looked over for better ones, 0 to
    1000.  tune: what is better at equal bits, less squared error, ``"mse"``, or less structure
    lost, ``"ssim"``, which the eye goes by; weights without an encoder for it need an effort.
    model: a shipped name, or a file of weights or of an encoder; None is the default.
    Raises ImageError, WeightsError, TargetError (too few bytes for any quality), ValueError
    (quality, tile, effort or tune out of range, or no encoder for tune), TypeError (no number).
    """
    codec = _codec(model, device)
    if target_bytes is not None:
        return codec.compress_to_size(image, target_bytes, tile=tile, effort=effort, tune=tune)
    return codec.compress(image, quality=quality, tile=tile, effort=effort, tune=tune)


def decompress(
    data: bytes,
    *,
    region: tuple[int, int, int, int] | None = None,
    scale: int = 1,
    device: str = "auto",
    max_pixels: int = 2**28,
) -> npt.NDArray[np.uint8]:
    """A .gnc stream -> uint8 (H, W, 3), or (H, W) if grey, or (H, W, 4) if it has alpha.

    region: (left, top, width, height), only these pixels.  scale: 1, 2, 4 or 8, by which the
    picture is reduced.
    The weights it names are found among the installed ones; files made with others are read by
    ``Codec.load(model)``.  Raises FormatError (malformed, foreign, cut or too large), ChecksumError
    (damaged), WeightsError, ValueError (region or scale); TypeError for a path: it reads no file.
    """
    return _codec(None, device).decompress(data, max_pixels=max_pixels, region=region, scale=scale)


def _codec(model: str | Path | None, device: str) -> Codec:
    from gencodec.codec.kept import kept_codec

    return kept_codec(model, device)


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """With what is loaded at first use, for who asks a prompt or `help` what there is."""
    return sorted({*globals(), *_LAZY})
