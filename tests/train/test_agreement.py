"""What a compiler made is taken only where its gradients are those of the plain step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from gencodec.model.layers import TransformBlock
from gencodec.model.vae import Estimate
from gencodec.train import compiler
from gencodec.train.checkpoint import RunState, new_state
from gencodec.train.compiler import SMALL_BYTES, compiled
from gencodec.train.update import Manner, Precision, Stepper, Update, estimated, precision_of
from tests.train.runs import CPU, Photo, batch, fresh, plan_of

QUALITY = torch.tensor([60, 200])
COMPILING = "compiling a step, which may take minutes"


def steps(photo: Photo, *, compiled: bool, joined: bool = False) -> tuple[RunState, list[str]]:
    """Two steps of a fresh model, and what was said."""
    said: list[str] = []
    torch.manual_seed(4)
    state = new_state(fresh(), plan_of(1))
    stepper = Stepper(state, 3.0, manner=Manner(compiled=compiled), say=said.append)
    stepper._joined = joined  # by itself on a GPU alone
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
    assert said[0] == COMPILING
    (line,) = said[1:]
    assert line.startswith("torch.compile does not work here, going on without: ")
    assert line.endswith(reason)
    for ours, theirs in zip(state.current, plain.current, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("compiler", [silent, opposite, failing])
def test_joining_is_given_up_before_the_compiler(
    photo: Photo, monkeypatch: pytest.MonkeyPatch, compiler: Any
) -> None:
    plain, _ = steps(photo, compiled=False)
    given: list[Any] = []

    def without_joining(function: Any, *, options: Any, **others: Any) -> Any:
        given.append(options)
        return compiler(function) if options else function

    monkeypatch.setattr(torch, "compile", without_joining)
    state, said = steps(photo, compiled=True, joined=True)
    assert said[0] == COMPILING
    (line,) = said[1:]
    assert line.startswith("joining of small kernels does not work here, going on without: ")
    assert given == [{"combo_kernels": True}] * 2 + [None] * 2
    for ours, theirs in zip(state.current, plain.current, strict=True):
        assert torch.equal(ours, theirs)


def test_only_small_kernels_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the compiler's own hook, in its own groups."""
    scheduler = pytest.importorskip("torch._inductor.scheduler").ForeachKernelSchedulerNode

    class Node:
        def __init__(self, size: int) -> None:
            self.size = size

        def get_read_write_buffers_sizes(self) -> int:
            return self.size

    small, large = Node(SMALL_BYTES), Node(SMALL_BYTES + 1)
    groups = [[small, large, small], [small, large], [large, large], [small, small]]
    monkeypatch.setattr(scheduler, "_default_group_nodes_for_combo_kernels", lambda _: groups)
    monkeypatch.setattr(
        scheduler, "group_algorithm_for_combo_kernels", scheduler.group_algorithm_for_combo_kernels
    )
    given: list[Any] = []
    monkeypatch.setattr(torch, "compile", lambda _, **options: given.append(options))
    before = scheduler.group_algorithm_for_combo_kernels
    compiled(len, joined=False)
    assert scheduler.group_algorithm_for_combo_kernels is before
    compiled(len, joined=True)
    assert scheduler.group_nodes_for_combo_kernels(None) == [[small, small], [small, small]]
    assert [each["options"] for each in given] == [None, {"combo_kernels": True}]


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
    assert said == [COMPILING]  # once, not at every step
    assert len(calls) == 2 * 3  # model and distortion: compared once, two steps
    for ours, theirs in zip(state.current, plain.current, strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # and this
def test_parts_are_compiled_once_a_shape_and_learn_the_same(
    photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(
        compiler, "compiled", lambda f, joined: torch.compile(f, backend=backend, dynamic=False)
    )
    state = new_state(fresh(), plan_of(1))
    vae, x = state.vae, batch(photo)
    blocks = [module for module in vae.modules() if isinstance(module, TransformBlock)]
    update = partial(Update, state, precision_of(CPU), 3.0)
    in_parts = update(estimator=compiler.compiled_in_parts(estimated, joined=False))
    gradients, compiled_by_then = [], []
    for way in (update(), in_parts, in_parts):
        way.gradients(x, QUALITY)
        gradients.append([p.grad.clone() for p in state.current if p.grad is not None])
        compiled_by_then.append(len(graphs))
    none, once, again = compiled_by_then
    assert none == 0 < once == again
    # Those of g_s are alike to those of g_a; both of h_a have a size of their own.
    of_blocks = [graph for graph in graphs if "sigmoid" in graph.code]
    assert (len(blocks), len(of_blocks)) == (6, 4)
    for others in gradients[1:]:
        for plain, other in zip(gradients[0], others, strict=True):
            torch.testing.assert_close(plain, other, rtol=1e-4, atol=1e-6)
