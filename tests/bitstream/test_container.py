from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gencodec.bitstream import (
    ALPHA,
    EXIF,
    ICC,
    LATENTS,
    RESIDUAL,
    TILES,
    XMP,
    Container,
    Header,
    Limits,
    Section,
    describe,
    order_sections,
    pack,
    unpack,
    unpack_damaged,
    unpack_truncated,
)
from gencodec.bitstream.header import pack_header
from gencodec.bitstream.sections import MAX_SECTIONS
from gencodec.bitstream.varint import pack_varint
from gencodec.errors import (
    ChecksumError,
    FormatError,
    GencodecError,
    LimitError,
    NotGencodecError,
    TruncatedError,
    UnsupportedVersionError,
)

HEADER = Header(weights_id=b"wgts", step=100, width=63, height=65)
FULL = Container(
    HEADER,
    (
        Section(ALPHA, b"\x00\x80"),
        Section(ICC, b"icc bytes"),
        Section(EXIF, b""),
        Section(XMP, b"<x/>"),
        Section(0x90, b"from the future"),
        Section(0x90, b"again"),
        Section(LATENTS, bytes(range(200))),
    ),
)


def raw(*sections: Section, header: Header = HEADER, after: bytes = b"") -> bytes:
    """A stream with right checks whose sections may break every rule."""
    data = pack_header(header)
    for section in sections:
        data += bytes((section.tag,)) + pack_varint(len(section.payload)) + section.payload
    data += b"\x00"
    return data + zlib.crc32(data).to_bytes(4, "little") + after


payloads = st.binary(max_size=300)
unknown = st.builds(Section, st.integers(0x84, 0xFF) | st.just(0x80), payloads)
known = st.builds(Section, st.sampled_from([ALPHA, ICC, EXIF, XMP]), payloads)
containers = st.builds(
    lambda header, some, others, latents: Container(
        header, order_sections([Section(LATENTS, latents), *others, *some])
    ),
    st.builds(
        Header,
        weights_id=st.binary(min_size=4, max_size=4),
        step=st.integers(0, 255),
        width=st.integers(1, 8000),
        height=st.integers(1, 8000),
        grey=st.booleans(),
    ),
    st.lists(known, unique_by=lambda section: section.tag),
    st.lists(unknown, max_size=5),
    payloads,
)


@given(containers)
def test_round_trip(container: Container) -> None:
    data = pack(container)
    assert unpack(data) == container
    assert unpack_truncated(data) == container
    assert unpack(memoryview(data)) == container  # type: ignore[arg-type]


def test_known_bytes() -> None:
    data = pack(Container(HEADER, (Section(LATENTS, b"latents"),)))
    assert data.hex(" ", 1) == (
        "97 47 4e 43 01 00 77 67 74 73 64 3f 41 08 e1 ec 01 07 6c 61 74 65 6e 74 73 00 b9 ea 55 41"
    )


def test_section_lookup() -> None:
    assert FULL.section(ALPHA) == b"\x00\x80"
    assert FULL.section(EXIF) == b""
    assert FULL.section(0x90) == b"from the future"
    assert FULL.section(TILES) is None


def test_every_prefix_is_truncated() -> None:
    data = pack(FULL)
    for size in range(len(data)):
        with pytest.raises(TruncatedError):
            unpack(data[:size])


def test_every_prefix_gives_what_is_there() -> None:
    data = pack(FULL)
    latents_start = data.index(bytes(range(200)))
    for size in range(len(pack_header(HEADER)), len(data)):
        cut = unpack_truncated(data[:size])
        assert not cut.complete and cut.header == HEADER
        # Whole sections are whole; only LATENTS may be a beginning.
        assert set(cut.sections[:-1]) <= set(FULL.sections)
        latents = cut.section(LATENTS)
        if size < latents_start:
            assert latents is None
            assert set(cut.sections) <= set(FULL.sections)
        else:
            assert latents == bytes(range(200))[: size - latents_start]
            assert len(cut.sections) == len(FULL.sections)
    for size in range(len(pack_header(HEADER))):
        with pytest.raises(TruncatedError):
            unpack_truncated(data[:size])


def test_every_flipped_bit_is_noticed() -> None:
    data = pack(FULL)
    for bit in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(GencodecError):
            unpack(bytes(damaged))


def test_a_flipped_payload_bit_is_called_damage() -> None:
    data = bytearray(pack(FULL))
    data[data.index(b"icc bytes")] ^= 0x10
    with pytest.raises(ChecksumError):
        unpack(bytes(data))
    with pytest.raises(ChecksumError):
        unpack_truncated(bytes(data))


def test_a_damaged_tag_is_damage_and_not_the_future() -> None:
    data = bytearray(pack(FULL))
    data[len(pack_header(HEADER))] = 0x33
    with pytest.raises(ChecksumError):
        unpack(bytes(data))


@settings(max_examples=300)
@given(st.data())
def test_random_damage_gives_named_errors(data: st.DataObject) -> None:
    stream = bytearray(pack(data.draw(containers)))
    before = bytes(stream)
    for _ in range(data.draw(st.integers(1, 6))):
        stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(stream[: data.draw(st.integers(0, len(stream)))])
    for read in (unpack, unpack_truncated):
        message = ""
        try:
            read(damaged)
        except GencodecError as error:
            message = str(error)
        # Only the whole undamaged stream passes; a cut one is known by its `complete`.
        if read is unpack:
            assert message or damaged == before
        assert "\n" not in message


@given(st.binary(max_size=200))
def test_random_bytes_behind_a_header(tail: bytes) -> None:
    with pytest.raises(GencodecError):
        unpack(pack_header(HEADER) + tail)


@pytest.mark.parametrize("after", [b"\x00", b"more", pack(FULL)])
def test_nothing_may_follow(after: bytes) -> None:
    for read in (unpack, unpack_truncated):
        with pytest.raises(FormatError, match="follow"):
            read(pack(FULL) + after)


LATENT = Section(LATENTS, b"x")


@pytest.mark.parametrize(
    ("sections", "error"),
    [
        ((), FormatError),  # no picture
        ((Section(ICC, b""),), FormatError),
        ((LATENT, LATENT), FormatError),
        ((Section(ALPHA, b"\0\0"), Section(ALPHA, b"\0\0"), LATENT), FormatError),
        ((Section(XMP, b""), Section(XMP, b""), LATENT), FormatError),
        ((LATENT, Section(ICC, b"")), FormatError),  # order
        ((Section(EXIF, b""), Section(ICC, b""), LATENT), FormatError),
        ((Section(0x99, b""), Section(XMP, b""), LATENT), FormatError),
        ((Section(TILES, b""), LATENT), FormatError),  # the header says that there are none
        ((Section(RESIDUAL, b""), LATENT), UnsupportedVersionError),
        ((Section(0x7F, b"unknown and critical"), LATENT), UnsupportedVersionError),
        ((*[Section(0xA0, b"")] * MAX_SECTIONS, LATENT), LimitError),
    ],
)
def test_rules_hold_on_write_and_on_read(
    sections: tuple[Section, ...], error: type[FormatError]
) -> None:
    with pytest.raises(error):
        pack(Container(HEADER, sections))
    with pytest.raises(error):
        unpack(raw(*sections))


def test_nothing_is_salvaged_of_what_is_sound_but_not_understood() -> None:
    data = raw(Section(RESIDUAL, b""), LATENT)
    with pytest.raises(UnsupportedVersionError):
        unpack_damaged(data)
    damaged = data[:-5] + bytes((data[-5] ^ 1,)) + data[-4:]
    assert not unpack_damaged(damaged).checked


def test_unknown_optional_sections_are_kept() -> None:
    sections = (Section(0x84, b"a"), Section(0xFF, b"b"), Section(0x80, b"c"), LATENT)
    assert unpack(raw(*sections)).sections == sections


@pytest.mark.parametrize("tag", [0, -1, 256])
def test_impossible_tags_are_refused_on_write(tag: int) -> None:
    with pytest.raises(FormatError):
        pack(Container(HEADER, (Section(tag, b""), LATENT)))


def test_a_cut_container_is_not_packed() -> None:
    with pytest.raises(FormatError):
        pack(replace(FULL, complete=False))


def test_bad_header_fields_are_refused_on_write() -> None:
    with pytest.raises(FormatError):
        pack(replace(FULL, header=replace(HEADER, width=0)))


def test_pixel_limit() -> None:
    wide = Container(replace(HEADER, width=2**24, height=2**24), (LATENT,))
    for read in (unpack, unpack_truncated):
        with pytest.raises(LimitError, match="268435456"):
            read(pack(wide))
    with pytest.raises(LimitError, match="64000000"):  # of one tile
        unpack(pack(wide), limits=Limits(max_pixels=2**48))
    assert unpack(pack(wide), limits=Limits(max_pixels=2**48, max_tile_pixels=2**48)) == wide
    assert unpack(pack(FULL), limits=Limits(max_pixels=63 * 65)) == FULL
    with pytest.raises(LimitError):
        unpack(pack(FULL), limits=Limits(max_pixels=63 * 65 - 1))


@pytest.mark.parametrize(("width", "height"), [(2**24, 1), (1, 2**24), (2**23, 17)])
def test_thin_pictures_count_as_what_is_computed(width: int, height: int) -> None:
    thin = pack(Container(replace(HEADER, width=width, height=height), (LATENT,)))
    for read in (unpack, unpack_truncated, unpack_damaged):
        with pytest.raises(LimitError, match="64000000"):
            read(thin)
    assert describe(thin).problem is None
    narrow = pack(Container(replace(HEADER, width=4_000_000, height=1), (LATENT,)))
    assert unpack(narrow).header.width == 4_000_000


def test_section_limit() -> None:
    assert unpack(pack(FULL), limits=Limits(max_section_bytes=200)) == FULL
    with pytest.raises(LimitError):
        unpack(pack(FULL), limits=Limits(max_section_bytes=199))


@pytest.mark.parametrize("tag", [LATENTS, ICC, 0xFE])
def test_hostile_lengths_allocate_nothing(tag: int) -> None:
    data = pack_header(HEADER) + bytes((tag,)) + pack_varint(2**32 - 1) + b"tiny"
    tracemalloc.start()
    try:
        with pytest.raises(TruncatedError):
            unpack(data)
        cut = unpack_truncated(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert cut.section(tag) == (b"tiny" if tag == LATENTS else None)
    assert peak < 2**20


def test_many_empty_sections_are_refused_early() -> None:
    data = pack_header(HEADER) + b"\xa0\x00" * 2**20
    tracemalloc.start()
    try:
        with pytest.raises(LimitError):
            unpack(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


def test_other_files() -> None:
    with pytest.raises(NotGencodecError):
        unpack(b"\xff\xd8\xff\xe0 a JPEG")
    with pytest.raises(NotGencodecError):
        unpack_truncated(b"\x89PNG")


@pytest.mark.parametrize("read", [unpack, unpack_truncated, unpack_damaged, describe])
def test_a_path_is_no_stream(read: Callable[[object], object]) -> None:
    """Its letters are bytes as well, and a number counts zeros: neither is a damaged file."""
    for wrong in ("photo.gnc", Path("photo.gnc"), 5, None):
        with pytest.raises(TypeError, match=f"a stream is bytes, not {type(wrong).__name__}"):
            read(wrong)
    for held in (bytearray(pack(FULL)), memoryview(pack(FULL))):
        assert read(held) == read(bytes(held))
