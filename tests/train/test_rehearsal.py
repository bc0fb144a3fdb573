"""The compiler in a process of its own: plain steps until it is done, and nothing left of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from gencodec.train import rehearsal
from gencodec.train.checkpoint import RunState, new_state
from gencodec.train.rehearsal import begin, end, rehearsed
from gencodec.train.update import Precision, Stepper
from tests.train.runs import Photo, batch, fresh, plan_of

PLAN = replace(plan_of(1), compiled=True)
QUALITY = torch.tensor([60, 200])


def test_steps_are_plain_until_the_compiler_is_ready(
    photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is asked once, and what it makes is taken from there on."""
    given: list[Callable[..., Any]] = []
    calls: list[bool] = []
    ready: list[bool] = []

    def compiler(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        def compiled(*args: Any) -> Any:
            calls.append(ready[0])
            return function(*args)

        given.append(function)
        return compiled

    monkeypatch.setattr(torch, "compile", compiler)
    states = []
    for readiness in ((False, False, True, True), (True,) * 4):
        ready[:] = readiness
        torch.manual_seed(4)
        state = new_state(fresh(), plan_of(1))
        stepper = Stepper(
            state, 3.0, compiled=True, recorded=False, say=print, ready=lambda: ready[0]
        )
        torch.manual_seed(5)
        while ready:
            stepper.step(batch(photo), QUALITY, Precision(None, exact=False))
            del ready[0]
        states.append(state)
    assert len(given) == 4  # the transforms' pass and the distortion, of two runs
    assert all(calls) and len(calls) > 4
    for ours, theirs in zip(*(state.current for state in states), strict=True):
        assert torch.equal(ours, theirs)


def test_a_rehearsal_takes_a_step_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process of its own, told all it needs; here without the compiler, which takes long."""
    monkeypatch.setenv("TORCH_COMPILE_DISABLE", "1")
    process = begin(new_state(fresh(), PLAN), PLAN, 64)
    try:
        assert process.wait(timeout=120) == 0
    finally:
        end(process)


def test_nothing_is_left_of_one_that_is_not_over() -> None:
    process = begin(new_state(fresh(), PLAN), PLAN, 64)
    assert process.poll() is None
    end(process)
    assert process.returncode != 0
    end(process)  # one that is over already


@pytest.mark.parametrize("room", [False, True])
def test_where_there_is_one(photo: Photo, monkeypatch: pytest.MonkeyPatch, room: bool) -> None:
    """On a GPU with room for both, where the run is to be compiled; it never outlives the run."""
    begun: list[subprocess.Popen[bytes]] = []

    def sleeper(state: RunState, plan: Any, side: int) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen(["sleep", "100"], start_new_session=True))
        return begun[-1]

    monkeypatch.setattr(rehearsal, "_has_room", lambda device: room)
    monkeypatch.setattr(rehearsal, "begin", sleeper)
    state, said = new_state(fresh(), PLAN), list[str]()
    with rehearsed(state, replace(PLAN, compiled=False), 64, said.append) as ready:
        assert ready() and not begun and not said

    def fails() -> None:
        with rehearsed(state, PLAN, 64, said.append) as ready:
            assert ready() is not room
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert len(begun) == len(said) == room
    assert all(process.returncode is not None for process in begun)


def test_a_cpu_has_no_cores_to_spare() -> None:
    assert not rehearsal._has_room(torch.device("cpu"))
