"""Another gradient for depthwise layers, taken where it is measured to be faster.

Libraries compute the gradient by a depthwise layer's weights slowly on some GPUs, many times
slower than its few operations and bytes would need.  Here it is nine products of the input, moved
by one position each, with the gradient of the output; and the gradient by the input is the layer
itself with its kernel turned round.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from gencodec.model.exact import LearnedExactConv
from gencodec.model.layers import Conv2d
from gencodec.model.vae import ImageVae

REPEATS = 10
GAIN = 0.9
"""Share of the library's time that the other way may take at most to be taken."""


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _convolved(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        by_x = _convolved(grad, weight.flip((2, 3)).to(grad.dtype))
        # Products in float32: of two small numbers, float16 makes a zero.
        wide = grad.float()
        parts = [(moved.float() * wide).sum((0, 2, 3)) for moved in _moved(x, grad)]
        by_weight = torch.stack(parts, 1).reshape(weight.shape)
        return by_x.to(x.dtype), by_weight.to(weight.dtype)


def _convolved(x: Tensor, weight: Tensor) -> Tensor:
    if not torch.compiler.is_compiling():
        return functional.conv2d(x, weight, padding=1, groups=len(weight))
    # A compiler makes one pass over the memory of these; a library's layer it calls as it is.
    products = [
        moved.float() * column.float()[:, None, None]
        for moved, column in zip(_moved(x, x), weight.flatten(1).unbind(1), strict=True)
    ]
    total = sum(products[1:], products[0])
    # Not a conversion to the type it has: by torch 2.11's compiler a Function whose last operation
    # is one has a gradient of zero.
    return total if total.dtype == x.dtype else total.to(x.dtype)


def _moved(x: Tensor, like: Tensor) -> list[Tensor]:
    """x as each of the nine weights meets it, in the type and the size of another tensor."""
    height, width = like.shape[2:]
    padded = functional.pad(x.to(like.dtype), (1, 1, 1, 1))
    return [padded[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]


class OwnGradientConv(Conv2d):
    """A depthwise 3x3 layer of the same parameters and results, with the gradient above."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W) -> (B, C, H, W)."""
        y = _Depthwise.apply(x, self.weight)
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]


class OwnGradientExactConv(LearnedExactConv):
    """The same for a depthwise layer of the prior."""

    def convolved(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """As of the layer it stands for."""
        return _Depthwise.apply(x, weight) + bias[:, None, None]


OWN = {Conv2d: OwnGradientConv, LearnedExactConv: OwnGradientExactConv}


def depthwise_layers(vae: ImageVae) -> list[nn.Module]:
    """Those of the transforms and of the prior that is learned."""
    return [
        module
        for module in vae.modules()
        if (isinstance(module, Conv2d) and module.groups == module.in_channels > 1)
        or (isinstance(module, LearnedExactConv) and module.depthwise)
    ]


def use_own_gradient(vae: ImageVae) -> None:
    """Give every depthwise layer the gradient above, in place."""
    for layer in depthwise_layers(vae):
        layer.__class__ = OWN.get(type(layer), type(layer))


def use_same_gradient(vae: ImageVae, as_in: ImageVae) -> None:
    """Take the gradient above where another model takes it."""
    if any(isinstance(layer, OwnGradientConv) for layer in as_in.modules()):
        use_own_gradient(vae)


def use_faster_gradient(
    vae: ImageVae, crops: int, side: int, say: Callable[[str], None], *, compiled: bool
) -> None:
    """On a GPU, time both ways on the largest layer's shape and keep the faster.

    What is to be compiled takes the products at once: they become one kernel.
    """
    device = next(vae.parameters()).device
    if device.type != "cuda":
        return
    if compiled:
        use_own_gradient(vae)
        return
    channels = vae.config.trunk8
    library = Conv2d(channels, channels, 3, padding=1, groups=channels).to(device)
    own = OwnGradientConv(channels, channels, 3, padding=1, groups=channels).to(device)
    try:
        seconds = [_seconds(layer, crops, side // 8, device) for layer in (library, own)]
    except RuntimeError as error:
        say(f"depthwise layers not timed: {str(error).splitlines()[0][:120]}")
        return
    faster = seconds[1] < GAIN * seconds[0]
    if faster:
        use_own_gradient(vae)
    say(
        f"depthwise layer, forward and backward: {1e3 * seconds[0]:.3f} ms by the library, "
        f"{1e3 * seconds[1]:.3f} ms by nine products; {'the latter' if faster else 'the former'}"
    )


def _seconds(layer: Conv2d, crops: int, side: int, device: torch.device) -> float:
    x = torch.randn((crops, layer.in_channels, side, side), device=device)
    x = x.to(memory_format=torch.channels_last).requires_grad_()
    grad = torch.randn_like(x)
    for count in (3, REPEATS):
        torch.cuda.synchronize(device)
        begun = time.perf_counter()
        for _ in range(count):
            layer(x).backward(grad)
        torch.cuda.synchronize(device)
    return (time.perf_counter() - begun) / REPEATS
