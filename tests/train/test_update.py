"""One training step: what it computes with, and that it never waits for the device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gencodec.model.config import CONFIGS
from gencodec.model.distortion import DISTORTIONS, Distortion
from gencodec.model.exact import _precision_settings
from gencodec.model.vae import learned_vae
from gencodec.train import update
from gencodec.train.checkpoint import new_state
from gencodec.train.depthwise import (
    OwnGradientConv,
    depthwise_layers,
    use_own_gradient,
    use_same_gradient,
)
from gencodec.train.loop import spread
from gencodec.train.store import PhotoStore, on_device
from gencodec.train.update import REPORT, Precision, Update, losses, precision_of
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
    loss, *report = losses(vae, store.crops(4, 64, rng), quality, precision, distortion)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), 3.0)
    assert torch.stack((*report, norm)).shape == (len(REPORT),)


def test_on_a_gpu_the_exact_phase_is_float32() -> None:
    gpu = torch.device("cuda")
    assert precision_of(gpu, exact=True) == Precision(torch.bfloat16, None, True)
    assert precision_of(CPU, exact=True).prior_amp is None


@pytest.mark.parametrize("pays", [False, True])
def test_a_cpu_takes_bfloat16_where_it_pays(monkeypatch: pytest.MonkeyPatch, pays: bool) -> None:
    monkeypatch.setattr(update, "multiplies_bfloat16", lambda: pays)
    narrow = torch.bfloat16 if pays else None
    assert precision_of(CPU, exact=False) == Precision(narrow, narrow, False)
    assert precision_of(CPU, exact=True) == Precision(narrow, None, True)


def test_the_exact_phase_forbids_reduced_products(photo: Photo) -> None:
    """Whatever the caller allows, during the step float32 is float32; then it is as before."""
    seen = []

    class Watched(Update):
        def __call__(self, x: Tensor, quality: Tensor) -> Tensor:
            self.losses = watched
            return super().__call__(x, quality)

    def watched(*arguments: Any, **named: Any) -> tuple[Tensor, ...]:
        seen.append(settings())
        return losses(*arguments, **named)

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
            assert all(isinstance(layer, OwnGradientConv) for layer in depthwise_layers(another))
        torch.manual_seed(0)
        loss, *_ = losses(vae, batch(photo), torch.tensor([60, 200]), Precision(amp, None, False))
        loss.backward()
        gradients.append([p.grad for layer in depthwise_layers(vae) for p in layer.parameters()])
    assert len(gradients[0]) >= 12
    for first, second in zip(*gradients, strict=True):
        assert first is not None and second is not None
        limit = 1e-3 if amp is None else 0.05
        assert float((first - second).norm()) <= limit * float(first.norm())
