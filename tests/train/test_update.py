"""One training step: what it computes with, and that it never waits for the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gencodec.model.config import CONFIGS
from gencodec.model.distortion import DISTORTIONS, Distortion
from gencodec.model.exact import _precision_settings
from gencodec.model.vae import Estimate, ImageVae, learned_vae
from gencodec.train.checkpoint import new_state
from gencodec.train.depthwise import (
    OwnGradientConv,
    OwnGradientExactConv,
    depthwise_layers,
    use_own_gradient,
    use_same_gradient,
)
from gencodec.train.loop import spread
from gencodec.train.store import PhotoStore, on_device
from gencodec.train.update import REPORT, Precision, Update, estimated, losses, precision_of
from tests.train.runs import CPU, Photo, batch, fresh, plan_of


@pytest.mark.parametrize("distortion", DISTORTIONS.values())
@pytest.mark.parametrize("exact", [False, True])
def test_nothing_in_a_step_waits_for_the_device(
    photo: Photo, exact: bool, distortion: Distortion
) -> None:
    """On tensors without data whatever needs a value on the host, or mixes devices, fails."""
    vae = learned_vae(CONFIGS["tiny"]).to("meta")
    store = PhotoStore([photo(128, 144)], torch.device("meta"))
    rng = np.random.default_rng(0)
    quality = on_device(spread(rng, 4), torch.device("meta"))
    precision = Precision(None, exact)
    x = store.crops(4, 64, rng)
    loss, *report = losses(estimated(vae, x, quality, precision), x, quality, distortion)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), 3.0)
    assert torch.stack((*report, norm)).shape == (len(REPORT),)


def test_narrow_transforms_on_a_gpu_alone() -> None:
    assert precision_of(torch.device("cuda")) == Precision(torch.float16, exact=False)
    assert precision_of(CPU) == Precision(None, exact=True)


def test_float16_takes_the_step_of_float32(photo: Photo) -> None:
    """The loss is scaled for the sake of small gradients; what is reported and learned is not."""
    x, quality = batch(photo), torch.tensor([60, 200])
    moved, reports = [], []
    for amp in (None, torch.float16):
        state = new_state(fresh(), plan_of(1))
        before = [p.detach().clone() for p in state.current]
        torch.manual_seed(1)
        reports.append(Update(state, Precision(amp, exact=False), 1e-3)(x, quality))
        moved.append([p.detach() - old for p, old in zip(state.current, before, strict=True)])
    torch.testing.assert_close(*reports, rtol=0.02, atol=0.0)
    assert float(reports[0][REPORT.index("norm")]) > 1e-3  # what is clipped, is clipped alike
    first, second = (torch.cat([p.flatten() for p in each]) for each in moved)
    assert float(torch.nn.functional.cosine_similarity(first, second, 0)) > 0.95


def test_a_step_whose_scaled_gradients_overflow_is_passed_over(photo: Photo) -> None:
    state = new_state(fresh(), plan_of(1))
    before = [p.detach().clone() for p in state.current]
    update = Update(state, Precision(torch.float16, exact=False), 3.0)
    # A distortion that a scale of 2^10 puts out of float16's range.
    update.distortion = lambda x_hat, x: 1e4 * (x_hat - x).square().sum((1, 2, 3))
    report = update(batch(photo), torch.tensor([60, 200]))
    assert not torch.isfinite(report[REPORT.index("norm")])
    assert all(torch.equal(p, old) for p, old in zip(state.current, before, strict=True))


def test_an_exact_step_forbids_reduced_products(photo: Photo) -> None:
    """Whatever the caller allows, during the step float32 is float32; then it is as before."""
    seen = []

    class Watched(Update):
        def __call__(self, x: Tensor, quality: Tensor) -> Tensor:
            self.estimated = watched
            return super().__call__(x, quality)

    def watched(vae: ImageVae, x: Tensor, quality: Tensor, precision: Precision) -> Estimate:
        seen.append(settings())
        return estimated(vae, x, quality, precision)

    def settings() -> list[object]:
        return [getattr(owner, name) for owner, name, _ in _precision_settings()]

    before = settings()
    state = new_state(fresh(), plan_of(1))
    for exact in (True, False):
        Watched(state, Precision(None, exact), 3.0)(batch(photo), torch.tensor([3, 200]))
    assert seen == [[strict for _, _, strict in _precision_settings()], before]
    assert settings() == before


@pytest.mark.parametrize("amp", [None, torch.float16, torch.bfloat16])
def test_the_other_gradient_of_depthwise_layers(photo: Photo, amp: torch.dtype | None) -> None:
    """Same parameters, same loss, same gradients, to the precision of the arithmetic."""
    gradients = []
    for own in (False, True):
        vae = fresh()
        with torch.no_grad():
            for name, parameter in vae.named_parameters():
                if name.endswith(("leave.weight", "mix.weight")):
                    parameter.normal_(0.0, 0.05, generator=torch.Generator().manual_seed(1))
        if own:
            use_own_gradient(vae)
            another = fresh()
            use_same_gradient(another, vae)
            own_kinds = (OwnGradientConv, OwnGradientExactConv)
            assert all(isinstance(layer, own_kinds) for layer in depthwise_layers(another))
        torch.manual_seed(0)
        x, quality = batch(photo), torch.tensor([60, 200])
        loss, *_ = losses(estimated(vae, x, quality, Precision(amp, exact=False)), x, quality)
        loss.backward()
        gradients.append([p.grad for layer in depthwise_layers(vae) for p in layer.parameters()])
    assert len(gradients[0]) >= 20
    for first, second in zip(*gradients, strict=True):
        assert first is not None and second is not None
        limit = 1e-3 if amp is None else 0.05
        assert float((first - second).norm()) <= limit * float(first.norm())


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own
def test_what_a_compiler_is_given_is_the_same_layer() -> None:
    """Products of moved pictures, in place of the library's layer: forward and backward."""
    torch.manual_seed(0)
    layer = OwnGradientConv(6, 6, 3, padding=1, groups=6)
    x = torch.randn(2, 6, 7, 9)
    results = []
    for forward in (layer, torch.compile(layer, backend="eager")):
        layer.zero_grad()
        inputs = x.clone().requires_grad_()
        y = forward(inputs)
        y.square().sum().backward()
        assert inputs.grad is not None and layer.weight.grad is not None
        results.append((y.detach(), inputs.grad, layer.weight.grad.clone()))
    for plain, compiled in zip(*results, strict=True):
        torch.testing.assert_close(plain, compiled, rtol=1e-5, atol=1e-5)
