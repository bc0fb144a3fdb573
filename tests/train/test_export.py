"""From a trained model to weights that are shipped, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from gencodec.codec import Codec
from gencodec.errors import WeightsError
from gencodec.model.registry import MANIFEST
from gencodec.model.weights import load_weights, thaw
from gencodec.train import export
from gencodec.train.card import Candidate, TrainingRecord
from gencodec.train.export import fit_weights, loaded, measured
from gencodec.train.heldout import measure_held_out
from gencodec.train.plan import TrainingPlan

from .runs import block_transform

Photo = Callable[..., np.ndarray]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def held_out(photo: Photo) -> list[np.ndarray]:
    return [photo(64, 80, 90), photo(64, 80, 91)]


@pytest.fixture(scope="module")
def samples(photo: Photo) -> list[np.ndarray]:
    return [photo(96, 96, seed) for seed in range(7)]


@pytest.fixture(scope="module")
def candidate(photo: Photo, samples: list[np.ndarray], held_out: list[np.ndarray]) -> Candidate:
    return measured(fit_weights(block_transform(photo).eval(), samples), held_out)


def worse(candidate: Candidate) -> Candidate:
    """The same weights with scores that cost a tenth more bytes."""
    return at_other_rates(candidate, [1.1 * rate for rate in candidate.scores.bpp])


def better(candidate: Candidate) -> Candidate:
    return at_other_rates(candidate, [0.9 * rate for rate in candidate.scores.bpp])


def at_other_rates(candidate: Candidate, bpp: Sequence[float]) -> Candidate:
    return replace(candidate, scores=replace(candidate.scores, bpp=tuple(bpp)))


def test_a_candidate_is_a_codec(candidate: Candidate, held_out: list[np.ndarray]) -> None:
    weights = loaded(candidate.data)
    assert weights.digest.hex() == candidate.content_sha256
    codec = Codec(weights, CPU)
    for pixels in held_out:
        stream = codec.compress(pixels, quality=100)
        decoded = codec.decompress(stream)
        assert decoded.shape == pixels.shape
        error = np.mean((decoded.astype(float) - pixels) ** 2)
        assert 10 * np.log10(255**2 / error) > 25
    scores = measure_held_out(codec, held_out)
    assert scores == candidate.scores
    for column in (scores.bpp, scores.psnr, scores.ms_ssim):
        assert list(column) == sorted(column)
    assert 0.5 < scores.ms_ssim[0] < scores.ms_ssim[-1] < 1.0


def test_fitted_tables_cost_less(candidate: Candidate, samples: list[np.ndarray]) -> None:
    """The tables in the file are bent to the symbols counted; on those they must gain."""
    from gencodec.codec.latents import quantise
    from gencodec.codec.transform import analyze
    from gencodec.entropy import gaussian_tables
    from gencodec.model.scales import SCALE_LEVELS, SKIP_BELOW, scale_of

    weights = loaded(candidate.data)
    plain = gaussian_tables([scale_of(i) for i in range(SCALE_LEVELS)], SKIP_BELOW)
    fitted_bits = plain_bits = 0.0
    for number, pixels in enumerate(samples):
        step = torch.tensor([export.TABLE_STEPS[number]])
        (latents,) = quantise(weights.vae, analyze(weights.vae, pixels[None], step), step)
        fitted_bits += latents.ideal_bits(weights.tables)
        plain_bits += latents.ideal_bits(plain)
    assert fitted_bits < plain_bits


def test_a_model_that_cannot_be_proven_is_not_exported(
    photo: Photo, samples: list[np.ndarray]
) -> None:
    vae = block_transform(photo).eval()
    with torch.no_grad():
        vae.prior.get_parameter("up32.bias")[0] = 1e9
    with pytest.raises(ValueError, match="exact"):
        fit_weights(vae, samples[:1])


def test_exported_weights_can_be_trained_further(candidate: Candidate) -> None:
    vae = thaw(loaded(candidate.data))
    x = torch.rand(2, 3, 64, 64)
    estimate = vae(x, torch.tensor([10, 200]))
    bits = estimate.y_bits.sum() + estimate.z_bits.sum()
    (bits + (estimate.x_hat - x).square().sum()).backward()
    for name, parameter in vae.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name


# Shipping --------------------------------------------------------------------------------------


Ship = Callable[[Candidate, str], "float | None"]


@pytest.fixture(name="ship")
def _ship(held_out: list[np.ndarray], tmp_path: Path) -> Ship:
    """`ship` into tmp_path, with what is the same every time."""
    record = TrainingRecord(4, 2, 0.1, 1.0, 60, TrainingPlan(1.0), "the start", "a test")

    def call(candidate: Candidate, name: str) -> float | None:
        return export.ship(
            candidate,
            tmp_path,
            name=name,
            released="2026-01-01",
            held_out=held_out,
            record=record,
            data="Synthetic pictures.",
        )

    return call


def test_the_first_weights_are_shipped(candidate: Candidate, ship: Ship, tmp_path: Path) -> None:
    gain = ship(candidate, "one")
    assert gain is None
    manifest = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    (row,) = manifest["weights"]
    assert manifest["default"] == row["name"] == "one"
    assert row["content_sha256"] == candidate.content_sha256
    assert row["bytes"] == len(candidate.data) == (tmp_path / row["file"]).stat().st_size
    assert load_weights(tmp_path / row["file"]).digest.hex() == row["content_sha256"]
    assert row["config"] == "tiny" and row["released"] == "2026-01-01"
    card = (tmp_path / "one.md").read_text(encoding="utf-8")
    assert candidate.content_sha256 in card and "Synthetic pictures." in card


def test_worse_or_equal_weights_are_refused(
    candidate: Candidate, ship: Ship, tmp_path: Path
) -> None:
    ship(candidate, "one")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for other in (worse(candidate), candidate):
        with pytest.raises(WeightsError, match="no better"):
            ship(other, "two")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_better_weights_become_the_default_and_older_ones_stay(
    candidate: Candidate, ship: Ship, tmp_path: Path
) -> None:
    ship(candidate, "one")
    gain = ship(better(candidate), "two")
    assert gain is not None and gain == pytest.approx(-10.0, abs=0.1)
    manifest = json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))
    assert manifest["default"] == "two"
    assert [row["name"] for row in manifest["weights"]] == ["one", "two"]
    assert all((tmp_path / row["file"]).exists() for row in manifest["weights"])
    card = (tmp_path / "two.md").read_text(encoding="utf-8")
    assert "bpp of one" in card and "MS-SSIM of one" in card
    assert "against one: -10.0 % at equal PSNR, -10.0 % at equal MS-SSIM" in card
    assert "bpp of" not in (tmp_path / "one.md").read_text(encoding="utf-8")


def test_a_name_is_given_once(candidate: Candidate, ship: Ship, tmp_path: Path) -> None:
    ship(candidate, "one")
    before = (tmp_path / MANIFEST).read_bytes()
    with pytest.raises(WeightsError, match="already released"):
        ship(better(candidate), "one")
    assert (tmp_path / MANIFEST).read_bytes() == before


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_curve_that_is_no_curve_is_refused(
    candidate: Candidate, ship: Ship, tmp_path: Path, value: float
) -> None:
    """NaN is neither better nor worse: a comparison alone would let it through."""
    ship(candidate, "one")
    broken = at_other_rates(candidate, [value, *candidate.scores.bpp[1:]])
    with pytest.raises((WeightsError, ValueError)):
        ship(broken, "two")
    assert json.loads((tmp_path / MANIFEST).read_text(encoding="utf-8"))["default"] == "one"
