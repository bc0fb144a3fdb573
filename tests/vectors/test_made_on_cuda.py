"""Streams that an H100 made of two Kodak pictures: a CPU reads the same symbols.

Made by torch 2.11 with base-5; the prior ran on the GPU too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from gencodec.codec import Codec

MADE_ON_CUDA = sorted((Path(__file__).parent / "cuda").glob("*.gnc"))


@pytest.fixture(scope="module")
def on_cpu() -> Codec:
    return Codec.load("base-5", device="cpu")


def test_there_are_some() -> None:
    assert len(MADE_ON_CUDA) == 3


@pytest.mark.parametrize("path", MADE_ON_CUDA, ids=lambda path: path.stem)
def test_a_cpu_reads_what_a_gpu_made(on_cpu: Codec, path: Path) -> None:
    stream = path.read_bytes()
    on_cpu.verify(stream)  # raises if a single symbol differs
    assert on_cpu.decompress(stream).std() > 20.0
