"""JPEG, WebP, AVIF, JPEG XL and JPEG 2000 as rivals, through imagecodecs.

AVIF is there twice.  From version 1.4 on libavif tunes for perceived quality (tune=iq), at a cost
of about 1 dB in PSNR; avif-ssim is the tuning of the versions before, which imagecodecs has no
switch for and Pillow has.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import PIL
from PIL import AvifImagePlugin, Image, features

from gencodec.bench.contestants import About, Recipe, UnknownRivalError
from gencodec.image import Pixels, three_channels

Encode = Callable[[Any, Pixels, float, str, int], bytes]
Decode = Callable[[Any, bytes, int], Any]


@dataclass(frozen=True)
class Format:
    """One format; library names it in imagecodecs, or is empty for Pillow's AVIF.

    options: what may follow the colon of the codec's name, the default first.  label and
    settings have {option} where it goes.  qualities: by ascending rate.
    """

    label: str
    options: tuple[str, ...]
    settings: str
    library: str
    qualities: tuple[float, ...]
    whole: bool
    encode: Encode
    decode: Decode


FORMATS = {
    "jpeg": Format(
        label="JPEG {option}",
        options=("420", "444"),
        settings="jpeg8_encode(level=q, subsampling={option}, optimize=True)",
        library="jpeg8",
        qualities=(5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95),
        whole=True,
        encode=lambda codecs, pixels, q, option, threads: codecs.jpeg8_encode(
            pixels, level=int(q), subsampling=option, optimize=True
        ),
        decode=lambda codecs, stream, threads: codecs.jpeg8_decode(stream),
    ),
    "webp": Format(
        label="WebP m{option}",
        options=("6", "0", "1", "2", "3", "4", "5"),
        settings="webp_encode(level=q, lossless=False, method={option})",
        library="webp",
        qualities=(1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95),
        whole=True,
        encode=lambda codecs, pixels, q, option, threads: codecs.webp_encode(
            three_channels(pixels), level=q, lossless=False, method=int(option)
        ),
        decode=lambda codecs, stream, threads: codecs.webp_decode(stream),
    ),
    "avif": Format(
        label="AVIF s{option}",
        options=("6", *(str(speed) for speed in range(11) if speed != 6)),
        settings="avif_encode(level=q, speed={option}, pixelformat=444, numthreads={threads})",
        library="avif",
        qualities=(20, 30, 40, 50, 60, 70, 80, 90, 95),
        whole=True,
        encode=lambda codecs, pixels, q, option, threads: codecs.avif_encode(
            pixels,
            level=int(q),
            speed=int(option),
            # Not by name: some releases call it 444, others YUV444.
            pixelformat=codecs.AVIF.PIXEL_FORMAT["YUV400" if pixels.ndim == 2 else "YUV444"],
            numthreads=threads,
        ),
        decode=lambda codecs, stream, threads: codecs.avif_decode(stream, numthreads=threads),
    ),
    "avif-ssim": Format(
        label="AVIF s{option} tune=ssim",
        options=("6", *(str(speed) for speed in range(11) if speed != 6)),
        settings="save(AVIF, quality=q, speed={option}, subsampling=4:4:4, codec=aom, "
        "max_threads={threads}, advanced=tune:ssim)",
        library="",
        qualities=(20, 30, 40, 60, 80, 90),
        whole=True,
        encode=lambda codecs, pixels, q, option, threads: _pillow_avif(
            pixels, int(q), int(option), threads
        ),
        decode=lambda codecs, stream, threads: _pillow_pixels(stream, threads),
    ),
    "jxl": Format(
        label="JPEG XL e{option}",
        options=("7", *(str(effort) for effort in range(1, 11) if effort != 7)),
        settings="jpegxl_encode(distance=q, effort={option}, numthreads={threads})",
        library="jpegxl",
        qualities=(16, 12, 8, 6, 4, 3, 2, 1.5, 1, 0.5, 0.3),
        whole=False,
        encode=lambda codecs, pixels, q, option, threads: codecs.jpegxl_encode(
            pixels, distance=q, effort=int(option), numthreads=threads
        ),
        decode=lambda codecs, stream, threads: codecs.jpegxl_decode(stream, numthreads=threads),
    ),
    "jpeg2000": Format(
        label="JPEG 2000",
        options=("9-7",),
        settings="jpeg2k_encode(level=q, reversible=False, numthreads={threads})",
        library="jpeg2k",
        qualities=(24, 26, 28, 30, 32, 34, 36, 38, 40, 42, 44),
        whole=True,
        encode=lambda codecs, pixels, q, option, threads: codecs.jpeg2k_encode(
            pixels, level=int(q), reversible=False, numthreads=threads
        ),
        decode=lambda codecs, stream, threads: codecs.jpeg2k_decode(stream, numthreads=threads),
    ),
}


@dataclass(frozen=True, eq=False)
class Classical:
    """One format with one option at one quality."""

    family: str
    option: str
    quality: float
    threads: int
    codecs: Any

    @property
    def form(self) -> Format:
        return FORMATS[self.family]

    @property
    def about(self) -> About:
        form, default = self.form, self.form.options[0]
        label = form.label.format(
            option=":".join(self.option) if self.family == "jpeg" else self.option
        )
        return About(
            name=self.family if self.option == default else f"{self.family}:{self.option}",
            label=label,
            settings=form.settings.format(option=self.option, threads=self.threads),
            version=_version(form.library, self.codecs),
            threads=self.threads if "{threads}" in form.settings else 1,
        )

    @property
    def qualities(self) -> tuple[float, ...]:
        return self.form.qualities

    @property
    def whole(self) -> bool:
        return self.form.whole

    @property
    def identity(self) -> str:
        return f"{self.about.settings} {self.about.version}"

    def at(self, quality: float) -> Classical:
        return replace(self, quality=quality)

    def compress(self, pixels: Pixels) -> bytes:
        # Of a side of one pixel numpy may have any stride; some of imagecodecs refuse all but one.
        picture = np.ascontiguousarray(pixels).reshape(-1).reshape(pixels.shape)
        encode = self.form.encode
        return bytes(encode(self.codecs, picture, self.quality, self.option, self.threads))

    def decompress(self, stream: bytes) -> Pixels:
        return np.asarray(self.form.decode(self.codecs, stream, self.threads))


def load(recipe: Recipe) -> Classical:
    """name: FORMAT or FORMAT:OPTION.

    UnknownRivalError for an option that there is not, ModuleNotFoundError when imagecodecs is not
    installed or was built without the format's library.
    """
    family, _, option = recipe.name.partition(":")
    form = FORMATS[family]
    option = option or form.options[0]
    if option not in form.options:
        there = ", ".join(f"{family}:{name}" for name in form.options)
        raise UnknownRivalError(f"unknown rival {recipe.name!r}; there are {there}")
    middle = form.qualities[len(form.qualities) // 2]
    if not form.library:
        if not features.check("avif"):
            raise RuntimeError("this Pillow was built without AVIF")
        return Classical(family, option, middle, recipe.threads, None)
    import imagecodecs

    if not getattr(imagecodecs, form.library.upper()).available:
        raise ModuleNotFoundError(f"this imagecodecs has no {form.library}", name="imagecodecs")
    return Classical(family, option, middle, recipe.threads, imagecodecs)


def _version(library: str, codecs: Any) -> str:
    if library:
        version = getattr(codecs, f"{library}_version")()
        return f"{version} through imagecodecs {codecs.__version__}"
    from PIL import _avif  # type: ignore[attr-defined]  # the one place that knows libaom's

    made_of = f"libavif {features.version('avif')} ({_avif.codec_versions()})"
    return f"{made_of} through Pillow {PIL.__version__}"


def _pillow_avif(pixels: Pixels, quality: int, speed: int, threads: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(
        file,
        "AVIF",
        quality=quality,
        speed=speed,
        subsampling="4:0:0" if pixels.ndim == 2 else "4:4:4",
        codec="aom",
        max_threads=threads,
        advanced={"tune": "ssim"},
    )
    return file.getvalue()


def _pillow_pixels(stream: bytes, threads: int) -> Pixels:
    # Pillow decodes AVIF on every core unless its module says otherwise; no call takes a number.
    before = AvifImagePlugin.DEFAULT_MAX_THREADS
    AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    try:
        return np.asarray(Image.open(io.BytesIO(stream)))
    finally:
        AvifImagePlugin.DEFAULT_MAX_THREADS = before
