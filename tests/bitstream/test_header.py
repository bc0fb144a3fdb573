from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.bitstream import MAX_HEADER_BYTES, Header, read_header
from gencodec.bitstream.header import MAX_SIDE, pack_header, unpack_header
from gencodec.errors import (
    ChecksumError,
    FormatError,
    GencodecError,
    NotGencodecError,
    TruncatedError,
    UnsupportedVersionError,
)

PHOTO = Header(weights_id=b"\x01\x02\x03\x04", step=152, width=768, height=512)

headers = st.builds(
    Header,
    weights_id=st.binary(min_size=4, max_size=4),
    step=st.integers(0, 255),
    width=st.integers(1, MAX_SIDE),
    height=st.integers(1, MAX_SIDE) | st.integers(1, 300),
    grey=st.booleans(),
    tiled=st.booleans(),
)


def seal(fields: bytes) -> bytes:
    """Append the right header_check to fields that no writer would write."""
    return fields + (zlib.crc32(fields) & 0xFFFF).to_bytes(2, "little")


@given(headers, st.binary(max_size=8))
def test_round_trip(header: Header, after: bytes) -> None:
    packed = pack_header(header)
    assert len(packed) <= MAX_HEADER_BYTES
    assert unpack_header(packed + after) == (header, len(packed))
    assert read_header(packed + after) == header


def test_known_bytes() -> None:
    fields = bytes.fromhex("97474e43 01 00 01020304 98 8006 8004 08")
    assert pack_header(PHOTO) == seal(fields)
    assert pack_header(replace(PHOTO, grey=True))[5] == 1
    assert pack_header(replace(PHOTO, tiled=True))[5] == 2


def test_sizes() -> None:
    assert len(pack_header(replace(PHOTO, width=1, height=1))) == 16
    assert len(pack_header(PHOTO)) == 18
    assert len(pack_header(replace(PHOTO, width=MAX_SIDE, height=MAX_SIDE))) == MAX_HEADER_BYTES


@pytest.mark.parametrize(
    "change",
    [
        {"step": -1},
        {"step": 256},
        {"width": 0},
        {"width": MAX_SIDE + 1},
        {"height": 0},
        {"height": -5},
        {"height": MAX_SIDE + 1},
        {"weights_id": b"abc"},
        {"weights_id": b"abcde"},
        {"bit_depth": 10},
    ],
)
def test_ranges_hold_on_write(change: dict[str, object]) -> None:
    with pytest.raises(FormatError):
        pack_header(replace(PHOTO, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ("97474e43 01 04 01020304 98 8006 8004 08", UnsupportedVersionError),
        ("97474e43 01 80 01020304 98 8006 8004 08", UnsupportedVersionError),
        ("97474e43 01 00 01020304 98 8006 8004 0a", UnsupportedVersionError),  # bit depth
        ("97474e43 01 00 01020304 98 00 8004 08", FormatError),  # width 0
        ("97474e43 01 00 01020304 98 8006 00 08", FormatError),
        ("97474e43 01 00 01020304 98 81808008 8004 08", FormatError),  # width 2^24+1
        ("97474e43 01 00 01020304 98 8680 00 8004 08", FormatError),  # not shortest
        ("97474e43 02 00 01020304 98 8006 8004 08", UnsupportedVersionError),
        ("97474e43 00 00 01020304 98 8006 8004 08", UnsupportedVersionError),
        ("98474e43 01 00 01020304 98 8006 8004 08", NotGencodecError),
    ],
)
def test_ranges_hold_on_read(fields: str, error: type[FormatError]) -> None:
    with pytest.raises(error) as caught:
        unpack_header(seal(bytes.fromhex(fields)))
    assert not isinstance(caught.value, TruncatedError)


@pytest.mark.parametrize("data", [b"PNG", b"\x89PNG\r\n\x1a\n", b"G", b"\x97GNX", b"GNC\x97" * 9])
def test_other_files_are_told(data: bytes) -> None:
    with pytest.raises(NotGencodecError):
        read_header(data)


def test_every_prefix_is_truncated() -> None:
    packed = pack_header(PHOTO)
    for size in range(len(packed)):
        with pytest.raises(TruncatedError):
            read_header(packed[:size])


def test_every_flipped_bit_is_noticed() -> None:
    packed = pack_header(PHOTO) + b"\x00" * 8
    for bit in range(8 * len(pack_header(PHOTO))):
        damaged = bytearray(packed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(GencodecError) as caught:
            read_header(bytes(damaged))
        if bit // 8 < 4:
            assert isinstance(caught.value, NotGencodecError)
        elif 5 <= bit // 8 <= 10:
            assert isinstance(caught.value, ChecksumError)


@given(st.binary(max_size=64), st.booleans())
def test_random_bytes_give_named_errors(data: bytes, with_magic: bool) -> None:
    message = "none"
    try:
        read_header(b"\x97GNC\x01" + data if with_magic else data)
    except GencodecError as error:
        message = str(error)
    assert message and "\n" not in message
