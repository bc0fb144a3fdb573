"""Compact weights files: what comes back, under which identity, and every way to be wrong."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor

from gencodec.errors import WeightsError
from gencodec.model import compact, locate
from gencodec.model.compact import COLUMNS, DEFLATED, ROWS, Grid, compacted, expanded
from gencodec.model.config import CONFIGS
from gencodec.model.weights import (
    content_digest,
    files_of,
    load_weights,
    pack_compact,
    pack_weights,
    read_weights,
)

Tensors = dict[str, Tensor]
CONFIG = CONFIGS["tiny"]


def grid(value: Tensor, exponent: int) -> Grid:
    """The same step everywhere, taken apart unevenly."""
    columns = np.arange(value[0].numel()) % 3
    return Grid(np.full(len(value), exponent, np.int8), (columns - 1).astype(np.int8))


def grids_of(tensors: Tensors, exponent: int = -12) -> dict[str, Grid]:
    matrices = (n for n, v in tensors.items() if v.dtype == torch.float16 and v.ndim == 4)
    return {name: grid(tensors[name], exponent) for name in matrices}


# There and back --------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.sampled_from([(1, 1, 1, 1), (3, 5, 1, 1), (4, 1, 3, 3), (2, 3, 2, 2)]),
    exponent=st.integers(-11, 0),
    reference=st.sampled_from(["none", "same shape", "another shape"]),
)
def test_numbers_move_by_half_a_step_at_most(
    seed: int, shape: tuple[int, ...], exponent: int, reference: str
) -> None:
    rng = np.random.default_rng(seed)

    def matrix(of: tuple[int, ...]) -> Tensor:
        return torch.from_numpy(rng.normal(size=of).astype(np.float16))

    value, others = matrix(shape), {}
    if reference != "none":
        others["w"] = matrix(shape if reference == "same shape" else (*shape[:-1], 7))
    on = grid(value, exponent)
    (back,) = expanded(compacted({"w": value}, {"w": on}, others), others).values()
    assert back.shape == value.shape and back.dtype == torch.float16
    steps = np.ldexp(1.0, on.exponents).reshape(shape)
    error = (back.double() - value.double()).abs().numpy()
    assert (error <= steps / 2 + 2.0**-11 * np.abs(value.double().numpy()) + 2.0**-9 * steps).all()


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_everything_else_comes_back_as_it_was(seed: int, against: bool) -> None:
    rng = np.random.default_rng(seed)

    def tensors() -> Tensors:
        return {
            "small": torch.from_numpy(rng.integers(-128, 128, (4, 6), np.int8)),
            "large": torch.from_numpy(rng.integers(-(2**31), 2**31, 9, np.int32)),
            "half": torch.from_numpy(rng.normal(size=5).astype(np.float16)),
            "gain": torch.from_numpy(rng.normal(size=(2, 3)).astype(np.float32)),
        }

    value, reference = tensors(), tensors() if against else {}
    back = expanded(compacted(value, {}, reference), reference)
    assert set(back) == set(value)
    for name in value:
        assert back[name].dtype == value[name].dtype and torch.equal(back[name], value[name])


def test_a_grid_that_is_too_fine() -> None:
    value = {"w": torch.full((1, 1, 1, 1), 8.0, dtype=torch.float16)}
    compacted(value, {"w": grid(value["w"], -10)}, {})
    with pytest.raises(ValueError, match="too fine"):
        compacted(value, {"w": grid(value["w"], -13)}, {})


# As a file -------------------------------------------------------------------------------------


def test_a_compact_file_is_the_plain_file_of_its_numbers(
    tiny_tensors: Tensors, tiny_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "compact.safetensors"
    path.write_bytes(pack_compact(CONFIG, tiny_tensors, grids_of(tiny_tensors)))
    assert path.stat().st_size < 0.7 * tiny_path.stat().st_size
    _, moved = read_weights(path)
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(pack_weights(CONFIG, moved))
    weights = load_weights(path)
    assert weights.digest == load_weights(plain).digest == content_digest(CONFIG, moved)
    assert weights.digest != content_digest(CONFIG, tiny_tensors)
    # What is on its grids already stays, and so does what it is called.
    again = tmp_path / "again.safetensors"
    again.write_bytes(pack_compact(CONFIG, moved, grids_of(moved)))
    assert load_weights(again).digest == weights.digest


@pytest.fixture
def shipped(tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Weights that are installed: their digest."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "first.safetensors").write_bytes(tiny_path.read_bytes())
    digest = load_weights(tiny_path).digest.hex()
    monkeypatch.setattr(locate, "INSTALLED", tmp_path / "none")
    monkeypatch.setattr(locate, "CHECKOUT", folder)
    write_manifest(folder, digest)
    return digest


def write_manifest(folder: Path, digest: str) -> None:
    row: dict[str, object] = {"name": "first", "file": "first.safetensors"}
    row |= {"content_sha256": digest, "config": "tiny", "bytes": 1, "released": "2026-01-01"}
    (folder / "manifest.json").write_text(json.dumps({"default": "first", "weights": [row]}))


@pytest.fixture
def near(tiny_tensors: Tensors) -> Tensors:
    """Weights a little way from those of `tiny_tensors`, as training on leaves them."""
    torch.manual_seed(3)

    def moved(name: str, value: Tensor) -> Tensor:
        if value.dtype == torch.float16:
            return (value.float() + 0.002 * torch.randn(value.shape)).half()
        return value + (torch.rand(value.shape) < 0.01) if name.endswith("prior.bias") else value

    return {name: moved(name, value) for name, value in tiny_tensors.items()}


def test_a_difference_is_smaller_and_needs_its_reference(
    shipped: str, near: Tensors, tmp_path: Path
) -> None:
    alone, apart = tmp_path / "alone.safetensors", tmp_path / "apart.safetensors"
    alone.write_bytes(pack_compact(CONFIG, near, grids_of(near)))
    apart.write_bytes(pack_compact(CONFIG, near, grids_of(near), shipped))
    assert apart.stat().st_size < 0.6 * alone.stat().st_size
    for name, value in read_weights(apart)[1].items():
        step = 2.0**-10 if name in grids_of(near) else 0.0
        assert float((value.double() - near[name].double()).abs().max()) <= step, name
    assert load_weights(apart).vae.config == CONFIG
    assert files_of(alone) == (alone,)
    assert [path.name for path in files_of(apart)] == [apart.name, "first.safetensors"]
    write_manifest(tmp_path / "weights", "00" * 32)
    refused(apart, f"needs the weights {shipped[:8]}, which are not installed")
    with pytest.raises(WeightsError, match="which are not installed"):
        files_of(apart)
    load_weights(alone)


def test_a_reference_that_is_not_what_it_was(shipped: str, near: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "apart.safetensors"
    path.write_bytes(pack_compact(CONFIG, near, grids_of(near), shipped))
    other = {**near, "g_s.up.weight": near["g_s.up.weight"] * 2}
    (tmp_path / "weights" / "first.safetensors").write_bytes(pack_weights(CONFIG, other))
    refused(path, "do not come out as they went in")


def test_a_reference_that_needs_another(shipped: str, near: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "weights" / "first.safetensors"
    path.write_bytes(pack_compact(CONFIG, near, grids_of(near), shipped))
    refused(path, "need others themselves")  # here itself, and without end
    with pytest.raises(ValueError, match="need others themselves"):
        pack_compact(CONFIG, near, grids_of(near), shipped)


# What is refused -------------------------------------------------------------------------------

Damage = Callable[[Tensors], None]
UP = "g_s.up.weight"


def put(name: str, change: Callable[[Tensor], Tensor]) -> Damage:
    return lambda parts: parts.__setitem__(name, change(parts[name].clone()))


def drop(name: str) -> Damage:
    return lambda parts: parts.__delitem__(name)


WRONG: dict[str, tuple[Damage, str]] = {
    "no columns": (drop(UP + COLUMNS), "half a grid"),
    "no rows": (drop(UP + ROWS), "shape"),  # then these are numbers of another type
    "no numbers": (drop(UP), "missing"),
    "a row too few": (put(UP + ROWS, lambda t: t[1:]), "differ in shape"),
    "a column too few": (put(UP + COLUMNS, lambda t: t[1:]), "differ in shape"),
    "rows in two dimensions": (put(UP + ROWS, lambda t: t[None]), "differ in shape"),
    "rows that are no bytes": (put(UP + ROWS, lambda t: t.to(torch.int32)), "types of a grid"),
    "floating columns": (put(UP + COLUMNS, lambda t: t.float()), "types of a grid"),
    "one plane": (put(UP, lambda t: t[:1]), "types of a grid"),
    "three planes": (put(UP, lambda t: t[[0, 1, 1]]), "types of a grid"),
    "a number alone": (put(UP, lambda t: t.flatten()[0]), "types of a grid"),
    "numbers without end": (put(UP + ROWS, lambda t: t * 0 + 127), "no finite numbers"),
    "another code": (put(UP, lambda t: t ^ 1), "do not come out"),
    "a tensor missing": (drop("g_s.up.bias"), "missing"),
    "a bias over the bound": (put("prior.up32.bias", lambda t: t * 0 + 2**24), "not exact"),
}


@pytest.fixture(scope="module")
def compact_file(tiny_tensors: Tensors) -> bytes:
    return pack_compact(CONFIG, tiny_tensors, grids_of(tiny_tensors))


def rewritten(data: bytes, deflated: bytes) -> bytes:
    """The same file with other compact numbers."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    numbers = torch.frombuffer(bytearray(deflated), dtype=torch.uint8)
    return save({DEFLATED: numbers}, metadata=header["__metadata__"])


def numbers_of(data: bytes) -> bytes:
    return load(data)[DEFLATED].numpy().tobytes()


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused(case: str, compact_file: bytes, tmp_path: Path) -> None:
    damage, words = WRONG[case]
    parts = load(zlib.decompress(numbers_of(compact_file)))
    damage(parts)
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(rewritten(compact_file, zlib.compress(save(parts))))
    refused(path, words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-1], "too early"),
        (lambda data: data[: len(data) // 2], "too early"),
        (lambda data: data + b"x", "too late"),
        (lambda data: b"\x00" + data[1:], "not readable"),
        (lambda data: zlib.compress(zlib.decompress(data)[:-1]), "not readable"),
        (lambda data: zlib.compress(b""), "not readable"),
        (lambda data: b"x", "too early"),
    ],
)
def test_damaged_numbers_are_refused(
    change: Callable[[bytes], bytes], words: str, compact_file: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(rewritten(compact_file, change(numbers_of(compact_file))))
    refused(path, words)


def test_what_would_inflate_without_end_does_not(
    compact_file: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compact, "MAX_INFLATED", 2**20)
    path = tmp_path / "bomb.safetensors"
    path.write_bytes(rewritten(compact_file, zlib.compress(bytes(2**24), 9)))
    refused(path, "too early or too late")


@pytest.mark.parametrize("reference", ["", "zz", "ab" * 32, "../base"])
def test_references_that_are_none(reference: str, compact_file: bytes, tmp_path: Path) -> None:
    header = json.loads(compact_file[8 : 8 + int.from_bytes(compact_file[:8], "little")])
    metadata = {**header["__metadata__"], "reference": reference}
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(save(load(compact_file), metadata=metadata))
    refused(path, "wrong.safetensors: ")


def test_a_tensor_beside_the_numbers(compact_file: bytes, tmp_path: Path) -> None:
    header = json.loads(compact_file[8 : 8 + int.from_bytes(compact_file[:8], "little")])
    path = tmp_path / "wrong.safetensors"
    tensors = {**load(compact_file), "extra": torch.zeros(1)}
    path.write_bytes(save(tensors, metadata=header["__metadata__"]))
    refused(path, "alone belongs")


def refused(path: Path, words: str) -> None:
    """In one line that names the file and holds the words."""
    with pytest.raises(WeightsError) as caught:
        load_weights(path)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    assert path.name in text and words in text, text
