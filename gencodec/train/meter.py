"""How much arithmetic a training step is, and how much the device could do meanwhile."""

from __future__ import annotations

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from gencodec.codec.device import settle
from gencodec.model.config import ModelConfig
from gencodec.model.vae import learned_vae

BACKWARD = 2.0
"""Arithmetic of the backward pass over that of the forward pass: products by the inputs' and by
the weights' gradients."""


def forward_flops_per_pixel(config: ModelConfig) -> float:
    """Floating-point operations of the convolutions in one training pass forward, per pixel.

    A multiplication and an addition are two.  Counted by torch on tensors without data.
    """
    side = 256
    vae = learned_vae(config).to("meta")
    x = torch.empty((1, 3, side, side), device="meta")
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        vae(x, torch.zeros(1, dtype=torch.int64, device="meta"))
    return counter.get_total_flops() / side**2


def training_flops_per_pixel(config: ModelConfig) -> float:
    """The same, forward and backward."""
    return (1.0 + BACKWARD) * forward_flops_per_pixel(config)


def peak_flops(device: torch.device, *, side: int = 8192, repeats: int = 10) -> float:
    """Operations a second of a square matrix product of random numbers, measured.

    In bfloat16 on a GPU; on a CPU in float32, as steps are there: many know nothing narrower.
    """
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    a, b = (torch.randn((side, side), device=device, dtype=dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    settle(device)
    begun = time.perf_counter()
    for _ in range(repeats):
        a @ b
    settle(device)
    return 2.0 * side**3 * repeats / (time.perf_counter() - begun)
