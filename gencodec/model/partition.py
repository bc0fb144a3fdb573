"""Which elements of y, or of z, each pass codes: a Latin square of channel groups and 2x2 phases.

The channels of y fall into 4 equal groups, its positions into the 4 phases of a 2x2
neighbourhood.  Pass k codes, at phase p, the group ``k XOR p``: every pass touches every
position, and every element is coded once.  (Spatial-channel interleaving in four steps follows
Li et al., "Neural Video Compression with Diverse Contexts", CVPR 2023.)

    phase   pass 0  1  2  3
    (0,0)   group 0  1  2  3
    (1,1)         1  0  3  2
    (0,1)         2  3  0  1
    (1,0)         3  2  1  0
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .config import GROUPS

PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))
"""(row, column) offset of each phase; the diagonal comes second, so that pass 1 sees it."""

Slices = tuple[slice, slice, slice, slice]


def phase_slices(phase: int) -> Slices:
    """Index of a (B, C, H, W) tensor at all positions of one phase."""
    row, column = PHASES[phase]
    return (slice(None), slice(None), slice(row, None, 2), slice(column, None, 2))


def coded_slices(index: int, phase: int, channels: int) -> Slices:
    """Index of the elements of y that pass ``index`` codes at one phase."""
    group, size = index ^ phase, channels // GROUPS
    _, _, rows, columns = phase_slices(phase)
    return (slice(None), slice(group * size, (group + 1) * size), rows, columns)


def pass_places(channels: int) -> tuple[tuple[Slices, ...], ...]:
    """For each pass the slices of its parts, a phase each, in their order."""
    return tuple(
        tuple(coded_slices(index, phase, channels) for phase in range(GROUPS))
        for index in range(GROUPS)
    )


WHOLE: tuple[tuple[Slices, ...], ...] = (((slice(None),) * 4,),)
"""The places of a latent that one pass codes."""


class _Assembled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, like: Tensor, places: tuple[Slices, ...], *parts: Tensor) -> Tensor:
        ctx.places = places
        whole = torch.zeros_like(like)
        for place, part in zip(places, parts, strict=True):
            whole[place] = part
        return whole

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *(grad[place] for place in ctx.places))


def assemble(like: Tensor, places: Sequence[Slices], parts: Sequence[Tensor]) -> Tensor:
    """Parts put in their places (which must not overlap) in zeros of another tensor's shape.

    A gradient is handed out in slices; torch's own for such writing copies the whole each time.
    """
    return _Assembled.apply(like, tuple(places), *parts)
