"""The corpus: sound and broken streams of this repository, and structures made for the purpose."""

from __future__ import annotations

import zlib
from pathlib import Path

from gencodec.bitstream import (
    ALPHA,
    EXIF,
    ICC,
    LATENTS,
    XMP,
    Container,
    Header,
    Section,
    order_sections,
    pack,
)

TESTS = Path(__file__).resolve().parents[1]
FOUND = Path(__file__).resolve().parent / "found"
"""Inputs that once did harm; every test run replays them."""

LARGEST = 16_384
"""Longer samples only cost time: what they hold beyond this is more coded latents."""


def corpus() -> list[bytes]:
    """The samples to be mutated, in a fixed order."""
    files = [*TESTS.glob("vectors/golden/*/*.gnc"), *TESTS.glob("vectors/errors/*.gnc")]
    files += FOUND.glob("*.gnc")
    samples = [path.read_bytes() for path in sorted(files)]
    return [data for data in samples if len(data) <= LARGEST] + made()


def sound() -> list[bytes]:
    """Those that decode."""
    files = sorted(TESTS.glob("vectors/golden/*/*.gnc"))
    return [path.read_bytes() for path in files if path.stat().st_size <= LARGEST]


def made() -> list[bytes]:
    """Structures that no golden vector has: every section at once, many unknown ones, a bomb."""
    header = Header(weights_id=b"none", step=9, width=5, height=4)
    latents = Section(LATENTS, bytes(range(1, 45)))
    metadata = [
        Section(ICC, zlib.compress(bytes(200))),
        Section(EXIF, zlib.compress(b"II*\0\x08\0\0\0\0\0")),
        Section(XMP, zlib.compress(b"<x:xmpmeta/>" * 9)),
    ]
    unknown = [Section(0x90 + index % 16, bytes(index)) for index in range(40)]
    bomb = [Section(ICC, zlib.compress(bytes(17 << 20), 9))]
    alpha = [Section(ALPHA, b"\0\x80")]
    groups = [[], alpha, [*alpha, *metadata], unknown, bomb]
    return [pack(Container(header, order_sections([*group, latents]))) for group in groups]
