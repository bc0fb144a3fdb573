"""Every bit of a file is booked, on the right place."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gencodec.bench.own_codec import Gencodec
from gencodec.entropy import gaussian_tables, ideal_bits
from gencodec.evidence.bits import (
    Shapes,
    bit_map,
    bits_per_pixel,
    code_lengths,
    placed,
    symbol_bits,
)
from gencodec.evidence.streams import account
from gencodec.model.config import GROUPS
from gencodec.model.partition import coded_slices, pass_places
from gencodec.model.scales import SCALE_LEVELS, scale_of

Photo = Callable[..., np.ndarray]


def test_bits_of_symbols_add_up_to_the_ideal_ones() -> None:
    """Escapes of every length among them."""
    tables = gaussian_tables([scale_of(i) for i in range(SCALE_LEVELS)], 3)
    rng = np.random.default_rng(0)
    scale_index = rng.integers(0, SCALE_LEVELS, 5000).astype(np.uint8)
    scales = np.array([scale_of(int(i)) for i in scale_index])
    symbols = np.rint(rng.normal(0, scales * 3)).astype(np.int32)
    symbols[scale_index < 3] = 0
    far = np.flatnonzero(scale_index == 3)[:16]
    symbols[far] = [(-1) ** k * (2 + 2**k - 1) for k in range(len(far))]
    symbols = symbols.clip(-65535, 65535)
    bits = symbol_bits(symbols, scale_index, tables)
    assert bits.shape == symbols.shape
    assert (bits[scale_index < 3] == 0).all() and (bits[scale_index >= 3] > 0).all()
    assert bits.sum() == pytest.approx(ideal_bits([(symbols, scale_index)], tables), rel=1e-12)


@pytest.mark.parametrize(("h", "w"), [(1, 1), (2, 3), (5, 4), (7, 9)])
def test_passes_go_back_to_their_places(h: int, w: int) -> None:
    channels = 8
    y = np.random.default_rng(1).normal(size=(1, channels, h, w))
    flat = [
        np.concatenate([y[coded_slices(k, phase, channels)].ravel() for phase in range(GROUPS)])
        for k in range(GROUPS)
    ]
    assert np.array_equal(placed(flat, channels, h, w), y[0])


@pytest.mark.parametrize(("h", "w"), [(1, 1), (4, 8), (5, 7), (9, 2)])
def test_the_map_holds_every_bit(h: int, w: int) -> None:
    rng = np.random.default_rng(2)

    def in_passes(channels: int, h: int, w: int) -> list[np.ndarray]:
        whole = np.zeros((1, channels, h, w))
        places = pass_places(channels)
        return [rng.random(sum(whole[place].size for place in of_pass)) for of_pass in places]

    y, hz, wz = in_passes(8, h, w), -(-h // 4), -(-w // 4)
    for channels, z in ((3, [rng.random(3 * hz * wz)]), (4, in_passes(4, hz, wz))):
        positions = bit_map([*z, *y], Shapes((channels, hz, wz), (8, h, w)))
        assert positions.shape == (h, w)
        assert positions.sum() == pytest.approx(sum(part.sum() for part in (*z, *y)))
    width, height = 16 * w - 5, 16 * h - 11
    area = bits_per_pixel(positions, width, height)
    assert (area >= positions / 256).all() and area[-1, -1] > positions[-1, -1] / 256


def test_rival_codes_of_symbols_known_by_heart() -> None:
    """Two values in one half of a channel, none in the other: half a bit, or a whole one."""
    z = np.array([0, 0, 0, 3], np.int32)
    y = [np.zeros(1, np.int32) for _ in range(GROUPS)]
    index = np.full(4, 20, np.uint8)
    passes = [(z, index), *((part, index[:1]) for part in y)]
    bits = [np.ones(4), *(np.zeros(1) for _ in y)]
    lengths = code_lengths(passes, bits, Shapes((1, 2, 2), (4, 1, 1)))
    assert lengths.prior == 4.0
    assert lengths.factorised == pytest.approx(4 * 0.811278, rel=1e-5)
    assert lengths.uniform == pytest.approx(4 * np.log2(4))


@pytest.mark.parametrize("shape", [(1, 1), (63, 65), (96, 130)])
def test_the_ledger_is_the_file(codec: Gencodec, photo: Photo, shape: tuple[int, int]) -> None:
    stream = codec.compress(photo(*shape, 3))
    book = account(stream, codec.weights)
    assert sum(entry.bits for entry in book.entries) == pytest.approx(8 * len(stream))
    assert all(entry.bits > 0 for entry in book.entries if not entry.part.startswith("y pass"))
    assert book.heat.shape == (-(-shape[0] // 16), -(-shape[1] // 16))
    coded = codec.account(stream).ideal_bits
    assert book.lengths.prior == pytest.approx(coded)
    assert book.lengths.prior < book.lengths.uniform or shape == (1, 1)
