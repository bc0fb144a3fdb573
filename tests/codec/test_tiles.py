"""Tiles: no seam, regions in proportion, cut and damaged files, and previews."""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest

import gencodec
from gencodec.bitstream import LATENTS, coded_pixels, unpack, unpack_damaged
from gencodec.codec import Codec, tiles
from gencodec.codec.latents import decode_latents
from gencodec.errors import ChecksumError, GencodecError, LimitError, TruncatedError
from gencodec.image import Picture, without_thumbnail
from gencodec.model.config import LATENT_STRIDE
from gencodec.model.transforms import receptive_margin

Photo = Callable[..., np.ndarray]
Psnr = Callable[[np.ndarray, np.ndarray], float]


@pytest.fixture(scope="module")
def pixels(photo: Photo) -> np.ndarray:
    return photo(210, 300)


@pytest.fixture(scope="module")
def stream(codec: Codec, pixels: np.ndarray) -> bytes:
    """Four rows of five tiles of 64 pixels, the last ones smaller."""
    return codec.compress(pixels, quality=75, tile=64)


@pytest.fixture(scope="module")
def decoded(codec: Codec, stream: bytes) -> np.ndarray:
    return codec.decompress(stream)


@pytest.fixture(scope="module", params=[None, 64])
def example(
    request: pytest.FixtureRequest, codec: Codec, pixels: np.ndarray
) -> tuple[bytes, np.ndarray]:
    """A stream without tiles and one with, of a picture that keeps away from where samples clip,
    and what it decodes to."""
    smooth = np.clip(pixels // 2 + 64, 0, 255).astype(np.uint8)
    stream = codec.compress(smooth, quality=75, tile=request.param)
    return stream, codec.decompress(stream)


@pytest.fixture
def tiles_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one for every tile that is decoded."""
    calls: list[int] = []

    def count(*args: object) -> object:
        calls.append(1)
        return decode_latents(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(tiles, "decode_latents", count)
    return calls


# Seams -----------------------------------------------------------------------------------------


def test_tiles_cost_fidelity_nothing_and_show_no_seam(
    codec: Codec, pixels: np.ndarray, stream: bytes, decoded: np.ndarray, psnr: Psnr
) -> None:
    untiled = codec.compress(pixels, quality=75, tile=None)
    assert gencodec.info(untiled).tiles == 1 and gencodec.info(stream).tiles == 20
    whole = codec.decompress(untiled)
    assert psnr(pixels, decoded) == pytest.approx(psnr(pixels, whole), abs=0.1)
    error = (decoded.astype(float) - pixels) ** 2
    near = np.zeros(pixels.shape[:2], bool)
    for border in (64, 128, 192, 256):
        near[border - 2 : border + 2] = True
        near[:, border - 2 : border + 2] = True
    assert error[near].mean() < 1.15 * error[~near].mean()
    # Where g_s shows its grid of 16 pixels it does so without tiles too.
    steps, without = (
        np.abs(np.diff(picture.astype(float), axis=1)).mean((0, 2))[[63, 127, 191, 255]].mean()
        for picture in (decoded, whole)
    )
    assert steps < 1.2 * without


@pytest.mark.parametrize("shape", [(1, 1), (64, 64), (65, 63), (1, 257), (200, 3)])
@pytest.mark.parametrize("tile", [64, 128, 4096])
def test_sizes(tiny: Codec, photo: Photo, shape: tuple[int, int], tile: int) -> None:
    picture = photo(*shape)
    stream = tiny.compress(picture, quality=90, tile=tile)
    info = gencodec.info(stream)
    assert info.tile_side == tile and info.checks_ok
    assert info.tiles == -(-shape[0] // tile) * -(-shape[1] // tile)
    assert tiny.decompress(stream).shape == picture.shape
    tiny.verify(stream)


def test_grey_alpha_and_metadata(tiny: Codec, photo: Photo) -> None:
    alpha = np.arange(130 * 100, dtype=np.uint32).reshape(130, 100).astype(np.uint8)
    picture = Picture(photo(130, 100)[:, :, 0].copy(), alpha, xmp=b"<x/>")
    stream = tiny.compress_picture(picture, tile=64)
    shown = tiny.decompress_picture(stream)
    assert shown.grey and shown.xmp == b"<x/>" and shown.alpha is not None
    assert np.array_equal(shown.alpha, alpha)
    part = tiny.decompress_picture(stream, region=(30, 60, 50, 20))
    assert part.alpha is not None and np.array_equal(part.alpha, alpha[60:80, 30:80])
    small = tiny.decompress_picture(stream, scale=4)
    assert small.alpha is not None and small.alpha.shape == (33, 25) == small.pixels.shape


def test_a_part_does_not_show_the_whole(tiny: Codec, photo: Photo) -> None:
    """As the small picture in EXIF would: an empty directory, and one after it."""
    exif = struct.pack("<4sIHIHI", b"II*\0", 8, 0, 14, 0, 0)
    stream = tiny.compress_picture(Picture(photo(48, 64), exif=exif))
    for whole in ({}, {"scale": 2}, {"region": (0, 0, 64, 48)}):
        assert tiny.decompress_picture(stream, **whole).exif == exif
    part = tiny.decompress_picture(stream, region=(8, 8, 16, 16))
    assert part.exif == without_thumbnail(exif) != exif


@pytest.mark.parametrize("kind", [np.uint16, np.uint64, np.int8])
def test_regions_in_numbers_of_numpy(tiny: Codec, photo: Photo, kind: type) -> None:
    stream = tiny.compress(photo(70, 90), tile=64)
    left, top, width, height = (kind(side) for side in (30, 60, 50, 10))
    for scale in (1, 4):
        part = tiny.decompress(stream, region=(left, top, width, height), scale=scale)
        assert np.array_equal(part, tiny.decompress(stream, region=(30, 60, 50, 10), scale=scale))


def test_large_pictures_have_tiles_of_themselves(
    tiny: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "UNTILED_PIXELS", 5000)
    small, large = photo(48, 96), photo(48, 97)  # a column of latents more
    streams = tiny.compress_batch([small, large, large])
    assert [gencodec.info(s).tile_side for s in streams] == [None, 1024, 1024]
    for picture, pixels in zip([small, large, large], tiny.decompress_batch(streams), strict=True):
        assert pixels.shape == picture.shape
    assert gencodec.info(tiny.compress(large, tile=None)).tile_side is None


def test_the_format_and_the_network_mean_the_same_latents() -> None:
    assert coded_pixels(1, 1) == LATENT_STRIDE**2
    assert coded_pixels(LATENT_STRIDE, LATENT_STRIDE + 1) == 2 * LATENT_STRIDE**2


def test_tiles_that_cannot_be(tiny: Codec, photo: Photo) -> None:
    for tile in (0, 63, 100, 8192, -64, 64.5, "none"):
        with pytest.raises(ValueError, match="tile"):
            tiny.compress(photo(20, 20), tile=tile)  # type: ignore[arg-type]


def test_the_writer_keeps_to_what_readers_take() -> None:
    with pytest.raises(LimitError, match="needs tiles"):
        tiles.choose_grid(9000, 8000, None)
    with pytest.raises(LimitError, match="needs tiles"):
        tiles.choose_grid(1, 4_000_001, None)
    assert tiles.choose_grid(1, 1_000_000, "auto") is None
    assert tiles.choose_grid(1, 1_000_001, "auto") is not None
    with pytest.raises(LimitError, match="tiles"):
        tiles.choose_grid(20_000, 20_000, 64)
    grid = tiles.choose_grid(20_000, 20_000, "auto")
    assert grid is not None and grid.count == 400


# Regions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "region", [(0, 0, 300, 210), (0, 0, 1, 1), (299, 209, 1, 1), (60, 61, 10, 70), (130, 0, 64, 64)]
)
def test_a_region_is_that_part_of_the_picture(
    codec: Codec, example: tuple[bytes, np.ndarray], region: tuple[int, int, int, int]
) -> None:
    stream, whole = example
    left, top, width, height = region
    expected = whole[top : top + height, left : left + width]
    part = codec.decompress(stream, region=region)
    assert part.shape == expected.shape
    assert np.abs(part.astype(int) - expected).max() <= 1


def test_a_region_decodes_only_its_tiles(
    codec: Codec, stream: bytes, tiles_decoded: list[int]
) -> None:
    reach = -(-receptive_margin(codec.weights.vae.config) // 64)  # tiles the synthesis looks into
    codec.decompress(stream, region=(0, 0, 10, 10))
    assert len(tiles_decoded) <= (1 + reach) ** 2
    tiles_decoded.clear()
    codec.decompress(stream, region=(299, 0, 1, 10))
    assert len(tiles_decoded) <= (1 + reach) ** 2
    tiles_decoded.clear()
    codec.decompress(stream)
    assert len(tiles_decoded) == 20  # each once


@pytest.mark.parametrize(
    "region", [(-1, 0, 5, 5), (0, 0, 0, 5), (0, 0, 301, 5), (299, 0, 2, 2), (0, 210, 1, 1)]
)
def test_regions_that_are_not_there(
    tiny: Codec, photo: Photo, region: tuple[int, int, int, int]
) -> None:
    stream = tiny.compress(photo(210, 300))
    with pytest.raises(ValueError, match="region"):
        tiny.decompress(stream, region=region)


# Previews --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_scaled_picture_is_the_mean_of_its_squares(
    codec: Codec, example: tuple[bytes, np.ndarray], scale: int
) -> None:
    stream, whole = example
    small = codec.decompress(stream, scale=scale)
    height, width = (side // scale for side in whole.shape[:2])
    assert small.shape == (-(-210 // scale), -(-300 // scale), 3)
    parts = whole[: height * scale, : width * scale].astype(float)
    means = parts.reshape(height, scale, width, scale, 3).mean((1, 3))
    assert np.abs(small[:height, :width] - means).max() < 1.1
    part = codec.decompress(stream, scale=scale, region=(64, 40, 80, 72))
    expected = small[40 // scale :, 64 // scale :][: -(-112 // scale) - 40 // scale, : 80 // scale]
    assert np.abs(part.astype(int) - expected).max() <= 1


def test_scales_that_do_not_exist(tiny: Codec, photo: Photo) -> None:
    stream = tiny.compress(photo(20, 20))
    for scale in (0, 3, 16, -2):
        with pytest.raises(ValueError, match="reduced"):
            tiny.decompress(stream, scale=scale)


# Cut and damaged files -------------------------------------------------------------------------


def test_a_cut_file_shows_the_whole_picture(
    codec: Codec, pixels: np.ndarray, stream: bytes, psnr: Psnr
) -> None:
    """Every quarter of it, not only the upper tiles."""
    worst = []
    latents = unpack(stream).section(LATENTS)
    assert latents is not None
    begin = stream.index(latents)
    for kept in (0.4, 0.6, 0.8, 0.97):
        cut = stream[: begin + int(len(latents) * kept)]
        with pytest.raises(TruncatedError):
            codec.decompress(cut)
        picture = codec.decompress_picture(cut, allow_truncated=True)
        (note,) = picture.notes
        assert "cut" in note
        quarters = itertools.product(
            (slice(0, 105), slice(105, 210)), (slice(0, 150), slice(150, 300))
        )
        worst.append(min(psnr(pixels[part], picture.pixels[part]) for part in quarters))
    assert worst == sorted(worst) and worst[0] > 18, worst


def damaged_tile(stream: bytes, tile: int, layer: int) -> bytes:
    """The stream with one bit of one part changed."""
    container = unpack_damaged(stream)
    latents = container.section(LATENTS)
    assert container.tiles is not None and latents is not None
    place = stream.index(latents) + container.tiles.starts[layer][tile]
    return stream[:place] + bytes((stream[place] ^ 4,)) + stream[place + 1 :]


def test_damage_is_local(codec: Codec, stream: bytes, decoded: np.ndarray) -> None:
    damaged = damaged_tile(damaged_tile(stream, 6, 0), 13, 2)
    for allow_truncated in (False, True):
        with pytest.raises(ChecksumError):
            codec.decompress_picture(damaged, allow_truncated=allow_truncated)
    picture = codec.decompress_picture(damaged, salvage=True)
    summary, first, second = picture.notes
    assert "2 of 20 tiles" in summary
    assert "tile 7," in first and "64,64" in first and "lost" in first
    assert "tile 14," in second and "192,128" in second and "%" in second
    wrong = (np.abs(picture.pixels.astype(int) - decoded) > 1).any(2)
    reach = 64  # the synthesis looks so far over a border
    for left, top in ((64, 64), (192, 128)):
        assert wrong[top : top + 64, left : left + 64].any()
        wrong[max(0, top - reach) : top + 64 + reach, max(0, left - reach) : left + 64 + reach] = 0
    assert not wrong.any()


def test_salvage_of_a_sound_file_is_the_file(
    codec: Codec, stream: bytes, decoded: np.ndarray
) -> None:
    picture = codec.decompress_picture(stream, salvage=True)
    assert picture.notes == () and np.array_equal(picture.pixels, decoded)


def test_salvage_of_a_file_that_is_cut_and_damaged(codec: Codec, stream: bytes) -> None:
    damaged = damaged_tile(stream, 0, 0)[: len(stream) * 2 // 3]
    notes = codec.decompress_picture(damaged, salvage=True).notes
    assert "tile 1," in notes[1] and "lost" in notes[1]
    assert len(notes) > 10


def test_salvage_of_a_file_that_ends_in_zeros(codec: Codec, stream: bytes) -> None:
    """As after a power loss: no coder ends in such a word, but the other tiles are sound."""
    container = unpack_damaged(stream)
    latents = container.section(LATENTS)
    assert container.tiles is not None and latents is not None
    start = stream.index(latents) + container.tiles.starts[0][6]
    notes = codec.decompress_picture(stream[:start] + bytes(40), salvage=True).notes
    assert not any("tile 6," in note and "lost" in note for note in notes)
    assert any("tile 7," in note and "lost" in note for note in notes)


def test_salvage_tells_of_tiles_that_are_wrong_in_a_file_whose_check_is_right(
    codec: Codec, stream: bytes
) -> None:
    """Made so, or decoded by a machine that computes another prior."""
    damaged = damaged_tile(stream, 6, 0)[:-4]
    damaged += zlib.crc32(damaged).to_bytes(4, "little")
    with pytest.raises(ChecksumError):
        codec.decompress(damaged)
    summary, first = codec.decompress_picture(damaged, salvage=True).notes
    assert summary.startswith("1 of 20 tiles is damaged: ")
    assert "tile 7," in first and "lost" in first


def test_any_damage_is_salvaged_or_refused(tiny: Codec, photo: Photo) -> None:
    """A named error or a picture of the right size with notes, wherever it strikes."""
    alpha = photo(70, 130)[:, :, 0].copy()
    whole = Picture(photo(70, 130), alpha, xmp=b"<x/>")
    for tile in (None, 64):
        stream = tiny.compress_picture(whole, tile=tile)
        rng = np.random.default_rng(3)
        shown = 0
        for place in rng.integers(0, len(stream), 60):
            damaged = bytearray(stream)
            damaged[place] ^= 1 << int(rng.integers(8))
            try:
                picture = tiny.decompress_picture(bytes(damaged), salvage=True)
            except GencodecError:
                continue
            shown += 1
            assert picture.pixels.shape == (70, 130, 3) and picture.notes
        assert shown > (10 if tile else 0)


def test_a_hostile_file_costs_no_more_than_its_words(
    codec: Codec, tiles_decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few words that claim 60 million pixels: refused with z, before any feature is computed."""
    from gencodec.bitstream import Container, Header, Section, pack
    from gencodec.model.hyperprior import Prior

    def never(*args: object) -> None:
        raise AssertionError("features were computed")

    monkeypatch.setattr(Prior, "features", never)
    noise = np.random.default_rng(0).bytes(4 + 4 * 50)
    header = Header(codec.weights_id, 100, 8000, 7500)
    with pytest.raises(ChecksumError):
        codec.decompress(pack(Container(header, (Section(LATENTS, noise),))))
    with pytest.raises(LimitError):
        codec.decompress(
            pack(Container(Header(codec.weights_id, 100, 9000, 8000), (Section(LATENTS, noise),)))
        )
