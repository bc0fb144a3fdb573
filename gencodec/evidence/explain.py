"""Where one picture came from: its file's ledger, its parts, and its file in the wrong hands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from gencodec.bench.metrics import finite_psnr
from gencodec.bench.own_codec import Gencodec
from gencodec.bitstream import pack, unpack
from gencodec.codec import Codec
from gencodec.errors import ChecksumError, WeightsError
from gencodec.image import Pixels, three_channels
from gencodec.model.quality import quality_of
from gencodec.model.weights import Weights

from .page import heat_colours
from .streams import (
    Entry,
    Forced,
    Prefix,
    account,
    force,
    payload_of,
    rebuild_from,
    swap_contents,
)

SHARES = (0.0, 0.01, 0.05, 0.10, 0.25, 0.50, 1.0)
LIKENESS_BLOCK = 8
LEAST_LIKENESS, CHANCE = 0.3, 10.0
SAME = 0.9
LEAST_BLOCKS, LEAST_CONTRAST = 64, 6.0
"""Fewer blocks, or ones that differ by less in grey levels, are alike by chance, or not at all."""


@dataclass(frozen=True)
class Step:
    """A picture from part of its file. psnr: against the original, in dB; likeness: -1..1."""

    percent: float
    file_bytes: int
    symbols: float
    psnr: float
    likeness: float


@dataclass(frozen=True)
class Explanation:
    """Everything measured on one picture; see the field `what` of its JSON."""

    name: str
    verdict: str
    holds: bool
    width: int
    height: int
    quality: float
    file_bytes: int
    bpp: float
    weights: str
    weights_id: str
    seed: int
    ledger: tuple[Entry, ...]
    bits_prior: float
    bits_factorised: float
    bits_uniform: float
    heat_least: float
    heat_most: float
    steps: tuple[Step, ...]
    refusal: str
    forged_id_caught: bool
    forced_complaint: str
    forced_likeness: float
    other_own_psnr: float
    nothing_same: bool
    swapped_with: str
    swap_exact: bool


Pictures = Mapping[str, Pixels]
"""What a page shows, by name."""


def explain(
    name: str,
    stream: bytes,
    original: Pixels | None,
    codec: Gencodec,
    other: Weights,
    companion: tuple[str, Pixels],
    *,
    seed: int,
) -> tuple[Explanation, Pictures]:
    """Take a file apart. original: (H, W, 3), None if the file is all there is.

    other: weights that are not the file's.  companion: a name and a second picture.
    Returns the figures, and the pictures that a page shows.
    """
    weights = codec.weights
    decoded = three_channels(codec.decompress(stream))
    reference = decoded if original is None else original
    header, payload = payload_of(stream)
    book = account(stream, weights)
    prefixes = [rebuild_from(stream, share, codec.codec, weights) for share in SHARES]
    steps = tuple(_step(s, p, reference) for s, p in zip(SHARES, prefixes, strict=True))

    own = Codec(other, codec.device)
    quality = quality_of(header.step)
    own_stream = own.compress(reference, quality=quality)
    own_psnr = finite_psnr(reference, three_channels(own.decompress(own_stream)))
    refusal = refusal_of(own_stream, codec.codec)
    forced = force(payload, header, other)
    caught = forgery_is_caught(stream, other)

    second = fit(companion[1], header.width, header.height, grey=header.grey)
    # Marked as the first is: a decoder makes one channel of what is grey, and a picture without
    # colours would not be shown as it is in the file of one that has some.
    second_stream = _with_header(codec.codec.compress(second, quality=quality), grey=header.grey)
    nothing_same = np.array_equal(
        rebuild_from(second_stream, 0.0, codec.codec, weights).pixels, prefixes[0].pixels
    )
    swapped = codec.codec.decompress(swap_contents(stream, second_stream))
    swap_exact = np.array_equal(swapped, codec.codec.decompress(second_stream))

    likeness_forced = likeness(forced.pixels, reference)
    against = _against(steps, refusal, forced, likeness_forced, reference)
    if not nothing_same:
        against.append("at 0 bytes two pictures already differ")
    if not caught:
        against.append("a forged weights id was not noticed")
    if not swap_exact:
        against.append("a swapped file did not show the other picture")
    figures = Explanation(
        name=name,
        verdict=_verdict(against),
        holds=not against,
        width=header.width,
        height=header.height,
        quality=round(quality, 1),
        file_bytes=len(stream),
        bpp=round(8 * len(stream) / (header.width * header.height), 5),
        weights=codec.weights_name,
        weights_id=weights.digest.hex(),
        seed=seed,
        ledger=tuple(Entry(e.part, round(e.bits, 1), e.symbols) for e in book.entries),
        bits_prior=round(book.lengths.prior, 1),
        bits_factorised=round(book.lengths.factorised, 1),
        bits_uniform=round(book.lengths.uniform, 1),
        heat_least=round(float(book.heat.min()), 4),
        heat_most=round(float(book.heat.max()), 4),
        steps=steps,
        refusal=refusal,
        forged_id_caught=caught,
        forced_complaint=forced.complaint or "none",
        forced_likeness=round(likeness_forced, 4),
        other_own_psnr=round(own_psnr, 2),
        nothing_same=nothing_same,
        swapped_with=companion[0],
        swap_exact=swap_exact,
    )
    pictures = {
        "original": reference,
        "heat": heat_colours(book.heat, float(book.heat.max())),
        "forced": forced.pixels,
        "second": three_channels(second),
        "swapped": three_channels(swapped),
    }
    for share, prefix in zip(SHARES, prefixes, strict=True):
        pictures[f"prefix {share:g}"] = prefix.pixels
    return figures, pictures


def likeness(first: Pixels, second: Pixels) -> float:
    """Correlation of the two pictures' 8x8 block means over luma, -1 to 1; 0 if one is flat.

    Blocks, because shared fine noise is no likeness and a shift of brightness is no difference.
    """
    a, b = (_blocks(picture) for picture in (first, second))
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum() / scale) if scale > 1e-9 else 0.0


def is_telling(pixels: Pixels) -> bool:
    """Whether there is anything in a picture, (H, W, 3), that a likeness could be seen by."""
    blocks = _blocks(pixels)
    return blocks.size >= LEAST_BLOCKS and float(blocks.std()) >= LEAST_CONTRAST


def no_likeness(pixels: Pixels) -> float:
    """The likeness that says nothing yet; small pictures have few blocks, and chance more room."""
    blocks = max(1, pixels.shape[0] * pixels.shape[1] // LIKENESS_BLOCK**2)
    return min(0.8, max(LEAST_LIKENESS, CHANCE / float(np.sqrt(blocks))))


def refusal_of(stream: bytes, codec: Codec) -> str:
    """What a codec says to a file of weights that it does not have; empty if it says nothing."""
    try:
        codec.verify(stream)
    except WeightsError as error:
        return str(error)
    return ""


def _with_header(stream: bytes, **fields: Any) -> bytes:
    """The file packed anew with other fields in its header."""
    container = unpack(stream)
    return pack(replace(container, header=replace(container.header, **fields)))


def forgery_is_caught(stream: bytes, other: Weights) -> bool:
    """Whether the check over the symbols stops a file whose weights id was forged."""
    forged = _with_header(stream, weights_id=other.weights_id)
    try:
        Codec(other, next(other.vae.parameters()).device).decompress(forged)
    except ChecksumError:
        return True
    return False


def fit(pixels: Pixels, width: int, height: int, *, grey: bool) -> Pixels:
    """The picture cropped and scaled to a size; (H, W) if `grey`, else (H, W, 3)."""
    image = Image.fromarray(pixels)
    if image.size != (width, height):
        image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(image.convert("L" if grey else "RGB"))


def _blocks(pixels: Pixels) -> npt.NDArray[np.float64]:
    height, width = pixels.shape[:2]
    size = (max(1, width // LIKENESS_BLOCK), max(1, height // LIKENESS_BLOCK))
    small = Image.fromarray(pixels).convert("F").resize(size, Image.Resampling.BOX)
    return np.asarray(small, np.float64)


def _step(share: float, prefix: Prefix, reference: Pixels) -> Step:
    return Step(
        percent=share * 100.0,
        file_bytes=prefix.bytes,
        symbols=round(prefix.symbols, 4),
        psnr=round(finite_psnr(reference, prefix.pixels), 3),
        likeness=round(likeness(prefix.pixels, reference), 4),
    )


def _against(
    steps: tuple[Step, ...],
    refusal: str,
    forced: Forced,
    forced_likeness: float,
    reference: Pixels,
) -> list[str]:
    """What speaks against the verdict, one clause each."""
    against, chance = [], no_likeness(reference)
    if abs(steps[0].likeness) > chance:
        against.append(f"at 0 bytes the likeness is already {steps[0].likeness:.2f}")
    if steps[-1].likeness < SAME:
        against.append(
            f"the whole file gives a likeness of only {steps[-1].likeness:.2f}"
            if is_telling(reference)
            else "there is too little in it for a likeness to be seen"
        )
    if not refusal:
        against.append("a file of other weights was not refused")
    if forced.complaint is None:
        against.append("the checks were content under other weights")
    if abs(forced_likeness) > chance:
        against.append(f"other weights show the picture too (likeness {forced_likeness:.2f})")
    return against


def _verdict(against: list[str]) -> str:
    if against:
        return f"Not shown for this picture: {'; '.join(against)}."
    return (
        "At 0 bytes the model shows the same empty pattern for every picture; every recognisable "
        "detail arrived with bytes of this file."
    )
