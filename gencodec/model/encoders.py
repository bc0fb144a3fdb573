"""Encoders: another g_a for weights there are, trained towards another end.

What a stream decodes to is settled by the prior, its tables and g_s.  g_a only chooses among the
streams there are, so another one needs nothing new where its files are read.  An encoder is a
safetensors file with the tensors of g_a that names the weights it was trained for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor

from gencodec.errors import WeightsError

from .layers import channels_last
from .transforms import Analysis
from .vae import ImageVae
from .weights import Weights, halve, mismatch, read_tensors, stored

FORMAT = "gencodec-encoder-1"
PART = "g_a."


def pack_encoder(g_a: Analysis, weights: Weights) -> bytes:
    """The bytes of an encoder file for these weights."""
    tensors = {name: stored(name, value).contiguous() for name, value in _named(g_a).items()}
    metadata = {"format": FORMAT, "weights": weights.digest.hex()}
    return serialise(tensors, metadata=metadata)


def weights_of_encoder(path: Path) -> bytes | None:
    """The digest of the weights that an encoder file was trained for; None if it is none."""
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = handle.metadata() or {}
            named = metadata.get("format") == FORMAT
            return bytes.fromhex(metadata.get("weights", "")) if named else None
    except (OSError, SafetensorError, ValueError):
        return None


@torch.inference_mode(False)  # as load_weights
def with_encoder(weights: Weights, path: Path) -> Weights:
    """The same weights with the g_a of an encoder file, on the device where they are.

    Everything else is shared, the digest too: what either makes, both decode.  WeightsError when
    the file is not sound, or was trained for other weights.
    """
    metadata, tensors = read_tensors(path, FORMAT)
    if metadata.get("weights") != weights.digest.hex():
        raise WeightsError(f"{path.name}: an encoder for other weights")
    with torch.device("meta"):  # as weights are built: nothing is drawn at random
        g_a = Analysis(weights.vae.config)
    wrong = mismatch(_named(g_a), tensors)
    if wrong:
        raise WeightsError(f"{path.name}: {wrong}")
    part = {name.removeprefix(PART): value for name, value in tensors.items()}
    g_a.load_state_dict(part, assign=True)
    g_a.float().requires_grad_(False).eval().to(weights.vae.g_a.enter.weight.device)
    channels_last(g_a)
    halve(g_a)
    with torch.device("meta"):
        vae = ImageVae(weights.vae.config, weights.vae.prior)
    vae.g_a, vae.h_a, vae.g_s = g_a, weights.vae.h_a, weights.vae.g_s
    return replace(weights, vae=vae.eval())


def _named(g_a: Analysis) -> dict[str, Tensor]:
    return {f"{PART}{name}": value for name, value in g_a.state_dict().items()}
