"""Which device computes."""

from __future__ import annotations

import torch

from gencodec.errors import WeightsError


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
