from __future__ import annotations

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.bitstream import MAX_METADATA_BYTES, deflate_metadata, inflate_metadata
from gencodec.errors import FormatError, LimitError


@given(st.binary(max_size=2000))
def test_round_trip(data: bytes) -> None:
    assert inflate_metadata(deflate_metadata(data)) == data


def test_the_bound_itself_fits() -> None:
    data = bytes(1000)
    assert inflate_metadata(zlib.compress(data), max_bytes=1000) == data
    with pytest.raises(LimitError):
        inflate_metadata(zlib.compress(data), max_bytes=999)


def test_a_bomb_is_refused_without_inflating_it() -> None:
    bomb = zlib.compress(bytes(200 * 2**20), 9)
    tracemalloc.start()
    try:
        with pytest.raises(LimitError):
            inflate_metadata(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * MAX_METADATA_BYTES


def test_too_long_is_refused_on_write() -> None:
    assert len(inflate_metadata(deflate_metadata(bytes(MAX_METADATA_BYTES)))) == MAX_METADATA_BYTES
    with pytest.raises(LimitError):
        deflate_metadata(bytes(MAX_METADATA_BYTES + 1))


@pytest.mark.parametrize("payload", [b"", b"nonsense", zlib.compress(b"whole") + b"more"])
def test_damage(payload: bytes) -> None:
    with pytest.raises(FormatError):
        inflate_metadata(payload)


def test_every_prefix_is_refused() -> None:
    payload = deflate_metadata(b"a profile " * 20)
    for size in range(len(payload)):
        with pytest.raises(FormatError):
            inflate_metadata(payload[:size])
