"""Which device computes, and in which arithmetic."""

from __future__ import annotations

import time
from functools import cache

import torch

from gencodec.errors import WeightsError
from gencodec.model.exact import exact_arithmetic
from gencodec.model.layers import TransformBlock
from gencodec.model.vae import ImageVae

TRIALS = 7
CLEAR_GAIN = 0.75
"""Share of float32's time that bfloat16 may take at most to be taken."""


def choose_device(name: str) -> torch.device:
    """``auto`` is the first CUDA device if there is one; WeightsError for what is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        raise WeightsError(f"unknown device {name!r}; there are auto, cpu and cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise WeightsError(f"unknown device {name!r}; there are auto, cpu and cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise WeightsError("no CUDA device is available here")
    return device


def settle(device: torch.device) -> None:
    """Wait until a device has done what it was given: a GPU is only handed its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode(False)  # parameters of that mode would never again take part in a search
def narrow_encoder(vae: ImageVae) -> None:
    """Let the blocks of g_a and h_a multiply in bfloat16 where that is faster on this CPU.

    That is about half of the time of g_a.  Only the encoder may: its rounding chooses symbols,
    which the file then carries, while g_s would make other pixels than the next machine.  The
    trunk between the blocks stays in float32, so that the rate pays less than 0.01 %.
    """
    if not multiplies_bfloat16():
        return
    for part in (vae.g_a, vae.h_a):
        for module in part.modules():
            if isinstance(module, TransformBlock):
                module.to(torch.bfloat16)


@cache
def multiplies_bfloat16() -> bool:
    """Whether bfloat16 clearly pays on this CPU, measured once in a process.

    Instructions for it are not enough: on some processors they run at half the rate of float32.
    Either way the gap is wide, so that the answer hardly depends on the moment.
    """
    if not _has_bfloat16():
        return False
    with torch.device("cpu"):
        wide = torch.ones(2048, 192).float(), torch.ones(192, 192).float()
    narrow = tuple(factor.bfloat16() for factor in wide)
    with exact_arithmetic(wide[0].device):
        seconds = [[_seconds(*factors) for factors in (wide, narrow)] for _ in range(TRIALS)]
    # The least of several: another process may stand in the way of any one of them.
    fastest_wide, fastest_narrow = (min(column) for column in zip(*seconds, strict=True))
    return fastest_narrow < CLEAR_GAIN * fastest_wide


def _has_bfloat16() -> bool:
    if not (hasattr(torch.cpu, "get_capabilities") and torch.backends.mkldnn.is_available()):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def _seconds(a: torch.Tensor, b: torch.Tensor) -> float:
    begun = time.perf_counter()
    a @ b
    return time.perf_counter() - begun
