from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.bitstream.varint import MAX_VARINT, pack_varint, unpack_varint
from gencodec.errors import FormatError, TruncatedError

EDGES = [0, 1, 127, 128, 2**14 - 1, 2**14, 2**21 - 1, 2**21, 2**28 - 1, 2**28, MAX_VARINT]


@given(st.integers(0, MAX_VARINT) | st.sampled_from(EDGES), st.binary(max_size=3))
def test_round_trip(value: int, after: bytes) -> None:
    packed = pack_varint(value)
    assert unpack_varint(b"\xff" + packed + after, 1) == (value, 1 + len(packed))
    assert len(packed) == max(1, -(-value.bit_length() // 7))


def test_known_bytes() -> None:
    assert pack_varint(300) == b"\xac\x02"
    assert pack_varint(MAX_VARINT) == b"\xff\xff\xff\xff\x0f"


@pytest.mark.parametrize("value", [-1, MAX_VARINT + 1, 2**64])
def test_out_of_range_is_refused_on_write(value: int) -> None:
    with pytest.raises(FormatError):
        pack_varint(value)


@pytest.mark.parametrize("value", EDGES)
def test_every_prefix_is_truncated(value: int) -> None:
    packed = pack_varint(value)
    for size in range(len(packed)):
        with pytest.raises(TruncatedError):
            unpack_varint(packed[:size], 0)


@pytest.mark.parametrize(
    "packed",
    [
        b"\x80\x00",  # 0 in two bytes
        b"\xff\x80\x00",  # 127 in three
        b"\xff\xff\xff\xff\x10",  # 33 bits
        b"\xff\xff\xff\xff\x7f",
        b"\xff\xff\xff\xff\x80\x01",  # six bytes
        b"\x80" * 100,
    ],
)
def test_other_spellings_are_refused(packed: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        unpack_varint(packed, 0)
    assert not isinstance(caught.value, TruncatedError)
