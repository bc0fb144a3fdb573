"""Contexts of z that learn by themselves."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import torch

from gencodec.model.config import CONFIGS
from gencodec.model.vae import learned_vae
from gencodec.train.contexts import NAMES, learn_contexts
from gencodec.train.grow import grown
from gencodec.train.store import PhotoStore
from tests.train.runs import CPU, Photo

TINY = CONFIGS["tiny"]


def test_contexts_learn_and_nothing_else(photo: Photo) -> None:
    torch.manual_seed(3)
    vae = learned_vae(replace(TINY, hyper_depth=0))
    with torch.no_grad():
        vae.h_a.down64.weight.mul_(30.0)  # a fresh z is silent
        vae.prior.get_parameter("z_scale.knots").fill_(1.0)
    larger = grown(vae, TINY)
    before = {name: each.clone() for name, each in larger.state_dict().items()}
    store = PhotoStore([photo(256, 320, seed) for seed in range(4)], CPU)
    state, said = torch.random.get_rng_state(), list[str]()
    learn_contexts(larger, store, 1, said.append, crops=24, steps=80)
    assert torch.equal(torch.random.get_rng_state(), state)
    (line,) = said
    first, last = (float(number) for number in re.findall(r"\d+\.\d", line))
    assert last < 0.97 * first
    for name, each in larger.state_dict().items():
        learned = name.removeprefix("prior.").startswith(NAMES)
        assert learned or torch.equal(each, before[name]), name
    assert all(each.grad is None for each in larger.parameters())


def test_the_same_seed_teaches_the_same(photo: Photo) -> None:
    learned = []
    store = PhotoStore([np.tile(photo(64, 64), (2, 2, 1))], CPU)
    for _ in range(2):
        torch.manual_seed(4)
        vae = learned_vae(TINY)
        learn_contexts(vae, store, 7, lambda line: None, crops=4, steps=3)
        learned.append(vae.state_dict())
    assert all(torch.equal(learned[0][name], learned[1][name]) for name in learned[0])
