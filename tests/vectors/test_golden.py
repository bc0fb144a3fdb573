"""Golden vectors: every machine decodes the same symbols from them, and always will.

A failure here means that released streams have become unreadable or different. It is never
mended by making the vectors anew; new weights get vectors of their own beside these.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gencodec
from gencodec.bitstream import unpack
from gencodec.entropy import PassDecoder
from gencodec.model.registry import list_weights
from tests.vectors import reference
from tests.vectors.make import MAX_GOLDEN_BYTES, symbols_checks

FOLDER = Path(__file__).parent / "golden"
NAMES = sorted(
    path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.gnc")
)
SETS = sorted({name.partition("/")[0] for name in NAMES})


def expected_checks(vector: Any) -> list[str]:
    checks = vector.expected["symbols_crc32"]
    return [checks] if isinstance(checks, str) else list(checks)


def path_of_weights(digest: str) -> Path:
    paths = [entry.path for entry in list_weights() if entry.id_hex == digest]
    assert paths, f"the weights {digest[:8]} of the golden vectors are not released here"
    return paths[0]


def vectors_of(weights: str, golden: dict[str, Any]) -> list[Any]:
    return [vector for vector in golden.values() if vector.weights == weights]


def test_every_shipped_weights_file_has_a_set(golden: dict[str, Any]) -> None:
    assert sorted(golden) == NAMES
    assert {entry.name for entry in list_weights()} == set(SETS)


@pytest.mark.parametrize("weights", SETS)
def test_the_set_is_whole_and_small(weights: str, golden: dict[str, Any]) -> None:
    vectors = vectors_of(weights, golden)
    assert len(vectors) >= 4
    assert sum(len(vector.stream) for vector in vectors) <= MAX_GOLDEN_BYTES
    headers = [unpack(vector.stream).header for vector in vectors]
    assert len({header.step for header in headers}) >= 3
    assert {header.grey for header in headers} == {True, False}
    assert any(header.width % 16 and header.height % 16 for header in headers)
    assert any(min(header.width, header.height) < 16 for header in headers)
    assert {header.tiled for header in headers} == {True, False}


@pytest.mark.parametrize("name", NAMES)
def test_header_and_check(name: str, golden: dict[str, Any]) -> None:
    stream, expected = golden[name].stream, golden[name].expected
    header = unpack(stream).header
    assert (header.width, header.height, header.step) == (
        expected["width"],
        expected["height"],
        expected["step"],
    )
    assert len(stream) == expected["file_bytes"]
    assert golden[name].weights_sha256.startswith(header.weights_id.hex())
    assert symbols_checks(unpack(stream)) == expected_checks(golden[name])


Passes = list[tuple[np.ndarray, np.ndarray]]
"""Symbols and scale indices of every pass."""

Decoded = Callable[[str], tuple[np.ndarray, Passes]]


def overheard(decode: Callable[[], Any]) -> tuple[Any, Passes]:
    """What this call returns, and the passes that the codec decoded in it."""
    passes: Passes = []
    decode_pass = PassDecoder.decode

    def listen(self: PassDecoder, scale_index: np.ndarray) -> np.ndarray:
        symbols = decode_pass(self, scale_index)
        passes.append((symbols, scale_index))
        return symbols

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PassDecoder, "decode", listen)
        return decode(), passes


@pytest.fixture(scope="module")
def decoded(golden: dict[str, Any]) -> Decoded:
    """Pixels and passes of a vector by its name, decoded once."""

    @functools.cache
    def of(name: str) -> tuple[np.ndarray, Passes]:
        return overheard(lambda: gencodec.decompress(golden[name].stream, device="cpu"))

    return of


def crc32_of(passes: list[np.ndarray]) -> str:
    check = 0
    for symbols in passes:
        check = zlib.crc32(symbols.astype("<i4").tobytes(), check)
    return f"{check:08x}"


@pytest.mark.parametrize("name", NAMES)
def test_symbols(name: str, golden: dict[str, Any], decoded: Decoded) -> None:
    """Counted here once more, apart from the check that the decoder itself makes."""
    _, passes = decoded(name)
    expected = expected_checks(golden[name])
    config = gencodec._codec(golden[name].weights, "cpu").weights.vae.config
    of_tile = 8 if config.hyper_depth else 5
    assert len(passes) == of_tile * len(expected)
    symbols = [symbols for symbols, _ in passes]
    starts = range(0, len(symbols), of_tile)
    assert [crc32_of(symbols[start : start + of_tile]) for start in starts] == expected


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(("/photo", "/tiles"))])
def test_verify(name: str, golden: dict[str, Any]) -> None:
    gencodec._codec(golden[name].weights, "cpu").verify(golden[name].stream)


@pytest.mark.parametrize("weights", SETS)
def test_the_set_exercises_the_coder(weights: str, decoded: Decoded) -> None:
    """Many tables, elements that are not coded, and symbols outside their table."""
    tables = gencodec._codec(weights, "cpu").weights.tables
    passes = [p for name in NAMES if name.startswith(f"{weights}/") for p in decoded(name)[1]]
    symbols = np.concatenate([symbols for symbols, _ in passes])
    scale_index = np.concatenate([scale_index for _, scale_index in passes])
    assert len(np.unique(scale_index)) > 40
    assert (scale_index < tables.skip_below).any()
    assert (np.abs(symbols) > tables.half_width[scale_index]).any()


@pytest.mark.parametrize("name", NAMES)
def test_pixels(name: str, golden: dict[str, Any], decoded: Decoded) -> None:
    """g_s is float: one level of difference is allowed, a shift of the whole is not."""
    vector = golden[name]
    pixels, _ = decoded(name)
    assert pixels.shape == vector.pixels.shape
    difference = np.abs(pixels.astype(int) - vector.pixels)
    assert difference.max() <= 1
    assert difference.mean() < 0.02
    colours = pixels[..., :3] if pixels.ndim == 3 else pixels
    assert abs(float(colours.mean()) - vector.expected["mean_level"]) < 0.05
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        assert np.array_equal(pixels[..., 3], vector.pixels[..., 3])


@pytest.mark.parametrize("name", NAMES)
def test_a_decoder_written_from_the_format_alone(name: str, golden: dict[str, Any]) -> None:
    """Container, coder and prior in plain integers, the synthesis in numpy: as the codec does."""
    vector = golden[name]
    file = reference.read_weights(path_of_weights(vector.weights_sha256))
    assert file.content_hash == vector.weights_sha256
    ours = reference.decode(vector.stream, file)  # asserts its checks
    assert [crc32_of(passes) for passes in ours.passes] == expected_checks(vector)
    pixels = reference.pixels_of(ours, file)
    shown = vector.pixels[..., :3] if vector.pixels.ndim == 3 else vector.pixels
    assert pixels.shape == shown.shape
    assert np.abs(pixels.astype(int) - shown).max() <= 1


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("base-7/noise", (18, 30, 202, 355, 367, 371, 379, 387, 391, 643, 1001, 1147)),
        ("base-7/grey-tiles", (300, 700, 1300)),
        ("base/grey-tiles", (300, 700, 1300)),
    ],
)
def test_cut_files_have_the_symbols_that_the_format_gives_them(
    name: str, ends: Sequence[int], golden: dict[str, Any]
) -> None:
    """Words that run out: before the first, in groups of many passes, in each part of an escape."""
    vector = golden[name]
    file = reference.read_weights(path_of_weights(vector.weights_sha256))
    codec = gencodec._codec(vector.weights, "cpu")
    for end in ends:
        cut = vector.stream[:end]
        _, passes = overheard(
            functools.partial(codec.decompress_picture, cut, allow_truncated=True)
        )
        ours = [symbols for symbols, _ in passes]
        theirs = [symbols for of in reference.decode(cut, file, cut=True).passes for symbols in of]
        assert len(ours) == len(theirs)
        assert all(map(np.array_equal, ours, theirs)), end


@pytest.mark.parametrize("weights", SETS)
def test_prior_digest_as_the_format_has_it(weights: str, golden: dict[str, Any]) -> None:
    (digest,) = {vector.weights_sha256 for vector in vectors_of(weights, golden)}
    file = reference.read_weights(path_of_weights(digest))
    assert reference.prior_digest(file) == file.metadata["prior_digest"]
