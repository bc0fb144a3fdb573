"""Streams taken apart and put together against their will: ledger, prefixes, strangers.

Everything here goes through the codec's own reader; only the checks that would stop it are
passed over where a function says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from gencodec.bench.own_codec import tile_payloads
from gencodec.bitstream import (
    LATENTS,
    Box,
    Container,
    Header,
    Section,
    pack,
    unpack,
)
from gencodec.bitstream.container import walk
from gencodec.bitstream.sections import section_name
from gencodec.codec import Codec
from gencodec.codec.latents import decode_latents
from gencodec.codec.recording import ForcedDecoder, RecordingDecoder
from gencodec.codec.stream import as_array
from gencodec.codec.tiles import latent_size
from gencodec.codec.transform import synthesize
from gencodec.entropy import Pass
from gencodec.entropy.coding import CHECK_BYTES
from gencodec.image import Pixels, three_channels
from gencodec.model.config import GROUPS, HYPER_STRIDE
from gencodec.model.weights import Weights

from .bits import Bits, CodeLengths, Shapes, bit_map, bits_per_pixel, code_lengths, symbol_bits


@dataclass(frozen=True)
class Entry:
    """One line of a ledger: bits of the file, and the symbols they stand for (0: none)."""

    part: str
    bits: float
    symbols: int


@dataclass(frozen=True, eq=False)
class Account:
    """Where the bits of a stream went. The entries add up to the file, 8 bits a byte."""

    entries: tuple[Entry, ...]
    lengths: CodeLengths
    heat: Bits
    """Bits per pixel at each 16x16 block: (h, w)."""


def account(stream: bytes, weights: Weights) -> Account:
    """Decode all symbols of a whole stream and book every bit of it."""
    container = unpack(stream)
    payload = container.section(LATENTS) or b""
    decoder = RecordingDecoder(payload, weights.tables)
    _decode(decoder, container.header, weights)
    bits = [symbol_bits(*part, weights.tables) for part in decoder.passes]
    h, w = latent_size(container.header)
    config = weights.vae.config
    shapes = Shapes(
        (config.hyper, -(-h // HYPER_STRIDE), -(-w // HYPER_STRIDE)), (config.latent, h, w)
    )
    return Account(
        entries=tuple(_ledger(stream, len(payload), decoder.passes, bits, weights)),
        lengths=code_lengths(decoder.passes, bits, shapes),
        heat=bits_per_pixel(bit_map(bits, shapes), container.header.width, container.header.height),
    )


def _ledger(
    stream: bytes, payload_bytes: int, passes: list[Pass], bits: list[Bits], weights: Weights
) -> list[Entry]:
    layout = walk(stream)
    entries = [Entry("header", 8.0 * layout.header_bytes, 0)]
    sections = 0
    for span in layout.spans:
        sections += span.length
        if span.tag != LATENTS:
            entries.append(Entry(f"{section_name(span.tag)} section", 8.0 * span.length, 0))
    coded = [np.count_nonzero(index >= weights.tables.skip_below) for _, index in passes]
    costs = [float(part.sum()) for part in bits]
    entries.append(Entry("z", sum(costs[:-GROUPS]), int(sum(coded[:-GROUPS]))))
    for number, (cost, count) in enumerate(zip(costs[-GROUPS:], coded[-GROUPS:], strict=True), 1):
        entries.append(Entry(f"y pass {number}", cost, int(count)))
    slack = 8.0 * (payload_bytes - CHECK_BYTES) - sum(costs)
    framing = len(stream) - layout.header_bytes - sections - CHECK_BYTES
    entries.append(Entry("coder's state and last word", slack, 0))
    entries.append(Entry("checks over symbols and file", 8.0 * 2 * CHECK_BYTES, 0))
    entries.append(Entry("tags and lengths of sections", 8.0 * framing, 0))
    return entries


@dataclass(frozen=True)
class Excerpt:
    """One tile as a file of its own: what it is called, and which pixels of the picture it is."""

    stream: bytes
    label: str
    box: Box


def dearest_tile(container: Container) -> Excerpt:
    """The tile of a whole tiled stream that took the most bytes.

    Tiles are coded apart, so its symbols are a picture to the bit; transparency and metadata,
    which belong to all of the picture, stay behind.
    """
    tiles = list(tile_payloads(container))
    number, (payload, box) = max(enumerate(tiles), key=lambda tile: len(tile[1][0]))
    header = replace(container.header, width=box.width, height=box.height, tiled=False)
    return Excerpt(
        pack(Container(header, (Section(LATENTS, payload),))),
        f"tile {number + 1} of {len(tiles)}, at {box.left},{box.top}",
        box,
    )


@dataclass(frozen=True, eq=False)
class Prefix:
    """A picture from the first bytes of its file; `symbols` is the share that was there."""

    bytes: int
    symbols: float
    pixels: Pixels


def rebuild_from(stream: bytes, share: float, codec: Codec, weights: Weights) -> Prefix:
    """The picture that the first `share` (0..1) of a file gives, the rest being the prior's mean.

    A header always counts as read, as nothing can be shown without size and quality: at share
    0 the picture is the same for every file of that size and quality.
    """
    layout = walk(stream)
    size = max(layout.header_bytes, round(share * len(stream)))
    picture = codec.decompress_picture(stream[:size], allow_truncated=True)
    latents = next(span for span in layout.spans if span.tag == LATENTS)
    there = max(0, min(size - latents.start, latents.length))
    decoder = ForcedDecoder(stream[latents.start : latents.start + there], weights.tables)
    _decode(decoder, layout.header, weights)
    return Prefix(size, decoder.decoded_fraction, three_channels(as_array(picture)))


@dataclass(frozen=True, eq=False)
class Forced:
    """What came out of a payload when nothing was allowed to stop it."""

    pixels: Pixels
    complaint: str | None
    """What the decoder's checks said, None if they were content."""
    exhausted: bool
    """Whether the words ran out before the symbols did."""
    words_left: int
    """Words of the payload that were not needed."""
    passes: list[Pass]


def force(payload: bytes, header: Header, weights: Weights) -> Forced:
    """Decode any payload under any weights to the size and quality of a header."""
    decoder = ForcedDecoder(payload, weights.tables)
    y_hat = _decode(decoder, header, weights)
    step = torch.tensor([header.step])
    (pixels,) = synthesize(weights.vae, y_hat, step, header.width, header.height)
    return Forced(pixels, decoder.complaint, decoder.exhausted, decoder.words_left, decoder.passes)


def swap_contents(stream: bytes, other: bytes) -> bytes:
    """The header of one stream around the latents of another of equal size; packed and sound."""
    header, payload = unpack(stream).header, unpack(other).section(LATENTS) or b""
    return pack(Container(header, (Section(LATENTS, payload),)))


def payload_of(stream: bytes) -> tuple[Header, bytes]:
    """Header and coded symbols of a whole stream."""
    container = unpack(stream)
    return container.header, container.section(LATENTS) or b""


def _decode(decoder: RecordingDecoder, header: Header, weights: Weights) -> torch.Tensor:
    return decode_latents(weights, [decoder], torch.tensor([header.step]), *latent_size(header))
