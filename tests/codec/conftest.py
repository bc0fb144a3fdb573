"""The shipped codec, a small random one, and pictures that look like photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gencodec.codec import Codec
from gencodec.entropy import gaussian_tables
from gencodec.model.config import CONFIGS
from gencodec.model.hyperprior import LearnedStepTable
from gencodec.model.scales import SCALE_LEVELS, SKIP_BELOW, scale_of
from gencodec.model.vae import learned_vae
from gencodec.model.weights import freeze, pack_weights


@pytest.fixture(scope="session")
def codec() -> Codec:
    """The default shipped weights on the CPU."""
    return Codec.load(device="cpu")


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small weights file, random but for gains that make symbols of every size."""
    torch.manual_seed(7)
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
    tables = gaussian_tables([scale_of(i) for i in range(SCALE_LEVELS)], SKIP_BELOW)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    path.write_bytes(pack_weights(vae.config, freeze(vae, tables)))
    return path


@pytest.fixture(scope="session")
def tiny(tiny_path: Path) -> Codec:
    """A codec whose every step is fast and whose pictures are of no use."""
    return Codec.load(tiny_path, device="cpu")


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A picture with the spectrum of a photo and some grain: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128.0)
    for level in range(1, 8):
        for colours in (np.ones(3), rng.uniform(-0.4, 0.4, 3)):
            noise = rng.standard_normal((2**level + 1, 2**level + 1)).astype(np.float32)
            layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            total += np.asarray(layer)[:, :, None] * colours * (60.0 / 1.9**level)
    total += rng.normal(0.0, 3.0, (height, width, 1))
    return np.clip(total, 0, 255).astype(np.uint8)


@pytest.fixture(name="photo", scope="session")
def _photo() -> Callable[..., np.ndarray]:
    return photo


@pytest.fixture(name="psnr", scope="session")
def _psnr() -> Callable[[np.ndarray, np.ndarray], float]:
    def psnr(first: np.ndarray, second: np.ndarray) -> float:
        error = np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2)
        return float(10.0 * np.log10(255.0**2 / max(float(error), 1e-9)))

    return psnr


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of CPU threads for the length of a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def medium_precision() -> Iterator[None]:
    """For the length of a test, torch may round float32 products as it likes."""
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision("highest")
    backends: Any = torch.backends
    if hasattr(backends, "fp32_precision"):
        backends.mkldnn.matmul.fp32_precision = "none"


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """These pictures are too small for two, and threads that wait for each other burn a busy CPU.

    Tests of thread counts set their own.
    """
    torch.set_num_threads(1)
