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
from torch.nn import functional

from .config import GROUPS

PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))
"""(row, column) offset of each phase; the diagonal comes second, so that pass 1 sees it."""

Slices = tuple[slice, slice, slice, slice]


def phase_slices(phase: int) -> Slices:
    """Index of a (B, C, H, W) tensor at all positions of one phase."""
    row, column = PHASES[phase]
    return (slice(None), slice(None), slice(row, None, 2), slice(column, None, 2))


PHASE_PLACES = tuple(phase_slices(phase) for phase in range(len(PHASES)))
"""All channels of each phase."""


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
        return _put(like, places, parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return (None, None, *(grad[place] for place in ctx.places))


class _Apart(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, whole: Tensor, places: tuple[Slices, ...]) -> tuple[Tensor, ...]:
        ctx.places = places
        ctx.save_for_backward(whole)
        return tuple(whole[place].clone() for place in places)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (whole,) = ctx.saved_tensors
        return _put(whole, ctx.places, grads), None


def assemble(like: Tensor, places: Sequence[Slices], parts: Sequence[Tensor]) -> Tensor:
    """Parts put in their places (which must not overlap) in zeros of another tensor's shape.

    A gradient is handed out in slices; torch's own for such writing copies the whole each time.
    """
    return _Assembled.apply(like, tuple(places), *parts)


def apart(whole: Tensor, places: Sequence[Slices]) -> tuple[Tensor, ...]:
    """The inverse: what stands in these places, which must not overlap.

    The gradients of all are put together at once; torch's own for slices adds up as many wholes.
    """
    return _Apart.apply(whole, tuple(places))


def _put(like: Tensor, places: Sequence[Slices], parts: Sequence[Tensor]) -> Tensor:
    if torch.compiler.is_compiling() and _is_even(like) and places != WHOLE[0]:
        return _interleaved(like, places, parts)
    whole = torch.zeros_like(like)
    for place, part in zip(places, parts, strict=True):
        whole[place] = part
    return whole


def _is_even(like: Tensor) -> bool:
    return like.shape[2] % 2 == 0 == like.shape[3] % 2


def _interleaved(like: Tensor, places: Sequence[Slices], parts: Sequence[Tensor]) -> Tensor:
    """The same by moving positions alone: a compiler makes one pass over the memory of that.

    Of a number of writes to slices it makes as many passes.
    """
    batch, channels, height, width = like.shape
    where = {
        (rows.start, columns.start, of_group.start or 0): part
        for (_, of_group, rows, columns), part in zip(places, parts, strict=True)
    }
    size = parts[0].shape[1]
    zeros = like.new_zeros((batch, size, height // 2, width // 2))
    phases = [
        torch.cat([where.get((*offset, start), zeros) for start in range(0, channels, size)], 1)
        for offset in sorted(PHASES)
    ]
    whole = functional.pixel_shuffle(torch.stack(phases, 2).flatten(1, 2), 2)
    return whole.contiguous(memory_format=torch.channels_last)  # as what follows wants it
