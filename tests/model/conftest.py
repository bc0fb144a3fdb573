"""Small models for the tests of the model floor: random, but with every layer doing something."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gencodec.entropy import gaussian_tables
from gencodec.model.config import CONFIGS
from gencodec.model.scales import SCALE_LEVELS, SKIP_BELOW, scale_of
from gencodec.model.step_tables import LearnedStepTable
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.model.weights import Weights, freeze, load_weights, pack_weights

TABLES = gaussian_tables([scale_of(i) for i in range(SCALE_LEVELS)], SKIP_BELOW)


def lively_vae(seed: int = 0) -> ImageVae:
    """A learned `tiny` model whose prior's outputs vary from place to place and step to step."""
    torch.manual_seed(seed)
    vae = learned_vae(CONFIGS["tiny"])
    with torch.no_grad():
        for name, parameter in vae.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0.0, 0.3)
            elif name.startswith(("prior.means", "prior.scales")):
                parameter.mul_(5.0)
            elif name.endswith(("leave.weight", "mix.weight")):
                parameter.normal_(0.0, 0.05)
        for module in vae.prior.modules():
            if isinstance(module, LearnedStepTable):
                module.knots.normal_(0.5, 0.7)
        vae.g_a.gain.log_gain.copy_(torch.linspace(0.5, 4.0, vae.config.knots)[:, None])
        vae.g_s.gain.log_gain.copy_(-vae.g_a.gain.log_gain)
    return vae


@pytest.fixture(scope="session")
def tiny_vae() -> ImageVae:
    """A learned model; tests do not change it."""
    return lively_vae()


@pytest.fixture(scope="session")
def tiny_tensors(tiny_vae: ImageVae) -> dict[str, Tensor]:
    """What a weights file of `tiny_vae` holds."""
    return freeze(tiny_vae, TABLES)


@pytest.fixture(scope="session")
def tiny_path(
    tiny_vae: ImageVae, tiny_tensors: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A sound weights file."""
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    path.write_bytes(pack_weights(tiny_vae.config, tiny_tensors))
    return path


@pytest.fixture(scope="session")
def tiny_weights(tiny_path: Path) -> Weights:
    """The same, loaded; tests do not change it."""
    return load_weights(tiny_path)


@pytest.fixture(name="lively_vae")
def _lively_vae() -> Callable[[int], ImageVae]:
    return lively_vae
