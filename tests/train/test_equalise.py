"""Channels of the prior that grow into their range."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gencodec.model.config import CONFIGS, ModelConfig
from gencodec.model.exact import LearnedExactConv
from gencodec.model.hyperprior import Gaussians, Prior
from gencodec.model.step_tables import LearnedStepTable
from gencodec.model.straight import round_through
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.model.weights import load_weights
from gencodec.train.__main__ import main
from gencodec.train.arithmetic import unrounded
from gencodec.train.equalise import all_channels, equalise, scale_channels, spare_range
from gencodec.train.export import plain_weights
from gencodec.train.start import start_from_block_transform
from tests.train.runs import Photo, batch

TINY = CONFIGS["tiny"]


def speaking(photo: Photo, config: ModelConfig = TINY) -> ImageVae:
    """A model whose heads make much of what they read, so that its rounding shows."""
    torch.manual_seed(3)
    vae = learned_vae(config)
    start_from_block_transform(vae, batch(photo, 6, 128))
    with torch.no_grad():
        for head in [*vae.prior.means, *vae.prior.scales]:
            head.weight.mul_(30.0)
        vae.prior.step_features.knots.normal_()  # type: ignore[operator, union-attr]
    return vae.requires_grad_(False).eval()


class WholeOutputs(LearnedExactConv):
    """A layer whose weights are not rounded, only what it makes of them."""

    def forward(self, x: Tensor) -> Tensor:
        return round_through(self.convolved(x, *self.real()))


def with_whole_outputs(vae: ImageVae) -> ImageVae:
    twin = ImageVae(vae.config, Prior(vae.config, WholeOutputs, LearnedStepTable))
    twin.load_state_dict(vae.state_dict())
    return twin.requires_grad_(False).eval()


def anything(vae: ImageVae) -> tuple[Tensor, Tensor]:
    """z and y, in sixteenths, that reach all of a prior."""
    rng = np.random.default_rng(1)
    sizes = ((vae.config.hyper, 2), (vae.config.latent, 8))
    z16, y16 = (rng.integers(-40, 41, (2, count, side, side)) for count, side in sizes)
    return torch.from_numpy(z16).float(), torch.from_numpy(y16).float()


def of_pictures(vae: ImageVae, photo: Photo) -> tuple[Tensor, Tensor]:
    """Those of two pictures."""
    y = vae.g_a(batch(photo, side=128), torch.tensor([40, 200]))
    return torch.zeros(2, vae.config.hyper, 2, 2), (16.0 * y).round()


def said(vae: ImageVae, z16: Tensor, y16: Tensor) -> list[Gaussians]:
    """What a prior says in every pass when it is told the same."""
    row = torch.tensor([10, 50])
    features = vae.prior.features(z16, row, 8, 8)
    of_z, of_y = vae.prior.z_passes(row), vae.prior.y_passes(features, row)
    return [
        gaussians
        for passes, told in ((of_z, z16), (of_y, y16))
        for index in range(len(passes.places))
        for gaussians in passes.say(index, told)
    ]


def far(ours: list[Gaussians], theirs: list[Gaussians]) -> float:
    """The mean distance of means and scales."""
    pairs = [(a, b) for each in zip(ours, theirs, strict=True) for a, b in zip(*each, strict=True)]
    return sum(float((a - b).abs().mean()) for a, b in pairs)


@pytest.mark.parametrize("config", [TINY, replace(TINY, hyper_depth=0, prior_depth=2)])
def test_without_rounding_nothing_changes(photo: Photo, config: ModelConfig) -> None:
    """Every row that grows has all of its columns shrink, in every layer, by any factors."""
    vae = speaking(photo, config)
    told = anything(vae)
    before = said(unrounded(vae), *told)
    rng = np.random.default_rng(0)
    factors = [
        torch.from_numpy(2.0 ** rng.integers(-2, 1, channels.count)).float()
        for channels in all_channels(vae.prior)
    ]
    old = {id(p): p.clone() for p in vae.prior.parameters()}
    scale_channels(vae.prior, factors)
    assert far(said(unrounded(vae), *told), before) < 1e-3
    changed = {id(p) for p in vae.prior.parameters() if not torch.equal(p, old[id(p)])}
    layers = [m for m in vae.prior.modules() if isinstance(m, LearnedExactConv)]
    assert {id(layer.weight) for layer in layers} <= changed < old.keys()


def test_what_is_rounded_becomes_finer(photo: Photo) -> None:
    """By what layers make of exact weights: those of tiny layers are coarse either way."""
    vae = speaking(photo)
    told = of_pictures(vae, photo)
    exact = said(unrounded(vae), *told)
    before = far(said(with_whole_outputs(vae), *told), exact)
    equalise(vae, [photo(150, 200, seed) for seed in range(3)])
    assert far(said(with_whole_outputs(vae), *told), exact) < 0.75 * before
    plain_weights(vae)  # proven exact still


def test_only_room_is_taken(photo: Photo) -> None:
    """Factors are powers of two, and what has its range already stays."""
    vae = speaking(photo)
    pictures = [photo(150, 200, seed) for seed in range(3)]
    factors = spare_range(vae, pictures)
    assert {float(f) for each in factors for f in each} <= {1.0, 2.0, 4.0}
    assert any(bool((each > 1).any()) for each in factors)
    for _ in range(4):
        equalise(vae, pictures)
    assert all(bool((each <= 2).all()) for each in spare_range(vae, pictures))


def test_command(photo: Photo, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weights that begin a run, with another prior and all else as it was."""
    before, after = tmp_path / "before.safetensors", tmp_path / "after.safetensors"
    before.write_bytes(plain_weights(speaking(photo)))
    for seed in range(2):
        Image.fromarray(photo(80, 90, seed)).save(tmp_path / f"{seed}.png")
    command = ["equalise", str(before), str(tmp_path), "--every", "1", "-o", str(after)]
    assert main(command) == 0
    old, new = (load_weights(path).vae.state_dict() for path in (before, after))
    transforms = [name for name in old if not name.startswith("prior.")]
    assert all(torch.equal(old[name], new[name]) for name in transforms)
    shift = "prior.contexts.0.enter.shift"
    assert bool((old[shift] > new[shift]).any())
    assert main(command) == 1  # nothing is overwritten
    assert str(after) in capsys.readouterr().err


def test_small_pictures_say_nothing(
    photo: Photo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tmp_path / "before.safetensors"
    before.write_bytes(plain_weights(speaking(photo)))
    Image.fromarray(photo(60, 200)).save(tmp_path / "small.png")
    output = tmp_path / "after.safetensors"
    command = ["equalise", str(before), str(tmp_path), "--every", "1", "-o", str(output)]
    assert main(command) == 1
    assert "smaller than 64 pixels" in capsys.readouterr().err
    assert not output.exists()
