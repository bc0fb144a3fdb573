"""Samples are draws from the prior; copies among them are found, and a blind search says so."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from gencodec.bench.own_codec import Gencodec
from gencodec.bitstream import Header
from gencodec.entropy import ideal_bits
from gencodec.evidence import copies
from gencodec.evidence.collection import Source
from gencodec.evidence.copies import FALSE_ALARMS, _flagged, find_copies, share_caught
from gencodec.evidence.neighbours import Patches, cut_patches, fit_basis, nearest
from gencodec.evidence.sampling import sample, samples
from gencodec.evidence.streams import force

Make = Callable[..., np.ndarray]
MakeSource = Callable[[str, np.ndarray], Source]


@pytest.fixture(autouse=True)
def _few_plants(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PLANTED", 10)
    monkeypatch.setattr(copies, "HELD_OUT_PATCHES", 100)


def noisy(photo: Make, side: int, seed: int) -> np.ndarray:
    """A busy picture: every quarter of every patch has contrast."""
    rough = photo(side // 8, side // 8, seed).astype(np.int64)
    large = np.repeat(np.repeat(rough, 8, 0), 8, 1)
    rng = np.random.default_rng(seed)
    blocks = rng.integers(-60, 60, (side // 8, side // 8, 1))
    return np.clip(large + np.repeat(np.repeat(blocks, 8, 0), 8, 1), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def trained(photo: Make, source: MakeSource) -> list[Source]:
    return [source(f"t{n}.png", noisy(photo, 256, n)) for n in range(8)]


@pytest.fixture(scope="module")
def held_out(photo: Make, source: MakeSource) -> list[Source]:
    return [source(f"h{n}.png", noisy(photo, 256, 200 + n)) for n in range(5)]


def test_fresh_pictures_pass_and_planted_copies_are_found(
    codec: Gencodec, photo: Make, trained: list[Source], held_out: list[Source]
) -> None:
    drawn = [noisy(photo, 256, 400 + n) for n in range(4)]
    result, pictures = find_copies(
        drawn, trained, [s.photo() for s in held_out], codec.codec, seed=0
    )
    assert result.calibrated and result.planted_found > 0.9
    assert result.passed, result.finding
    assert result.planted.median < result.threshold < result.of_samples.median
    assert len(pictures.pairs) == len(result.nearest)


def test_copies_are_found(codec: Gencodec, trained: list[Source], held_out: list[Source]) -> None:
    """A model whose samples are training pictures, mirrored and moved, does not pass."""
    drawn = [trained[n].photo().pixels[37:, 21:][:, ::-1] for n in range(4)]
    result, _ = find_copies(drawn, trained, [s.photo() for s in held_out], codec.codec, seed=0)
    assert result.calibrated and not result.passed
    assert result.samples_flagged.low > 0.5
    assert result.nearest[0].picture in {f"t{n}.png" for n in range(4)}


def test_a_blind_search_fails_itself(
    codec: Gencodec, photo: Make, source: MakeSource, held_out: list[Source]
) -> None:
    """Among pictures that are all alike, no planted copy can be told to be of the right one."""
    alike = [source(f"t{n}.png", noisy(photo, 256, 7)) for n in range(8)]
    drawn = [noisy(photo, 256, 400)] * 2
    result, _ = find_copies(drawn, alike, [s.photo() for s in held_out], codec.codec, seed=0)
    assert not result.calibrated and not result.passed
    assert "blind" in result.finding


def test_flat_pictures_cannot_be_compared(codec: Gencodec, source: MakeSource) -> None:
    flat = [source(f"{n}.png", np.full((300, 300, 3), n, np.uint8)) for n in range(3)]
    with pytest.raises(ValueError, match="contrast"):
        find_copies(
            [flat[0].photo().pixels] * 2, flat, [s.photo() for s in flat], codec.codec, seed=0
        )


def test_the_nearest_place_is_the_place(photo: Make, trained: list[Source]) -> None:
    rng = np.random.default_rng(0)
    photos = [s.photo() for s in trained]
    basis = fit_basis(photos, rng)
    place = photos[3].pixels[64:192, 104:232]
    found = nearest(cut_patches([place], 1, rng), photos, basis)
    assert found.picture.tolist() == [3]
    assert (found.top[0], found.left[0], found.side[0]) == (64, 104, 128)
    assert found.distance[0] < 1e-4


def test_decoding_random_words_is_sampling(codec: Gencodec) -> None:
    """The symbols that come out carry as many bits as went in: none is made up."""
    weights = codec.weights
    rng = np.random.default_rng(5)
    words = rng.integers(1, 2**32, 40_000, dtype=np.uint32).astype("<u4")
    forced = force(bytes(4) + words.tobytes(), Header(weights.weights_id, 100, 128, 96), weights)
    assert not forced.exhausted and forced.complaint
    used = 32 * (len(words) - forced.words_left)
    # What is left of the last words is still in the coder's state, 32 to 64 bits of it.
    assert 0 <= used - ideal_bits(forced.passes, weights.tables) - 32 <= 64


def test_samples_repeat_by_their_seed(codec: Gencodec) -> None:
    first, again, other = (samples(codec.weights, 2, 64, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0]) and not np.array_equal(first[0], first[1])
    assert first[0].shape == (64, 64, 3)
    assert sample(codec.weights, 0.0, 17, np.random.default_rng(0)).shape == (17, 17, 3)


def test_how_many_copies_fail_a_model() -> None:
    """As many as the page says, by the very interval that decides."""
    samples, each = 24, 6
    inside = Patches(
        np.zeros((samples * each, 1, 1, 3), np.uint8), np.repeat(np.arange(samples), each)
    )

    def fails(copied: int) -> bool:
        near = np.where(inside.picture < copied, 0.0, 1.0)
        return _flagged(near, inside, 0.5, samples, 0).low > FALSE_ALARMS

    needed = next(copied for copied in range(samples + 1) if fails(copied))
    drawn = np.random.default_rng(0).binomial(samples, share_caught(samples), 4000)
    assert np.mean(drawn >= needed) == pytest.approx(0.95, abs=0.015)
    assert share_caught(1) == pytest.approx(0.95)
    assert share_caught(300) < share_caught(24) < share_caught(4)
