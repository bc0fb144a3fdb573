"""Passes and phases: every element of y is coded once, and every pass sees every position."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gencodec.model.config import GROUPS
from gencodec.model.partition import (
    PHASE_PLACES,
    PHASES,
    WHOLE,
    Slices,
    apart,
    assemble,
    coded_slices,
    pass_places,
    phase_slices,
)

SIZES = [(1, 1), (1, 2), (2, 1), (1, 17), (2, 2), (3, 5), (4, 4), (7, 16), (17, 1)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("channels", [4, 64])
def test_every_element_is_coded_exactly_once(height: int, width: int, channels: int) -> None:
    times = np.zeros((2, channels, height, width), int)
    for index in range(GROUPS):
        in_this_pass = np.zeros((height, width), int)
        for phase in range(GROUPS):
            place = coded_slices(index, phase, channels)
            times[place] += 1
            in_this_pass[place[2:]] += 1
        assert (in_this_pass == 1).all()  # each position gives one group of channels to each pass
    assert (times == 1).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_phases_are_the_positions_of_a_two_by_two_neighbourhood(height: int, width: int) -> None:
    of = np.full((1, 1, height, width), -1)
    for phase in range(GROUPS):
        of[phase_slices(phase)] = phase
    expected = {offset: phase for phase, offset in enumerate(PHASES)}
    for row in range(height):
        for column in range(width):
            assert of[0, 0, row, column] == expected[row % 2, column % 2]


def test_the_table_of_the_docstring() -> None:
    """It is part of the format: another order is another stream."""
    assert PHASES == ((0, 0), (1, 1), (0, 1), (1, 0))
    groups = [
        [coded_slices(index, phase, 40)[1].start // 10 for index in range(GROUPS)]
        for phase in range(GROUPS)
    ]
    assert groups == [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]


def test_slices_address_tensors_and_arrays_alike() -> None:
    y = torch.arange(2 * 8 * 5 * 7).view(2, 8, 5, 7)
    for phase in range(GROUPS):
        place = coded_slices(1, phase, 8)
        assert np.array_equal(y[place].numpy(), y.numpy()[place])


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("passes", [1, 3, GROUPS])
def test_parts_are_put_together_and_their_gradients_taken_apart(
    height: int, width: int, passes: int
) -> None:
    y = torch.randn(2, 8, height, width)
    places = some_places(passes)
    expected = torch.zeros_like(y)
    for place in places:
        expected[place] = y[place]
    parts = [y[place].clone().requires_grad_() for place in places]
    whole = assemble(y, places, parts)
    assert torch.equal(whole, expected)
    weight = torch.randn_like(y)
    (whole * weight).sum().backward()
    for place, part in zip(places, parts, strict=True):
        assert part.grad is not None and torch.equal(part.grad, weight[place])


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("passes", [1, 3, GROUPS])
def test_parts_are_taken_apart_and_their_gradients_put_together(
    height: int, width: int, passes: int
) -> None:
    y = torch.randn(2, 8, height, width, requires_grad=True)
    places = some_places(passes)
    expected = torch.zeros_like(y)
    loss = torch.zeros(())
    for factor, (place, part) in enumerate(zip(places, apart(y, places), strict=True)):
        assert torch.equal(part, y[place])
        expected[place] = factor
        loss = loss + factor * part.sum()
    (gradient,) = torch.autograd.grad(loss, y)
    assert torch.equal(gradient, expected)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own
@pytest.mark.parametrize("places_of", ["passes", "phases", "whole"])
def test_a_compiler_is_given_the_same_by_moving_positions(places_of: str) -> None:
    places = {"passes": some_places(3), "phases": list(PHASE_PLACES), "whole": list(WHOLE[0])}[
        places_of
    ]
    y = torch.randn(2, 8, 3, 4, requires_grad=True)
    weight = torch.randn(2, 8, 3, 4)

    def there_and_back(y: Tensor) -> Tensor:
        return assemble(y, places, [2.0 * part for part in apart(y, places)])

    results = []
    for way in (there_and_back, torch.compile(there_and_back, backend="eager", fullgraph=True)):
        whole = way(y)
        results.append((whole, *torch.autograd.grad((whole * weight).sum(), y)))
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def some_places(passes: int) -> list[Slices]:
    """Those of the first passes over eight channels."""
    return [place for index in range(passes) for place in pass_places(8)[index]]
