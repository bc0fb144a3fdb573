"""Wider ranges for the prior's integers: channels scaled so that they use what 0..255 has.

    rows of the layers that write a channel * 2^k,  columns of those that read it / 2^k

What the network computes stays, but for what is rounded on the way, which becomes 2^k times
finer.  A network that has learned with activations of a few units to each feature thus goes on
with more of them (after cross-layer equalisation, Nagel et al., arXiv:1906.04721).  Rows keep
their integers, by other shifts; columns lose some of theirs, and training mends that.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from gencodec.codec.shelf import open_weights
from gencodec.image import Pixels, atomic_write
from gencodec.model.config import GROUPS
from gencodec.model.exact import ACTIVATION_MAX, LearnedExactConv, strict_precision
from gencodec.model.hyperprior import Context, ExactBlock, Prior
from gencodec.model.vae import ImageVae
from gencodec.model.weights import thaw

from .export import plain_weights
from .heldout import planes
from .options import add_every, new_file
from .rest import trained_pictures
from .run import evaluation_crops

ROOM = 0.75
"""Of the range, for what nearly all positions hold; the rest is for pictures not seen."""

RARE = 0.01
"""Of a picture's positions where a channel is not zero, those that may be cut off."""

MOST = 4.0
"""Larger factors were seen to gain no more."""

QUALITY_STEPS = (0, 64, 128, 192, 255)
SHUFFLED = 4
"""Rows to a channel in a layer whose output is shuffled to twice its height and width."""

TIE = 2.0**-10
"""Breaks ties, which rounding would take upwards all together."""


@dataclass(frozen=True)
class Channels:
    """Channels between layers: who writes and reads them, and where they are seen.

    writers: layers with so many rows to a channel, tables: what is added to those rows;
    depthwise, readers: layers with a row of its own for each channel, and those whose first
    columns they are; inputs, outputs: modules that are given them, or return them.
    """

    writers: tuple[tuple[nn.Module, int], ...]
    readers: tuple[nn.Module, ...]
    depthwise: tuple[nn.Module, ...] = ()
    tables: tuple[nn.Module, ...] = ()
    inputs: tuple[nn.Module, ...] = ()
    outputs: tuple[nn.Module, ...] = ()

    @property
    def count(self) -> int:
        """How many channels these are."""
        layer, rows = self.writers[0]
        return len(_weight(layer)) // rows


def equalise(vae: ImageVae, pictures: Sequence[Pixels]) -> tuple[int, int]:
    """Scale the channels of a prior that is learned, by what they hold in some pictures.

    Returns how many have grown, and how many there are.

    pictures: (H, W, 3) uint8.  ImageError where none has 64 pixels a side.
    """
    factors = spare_range(vae, pictures)
    scale_channels(vae.prior, factors)
    _break_ties(vae.prior)
    every = torch.cat(factors)
    return int((every > 1).sum()), len(every)


@torch.no_grad()
def spare_range(vae: ImageVae, pictures: Sequence[Pixels]) -> list[Tensor]:
    """Factors 1, 2 or 4 by which channels may grow: (C,) for each of :func:`all_channels`.

    pictures: (H, W, 3) uint8, of which the middles are looked at.
    """
    everything = all_channels(vae.prior)
    peaks = [torch.zeros(channels.count) for channels in everything]
    device = next(vae.parameters()).device
    with _watching(everything, peaks), strict_precision:
        for x in planes(evaluation_crops(pictures)).to(device):
            for step in QUALITY_STEPS:
                vae.rounded(x[None], torch.tensor([step], device=device))
    room = [torch.exp2(torch.log2(ROOM * ACTIVATION_MAX / peak).floor()) for peak in peaks]
    # A channel that held nothing may be dead, and would only grow whenever this is called.
    return [
        torch.where(peak > 0, factor.clamp(1.0, MOST), 1.0)
        for peak, factor in zip(peaks, room, strict=True)
    ]


@torch.no_grad()
def scale_channels(prior: Prior, factors: Sequence[Tensor]) -> None:
    """Multiply each channel by its factor where it is written, divide where it is read."""
    for channels, factor in zip(all_channels(prior), factors, strict=True):
        factor = factor.to(next(prior.parameters()).device)
        for layer, rows in channels.writers:
            of_row = factor.repeat_interleave(rows)
            _weight(layer).mul_(of_row.view(-1, 1, 1, 1))
            layer.get_parameter("bias").mul_(of_row)
        for table in channels.tables:
            table.get_parameter("knots").mul_(factor)
        for layer in channels.depthwise:
            _weight(layer).div_(factor.view(-1, 1, 1, 1))
        for layer in channels.readers:
            _weight(layer)[:, : channels.count].div_(factor.view(1, -1, 1, 1))


def all_channels(prior: Prior) -> list[Channels]:
    """Every set of channels that only layers of the prior write and read."""
    finest = [*prior.means[:GROUPS], *prior.scales[:GROUPS]]
    finest += [context.enter for context in prior.contexts if isinstance(context, Context)]
    found = [
        *_of_blocks([prior.block32], (prior.up32, SHUFFLED), [prior.up16]),
        *_of_blocks(prior.blocks16, (prior.up16, SHUFFLED), finest, (prior.step_features,)),
        *_of_contexts(prior.contexts, prior.means[GROUPS:], prior.scales[GROUPS:]),
    ]
    if prior.config.hyper_depth:
        found += _of_contexts(prior.z_contexts, prior.z_means, prior.z_scales)
    return found


def _of_contexts(
    contexts: nn.ModuleList, means: nn.ModuleList, scales: nn.ModuleList
) -> Iterator[Channels]:
    for index, context in enumerate(contexts):
        heads = slice(index * GROUPS, (index + 1) * GROUPS)
        readers = [*means[heads], *scales[heads]]
        assert isinstance(context, Context)
        yield from _of_blocks(context.blocks, (context.enter, 1), readers)


def _of_blocks(
    blocks: Iterable[nn.Module],
    writer: tuple[nn.Module, int],
    readers: Sequence[nn.Module],
    tables: tuple[nn.Module, ...] = (),
) -> Iterator[Channels]:
    """The channels that run through blocks, and those within each."""
    exact = [block for block in blocks if isinstance(block, ExactBlock)]
    for block in exact:
        inner = ((block.depthwise, 1),)
        yield Channels(inner, (block.pointwise,), inputs=(block.pointwise,))
    yield Channels(
        writers=(writer, *((block.pointwise, 1) for block in exact)),
        readers=tuple(readers),
        depthwise=tuple(block.depthwise for block in exact),
        tables=tables,
        inputs=tuple(exact),
        outputs=tuple(exact),
    )


def _weight(layer: nn.Module) -> Tensor:
    return layer.get_parameter("weight")


@contextlib.contextmanager
def _watching(everything: Sequence[Channels], peaks: list[Tensor]) -> Iterator[None]:
    """Within: what channels hold raises their peaks, but for the rarest of what is not zero."""

    def see(index: int, x: Tensor) -> None:
        held = x.detach().float().transpose(0, 1).flatten(1)
        if held.numel():
            rare = ((held > 0).sum(1) * RARE).long()
            needed = held.sort(1, descending=True).values.gather(1, rare[:, None])[:, 0]
            peaks[index] = torch.maximum(peaks[index], needed.cpu())

    with contextlib.ExitStack() as hooks:
        for index, channels in enumerate(everything):
            for hook in _hooks(channels, partial(see, index)):
                hooks.callback(hook.remove)
        yield


def _hooks(channels: Channels, see: Callable[[Tensor], None]) -> list[RemovableHandle]:
    def of_input(module: nn.Module, given: tuple[Tensor]) -> None:
        see(given[0])

    def of_output(module: nn.Module, given: tuple[Tensor], returned: Tensor) -> None:
        see(returned)

    return [
        *(module.register_forward_pre_hook(of_input) for module in channels.inputs),
        *(module.register_forward_hook(of_output) for module in channels.outputs),
    ]


@torch.no_grad()
def _break_ties(prior: Prior) -> None:
    """Move every weight by less than rounding can tell, but where it lies between two integers."""
    generator = torch.Generator().manual_seed(0)
    for module in prior.modules():
        if isinstance(module, LearnedExactConv):
            signs = torch.randint(0, 2, module.weight.shape, generator=generator) * 2 - 1
            module.weight.mul_(1.0 + TIE * signs.to(module.weight.device))


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train equalise``."""
    parser.add_argument("weights", metavar="NAME|FILE", help="weights to go on from")
    parser.add_argument("dirs", type=Path, nargs="+", metavar="DIR", help="what will be trained on")
    parser.add_argument("-o", "--output", type=new_file, required=True, metavar="FILE")
    add_every(parser, 50)


def run(args: argparse.Namespace) -> int:
    """Read, scale, write weights to begin a run with."""
    vae = thaw(open_weights(args.weights, torch.device("cpu"))[0])
    grown, every = equalise(vae, trained_pictures(args.dirs, args.every))
    atomic_write(args.output, plain_weights(vae), overwrite=False)
    print(f"{args.output}: {grown} of {every} channels have grown", file=sys.stderr)
    return 0
