"""Which device computes, and in which arithmetic."""

from __future__ import annotations

import torch

from gencodec.errors import WeightsError
from gencodec.model.layers import TransformBlock
from gencodec.model.vae import ImageVae


def choose_device(name: str) -> torch.device:
    """``auto`` is the first CUDA device if there is one; WeightsError for what is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise WeightsError(f"unknown device {name!r}; there are auto, cpu and cuda") from None
    if device.type not in ("cpu", "cuda"):
        raise WeightsError(f"unknown device {name!r}; there are auto, cpu and cuda")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise WeightsError("no CUDA device is available here")
    return device


def narrow_encoder(vae: ImageVae) -> None:
    """Let the blocks of g_a and h_a multiply in bfloat16 where the CPU has instructions for it.

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


def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for it."""
    if not (hasattr(torch.cpu, "get_capabilities") and torch.backends.mkldnn.is_available()):
        return False
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
