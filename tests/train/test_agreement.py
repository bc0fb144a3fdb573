"""What a compiler made is taken only where its gradients are those of the plain step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gencodec.model.vae import Estimate
from gencodec.train.checkpoint import RunState, new_state
from gencodec.train.update import Precision, Stepper
from tests.train.runs import Photo, batch, fresh, plan_of

QUALITY = torch.tensor([60, 200])


def steps(photo: Photo, *, compiled: bool) -> tuple[RunState, list[str]]:
    """Two steps of a fresh model, and what was said."""
    said: list[str] = []
    torch.manual_seed(4)
    state = new_state(fresh(), plan_of(1))
    stepper = Stepper(state, 3.0, compiled=compiled, recorded=False, say=said.append)
    torch.manual_seed(5)
    for _ in range(2):
        stepper.step(batch(photo), QUALITY, Precision(None, exact=False))
    return state, said


def silent(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """As a compiler that loses the gradient of what the prior says."""

    def compiled(*args: Any) -> Any:
        out = function(*args)
        return Estimate(out[0], out[1], out[2].detach()) if isinstance(out, Estimate) else out

    return compiled


def opposite(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """As a compiler that turns every gradient round."""

    def compiled(*args: Any) -> Any:
        out = function(*args)
        if isinstance(out, Estimate):
            return Estimate(*(2.0 * each.detach() - each for each in out))
        return out

    return compiled


def failing(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """As a compiler that finds no C++ compiler."""

    def compiled(*args: Any) -> Any:
        raise OSError

    return compiled


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        (silent, "gradients are missing"),
        (opposite, "gradients are others, with a median cosine of -1.00"),
        (failing, "OSError"),
    ],
)
def test_a_compiler_that_is_wrong_is_not_used(
    photo: Photo, monkeypatch: pytest.MonkeyPatch, compiler: Any, reason: str
) -> None:
    plain, _ = steps(photo, compiled=False)
    monkeypatch.setattr(torch, "compile", compiler)
    state, said = steps(photo, compiled=True)
    (line,) = said
    assert line.startswith("torch.compile does not work here, going on without: ")
    assert line.endswith(reason)
    for ours, theirs in zip(state.current, plain.current, strict=True):
        assert torch.equal(ours, theirs)


def test_a_compiler_that_is_right_is_used(photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the check leaves weights and random numbers as they were."""
    calls = []

    def compile_(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        def compiled(*args: Any) -> Any:
            calls.append(function)
            return function(*args)

        return compiled

    plain, _ = steps(photo, compiled=False)
    monkeypatch.setattr(torch, "compile", compile_)
    state, said = steps(photo, compiled=True)
    assert said == []
    assert len(calls) == 2 * 3  # model and distortion: compared once, two steps
    for ours, theirs in zip(state.current, plain.current, strict=True):
        assert torch.equal(ours, theirs)
