"""Another g_a for weights there are: the same digest, the same decoder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from gencodec.errors import WeightsError
from gencodec.model.encoders import FORMAT, pack_encoder, weights_of_encoder, with_encoder
from gencodec.model.transforms import Analysis
from gencodec.model.weights import Weights


@pytest.fixture
def g_a(tiny_weights: Weights) -> Analysis:
    torch.manual_seed(1)
    return Analysis(tiny_weights.vae.config)


@pytest.fixture
def path(g_a: Analysis, tiny_weights: Weights, tmp_path: Path) -> Path:
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(pack_encoder(g_a, tiny_weights))
    return path


def test_only_g_a_is_another(tiny_weights: Weights, g_a: Analysis, path: Path) -> None:
    before = {name: value.clone() for name, value in tiny_weights.vae.state_dict().items()}
    tuned = with_encoder(tiny_weights, path)
    assert tuned.digest == tiny_weights.digest and tuned.tables is tiny_weights.tables
    x, step = torch.rand(1, 3, 64, 64), torch.tensor([100])
    with torch.inference_mode():
        expected = g_a(x, step)
        assert float((tuned.vae.g_a(x, step) - expected).abs().max()) < 0.02 * expected.abs().max()
        assert not torch.equal(tuned.vae.g_a(x, step), tiny_weights.vae.g_a(x, step))
    for name, value in tuned.vae.state_dict().items():
        if not name.startswith("g_a."):
            assert value.data_ptr() == tiny_weights.vae.state_dict()[name].data_ptr(), name
    for name, value in tiny_weights.vae.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(parameter.requires_grad for parameter in tuned.vae.parameters())


def test_a_file_names_the_weights_that_it_is_for(
    tiny_weights: Weights, path: Path, tmp_path: Path
) -> None:
    assert weights_of_encoder(path) == tiny_weights.digest
    other = tmp_path / "other.safetensors"
    other.write_bytes(save({"a": torch.zeros(1)}, metadata={"format": "gencodec-weights-1"}))
    assert weights_of_encoder(other) is None
    assert weights_of_encoder(tmp_path / "missing.safetensors") is None
    other.write_bytes(b"no tensors at all")
    assert weights_of_encoder(other) is None


Change = Callable[[dict[str, Tensor], dict[str, str]], object]
BIAS, GAIN = "g_a.enter.bias", "g_a.gain.log_gain"

WRONG: dict[str, tuple[Change, str]] = {
    "weights": (lambda _, m: m.update(format="gencodec-weights-1"), "not a gencodec encoder file"),
    "other weights": (lambda _, m: m.update(weights="00" * 32), "an encoder for other weights"),
    "no weights named": (lambda _, m: m.pop("weights"), "an encoder for other weights"),
    "tensor missing": (lambda t, _: t.pop(BIAS), "missing or unknown"),
    "another part": (lambda t, _: t.update({"g_s.enter.bias": t.pop(BIAS)}), "missing or unknown"),
    "no number": (lambda t, _: t[GAIN].fill_(torch.nan), f"{GAIN} has values that are no finite"),
    "wrong type": (lambda t, _: t.update({BIAS: t[BIAS].int()}), f"{BIAS} has type"),
    "wrong shape": (lambda t, _: t.update({BIAS: t[BIAS][1:]}), f"{BIAS} has shape"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(tiny_weights: Weights, path: Path, name: str) -> None:
    change, message = WRONG[name]
    tensors = load(path.read_bytes())
    metadata = {"format": FORMAT, "weights": tiny_weights.digest.hex()}
    change(tensors, metadata)
    path.write_bytes(save(tensors, metadata=metadata))
    with pytest.raises(WeightsError, match=message) as caught:
        with_encoder(tiny_weights, path)
    assert "\n" not in str(caught.value)
