"""A larger network that begins where a smaller one stands: what is new in it changes nothing yet.

New blocks are the identity.  New channels are heard by no old one: they compute what a random
start gives them, and the weights by which old channels would take it in are zero, from where they
learn at once (after Chen et al., "Net2Net", arXiv:1511.05641, without its copies of channels).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gencodec.errors import WeightsError
from gencodec.model.config import ModelConfig
from gencodec.model.hyperprior import ExactBlock
from gencodec.model.layers import TransformBlock
from gencodec.model.vae import ImageVae, learned_vae

SAME = ("latent", "hyper", "knots")
"""What stays: the symbols of a file and the groups they are coded in."""


@torch.no_grad()
def grown(vae: ImageVae, config: ModelConfig) -> ImageVae:
    """The same function in a network of another configuration, with more blocks or wider ones.

    New blocks stand behind those there are, new channels behind old ones, and new contexts of z
    have nothing to say.  WeightsError where the other network is not a larger one, or has another
    number of latents or knots.
    """
    larger = learned_vae(config)
    if config.hyper_depth:
        for head in (*larger.prior.z_means, *larger.prior.z_scales):
            head.weight.zero_()
    for module in larger.prior.modules():
        if isinstance(module, ExactBlock):  # blocks of the transforms begin as the identity anyway
            assert isinstance(module.pointwise.weight, nn.Parameter)
            module.pointwise.weight.zero_()
    own, known = larger.state_dict(), vae.state_dict()
    same = all(getattr(config, field) == getattr(vae.config, field) for field in SAME)
    if not same or any(name not in own or not _fits(known[name], own[name]) for name in known):
        raise WeightsError(
            f"weights of the configuration {vae.config.name} cannot become {config.name}: only "
            "more blocks, and wider ones with the same latents, can be added"
        )
    rows, columns = _rows_in_parts(vae), _columns_in_parts(vae)
    for name, old in known.items():
        _put(own[name], old, rows.get(name, 1), columns.get(name))
    larger.load_state_dict(own)
    return larger


def _fits(old: Tensor, new: Tensor) -> bool:
    return old.ndim == new.ndim and all(a <= b for a, b in zip(old.shape, new.shape, strict=True))


def _rows_in_parts(vae: ImageVae) -> dict[str, int]:
    """Tensors whose outputs are equal parts that each grow, and how many: values, then gates."""
    blocks = (item for item in vae.named_modules() if isinstance(item[1], TransformBlock))
    return {f"{name}.gate.{kind}": 2 for name, _ in blocks for kind in ("weight", "bias")}


def _columns_in_parts(vae: ImageVae) -> dict[str, int]:
    """Tensors whose inputs are some that grow, then latents, which do not, and how many those."""
    contexts = range(len(vae.prior.contexts))
    return {f"prior.contexts.{index}.enter.weight": vae.config.latent for index in contexts}


def _put(new: Tensor, old: Tensor, parts: int, fixed: int | None) -> None:
    """old into new, in place: its outputs hear none but its inputs.

    Both (C_out, C_in, k, k), (C,) or (knots, C).  parts: of C_out; fixed: inputs at the end that
    stay there.
    """
    if old.ndim < 4:
        for into, part in zip(new.chunk(parts, -1), old.chunk(parts, -1), strict=True):
            into[..., : part.shape[-1]] = part
        return
    before = old.shape[1] - (fixed or 0)
    for into, part in zip(new.chunk(parts), old.chunk(parts), strict=True):
        heard = into[: len(part)].zero_()
        heard[:, :before] = part[:, :before]
        if fixed:
            heard[:, -fixed:] = part[:, -fixed:]
