"""Integer arithmetic in float32: layers against 64-bit integers, the proof, and learning."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gencodec.model.exact import (
    EXACT_LIMIT,
    SHIFT_MAX,
    SHIFT_MIN,
    WEIGHT_MAX,
    ExactConv,
    LearnedExactConv,
    compand,
    exact_bound,
    quantise,
)


def reference(layer: ExactConv, x: Tensor) -> Tensor:
    """The layer by FORMAT.md, in 64-bit integers: floor((sum w x + b + 2^(s-1)) / 2^s)."""
    x = x.to(torch.int64)
    weight, bias, shift = (t.to(torch.int64) for t in (layer.weight, layer.bias, layer.shift))
    if layer.depthwise:
        height, width = x.shape[2:]
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1))
        total = torch.zeros_like(x)
        for row in range(3):
            for column in range(3):
                part = padded[:, :, row : row + height, column : column + width]
                total += part * weight[:, 0, row, column].view(-1, 1, 1)
    else:
        total = torch.einsum("oc,bchw->bohw", weight[:, :, 0, 0], x)
    total += (bias + 2 ** (shift - 1)).view(-1, 1, 1)
    return total >> shift.view(-1, 1, 1)  # arithmetic: rounds towards minus infinity


def layer_at_the_limit(c_in: int, c_out: int, kernel: int, seed: int) -> ExactConv:
    """Random weights as large as the proof admits; the bias takes what is left of the bound."""
    rng = torch.Generator().manual_seed(seed)
    layer = ExactConv(c_in, c_out, kernel=kernel)
    shape = layer.weight.shape
    weight = torch.randint(-WEIGHT_MAX, WEIGHT_MAX + 1, shape, generator=rng)
    sign = torch.randint(0, 2, shape, generator=rng) * 2 - 1
    weight[::2] = WEIGHT_MAX * sign[::2]  # every other channel at the extremes
    weight[0] = WEIGHT_MAX  # and one that can only add up
    shift = torch.randint(SHIFT_MIN, SHIFT_MAX + 1, (c_out,), generator=rng)
    room = EXACT_LIMIT - 1 - 2 ** (shift - 1)
    total = weight.abs().flatten(1).sum(1)
    share = (room / (255.0 * total)).clamp(max=1.0)
    weight = (weight * share.view(-1, 1, 1, 1)).trunc().to(torch.int8)
    layer.weight.copy_(weight)
    layer.shift.copy_(shift)
    left = room - 255 * weight.to(torch.int64).abs().flatten(1).sum(1)
    layer.bias.copy_(left * (torch.randint(0, 2, (c_out,), generator=rng) * 2 - 1))
    layer.bias[0] = left[0]
    return layer


@pytest.mark.parametrize(
    ("c_in", "kernel"),
    [(1, 1), (3, 1), (33, 1), (256, 1), (518, 1), (519, 1), (576, 1), (600, 1), (8, 3), (64, 3)],
)
def test_a_layer_computes_what_64_bit_integers_compute(c_in: int, kernel: int) -> None:
    c_out = c_in if kernel == 3 else 24
    layer = layer_at_the_limit(c_in, c_out, kernel, seed=c_in)
    layer.prove()
    bound = exact_bound(layer.weight, layer.bias, layer.shift, 255)
    assert bool((bound == EXACT_LIMIT - 1).all())  # as hard as it gets

    rng = torch.Generator().manual_seed(c_in)
    x = torch.randint(0, 256, (2, c_in, 9, 11), generator=rng).float()
    x[1] = torch.randint(0, 2, x[1].shape, generator=rng) * 255.0
    x[1, :, 4:7, 4:7] = 255.0  # here channel 0 reaches the bound itself
    expected = reference(layer, x)
    assert expected.unique().numel() > 50
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.equal(layer(x.contiguous(memory_format=layout)).to(torch.int64), expected)
    reached = int(expected[1, 0, 5, 5]) << int(layer.shift[0])
    assert reached > EXACT_LIMIT - 2 ** (int(layer.shift[0]) + 1)


def test_inputs_of_both_signs() -> None:
    layer = layer_at_the_limit(40, 16, 1, seed=1)
    x = torch.randint(-127, 128, (1, 40, 6, 7), generator=torch.Generator().manual_seed(2)).float()
    assert torch.equal(layer(x).to(torch.int64), reference(layer, x))


def test_a_layer_over_the_bound_is_really_inexact() -> None:
    """The bound is needed: without it float32 gives other integers than int64."""
    layer = ExactConv(600, 1)
    layer.weight.fill_(WEIGHT_MAX)
    layer.weight[0, 0] = 1
    layer.shift.fill_(SHIFT_MIN)
    layer.bias.fill_(2**26)
    x = torch.full((1, 600, 4, 4), 255.0)
    x[:, 0] = torch.arange(16.0).view(4, 4)
    with pytest.raises(ValueError, match="exact"):
        layer.prove()
    assert not torch.equal(layer(x).to(torch.int64), reference(layer, x))


# The proof -------------------------------------------------------------------------------------


def test_the_proof_accepts_up_to_the_limit_and_refuses_at_it() -> None:
    layer = ExactConv(518, 3)
    layer.weight.fill_(WEIGHT_MAX)
    layer.shift.fill_(4)
    layer.bias.fill_(EXACT_LIMIT - 1 - 8 - 518 * WEIGHT_MAX * 255)
    assert exact_bound(layer.weight, layer.bias, layer.shift, 255).tolist() == [2**24 - 1] * 3
    layer.prove()
    for sign in (1, -1):
        layer.bias[1] = sign * (int(layer.bias[0]) + 1)  # one channel of three, by one
        with pytest.raises(ValueError, match=str(2**24)):
            layer.prove()


def test_the_proof_counts_what_int8_and_int32_hold() -> None:
    """-128 and -2^31 have no positive twin: an abs() in their own type would miss them."""
    layer = ExactConv(520, 1)
    layer.weight.fill_(-128)
    layer.shift.fill_(1)
    with pytest.raises(ValueError, match=str(520 * 128 * 255 + 1)):
        layer.prove()
    layer.weight.fill_(0)
    layer.bias.fill_(-(2**31))
    with pytest.raises(ValueError, match=str(2**31 + 1)):
        layer.prove()


@pytest.mark.parametrize("shift", [-128, -1, 0, SHIFT_MAX + 1, 63, 127])
def test_the_proof_refuses_other_shifts(shift: int) -> None:
    layer = ExactConv(4, 2)
    layer.shift.fill_(SHIFT_MIN)
    layer.prove()
    layer.shift[1] = shift
    with pytest.raises(ValueError, match=r"."):
        layer.prove()


# Freezing --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-4, 0.01, 0.2, 3.0, 40.0])
@pytest.mark.parametrize(("c_in", "kernel"), [(1, 1), (600, 1), (32, 3)])
def test_quantise_takes_the_finest_shift_within_the_bound(
    scale: float, c_in: int, kernel: int
) -> None:
    rng = torch.Generator().manual_seed(c_in)
    shape = (32, 1 if kernel == 3 else c_in, kernel, kernel)
    weight = torch.randn(shape, generator=rng) * scale
    bias = torch.randn(32, generator=rng) * 300.0
    w, b, shift = quantise(weight, bias, 255)
    assert (w.dtype, b.dtype, shift.dtype) == (torch.int8, torch.int32, torch.int8)
    assert bool((exact_bound(w, b, shift, 255) < EXACT_LIMIT).all())
    assert SHIFT_MIN <= int(shift.min()) and int(shift.max()) <= SHIFT_MAX

    unit = torch.exp2(-shift.float()).view(-1, 1, 1, 1)
    fits = (weight.abs() / unit).flatten(1).amax(1) <= WEIGHT_MAX
    assert bool((fits | (shift == SHIFT_MIN)).all())
    error = (w.float() * unit - weight).abs() / unit
    assert bool((error[fits] <= 0.5).all())
    finer = (weight.abs() / unit * 2).flatten(1).amax(1) <= WEIGHT_MAX
    twice = exact_bound(
        (w.to(torch.int64) * 2).clamp(-WEIGHT_MAX, WEIGHT_MAX),
        b.to(torch.int64) * 2,
        shift + 1,
        255,
    )
    # Rounding anew at the finer shift may move each sum by half a unit a weight.
    slack = 255 * weight[0].numel() + 1
    could_be_finer = finer & (shift < SHIFT_MAX) & (twice + slack < EXACT_LIMIT)
    assert not bool(could_be_finer.any())


@pytest.mark.parametrize("exponent", range(-6, 7))
def test_quantise_is_sharp_at_powers_of_two(exponent: int) -> None:
    """The largest weight that fits int8 at a shift, and the next float32 above it."""
    fits = torch.tensor(WEIGHT_MAX * 2.0**exponent)
    above = torch.nextafter(fits, torch.tensor(torch.inf))
    shifts = [
        int(quantise(weight.view(1, 1, 1, 1), torch.zeros(1), 255)[2]) for weight in (fits, above)
    ]
    finest = min(SHIFT_MAX, max(SHIFT_MIN, -exponent))
    assert shifts == [finest, max(SHIFT_MIN, finest - (-exponent == finest))]


@pytest.mark.parametrize("bias", [2.0**24, 2.0**31, 2.0**32, 2.0**40, -(2.0**31), -(2.0**40)])
def test_quantise_refuses_what_no_shift_makes_exact(bias: float) -> None:
    with pytest.raises(ValueError, match="exact"):
        quantise(torch.ones((1, 4, 1, 1)), torch.tensor([bias]), 255)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_quantise_refuses_what_is_not_finite(value: float) -> None:
    weight = torch.ones((2, 4, 1, 1))
    weight[1, 2] = value
    with pytest.raises(ValueError, match=r"."):
        quantise(weight, torch.zeros(2), 255)
    with pytest.raises(ValueError, match=r"."):
        quantise(torch.ones((2, 4, 1, 1)), torch.tensor([0.0, value]), 255)


def learned_layer(c_in: int, kernel: int, gain: float, *, scale: float = 1.0) -> LearnedExactConv:
    torch.manual_seed(c_in)
    layer = LearnedExactConv(c_in, c_in if kernel == 3 else 48, kernel=kernel, gain=gain)
    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.bias.normal_()
    return layer


def frozen_layer(learned: LearnedExactConv) -> ExactConv:
    c_out, c_in, kernel, _ = learned.weight.shape
    frozen = ExactConv(c_out if learned.depthwise else c_in, c_out, kernel=kernel)
    frozen.load_state_dict(learned.frozen())
    frozen.prove()
    return frozen


LAYERS = [(16, 1, 1.0), (64, 1, 0.5), (576, 1, 1.0), (48, 3, 1.0), (48, 3, 0.5)]


@pytest.mark.parametrize(("c_in", "kernel", "gain"), LAYERS)
def test_learning_sees_the_layer_that_will_be_frozen(c_in: int, kernel: int, gain: float) -> None:
    learned = learned_layer(c_in, kernel, gain)
    frozen = frozen_layer(learned)
    x = torch.randint(0, 256, (2, c_in, 12, 13)).float()
    with torch.no_grad():
        assert torch.equal(learned(x), frozen(x))


def test_learning_sees_the_bound_as_well() -> None:
    """Where the bound, not int8, decides the shift, training must round as coarsely."""
    learned = learned_layer(600, 1, 1.0)
    with torch.no_grad():
        learned.weight.copy_(learned.weight.sign() * (0.9 + 0.1 * torch.rand_like(learned.weight)))
    frozen = frozen_layer(learned)
    assert int(frozen.weight.abs().max()) < 100  # int8 alone would have allowed one shift more
    x = torch.randint(0, 256, (1, 600, 8, 8)).float()
    with torch.no_grad():
        assert torch.equal(learned(x), frozen(x))


@pytest.mark.parametrize(("c_in", "kernel", "gain"), LAYERS)
@pytest.mark.parametrize("scale", [1e-4, 1.0, 30.0])
def test_freezing_what_was_thawed_changes_nothing(
    c_in: int, kernel: int, gain: float, scale: float
) -> None:
    learned = learned_layer(c_in, kernel, gain, scale=scale)
    first = learned.frozen()
    other = learned_layer(c_in, kernel, gain)
    other.thaw(first)
    second = other.frozen()
    assert set(first) == set(second) == {"weight", "bias", "shift"}
    for name in first:
        assert torch.equal(first[name], second[name]), name


def test_learning_reaches_every_parameter() -> None:
    learned = learned_layer(16, 1, 1.0)
    out = learned(torch.randint(0, 256, (1, 16, 5, 5)).float())
    out.square().mean().backward()
    for parameter in (learned.weight, learned.bias):
        assert parameter.grad is not None and float(parameter.grad.abs().min()) > 0.0


# Elementary steps ------------------------------------------------------------------------------


def test_compand_is_its_integer_formula() -> None:
    near = torch.arange(-6000, 6001)
    far = torch.tensor([-(2**22), -(2**21) - 1, 2**21 + 31, 2**22])
    v16 = torch.cat([near, far])
    expected = ((v16 + 1) // 2).clamp(-64, 64) + ((v16 + 32) // 64).clamp(-63, 63)
    companded = compand(v16.float())
    assert torch.equal(companded.to(torch.int64), expected)
    assert (int(expected.min()), int(expected.max())) == (-127, 127)
    assert bool((expected[: near.numel()].diff() >= 0).all())
