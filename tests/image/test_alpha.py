from __future__ import annotations

import io
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFile

from gencodec.errors import FormatError, ImageError
from gencodec.image import decode_alpha, encode_alpha

SHAPE = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=20)


def png(array: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def ramp(height: int, width: int) -> np.ndarray:
    return np.arange(height * width, dtype=np.uint32).reshape(height, width).astype(np.uint8)


@given(hnp.arrays(np.uint8, SHAPE))
def test_round_trip(alpha: np.ndarray) -> None:
    payload = encode_alpha(alpha)
    decoded = decode_alpha(payload, alpha.shape[1], alpha.shape[0])
    assert decoded.dtype == np.uint8 and np.array_equal(decoded, alpha)


@pytest.mark.parametrize("size", [(1, 1), (1, 257), (257, 1), (63, 65)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    alpha = ramp(*size)
    assert np.array_equal(decode_alpha(encode_alpha(alpha), size[1], size[0]), alpha)


@pytest.mark.parametrize("value", [0, 127, 255])
def test_constant_alpha_takes_two_bytes(value: int) -> None:
    alpha = np.full((63, 65), value, np.uint8)
    assert encode_alpha(alpha) == bytes((0, value))
    assert np.array_equal(decode_alpha(bytes((0, value)), 65, 63), alpha)


def test_other_arrays_are_refused_on_write() -> None:
    for array in (np.zeros((2, 2, 1), np.uint8), np.zeros((2, 2)), np.zeros((0, 2), np.uint8)):
        with pytest.raises(ImageError):
            encode_alpha(array)  # type: ignore[arg-type]


def test_every_prefix_is_refused() -> None:
    payload = encode_alpha(ramp(7, 9))
    for size in range(len(payload)):
        with pytest.raises(FormatError):
            decode_alpha(payload[:size], 9, 7)


@given(st.data())
def test_damage_gives_a_format_error_or_alpha_of_the_right_shape(data: st.DataObject) -> None:
    payload = bytearray(encode_alpha(ramp(7, 9)))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        alpha = decode_alpha(bytes(payload), 9, 7)
    except FormatError:
        return
    assert alpha.shape == (7, 9) and alpha.dtype == np.uint8


@given(st.binary(max_size=60))
def test_random_bytes(payload: bytes) -> None:
    if len(payload) == 2 and payload[0] == 0:
        return
    with pytest.raises(FormatError):
        decode_alpha(payload, 3, 3)


def test_other_pngs_are_refused() -> None:
    grey = ramp(7, 9)
    for array in (ramp(7, 8), grey.T, np.stack([grey] * 3, 2), grey > 7, grey.astype(np.uint16)):
        with pytest.raises(FormatError):
            decode_alpha(b"\x01" + png(array), 9, 7)
    with pytest.raises(FormatError):
        decode_alpha(b"\x01" + png(grey) + b"\0", 9, 7)
    with pytest.raises(FormatError):
        decode_alpha(b"\x00\x80\x80", 9, 7)


def chunk(name: bytes, body: bytes) -> bytes:
    checked = name + body
    return len(body).to_bytes(4, "big") + checked + zlib.crc32(checked).to_bytes(4, "big")


def test_a_second_header_cannot_change_the_size() -> None:
    whole = png(ramp(7, 9))
    huge = chunk(b"IHDR", (30000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0")
    with pytest.raises(FormatError):
        decode_alpha(b"\x01" + whole[:33] + huge + whole[33:], 9, 7)


def test_one_plain_png() -> None:
    """Nothing follows it, whatever that ends in, and it does not move; a comment may be in it."""
    whole = png(ramp(7, 9))
    end = whole[-12:]
    animated, frame = chunk(b"acTL", bytes(8)), chunk(b"fcTL", bytes(26))
    after = (whole, b"junk" + end, end)
    within = (animated, frame, chunk(b"fdAT", bytes(20)), whole[8:33])
    for payload in (
        *(whole + more for more in after),
        *(whole[:33] + w + whole[33:] for w in within),
    ):
        with pytest.raises(FormatError):
            decode_alpha(b"\x01" + payload, 9, 7)
    told = whole[:33] + chunk(b"tEXt", b"Comment\0x") + whole[33:]
    assert np.array_equal(decode_alpha(b"\x01" + told, 9, 7), ramp(7, 9))


def test_the_limits_of_the_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread may be opening a larger picture with Pillow meanwhile."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    limits = set()
    load = ImageFile.ImageFile.load

    def seen(self: ImageFile.ImageFile) -> object:
        limits.add(Image.MAX_IMAGE_PIXELS)
        return load(self)

    monkeypatch.setattr(ImageFile.ImageFile, "load", seen)
    wide = png(ramp(70, 90))
    assert decode_alpha(b"\x01" + wide, 90, 70).shape == (70, 90)
    assert limits == {1000}


@pytest.mark.parametrize("kind", [b"\x01", b"\x02"])
def test_the_limits_of_the_process_are_of_other_pictures(
    kind: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How large a picture may be is said by who decodes it; a small one may be read meanwhile."""
    alpha = ramp(70, 90)
    payload = encode_alpha(alpha) if kind == b"\x02" else kind + png(alpha)
    assert payload.startswith(kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert np.array_equal(decode_alpha(payload, 90, 70), alpha)
    assert Image.MAX_IMAGE_PIXELS == 100


def test_the_size_is_checked_before_pixels_are_decoded() -> None:
    payload = b"\x01" + png(np.eye(4000, dtype=np.uint8))
    tracemalloc.start()
    try:
        with pytest.raises(FormatError):
            decode_alpha(payload, 9, 7)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_webp_is_used_and_checked() -> None:
    payload = encode_alpha(ramp(7, 9))
    assert payload[0] == 2 and np.array_equal(decode_alpha(payload, 9, 7), ramp(7, 9))
    for width, height in ((7, 9), (9, 8)):
        with pytest.raises(FormatError):
            decode_alpha(payload, width, height)
    for broken in (payload + b"\0", payload[:-1], payload[:20], b"\x01" + payload[1:]):
        with pytest.raises(FormatError):
            decode_alpha(broken, 9, 7)


def test_other_webps_are_refused() -> None:
    image = Image.fromarray(ramp(7, 9))
    clear = Image.merge("LA", (image, image))
    for picture, options in ((image, {"quality": 80}), (clear, {"lossless": True, "xmp": b"x"})):
        memory = io.BytesIO()
        picture.save(memory, "WEBP", **options)
        with pytest.raises(FormatError):
            decode_alpha(b"\x02" + memory.getvalue(), 9, 7)


def test_png_where_webp_has_no_room() -> None:
    wide = np.arange(16384, dtype=np.uint16).astype(np.uint8)[None]
    payload = encode_alpha(wide)
    assert payload[0] == 1 and np.array_equal(decode_alpha(payload, 16384, 1), wide)
