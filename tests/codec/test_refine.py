"""Effort: the same format and the same decoder, fewer bits for the same picture."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

import gencodec
from gencodec.codec import EFFORT_MAX, Codec, encoder, refine, search, tiles
from gencodec.codec.kept import kept_codec
from gencodec.codec.latents import hyper_latents
from gencodec.codec.recording import RecordingDecoder
from gencodec.entropy import ScaleTables
from gencodec.image import PictureRows, picture_from_array
from gencodec.model.distortion import DISTORTIONS
from gencodec.model.exact import ExactConv, exact_arithmetic
from gencodec.model.hyperprior import Gaussians
from gencodec.model.quality import step_of
from gencodec.model.vae import quantise_symbols, table_rows
from gencodec.model.weights import Weights
from tests.codec.costs import cost

Photo = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def codec() -> Codec:
    """Weights that stay: how much a search gains on a drawn picture is a matter of the weights."""
    return Codec.load("base-5", device="cpu")


@pytest.mark.parametrize("quality", [10.0, 50.0, 90.0])
@pytest.mark.parametrize("tune", DISTORTIONS)
def test_effort_pays(codec: Codec, photo: Photo, quality: float, tune: str) -> None:
    pixels = photo(136, 200, 5)
    costs = [cost(codec, pixels, codec.compress(pixels, quality=quality), quality, tune)]
    for effort in (1, 4):
        stream = codec.compress(pixels, quality=quality, effort=effort, tune=tune)
        codec.verify(stream)
        costs.append(cost(codec, pixels, stream, quality, tune))
    assert costs[1] <= costs[0] and costs[2] < 0.997 * costs[0]


@pytest.mark.parametrize("model", [None, "base-5"])
@pytest.mark.parametrize("effort", [0, 4])
def test_each_tune_is_best_at_its_own(photo: Photo, effort: int, model: str | None) -> None:
    """By weights or encoders for it alone as well as with a search after them."""
    codec, pixels = kept_codec(model, "cpu"), photo(200, 264, 3)
    streams = {
        tune: codec.compress(pixels, quality=30, effort=effort, tune=tune) for tune in DISTORTIONS
    }
    for tune in DISTORTIONS:
        costs = {other: cost(codec, pixels, s, 30, tune) for other, s in streams.items()}
        assert min(costs, key=costs.__getitem__) == tune


@pytest.mark.parametrize("tune", DISTORTIONS)
def test_more_rounds_find_more(codec: Codec, photo: Photo, tune: str) -> None:
    """Descent something, and annealing no less, within what chance does to drawn pictures."""
    efforts = (0, 4, search.ANNEAL_FROM)
    totals = dict.fromkeys(efforts, 0.0)
    for pixels in (photo(96, 96, 5), photo(96, 96, 2)):
        for effort in efforts:
            stream = codec.compress(pixels, quality=70, effort=effort, tune=tune)
            codec.verify(stream)
            totals[effort] += cost(codec, pixels, stream, 70, tune)
    none, few, many = totals.values()
    assert many < 1.01 * few and max(few, many) < none


@pytest.mark.parametrize("effort", [1, search.ANNEAL_FROM])
def test_the_same_is_found_again(tiny: Codec, photo: Photo, effort: int) -> None:
    first, second = (tiny.compress(photo(64, 80), quality=70, effort=effort) for _ in range(2))
    assert first == second


def test_no_compiler_is_loaded_for_a_search(tmp_path: Path) -> None:
    """Torch's own optimisers load one, which takes as long as a search of a small picture."""
    Image.new("RGB", (20, 20), "teal").save(tmp_path / "a.png")
    effort = search.ANNEAL_FROM
    script = f"""
import sys, gencodec
gencodec.compress({str(tmp_path / "a.png")!r}, effort={effort}, device="cpu")
assert "torch" in sys.modules and "torch._dynamo" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=120)


@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    seed=st.integers(0, 9),
    grey=st.booleans(),
    effort=st.sampled_from((2, 4)),
    tune=st.sampled_from(sorted(DISTORTIONS)),
)
@settings(max_examples=6)
def test_any_size_and_content(
    tiny: Codec, height: int, width: int, seed: int, grey: bool, effort: int, tune: str
) -> None:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width) if grey else (height, width, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refine, "ANNEAL_FROM", 4)
        stream = tiny.compress(pixels, quality=60, effort=effort, tune=tune)
    assert tiny.decompress(stream).shape == pixels.shape


def test_what_would_cost_more_is_not_done(
    codec: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = photo(136, 200)
    plain = codec.compress(pixels)
    assert codec.compress(pixels, effort=1) != plain
    monkeypatch.setattr(search, "STEP_SIZE", -8.0 * search.STEP_SIZE)  # uphill, beyond luck
    assert codec.compress(pixels, effort=1) == plain


@pytest.mark.parametrize(("tile", "tune"), [(None, "mse"), (128, "mse"), (None, "ssim")])
def test_windows_and_tiles(
    codec: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch, tile: int | None, tune: str
) -> None:
    pixels = photo(176, 240, 5)

    def cost_with(effort: int) -> float:
        how = tune if effort else "mse"
        stream = codec.compress(pixels, quality=40, tile=tile, effort=effort, tune=how)
        return cost(codec, pixels, stream, 40, tune)

    plain, whole = cost_with(0), cost_with(4)
    monkeypatch.setattr(refine, "WINDOW_SIDE", 8)
    parts = cost_with(4)
    assert whole < 0.998 * plain
    assert parts < 0.998 * plain


def test_the_z_of_the_search_is_the_one_in_the_file(
    codec: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """y was chosen beside it; h_a would make another of the new y."""
    rows: list[tuple[Tensor, Tensor]] = []
    decoders: list[RecordingDecoder] = []
    quantise_tiles = tiles.quantise_tiles

    def watched(weights: Weights, of_rows: Any, grid: Any, step: Tensor) -> Any:
        rows.extend(of_rows)
        return quantise_tiles(weights, rows, grid, step)

    def recording(payload: bytes, tables: ScaleTables, *, complete: bool) -> RecordingDecoder:
        decoders.append(RecordingDecoder(payload, tables, complete=complete))
        return decoders[-1]

    monkeypatch.setattr(encoder, "quantise_tiles", watched)
    monkeypatch.setattr(tiles, "PassDecoder", recording)
    monkeypatch.setattr(refine, "ANNEAL_FROM", 8)
    stream = codec.compress(photo(128, 128, 5), quality=40, effort=8, tile=64)
    codec.verify(stream)

    vae, step = codec.weights.vae, torch.tensor([step_of(40)])

    def symbols(z: Tensor) -> list[int]:
        (said,) = vae.prior.z_passes(table_rows(step)).say(0, torch.zeros_like(z))
        return quantise_symbols(z, said).flatten().int().tolist()

    in_file = [decoder.passes[0][0].tolist() for decoder in decoders]
    found = [symbols(part) for _, z in rows for part in z.split(1, 3)]
    of_h_a = [symbols(hyper_latents(vae, part)) for y, _ in rows for part in y.split(4, 3)]
    assert len(in_file) == 4 and in_file == found
    assert in_file != of_h_a


def test_a_batch_has_what_single_pictures_have(codec: Codec, photo: Photo) -> None:
    pictures = [photo(96, 80, seed) for seed in range(3)]
    for pixels, stream in zip(pictures, codec.compress_batch(pictures, effort=1), strict=True):
        single = cost(codec, pixels, codec.compress(pixels, effort=1), 60)
        assert cost(codec, pixels, stream, 60) == pytest.approx(single, rel=0.003)


def test_a_size_is_met_with_effort(photo: Photo) -> None:
    pixels = photo(128, 160)
    plain = gencodec.compress(pixels, target_bytes=2500, model="base-5", device="cpu")
    stream = gencodec.compress(pixels, target_bytes=2500, effort=4, model="base-5", device="cpu")
    assert len(stream) <= 2500 and stream != plain
    rows = PictureRows(picture_from_array(pixels))
    decoded = [gencodec.decompress(s, device="cpu").astype(float) for s in (plain, stream)]
    before, after = (float(np.mean((d - rows.rows(0, 128)) ** 2)) for d in decoded)
    assert after < before


@pytest.mark.parametrize("effort", [-1, EFFORT_MAX + 1])
def test_the_range_of_effort(tiny: Codec, photo: Photo, effort: int) -> None:
    with pytest.raises(ValueError, match="effort must be from 0 to 1000"):
        tiny.compress(photo(16, 16), effort=effort)
    with pytest.raises(ValueError, match="effort"):
        tiny.compress_batch([photo(16, 16)], effort=effort)


def test_what_there_is_to_tune_for(tiny: Codec, photo: Photo) -> None:
    with pytest.raises(ValueError, match="tune must be one of mse, ssim, not 'vmaf'"):
        tiny.compress(photo(16, 16), effort=1, tune="vmaf")


@pytest.mark.parametrize("sharpness", search.SHARPNESS.values())
def test_the_soft_curve_goes_through_the_symbols(sharpness: float) -> None:
    """At whole symbols and half way between them; rising; silent where nothing is coded."""
    values = torch.linspace(-3.0, 3.0, 601)
    mean16, coded = torch.full_like(values, 8.0), torch.full_like(values, 20.0)
    soft = search.soft_symbols(values + 0.5, Gaussians(mean16, coded), sharpness)
    assert bool((soft.diff() >= 0).all())
    torch.testing.assert_close(soft[::50], torch.arange(-3.0, 3.1, 0.5))
    hard = quantise_symbols(values + 0.5, Gaussians(mean16, coded))
    assert float((soft - hard).abs().max()) < 0.51
    assert not search.soft_symbols(values, Gaussians(mean16, 0.0 * coded), sharpness).any()


def test_lots_fall_to_the_symbols_on_either_side() -> None:
    """To the nearer one more often, to it alone when it is cold; never where nothing is coded."""
    values = torch.linspace(-3.0, 3.0, 61).repeat(500, 1)
    mean16, coded = torch.full_like(values, 8.0), torch.full_like(values, 20.0)
    gaussians = Gaussians(mean16, coded)

    def drawn(temperature: float) -> torch.Tensor:
        lots = torch.Generator().manual_seed(1)
        return search.drawn_symbols(values, gaussians, lots, temperature)

    below = torch.floor(values - 0.5)
    for temperature in (search.HOT, search.COLD):
        symbols = drawn(temperature)
        assert bool(((symbols >= below) & (symbols <= below + 1.0)).all())
        up = ((symbols - below) > 0.5).double().mean(0)
        part = (values - 0.5 - below)[0]
        assert bool((up[part > 0.55] > 0.5).all()) and bool((up[part < 0.45] < 0.5).all())
        assert bool((up[(part - 0.5).abs() < 0.05] - 0.5).abs().lt(0.15).all())
    sure = (values - 0.5 - below - 0.5).abs() > 0.05
    cold, hard = drawn(0.005), quantise_symbols(values, gaussians)
    torch.testing.assert_close(cold[sure], hard[sure], atol=0.01, rtol=0)
    lots = torch.Generator()
    assert not search.drawn_symbols(values, Gaussians(mean16, 0.0 * coded), lots, 0.3).any()


def test_an_exact_layer_has_a_gradient_when_asked_for(codec: Codec) -> None:
    """That of its sums; and the same integers with and without."""
    layer = next(m for m in codec.weights.vae.prior.modules() if isinstance(m, ExactConv))
    channels = layer.weight.shape[0 if layer.depthwise else 1]
    x = torch.randint(0, 9, (1, channels, 4, 4)).float().requires_grad_()
    y = layer(x)
    with exact_arithmetic(torch.device("cpu")):
        torch.testing.assert_close(layer(x.detach()), y.detach(), rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    expected = (layer.weight.float() / 2.0 ** layer.shift[:, None, None, None]).sum((0, 2, 3))
    torch.testing.assert_close(gradient[0, :, 1, 1], expected)
