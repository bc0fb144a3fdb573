"""The TILES section: geometry, round trip, and every way of being wrong."""

from __future__ import annotations

import tracemalloc
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.bitstream import (
    LATENTS,
    MAX_LAYERS,
    MAX_TILES,
    TILES,
    Container,
    Header,
    Limits,
    Section,
    TileGrid,
    describe,
    pack,
    pack_tiles,
    unpack,
    unpack_damaged,
    unpack_tiles,
    unpack_truncated,
)
from gencodec.errors import ChecksumError, FormatError, GencodecError, LimitError, TruncatedError

HEADER = Header(weights_id=b"wgts", step=100, width=200, height=129, tiled=True)
GRID = TileGrid(200, 129, 64)
CODED = [
    [bytes((tile, 1, 2, 3)), bytes((tile,)) * 4 * (tile % 3), b"", bytes((tile,)) * 8]
    for tile in range(GRID.count)
]


def stream() -> bytes:
    index, latents = pack_tiles(GRID, CODED)
    return pack(Container(HEADER, (Section(TILES, index), Section(LATENTS, latents))))


def sealed(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


def test_grid() -> None:
    assert (GRID.columns, GRID.rows, GRID.count) == (4, 3, 12)
    boxes = [GRID.box(index) for index in range(GRID.count)]
    assert sum(box.width * box.height for box in boxes) == 200 * 129
    assert (boxes[0].left, boxes[0].top, boxes[0].right, boxes[0].bottom) == (0, 0, 64, 64)
    assert (boxes[11].left, boxes[11].top, boxes[11].right, boxes[11].bottom) == (
        192,
        128,
        200,
        129,
    )


@pytest.mark.parametrize("side", [0, -64, 32, 63, 65, 64 * 65])
def test_sides_that_do_not_exist(side: int) -> None:
    with pytest.raises(FormatError):
        TileGrid(200, 129, side)


@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(1, 64),
    st.integers(1, MAX_LAYERS),
    st.randoms(use_true_random=False),
)
def test_round_trip(width: int, height: int, units: int, layers: int, random: object) -> None:
    grid = TileGrid(width, height, 64 * units)
    draw = random.randbytes  # type: ignore[attr-defined]
    tiles = [
        [draw(4), *(draw(4 * (draw(1)[0] % 40)) for _ in range(layers))] for _ in range(grid.count)
    ]
    payload, latents = pack_tiles(grid, tiles)
    index = unpack_tiles(payload, width, height)
    assert index.grid == grid and index.layers == layers
    assert index.latents_bytes == len(latents)
    for number, (check, *parts) in enumerate(tiles):
        tile = index.tiles[number]
        assert tile.symbols_check.to_bytes(4, "little") == check
        for layer, part in enumerate(parts):
            start = index.starts[layer][number]
            assert latents[start : start + len(part)] == part
            assert tile.parts[layer].words * 4 == len(part)
            assert tile.parts[layer].check == zlib.crc32(part)
    with pytest.raises(GencodecError):
        unpack_tiles(payload[:-1], width, height)


def test_first_layers_stand_first() -> None:
    _, latents = pack_tiles(GRID, CODED)
    first = b"".join(parts[1] for parts in CODED)
    assert latents.startswith(first)


def test_what_does_not_fit_is_not_packed() -> None:
    for tiles in (CODED[:-1], [*CODED, CODED[0]], [part[:1] for part in CODED], []):
        with pytest.raises(FormatError):
            pack_tiles(GRID, tiles)
    with pytest.raises(FormatError):
        pack_tiles(GRID, [[bytes(4)] + [b""] * (MAX_LAYERS + 1)] * GRID.count)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", FormatError),
        (b"\x01", FormatError),
        (b"\x00\x01" + bytes(1000), FormatError),  # side 0
        (b"\x41\x01" + bytes(1000), FormatError),  # side 65 * 64
        (b"\x01\x00" + bytes(1000), FormatError),  # no layer
        (b"\x01\x09" + bytes(1000), FormatError),
        (b"\x01\x01" + bytes(4 * 3 * 9 - 1), FormatError),  # an entry is cut
        (b"\x01\x01" + bytes(4 * 3 * 9 + 1), FormatError),  # a byte too many
        (b"\x01\x01" + bytes(4) + b"\xff\xff\xff\xff\xff" + bytes(200), FormatError),  # a varint
        (b"\x01\x01" + bytes(4) + b"\x80\x00" + bytes(200), FormatError),
    ],
)
def test_malformed(body: bytes, error: type[GencodecError]) -> None:
    with pytest.raises(error):
        unpack_tiles(sealed(body), 200, 129)


def test_damage() -> None:
    payload, _ = pack_tiles(GRID, CODED)
    for place in range(len(payload)):
        damaged = payload[:place] + bytes((payload[place] ^ 1,)) + payload[place + 1 :]
        with pytest.raises(ChecksumError):
            unpack_tiles(damaged, 200, 129)


def test_too_many_tiles_allocate_nothing() -> None:
    tracemalloc.start()
    try:
        with pytest.raises(LimitError):
            unpack_tiles(sealed(b"\x01\x01" + bytes(100)), 2**24, 2**24)
        with pytest.raises(FormatError):  # the most tiles, and a file too short for them
            unpack_tiles(sealed(b"\x01\x08" + bytes(100)), 64 * 256, 64 * (MAX_TILES // 256))
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


def test_stream() -> None:
    container = unpack(stream())
    assert container.tiles is not None and container.tiles.grid == GRID
    info = describe(stream())
    assert (info.tiles, info.tile_side, info.problem) == (12, 64, None)
    with pytest.raises(LimitError):
        unpack(stream(), limits=Limits(max_pixels=200 * 129 - 1))
    unpack(stream(), limits=Limits(max_tile_pixels=200 * 129 - 1))  # a tile has no more than 4096


def test_flag_and_section_go_together() -> None:
    index, latents = pack_tiles(GRID, CODED)
    tiles, rest = Section(TILES, index), Section(LATENTS, latents)
    for header, sections in (
        (HEADER, (rest,)),
        (replace(HEADER, tiled=False), (tiles, rest)),
        (HEADER, (rest, tiles)),
        (HEADER, (tiles, tiles, rest)),
        (HEADER, (tiles, Section(LATENTS, latents + bytes(4)))),
        (HEADER, (tiles, Section(LATENTS, latents[:-4]))),
        (replace(HEADER, width=300), (tiles, rest)),
    ):
        with pytest.raises(FormatError):
            pack(Container(header, sections))


def test_cut() -> None:
    data = stream()
    _, latents = pack_tiles(GRID, CODED)
    latents_begin = len(data) - 5 - len(latents) - 3  # its tag and length
    for length in range(22, len(data)):
        with pytest.raises(TruncatedError):
            unpack(data[:length])
        if length < latents_begin:
            with pytest.raises(TruncatedError, match=r"list of its tiles"):
                unpack_truncated(data[:length])
            continue
        container = unpack_truncated(data[:length])
        assert not container.complete and container.tiles is not None
        assert latents.startswith(container.section(LATENTS) or b"")


def test_damaged_streams_are_taken_apart() -> None:
    data = stream()
    sound = unpack_damaged(data)
    assert sound.complete and sound.checked
    header_bytes = describe(data).header_bytes
    lost = 0
    for place in range(header_bytes, len(data)):
        damaged = data[:place] + bytes((data[place] ^ 0x21,)) + data[place + 1 :]
        with pytest.raises(GencodecError):
            unpack(damaged)
        try:
            container = unpack_damaged(damaged)
        except (ChecksumError, FormatError):
            lost += 1
            continue
        assert not container.checked and container.tiles is not None
    index, _ = pack_tiles(GRID, CODED)
    assert lost <= len(index) + 8  # the index and what leads to it
