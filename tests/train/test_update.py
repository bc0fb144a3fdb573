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
from gencodec.train import update
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
    precision = Precision(None, None, exact)
    x = store.crops(4, 64, rng)
    loss, *report = losses(estimated(vae, x, quality, precision), x, quality, distortion)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), 3.0)
    assert torch.stack((*report, norm)).shape == (len(REPORT),)


def test_a_gpu_is_exact_throughout() -> None:
    gpu = torch.device("cuda")
    assert precision_of(gpu, exact=True) == precision_of(gpu, exact=False)
    assert precision_of(gpu, exact=True) == Precision(None, None, False)
    assert precision_of(CPU, exact=True).prior_amp is None


@pytest.mark.parametrize("pays", [False, True])
def test_a_cpu_takes_bfloat16_where_it_pays(monkeypatch: pytest.MonkeyPatch, pays: bool) -> None:
    monkeypatch.setattr(update, "multiplies_bfloat16", lambda: pays)
    narrow = torch.bfloat16 if pays else None
    assert precision_of(CPU, exact=False) == Precision(narrow, narrow, False)
    assert precision_of(CPU, exact=True) == Precision(None, None, True)


def test_the_exact_phase_forbids_reduced_products(photo: Photo) -> None:
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
        Watched(state, precision_of(CPU, exact=exact), 3.0)(batch(photo), torch.tensor([3, 200]))
    assert seen == [[strict for _, _, strict in _precision_settings()], before]
    assert settings() == before


@pytest.mark.parametrize("amp", [None, torch.bfloat16])
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
        loss, *_ = losses(estimated(vae, x, quality, Precision(amp, None, False)), x, quality)
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
