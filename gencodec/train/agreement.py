"""Whether what a compiler made of a step has the gradients of the plain step.

A compiler may be wrong without a word: torch 2.11's gave layers whose gradient is our own a
gradient of zero, and the loss went down all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

SILENT = 0.1
"""Share of the plain gradient's norm under which the other one counts as missing.  Other noise and
other rounding left 0.45 or more of every tensor's (trained weights of ``base``, 4 and 12 crops)."""
ALIKE = 0.3
"""The least median, over the tensors, of the cosine between both: other noise and bfloat16 in place
of float32, together, left 0.56 of it."""


def disagreement(
    parameters: Sequence[Tensor], plain: Callable[[], object], other: Callable[[], object]
) -> str:
    """In a few words how far the gradients of ``other`` are from ``plain``'s; empty if they agree.

    plain, other: leave the gradients of one loss in ``parameters``.  The random numbers of both are
    torch's own from one seed, and after them its generators are as they were before.
    """
    first, second = (_gradients(parameters, way) for way in (plain, other))
    norms = [(float(a.norm()), float(b.norm())) for a, b in zip(first, second, strict=True)]
    speaking = [index for index, (norm, _) in enumerate(norms) if norm > 0.0]
    # Written so that a norm that is no number counts as missing too.
    silent = sum(not norms[index][1] >= SILENT * norms[index][0] for index in speaking)
    if silent:
        return f"{silent} of {len(speaking)} gradients are missing"
    cosines = sorted(cosine(first[index], second[index]) for index in speaking)
    if cosines and not cosines[len(cosines) // 2] >= ALIKE:
        return f"gradients are others, with a median cosine of {cosines[len(cosines) // 2]:.2f}"
    return ""


def cosine(one: Tensor, other: Tensor) -> float:
    """Between two gradients of one tensor; 0 where either is zero."""
    norms = float(one.norm()) * float(other.norm())
    return float((one * other).sum()) / norms if norms > 0.0 else 0.0


def _gradients(parameters: Sequence[Tensor], way: Callable[[], object]) -> list[Tensor]:
    device = parameters[0].device
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(0)
        way()
    return [
        torch.zeros_like(each) if each.grad is None else each.grad.float().clone()
        for each in parameters
    ]
