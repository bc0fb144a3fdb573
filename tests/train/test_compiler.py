"""A step whose parts are compiled one by one: the same gradients, and each kind compiled once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch

from gencodec.model.layers import TransformBlock
from gencodec.train import compiler
from gencodec.train.checkpoint import new_state
from gencodec.train.update import Update, estimated, precision_of
from tests.train.runs import CPU, Photo, batch, fresh, plan_of


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
    vae, x, quality = state.vae, batch(photo), torch.tensor([60, 200])
    blocks = [module for module in vae.modules() if isinstance(module, TransformBlock)]
    update = partial(Update, state, precision_of(CPU), 3.0)
    in_parts = update(estimator=compiler.compiled_in_parts(estimated, joined=False))
    gradients, compiled_by_then = [], []
    for way in (update(), in_parts, in_parts):
        way.gradients(x, quality)
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
