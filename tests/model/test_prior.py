"""The exact prior gives the same integers however it is computed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from gencodec.model.config import GROUPS, HYPER_STRIDE, STEPS
from gencodec.model.exact import ExactConv, exact_arithmetic
from gencodec.model.hyperprior import MEAN_UNITS, LearnedPrior, Passes, Prior
from gencodec.model.registry import find_weights
from gencodec.model.selftest import prior_digest
from gencodec.model.step_tables import LearnedStepTable, StepTable
from gencodec.model.vae import ImageVae
from gencodec.model.weights import Weights, load_weights, prepare, thaw

Run = Callable[[Prior, Tensor, Tensor, Tensor], list[np.ndarray]]
ROWS = (0, 17, 63)
HEIGHT, WIDTH = 19, 26


def run_prior(prior: Prior, z: Tensor, y: Tensor, row: Tensor) -> list[np.ndarray]:
    """Means and scale indices of z and of every pass of y, int64, for given symbols."""
    outputs: list[Tensor] = []
    with exact_arithmetic(z.device):
        z_hat16 = run_passes(prior.z_passes(row), z, outputs)
        features = prior.features(z_hat16, row, *y.shape[2:])
        run_passes(prior.y_passes(features, row), y, outputs)
    assert all(torch.equal(part, part.floor()) for part in outputs)
    return [part.to(torch.int64).cpu().numpy() for part in outputs]


def run_passes(passes: Passes, symbols: Tensor, outputs: list[Tensor]) -> Tensor:
    """All that is said of these symbols goes to `outputs`; them, in sixteenths."""
    known16 = torch.zeros_like(symbols)
    for index, places in enumerate(passes.places):
        said = passes.say(index, known16)
        for place, gaussians in zip(places, said, strict=True):
            known16[place] = symbols[place] * MEAN_UNITS + gaussians.mean16
            outputs += gaussians
    return known16


def symbols(prior: Prior, *, largest: int = 40, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """z, y (mostly small, some as large as `largest`) and the table rows of a batch of three."""
    rng = np.random.default_rng(seed)
    config = prior.config

    def draw(*shape: int) -> Tensor:
        values = rng.laplace(0.0, 1.5, shape)
        far = rng.random(shape) < 0.02
        values[far] = rng.uniform(-largest, largest, int(far.sum()))
        return torch.from_numpy(np.rint(values).astype(np.float32))

    z = draw(len(ROWS), config.hyper, -(-HEIGHT // HYPER_STRIDE), -(-WIDTH // HYPER_STRIDE))
    return z, draw(len(ROWS), config.latent, HEIGHT, WIDTH), torch.tensor(ROWS)


def equal(first: list[np.ndarray], second: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module", params=["random", "shipped"])
def prior(request: pytest.FixtureRequest) -> Prior:
    """Layers at random and layers as trained."""
    if request.param == "random":
        weights: Weights = request.getfixturevalue("tiny_weights")
    else:
        weights = load_weights(find_weights().path)
    return weights.vae.prior


@pytest.fixture(scope="module")
def expected(prior: Prior) -> list[np.ndarray]:
    """One run, to which all others must be equal; it must not be a trivial one."""
    outputs = run_prior(prior, *symbols(prior))
    means = np.concatenate([part.ravel() for part in outputs[0::2]])
    scale_indices = np.concatenate([part.ravel() for part in outputs[1::2]])
    assert len(np.unique(means)) > 50 and len(np.unique(scale_indices)) > 15
    assert scale_indices.min() >= 0 and scale_indices.max() <= 63
    return outputs


def test_threads(prior: Prior, expected: list[np.ndarray], threads: Callable[[int], None]) -> None:
    for count in (1, 2, 3):
        threads(count)
        assert equal(run_prior(prior, *symbols(prior)), expected)


def test_batched_and_single(prior: Prior, expected: list[np.ndarray]) -> None:
    z, y, row = symbols(prior)
    for index in range(len(ROWS)):
        one = slice(index, index + 1)
        single = run_prior(prior, z[one], y[one], row[one])
        assert equal(single, [part[one] for part in expected])


def test_float64(prior: Prior, expected: list[np.ndarray]) -> None:
    """In float64 there is room to spare: were float32 to round anywhere, this would differ."""
    z, y, row = symbols(prior)
    assert equal(run_prior(in_float64(prior), z.double(), y.double(), row), expected)


def test_the_largest_symbols(prior: Prior) -> None:
    z, y, row = symbols(prior, largest=65535)
    assert float(y.abs().max()) > 60000
    outputs = run_prior(prior, z, y, row)
    assert equal(outputs, run_prior(in_float64(prior), z.double(), y.double(), row))


@pytest.mark.filterwarnings("ignore::UserWarning")  # on the names of its settings, torch's affair
def test_without_onednn(prior: Prior, expected: list[np.ndarray]) -> None:
    with torch.backends.mkldnn.flags(enabled=False):
        assert equal(run_prior(prior, *symbols(prior)), expected)


def test_memory_layout(prior: Prior, expected: list[np.ndarray]) -> None:
    z, y, row = symbols(prior)
    z, y = (t.contiguous(memory_format=torch.channels_last) for t in (z, y))
    assert equal(run_prior(prior, z, y, row), expected)


@pytest.mark.usefixtures("medium_precision")
def test_callers_precision_and_autocast(prior: Prior, expected: list[np.ndarray]) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert equal(run_prior(prior, *symbols(prior)), expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda(prior: Prior, expected: list[np.ndarray]) -> None:
    on_cuda = copy.deepcopy(prior).to("cuda")
    prepare(on_cuda)
    z, y, row = (t.cuda() for t in symbols(prior))
    assert equal(run_prior(on_cuda, z, y, row), expected)
    assert prior_digest(on_cuda) == prior_digest(prior)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (2, 1), (5, 1), (3, 2)])
def test_smallest_pictures(tiny_weights: Weights, height: int, width: int) -> None:
    """y may be one position high or wide: some phases then have no position at all."""
    prior = tiny_weights.vae.prior
    z, y, row = symbols(prior)
    z = z[:, :, : -(-height // HYPER_STRIDE), : -(-width // HYPER_STRIDE)]
    y = y[:, :, :height, :width]
    outputs = run_prior(prior, z, y, row)
    assert sum(part.size for part in outputs[::2]) == z.numel() + y.numel()
    assert equal(outputs, run_prior(in_float64(prior), z.double(), y.double(), row))


# The self-test ---------------------------------------------------------------------------------


def test_the_digest_repeats_and_sees_a_single_unit(tiny_weights: Weights) -> None:
    prior = tiny_weights.vae.prior
    digest = prior_digest(prior)
    assert len(digest) == 16 and prior_digest(prior) == digest
    layers = ("up32", "block32.pointwise", "contexts.2.enter", "means.15", "scales.0")
    for name in (*layers, "z_contexts.0.blocks.0.depthwise", "z_means.11", "z_scales.0"):
        changed = copy.deepcopy(prior)
        layer = changed.get_submodule(name)
        assert isinstance(layer, ExactConv)
        layer.bias += 2 ** layer.shift.to(torch.int32)  # one more at the output
        layer.prepare()
        assert prior_digest(changed) != digest, name


def test_the_digest_sees_sums_that_are_not_exact(tiny_weights: Weights) -> None:
    """A relative error of 2^-13 in the products, which float16 would leave, does not pass."""
    prior = copy.deepcopy(tiny_weights.vae.prior)
    for module in prior.modules():
        if isinstance(module, ExactConv):
            module.prepare()
            assert module._ready is not None
            weight, bias = module._ready
            module._ready = (weight * (1.0 + 2.0**-13), bias)
    assert prior_digest(prior) != prior_digest(tiny_weights.vae.prior)


# Learned and frozen ----------------------------------------------------------------------------


def test_a_thawed_prior_is_the_frozen_one(tiny_weights: Weights) -> None:
    frozen = tiny_weights.vae.prior
    z, y, row = symbols(frozen)
    with torch.no_grad():
        outputs = run_prior(thaw(tiny_weights).prior, z, y, row)
    assert equal(outputs, run_prior(frozen, z, y, row))


def test_a_learned_prior_is_the_one_that_freezes(tiny_vae: ImageVae, tiny_weights: Weights) -> None:
    frozen = tiny_weights.vae.prior
    outputs = run_prior(tiny_vae.prior, *symbols(frozen))
    assert equal(outputs, run_prior(frozen, *symbols(frozen)))


def test_a_pass_is_its_phases(tiny_vae: ImageVae, monkeypatch: pytest.MonkeyPatch) -> None:
    """Learned heads are computed together; each says what it would say alone."""
    prior = tiny_vae.prior
    z, y, row = symbols(prior)
    features = torch.randint(0, 256, (len(ROWS), prior.config.prior, HEIGHT, WIDTH)).float()
    together: list[Tensor] = []
    alone: list[Tensor] = []
    one_by_one = Prior._of_heads
    for outputs in (together, alone):
        run_passes(prior.z_passes(row), z, outputs)
        run_passes(prior.y_passes(features, row), y, outputs)
        monkeypatch.setattr(LearnedPrior, "_of_heads", one_by_one)
    assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_what_is_known_of_z_says_more(tiny_weights: Weights) -> None:
    """The first pass is told by tables alone; later ones by what is decoded around them."""
    prior = tiny_weights.vae.prior
    z, _, row = symbols(prior)
    passes = prior.z_passes(row)
    for index in range(GROUPS):
        said = passes.say(index, z * MEAN_UNITS)
        vary = [bool((part.mean16 != part.mean16[:, :, :1, :1]).any()) for part in said]
        assert any(vary) == (index > 0)


@pytest.mark.parametrize("knots", [2, 8, 64])
def test_step_tables(knots: int) -> None:
    torch.manual_seed(knots)
    learned = LearnedStepTable(24, knots=knots, gain=0.5)
    with torch.no_grad():
        learned.knots.normal_(0.0, 2.0)
    table = StepTable(24, knots=knots)
    table.load_state_dict(learned.frozen())
    row = torch.arange(STEPS)
    with torch.no_grad():
        assert torch.equal(learned(row), table(row))
    assert table(row).shape == (STEPS, 24, 1, 1)

    other = LearnedStepTable(24, knots=knots, gain=0.5)
    other.thaw(learned.frozen())
    assert torch.equal(other.frozen()["rows"], table.rows)


def test_rows_that_no_curve_rounds_to_are_come_close_to() -> None:
    torch.manual_seed(0)
    rows = torch.arange(STEPS)[:, None] + torch.randint(-1, 2, (STEPS, 24))
    learned = LearnedStepTable(24, knots=8)
    learned.thaw({"rows": rows})
    once = learned.frozen()["rows"]
    assert not torch.equal(once, rows)
    assert int((once - rows).abs().max()) <= 2
    learned.thaw({"rows": once})
    assert torch.equal(learned.frozen()["rows"], once)


def in_float64(prior: Prior) -> Prior:
    """The same integers, in float64 tensors."""
    doubled = copy.deepcopy(prior)
    for module in doubled.modules():
        if isinstance(module, ExactConv):
            module.prepare()
            assert module._ready is not None
            weight, bias = module._ready
            module._ready = (weight.double(), bias.double())
    return doubled
