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

from gencodec.model.vae import ImageVae

REPEATS = 10
GAIN = 0.9
"""Share of the library's time that the other way may take at most to be taken."""


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.conv2d(x, weight, padding=1, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        turned = weight.flip((2, 3)).to(grad.dtype)
        by_x = functional.conv2d(grad, turned, padding=1, groups=len(weight))
        height, width = grad.shape[2:]
        padded = functional.pad(x.to(grad.dtype), (1, 1, 1, 1))
        parts = [
            (padded[:, :, i : i + height, j : j + width] * grad).sum((0, 2, 3), dtype=torch.float32)
            for i in range(3)
            for j in range(3)
        ]
        by_weight = torch.stack(parts, 1).reshape(weight.shape)
        return by_x.to(x.dtype), by_weight.to(weight.dtype)


class OwnGradientConv(nn.Conv2d):
    """A depthwise 3x3 layer of the same parameters and results, with the gradient above."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C, H, W) -> (B, C, H, W)."""
        y = _Depthwise.apply(x, self.weight)
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]


def depthwise_layers(vae: ImageVae) -> list[nn.Conv2d]:
    """Those of the transforms; the prior has its own kind of layer."""
    return [
        module
        for module in vae.modules()
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1
    ]


def use_own_gradient(vae: ImageVae) -> None:
    """Give every depthwise layer of the transforms the gradient above, in place."""
    for layer in depthwise_layers(vae):
        layer.__class__ = OwnGradientConv


def use_same_gradient(vae: ImageVae, as_in: ImageVae) -> None:
    """Take the gradient above where another model takes it."""
    if any(isinstance(layer, OwnGradientConv) for layer in as_in.modules()):
        use_own_gradient(vae)


def use_faster_gradient(vae: ImageVae, crops: int, side: int, say: Callable[[str], None]) -> None:
    """On a GPU, time both ways on the largest layer's shape and keep the faster."""
    device = next(vae.parameters()).device
    if device.type != "cuda":
        return
    channels = vae.config.trunk8
    library = nn.Conv2d(channels, channels, 3, padding=1, groups=channels).to(device)
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


def _seconds(layer: nn.Conv2d, crops: int, side: int, device: torch.device) -> float:
    x = torch.randn((crops, layer.in_channels, side, side), device=device)
    x = x.to(torch.bfloat16, memory_format=torch.channels_last).requires_grad_()
    grad = torch.randn_like(x)
    for count in (3, REPEATS):
        torch.cuda.synchronize(device)
        begun = time.perf_counter()
        for _ in range(count):
            with torch.autocast(device.type, dtype=torch.bfloat16):
                y = layer(x)
            y.backward(grad)
        torch.cuda.synchronize(device)
    return (time.perf_counter() - begun) / REPEATS
