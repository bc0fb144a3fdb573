"""A training step through torch.compile; on a GPU, small kernels that may run at once are one.

What a step does besides its large layers (casts, sums of biases, rounding of weights) takes
hundreds of small kernels, about two microseconds each (benchmarks/training-h100.txt).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

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
