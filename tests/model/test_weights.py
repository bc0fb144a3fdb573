"""Weights files: their identity, and every way in which a file can be wrong."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import Tensor

from gencodec.entropy import gaussian_tables
from gencodec.errors import WeightsError
from gencodec.model.config import CONFIGS
from gencodec.model.registry import find_weights
from gencodec.model.vae import ImageVae
from gencodec.model.weights import (
    FORMAT,
    Weights,
    content_digest,
    freeze,
    load_weights,
    pack_weights,
    read_tensors,
    thaw,
)

Tensors = dict[str, Tensor]
CONFIG = CONFIGS["tiny"]


def metadata_of(path: Path) -> dict[str, str]:
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    metadata: dict[str, str] = header["__metadata__"]
    return metadata


# Identity --------------------------------------------------------------------------------------


def test_the_digest_ignores_the_order_of_tensors(tiny_tensors: Tensors) -> None:
    digest = content_digest(CONFIG, tiny_tensors)
    assert len(digest) == 32
    assert content_digest(CONFIG, dict(reversed(tiny_tensors.items()))) == digest


def test_the_digest_ignores_file_name_and_layout(
    tiny_path: Path, tiny_weights: Weights, tmp_path: Path
) -> None:
    """A file with its tensors in reverse order, under another name, is the same weights."""
    data = tiny_path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header: dict[str, Any] = json.loads(data[8:start])
    metadata = header.pop("__metadata__")
    reordered: dict[str, Any] = {}
    body = b""
    for name in sorted(header, key=lambda name: -header[name]["data_offsets"][0]):
        begin, end = header[name]["data_offsets"]
        part = data[start + begin : start + end]
        reordered[name] = {**header[name], "data_offsets": [len(body), len(body) + len(part)]}
        body += part
    text = json.dumps({**reordered, "__metadata__": metadata}).encode()
    other = tmp_path / "any name.safetensors"
    other.write_bytes(len(text).to_bytes(8, "little") + text + body)
    assert other.read_bytes() != data
    loaded = load_weights(other)
    assert loaded.digest == tiny_weights.digest
    assert loaded.weights_id == tiny_weights.digest[:4]


def test_the_digest_sees_one_value_one_name_one_type_one_field(tiny_tensors: Tensors) -> None:
    digests = {content_digest(CONFIG, tiny_tensors)}

    def differs(tensors: Tensors) -> bool:
        count = len(digests)
        digests.add(content_digest(CONFIG, tensors))
        return len(digests) == count + 1

    for name in ("g_s.leave.bias", "prior.up32.weight", "tables.pmf"):
        changed = tiny_tensors[name].clone()
        changed.view(-1)[-1] += 1
        assert differs({**tiny_tensors, name: changed}), name
    assert differs({**tiny_tensors, "g_s.leave.bias": tiny_tensors["g_s.leave.bias"].float()})
    assert differs({**tiny_tensors, "g_s.up.weight": tiny_tensors["g_s.up.weight"].flatten()})
    renamed = dict(tiny_tensors)
    renamed["g_s.leave.bios"] = renamed.pop("g_s.leave.bias")
    assert differs(renamed)
    count = len(digests)
    digests.add(content_digest(CONFIGS["base"], tiny_tensors))
    assert len(digests) == count + 1


def test_the_metadata(tiny_path: Path) -> None:
    metadata = metadata_of(tiny_path)
    assert metadata["format"] == FORMAT == "gencodec-weights-1"
    assert metadata["config"] == CONFIG.to_json()
    assert len(metadata["prior_digest"]) == 16


# Freezing --------------------------------------------------------------------------------------


def test_types_in_the_file(tiny_tensors: Tensors) -> None:
    for name, value in tiny_tensors.items():
        if name.startswith("tables.") or name.endswith((".rows", "prior.bias")):
            expected = torch.int32
        elif name.startswith("prior."):
            expected = torch.int32 if name.endswith(".bias") else torch.int8
        else:
            expected = torch.float32 if name.endswith("log_gain") else torch.float16
        assert value.dtype == expected, name


def test_the_loaded_network_is_the_one_that_was_frozen(
    tiny_vae: ImageVae, tiny_weights: Weights
) -> None:
    loaded = tiny_weights.vae
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    x, step = torch.rand(1, 3, 32, 48), torch.tensor([200])
    with torch.no_grad():
        y, y_loaded = tiny_vae.g_a(x, step), loaded.g_a(x, step)
    assert y_loaded.dtype == torch.float32
    assert float((y - y_loaded).abs().max()) < 0.02 * float(y.abs().max())  # half precision


def test_thawed_weights_freeze_to_the_same_file(
    tiny_weights: Weights, tiny_tensors: Tensors
) -> None:
    again = freeze(thaw(tiny_weights), tiny_weights.tables)
    assert content_digest(CONFIG, again) == content_digest(CONFIG, tiny_tensors)


def test_shipped_weights_are_what_training_goes_on_from() -> None:
    """Of the quality steps between knots too, though files hold rounded rows and no knots."""
    weights = load_weights(find_weights().path)
    again = freeze(thaw(weights), weights.tables)
    assert content_digest(weights.vae.config, again) == weights.digest


# What is refused -------------------------------------------------------------------------------


Change = Callable[[Tensors, dict[str, str]], None]


def put(name: str, value: Callable[[Tensor], Tensor]) -> Change:
    def change(tensors: Tensors, _: dict[str, str]) -> None:
        tensors[name] = value(tensors[name].clone())

    return change


def drop(name: str) -> Change:
    return lambda tensors, _: tensors.__delitem__(name)


def say(key: str, value: str) -> Change:
    return lambda _, metadata: metadata.__setitem__(key, value)


def with_first(value: float) -> Callable[[Tensor], Tensor]:
    """The same tensor with another first element."""

    def change(tensor: Tensor) -> Tensor:
        tensor.view(-1)[0] = value
        return tensor

    return change


def with_config(**fields: object) -> Change:
    return say("config", json.dumps({**json.loads(CONFIG.to_json()), **fields}))


WRONG: dict[str, tuple[Change, str]] = {
    "other format": (say("format", "gencodec-weights-2"), "not a gencodec weights file"),
    "no config": (say("config", ""), "."),
    "config of another network": (say("config", CONFIGS["base"].to_json()), "."),
    "config that divides by zero": (with_config(knots=1), "knots"),
    "config nested without end": (say("config", "[" * 20_000), "."),
    "absurd config": (with_config(latent=8192), "latent"),
    "absurd depth": (with_config(depth8=65), "depth8"),
    "tensor missing": (drop("g_a.enter.weight"), "missing"),
    "tensor too many": (lambda t, _: t.update(extra=torch.zeros(1)), "unknown"),
    "wrong shape": (put("g_s.up.bias", lambda t: t[1:]), "g_s.up.bias has shape"),
    "wrong type in the prior": (put("prior.up32.bias", lambda t: t.to(torch.int64)), "has type"),
    "wrong type in the transforms": (put("g_s.up.bias", lambda t: t.to(torch.int8)), "g_s.up.bias"),
    "a gain that is no number": (put("g_a.gain.log_gain", with_first(float("nan"))), "log_gain"),
    "a weight without end": (put("g_s.up.weight", with_first(float("inf"))), "g_s.up.weight"),
    "bias over the bound": (put("prior.up32.bias", with_first(2**24)), "prior.up32 is not exact"),
    "sums over the bound": (
        put("prior.contexts.1.enter.bias", lambda t: torch.full_like(t, 2**24 - 100)),
        "prior.contexts.1.enter is not exact",
    ),
    "shift of zero": (put("prior.up16.shift", with_first(0)), "prior.up16"),
    "shift too large": (put("prior.up16.shift", with_first(15)), "prior.up16"),
    "negative shift": (put("prior.means.3.shift", with_first(-7)), "prior.means.3"),
    "no tables": (drop("tables.pmf"), "pmf"),
    "a table's sum": (put("tables.pmf", lambda t: t + (torch.arange(len(t)) == 0)), "sums to"),
    "a weight of zero": (put("tables.pmf", with_first(0)), "."),
    "a negative weight": (put("tables.pmf", with_first(-1)), "."),
    "tables in floating point": (put("tables.pmf", lambda t: t.float()), "pmf"),
    "tables in two dimensions": (put("tables.pmf", lambda t: t[None]), "pmf"),
    "tables cut short": (put("tables.half_width", lambda t: t[:-1]), "."),
    "a negative half-width": (put("tables.half_width", with_first(-2)), "half-width"),
    "another half precision": (put("g_s.leave.bias", lambda t: t.bfloat16()), "bfloat16"),
    "a table more": (lambda t, _: t.update({"tables.x": torch.zeros(1)}), "tables.x"),
    "two thresholds": (put("tables.skip_below", lambda t: t.repeat(2)), "."),
    "a threshold in floating point": (put("tables.skip_below", lambda t: t + 0.5), "skip"),
    "another digest recorded": (say("prior_digest", "0" * 16), "digest"),
    "no digest recorded": (lambda _, m: m.__delitem__("prior_digest"), "digest"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_refused(
    case: str, tiny_path: Path, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    tensors, metadata = dict(tiny_tensors), metadata_of(tiny_path)
    change, words = WRONG[case]
    change(tensors, metadata)
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(save(tensors, metadata=metadata))
    one_line_error(path, words)


def test_a_config_that_asks_for_gigabytes_gets_none(
    tiny_path: Path, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    """The shapes of 60 GB are compared with those of the file before anything is allocated."""
    resource = pytest.importorskip("resource", reason="nothing tells of memory on this system")
    metadata = metadata_of(tiny_path)
    change = with_config(trunk8=4096, latent=4096, prior=4096, hyper=4096, depth8=64, depth16=64)
    change({}, metadata)
    path = tmp_path / "huge.safetensors"
    path.write_bytes(save(tiny_tensors, metadata=metadata))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    one_line_error(path, "tensors missing")
    unit = 1 if sys.platform == "darwin" else 1024
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit < 500_000_000


def test_the_prior_that_another_machine_would_compute(
    tiny_path: Path, tiny_tensors: Tensors, tmp_path: Path
) -> None:
    """A prior altered within the proof loads only with its own digest, never with the old one."""
    tensors = dict(tiny_tensors)
    tensors["prior.scales.5.bias"] = tensors["prior.scales.5.bias"] + 2**8
    path = tmp_path / "wrong.safetensors"
    path.write_bytes(save(tensors, metadata=metadata_of(tiny_path)))
    one_line_error(path, "digest")
    path.write_bytes(pack_weights(CONFIG, tensors))
    assert load_weights(path).digest == content_digest(CONFIG, tensors)


def test_packing_refuses_what_loading_would(tiny_tensors: Tensors) -> None:
    tensors = dict(tiny_tensors)
    tensors["prior.up32.bias"] = torch.full_like(tensors["prior.up32.bias"], 2**24)
    with pytest.raises(ValueError, match=r"prior\.up32 is not exact"):
        pack_weights(CONFIG, tensors)


def test_freezing_refuses_a_prior_that_diverged(lively_vae: Callable[[int], ImageVae]) -> None:
    vae = lively_vae(3)
    tables = gaussian_tables(np.geomspace(0.1, 200.0, 64), 3)
    freeze(vae, tables)
    with torch.no_grad():
        vae.prior.get_parameter("up32.weight")[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"."):
        freeze(vae, tables)


@pytest.mark.parametrize("share", [0.0, 1e-6, 2e-5, 0.01, 0.5, 0.999999])
def test_a_truncated_file_is_refused(share: float, tiny_path: Path, tmp_path: Path) -> None:
    data = tiny_path.read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(data[: int(len(data) * share)])
    one_line_error(path, "not readable as weights")


@pytest.mark.parametrize(
    "data",
    [
        b"this is a text file,\nand no weights\n" * 50,
        b"\x89PNG\r\n\x1a\n" + bytes(200),
        b"\xff" * 64,
        b"\x02" + bytes(7) + b"{}",
        b"\x80\x02}q\x00.",  # a pickle: must not be unpickled
    ],
)
def test_other_files_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(data)
    one_line_error(path, "not")


def test_trailing_bytes_are_refused(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "longer.safetensors"
    path.write_bytes(tiny_path.read_bytes() + b"x")
    one_line_error(path, "not readable as weights")


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no such weights file"):
        load_weights(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="is a folder"):
        load_weights(tmp_path)


def test_what_is_loaded_is_no_part_of_the_file(tiny_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(tiny_path.read_bytes())
    loaded = load_weights(path)
    with open(path, "r+b") as file:
        file.write(bytes(path.stat().st_size))
    untouched = load_weights(tiny_path).vae.state_dict()
    for name, value in loaded.vae.state_dict().items():
        assert torch.equal(value, untouched[name]), name


def test_a_file_that_may_not_be_read_is_not_said_to_be_missing(
    tiny_path: Path, tmp_path: Path
) -> None:
    path = tmp_path / "kept.safetensors"
    path.write_bytes(tiny_path.read_bytes())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("nothing is kept from this user")
    one_line_error(path, "kept.safetensors: Permission denied")


def test_an_interruption_while_tensors_are_read_stays_one(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(save({"a": torch.ones(2), "b": torch.ones(3)}, metadata={"format": FORMAT}))
    calls = 0
    last = None

    def interrupt(frame: Any, event: str, value: object) -> None:
        # Wherever Python begins a function, which is where it looks for signals.
        nonlocal calls
        calls += event == "call"
        if calls == last:
            raise KeyboardInterrupt

    def read() -> None:
        sys.setprofile(interrupt)
        try:
            read_tensors(path, FORMAT)
        finally:
            sys.setprofile(None)

    read()
    for last in range(2, calls):  # noqa: B007 - read by `interrupt`
        calls = 0
        with pytest.raises(KeyboardInterrupt):
            read()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn])
def test_types_that_numpy_lacks_are_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(save({"a": torch.ones(2).to(dtype)}, metadata={"format": FORMAT}))
    one_line_error(path, "not readable as weights")


def one_line_error(path: Path, words: str) -> None:
    """Loading fails with a WeightsError of one line that names the file and holds the words."""
    with pytest.raises(WeightsError) as caught:
        load_weights(path)
    text = str(caught.value)
    assert "\n" not in text and len(text) < 300
    assert path.name in text
    assert words == "." or words in text, text
