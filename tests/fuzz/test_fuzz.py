"""A sample of what python -m tests.fuzz does at length, and all that it ever found."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gencodec.bitstream import unpack
from gencodec.errors import GencodecError
from tests.fuzz.mutate import mutated, repaired
from tests.fuzz.seeds import FOUND, corpus, sound
from tests.fuzz.targets import DEEP, TARGETS

SHALLOW = [name for name in TARGETS if name not in DEEP]
CORPUS, SOUND = corpus(), sound()


@pytest.mark.parametrize("target", SHALLOW)
@settings(max_examples=400)
@given(seed=st.integers(0, 2**64))
def test_structure(target: str, seed: int) -> None:
    TARGETS[target](mutated(random.Random(seed), CORPUS))


@pytest.mark.parametrize("target", SHALLOW)
@given(data=st.binary(max_size=200))
def test_any_bytes(target: str, data: bytes) -> None:
    TARGETS[target](data)
    TARGETS[target](repaired(b"\x97GNC\x01" + data))


@pytest.mark.parametrize("target", DEEP)
@settings(max_examples=40)
@given(seed=st.integers(0, 2**64))
def test_pixels(target: str, seed: int) -> None:
    TARGETS[target](mutated(random.Random(seed), SOUND, small=True))


@pytest.mark.parametrize("path", sorted(FOUND.glob("*.gnc")), ids=lambda path: path.stem)
@pytest.mark.parametrize("target", TARGETS)
def test_what_was_found(target: str, path: Path) -> None:
    TARGETS[target](path.read_bytes())


def test_mutations_reach_behind_the_checks() -> None:
    """A fuzzer that only ever meets a wrong check tests the check."""
    passed = 0
    for seed in range(300):
        try:
            unpack(mutated(random.Random(seed), SOUND, small=True))
        except GencodecError:
            continue
        passed += 1
    assert passed > 60


@pytest.mark.parametrize("data", SOUND)
def test_repairing_what_is_whole_changes_nothing(data: bytes) -> None:
    assert repaired(data) == data
