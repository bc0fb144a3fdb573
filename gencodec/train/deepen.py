"""A deeper network that begins where a shallower one stands: its new blocks change nothing yet."""

from __future__ import annotations

import torch
from torch import nn

from gencodec.errors import WeightsError
from gencodec.model.config import ModelConfig
from gencodec.model.hyperprior import ExactBlock
from gencodec.model.vae import ImageVae, learned_vae


@torch.no_grad()
def deepened(vae: ImageVae, config: ModelConfig) -> ImageVae:
    """The same function in a network of another configuration, of equal widths and more blocks.

    New blocks stand behind those there are, and the last layer of each branch is zero, as are the
    heads of new contexts of z.  WeightsError where the other network is not a deeper one.
    """
    deeper = learned_vae(config)
    if config.hyper_depth:
        for head in (*deeper.prior.z_means, *deeper.prior.z_scales):
            head.weight.zero_()
    for module in deeper.prior.modules():
        if isinstance(module, ExactBlock):  # blocks of the transforms begin as the identity anyway
            assert isinstance(module.pointwise.weight, nn.Parameter)
            module.pointwise.weight.zero_()
    own, known = deeper.state_dict(), vae.state_dict()
    if any(name not in own or own[name].shape != known[name].shape for name in known):
        raise WeightsError(
            f"weights of the configuration {vae.config.name} cannot become {config.name}: only "
            "more blocks of the same width can be added"
        )
    deeper.load_state_dict(own | known)
    return deeper
