"""The attack finds a codec that knows pictures by heart, and lets one pass that does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gencodec.bench.own_codec import Gencodec
from gencodec.evidence.audit import memorising_control
from gencodec.evidence.membership import TOO_RARE, attack, side_for
from gencodec.evidence.statistics import chance
from gencodec.train.photos import Photo

Make = Callable[..., np.ndarray]
Named = Callable[[str, np.ndarray], Photo]
EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "evidence"


class Dictionary:
    """A codec whose 'weights' are pictures: those it codes as their number, in full."""

    def __init__(self, codec: Any, known: Sequence[np.ndarray]) -> None:
        self._codec = codec
        self._known = known

    def compress_batch(self, images: Sequence[np.ndarray], *, quality: float) -> list[bytes]:
        return [
            next(
                (
                    b"%d" % n
                    for n, pixels in enumerate(self._known)
                    if np.array_equal(pixels, image)
                ),
                None,
            )
            or self._codec.compress(image, quality=quality)
            for image in images
        ]

    def decompress_batch(self, streams: Sequence[bytes]) -> list[np.ndarray]:
        return [
            self._known[int(stream)] if stream.isdigit() else self._codec.decompress(stream)
            for stream in streams
        ]


@pytest.fixture(scope="module")
def groups(photo: Make, named: Named) -> tuple[list[Photo], list[Photo]]:
    """Four pictures each, as large as the crops."""
    seen = [named(f"seen{n}", photo(64, 64, n)) for n in range(4)]
    return seen, [named(f"other{n}", photo(64, 64, 100 + n)) for n in range(4)]


def test_a_dictionary_is_caught(codec: Gencodec, groups: tuple[list[Photo], list[Photo]]) -> None:
    seen, others = groups
    cheat: Any = Dictionary(codec.codec, [photo.pixels for photo in seen])
    found = attack(cheat, seen, others, seed=0, side=64, crops=1)
    assert not found.passed
    assert found.auc_calibrated.low > 0.9
    assert found.p_value is not None and found.p_value < 0.025
    assert "knows" in found.finding


def test_equal_groups_cannot_be_told_apart(
    codec: Gencodec, groups: tuple[list[Photo], list[Photo]]
) -> None:
    seen, _ = groups
    found = attack(codec.codec, seen, seen, seed=0, side=64, crops=1)
    assert found.passed
    assert found.auc_calibrated.value == found.auc_loss.value == 0.5
    assert found.saving_percent is None or abs(found.saving_percent.value) < 1e-6
    assert [len(row.bpp) for row in found.pictures] == [3] * 8


@pytest.mark.parametrize("name", ["audit", "audit-ssim"])
def test_the_shipped_reports_pass_the_test(name: str) -> None:
    """As docs/evidence.md says: the shipped weights do, and what memorised on purpose does not."""
    report = json.loads((EVIDENCE / f"{name}.json").read_text(encoding="utf-8"))
    for part, expected in (
        (report["membership"], True),
        (report["control"]["membership"], False),
    ):
        scores = [
            np.array([-row["calibrated"] for row in part["pictures"] if row["trained"] is member])
            for member in (True, False)
        ]
        assert (chance(*scores, seed=0) > TOO_RARE) is expected


def test_pictures_too_small_are_no_evidence(codec: Gencodec, named: Named, photo: Make) -> None:
    small = [named("a", photo(40, 200)), named("b", photo(200, 40))]
    with pytest.raises(ValueError, match="64 pixels"):
        attack(codec.codec, small, small, seed=0, side=64, crops=1)
    few = [named(name, photo(64, 64)) for name in "ab"]
    with pytest.raises(ValueError, match="2 and 2 pictures are too few"):
        attack(codec.codec, few, few, seed=0, side=64, crops=1)


def test_the_largest_crop_that_most_pictures_have(named: Named) -> None:
    def of(*sides: int) -> list[Photo]:
        return [named("a", np.zeros((side, 300, 3), np.uint8)) for side in sides]

    assert side_for(of(256, 300)) == 256
    assert side_for(of(255, 300)) == 128
    assert side_for(of(*[300] * 10, 70)) == 256
    assert side_for(of(10, 20)) == 64


def test_pictures_too_small_to_be_memorised_are_passed_over(
    named: Named, photo: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = [named(f"{number}.png", photo(40, 40, number)) for number in range(9)]
    large = [named(f"large {number}.png", photo(64, 80, number)) for number in range(30)]
    monkeypatch.setattr("gencodec.evidence.audit.MEMORISED", 2)
    found = memorising_control([*small, *large[:6]], large[6:], seed=0, steps=1)
    assert found.membership.trained_pictures == 2
