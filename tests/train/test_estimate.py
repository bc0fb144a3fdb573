"""The bits that training lowers are those that files will hold, and every part hears of them."""

from __future__ import annotations

import pytest
import torch

from gencodec.model.hyperprior import MEAN_UNITS, Gaussians
from gencodec.model.scales import SKIP_BELOW
from gencodec.model.vae import bits_of_each, trainable_bits
from tests.train.runs import Photo, batch, block_transform


def gradients(value: float, index: float, mean: float = 0.0) -> tuple[float, float, float]:
    """Of the bits of a value, by the value, its mean and its scale index."""
    of = [torch.full((1, 1, 1, 1), each) for each in (value, mean * MEAN_UNITS, index)]
    values, mean16, scale_index = (each.requires_grad_() for each in of)
    trainable_bits(values, Gaussians(mean16, scale_index)).sum().backward()
    assert values.grad is not None and mean16.grad is not None and scale_index.grad is not None
    return float(values.grad), float(mean16.grad), float(scale_index.grad)


def test_bits_are_those_of_the_symbols_whatever_the_seed(photo: Photo) -> None:
    vae, x, step = block_transform(photo), batch(photo, 3), torch.tensor([30, 130, 230])
    torch.manual_seed(1)
    once = vae(x, step)
    torch.manual_seed(2)
    again, coded = vae(x, step), vae.rounded(x, step)
    assert torch.equal(once.y_bits, again.y_bits) and torch.equal(once.z_bits, again.z_bits)
    # What is skipped costs a file nothing; here it pays where it should not have been.
    assert bool((once.y_bits >= coded.y_bits * 0.9999).all())
    assert once.y_bits.tolist() == pytest.approx(coded.y_bits.tolist(), rel=0.15)
    assert once.z_bits.tolist() == pytest.approx(coded.z_bits.tolist(), rel=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.2, -0.4])
def test_a_scale_narrows_where_every_symbol_is_zero(value: float) -> None:
    """Wherever in its step a value lies; noise alone widens narrow ones where it is off centre."""
    for index in (6.0, 10.0, 20.0):
        _, _, by_scale = gradients(value, index)
        assert by_scale > 0.0


def test_a_scale_that_skips_a_symbol_hears_of_it() -> None:
    _, _, by_scale = gradients(1.0, SKIP_BELOW - 1.0)
    assert by_scale < 0.0


@pytest.mark.parametrize("index", [8.0, 20.0, 35.0])
@pytest.mark.parametrize("value", [-2.4, -0.5, 0.0, 0.3, 1.7])
def test_values_learn_from_the_mean_of_all_noise(value: float, index: float) -> None:
    shape = (1, 1, 100, 101)
    values = torch.full(shape, value, requires_grad=True)
    noise = torch.linspace(-0.5, 0.5, values.numel()).view(shape)
    bits_of_each(
        values + noise, Gaussians(torch.zeros(shape), torch.full(shape, index))
    ).sum().backward()
    assert values.grad is not None
    by_value, by_mean, _ = gradients(value, index)
    assert by_value == pytest.approx(float(values.grad.mean()), rel=2e-3, abs=2e-3)
    assert by_mean == pytest.approx(-by_value / MEAN_UNITS)


def test_values_and_means_are_drawn_together() -> None:
    for index in (8.0, 20.0, 30.0):
        by_value, by_mean, _ = gradients(1.3, index, mean=0.25)
        assert by_value > 0.0 > by_mean
        by_value, by_mean, _ = gradients(-1.3, index, mean=0.25)
        assert by_value < 0.0 < by_mean
