"""A training step through torch.compile, whole or in parts; on a GPU, small kernels are joined.

What a step does besides its large layers (casts, sums of biases, rounding of weights) takes
hundreds of small kernels, about two microseconds each (benchmarks/training-h100.txt).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from gencodec.model.exact import LearnedExactConv
from gencodec.model.hyperprior import Context, ExactBlock
from gencodec.model.layers import StepGain, TransformBlock
from gencodec.model.region import REGIONS, regions_as
from gencodec.model.step_tables import LearnedStepTable

PARTS = (TransformBlock, Context, ExactBlock, LearnedExactConv, LearnedStepTable, StepGain)
"""Modules of which a network has many; each kind is compiled once a shape."""

VARIANTS = 64
"""Kinds and shapes that one piece of code may be compiled for; torch gives up after eight."""

SMALL_BYTES = 2**21
"""Bytes read and written by a kernel that is joined with others: not a
microsecond's worth.  Larger ones had better choose their own blocks."""


def compiled(function: Callable[..., Any], *, joined: bool) -> Callable[..., Any]:
    """The function through torch.compile, for shapes that stay; joined: with small kernels joined.

    Joining has no effect on a CPU.
    """
    options: dict[str, Any] | None = None
    if joined:
        _join_only_small_ones()
        options = {"combo_kernels": True}
    return torch.compile(function, dynamic=False, options=options)


def compiled_in_parts(function: Callable[..., Any], *, joined: bool) -> Callable[..., Any]:
    """A function of a model and more, with the model's parts and regions through torch.compile.

    What occurs several times is compiled once.  What lies between parts stays as it is.
    """
    from torch._dynamo import config  # seconds to load, which only those wait who compile

    known = hasattr(config, "recompile_limit")
    setattr(
        config, "recompile_limit" if known else "cache_size_limit", VARIANTS
    )  # before torch 2.7
    regions = {each: compiled(each, joined=joined) for each in REGIONS}
    calls: dict[nn.Module, Callable[..., Any]] = {}

    def called(vae: nn.Module, *args: Any) -> Any:
        if not calls:
            calls.update({each: compiled(each._call_impl, joined=joined) for each in _parts(vae)})
        with regions_as(regions), _called_as(calls):
            return function(vae, *args)

    return called


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    """The outermost of PARTS."""
    for child in module.children():
        if isinstance(child, PARTS):
            yield child
        else:
            yield from _parts(child)


@contextmanager
def _called_as(calls: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Within, others are called in the place of modules."""
    try:
        for module, call in calls.items():
            module._compiled_call_impl = call  # as nn.Module.compile does, but not for good
        yield
    finally:
        for module in calls:
            module._compiled_call_impl = None


def _join_only_small_ones() -> None:
    """Groups as the compiler makes them, of kernels that depend on none of the others, less those
    that are not small."""
    from torch._inductor.scheduler import ForeachKernelSchedulerNode as Joined

    groups_of = Joined._default_group_nodes_for_combo_kernels

    def groups(scheduler: Any) -> list[list[Any]]:
        small = (
            [node for node in group if node.get_read_write_buffers_sizes() <= SMALL_BYTES]
            for group in groups_of(scheduler)
        )
        return [group for group in small if len(group) > 1]

    Joined.set_group_algorithm_for_combo_kernels(groups)
