"""Weights made small: what that costs, and what the estimate of it is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gencodec.bench.curves import psnr
from gencodec.codec import Codec
from gencodec.model.compact import MAX_CODE
from gencodec.model.quality import lmbda_of
from gencodec.model.vae import ImageVae
from gencodec.model.weights import load_weights, pack_weights, read_weights
from gencodec.train.__main__ import main
from gencodec.train.compaction import compact_weights, fine_grids
from gencodec.train.export import plain_weights
from gencodec.train.sensitivity import LEAST_BITS, sensitivities
from gencodec.train.store import PhotoStore

from .runs import block_transform

Photo = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def pictures(photo: Photo) -> list[np.ndarray]:
    return [photo(80, 96, seed) for seed in range(4)]


@pytest.fixture(scope="module")
def plain(photo: Photo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "plain.safetensors"
    path.write_bytes(plain_weights(block_transform(photo)))
    return path


def test_the_more_bits_it_may_cost_the_smaller_it_is(
    plain: Path, pictures: list[np.ndarray], photo: Photo, tmp_path: Path
) -> None:
    picture = photo(128, 128, 40)
    sizes, losses = [], []

    def there_and_back(path: Path) -> tuple[int, float]:
        codec = Codec.load(path, device="cpu")
        stream = codec.compress(picture, quality=100)
        return len(stream), psnr(picture, codec.decompress(stream))

    size, quality = there_and_back(plain)
    for cost in (0.001, 0.1):
        path = tmp_path / f"{cost}.safetensors"
        path.write_bytes(compact_weights(plain, pictures, cost=cost))
        sizes.append(path.stat().st_size)
        now, lower = there_and_back(path)
        losses.append(quality - lower + 6.02 * np.log2(now / size))
    assert plain.stat().st_size > 2 * sizes[0] > 2.2 * sizes[1]
    assert abs(losses[0]) < 0.1 and losses[0] < losses[1], losses


def test_grids_cost_what_they_may() -> None:
    """By the estimate, between a quarter and all of it: exponents are whole."""
    rng = np.random.default_rng(0)
    values = {name: rng.normal(size=(12, 20)) for name in "ab"}
    needs = {"a": rng.uniform(0.5, 2.0, (12, 20)), "b": 1e-4 * np.ones((12, 20))}
    grids = fine_grids(values, needs, 0.01)
    cost = 0.0
    for name, on in grids.items():
        steps = np.ldexp(1.0, on.exponents)
        error = np.rint(values[name] / steps) * steps - values[name]
        cost += float((needs[name] * error**2).sum()) / 2.0
    assert 0.002 < cost < 0.013
    assert grids["b"].exponents.mean() > grids["a"].exponents.mean() + 3


def test_no_code_is_too_large() -> None:
    values = {"a": np.array([[1e4, 1.0], [1.0, 1.0]])}
    for needs in (np.full((2, 2), 1e12), np.zeros((2, 2)), np.array([[0.0, 1e9], [0.0, 0.0]])):
        (on,) = fine_grids(values, {"a": needs}, 1e-6).values()
        assert (np.abs(values["a"] / np.ldexp(1.0, on.exponents)) <= MAX_CODE + 0.5).all()


def test_every_number_has_a_sensitivity(photo: Photo, pictures: list[np.ndarray]) -> None:
    """Those of the last biases, of which all samples alike take their parts, are much the same."""
    store = PhotoStore(pictures, torch.device("cpu"))
    needs = sensitivities(block_transform(photo), store, 24, 1)
    for name, need in needs.items():
        assert bool((need >= 0.0).all()) and bool(torch.isfinite(need).all()), name
        assert name.startswith(("g_a.", "h_a.", "g_s."))
    last, weights = needs["g_s.leave.bias"], needs["g_s.leave.weight"]
    assert float(last.min()) > 0.0
    assert float(last.std()) < float(last.mean())
    assert float(weights.mean()) > 0.0


def test_sensitivities_foretell_what_errors_cost(photo: Photo, pictures: list[np.ndarray]) -> None:
    """Of g_s, whose errors change x_hat alone: squared error is measured, not estimated."""
    store = PhotoStore(pictures, torch.device("cpu"))
    vae = block_transform(photo)
    needs = sensitivities(vae, store, 24, 1)
    of = {name: p for name, p in vae.named_parameters() if name.startswith("g_s.")}
    torch.manual_seed(2)
    errors = {name: 1e-3 * torch.randn(p.shape) for name, p in of.items()}
    foretold = sum(
        float((needs[name] * error.square()).sum()) / 2.0 for name, error in errors.items()
    )

    def moved(by: float) -> float:
        with torch.no_grad():
            for name, p in of.items():
                p.add_(errors[name], alpha=by)
        return cost_of(vae, store)

    there, back = moved(1.0), moved(-2.0)
    measured = (there + back) / 2.0 - moved(1.0)  # what is first order in the error cancels out
    assert 0.7 < measured / foretold < 1.4


def cost_of(vae: ImageVae, store: PhotoStore) -> float:
    """Bits and what squared error is worth in bits, as shares of the bits: a mean over crops."""
    total, rng = 0.0, np.random.default_rng(7)
    steps = np.linspace(0, 255, 24).round().astype(int)
    for step in steps:
        x, quality = store.crops(1, 64, rng), torch.tensor([int(step)])
        estimate = vae.rounded(x, quality)
        bits = float(estimate.y_bits + estimate.z_bits)
        lost = float((estimate.x_hat - x).square().sum() / 3.0 * lmbda_of(quality)) * 255.0**2
        total += (bits + lost) / max(bits, LEAST_BITS) / len(steps)
    return total


def test_the_command(
    plain: Path,
    pictures: list[np.ndarray],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder, output = tmp_path / "pictures", tmp_path / "small.safetensors"
    folder.mkdir()
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"{number}.png")
    command = ["compact", str(plain), str(folder), "--every", "1", "-o", str(output)]
    assert main(command) == 0
    assert f"{output.stat().st_size} bytes" in capsys.readouterr().err
    weights = load_weights(output)
    assert weights.vae.config == load_weights(plain).vae.config
    data = output.read_bytes()
    assert main(command) == 1  # nothing is overwritten
    assert output.read_bytes() == data
    for name, words in (("no-such", "no shipped weights"), ("base-7", "a difference themselves")):
        assert main([*command[:-1], str(tmp_path / "x"), "--reference", name]) == 1
        error = capsys.readouterr().err
        assert words in error and name in error
    assert not (tmp_path / "x").exists()
    # A compact file is one like any other: it may be put on grids again.
    again = tmp_path / "again.safetensors"
    assert main(["compact", str(output), *command[2:-1], str(again)]) == 0
    assert pack_weights(weights.vae.config, read_weights(again)[1])
