"""The shipped codec, a small random one, and pictures that look like photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from gencodec.codec import Codec
from gencodec.model.config import CONFIGS
from gencodec.model.step_tables import LearnedStepTable
from gencodec.model.vae import learned_vae
from gencodec.train.export import plain_weights


@pytest.fixture(scope="session")
def codec() -> Codec:
    """The default shipped weights on the CPU."""
    return Codec.load(device="cpu")


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small weights file, random but for gains that make symbols of every size."""
    torch.manual_seed(3)
    vae = learned_vae(CONFIGS["tiny"])
    with torch.no_grad():
        vae.g_a.gain.log_gain.copy_(torch.linspace(0.0, 3.0, vae.config.knots)[:, None])
        vae.g_s.gain.log_gain.copy_(-vae.g_a.gain.log_gain)
        for module in vae.prior.modules():
            if isinstance(module, LearnedStepTable):
                module.knots.normal_(1.0, 0.5)
        for name, parameter in vae.named_parameters():
            if name.endswith(("leave.weight", "mix.weight")):
                parameter.normal_(0.0, 0.1)  # a new block is the identity: make them mix
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    path.write_bytes(plain_weights(vae))
    return path


@pytest.fixture(scope="session")
def tiny(tiny_path: Path) -> Codec:
    """A codec whose every step is fast and whose pictures are of no use."""
    return Codec.load(tiny_path, device="cpu")


@pytest.fixture(name="psnr", scope="session")
def _psnr() -> Callable[[np.ndarray, np.ndarray], float]:
    def psnr(first: np.ndarray, second: np.ndarray) -> float:
        error = np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2)
        return float(10.0 * np.log10(255.0**2 / max(float(error), 1e-9)))

    return psnr
