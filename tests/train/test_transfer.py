"""What weights have learned since others, added to a third."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gencodec.errors import WeightsError
from gencodec.model.config import CONFIGS
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.model.weights import load_weights, thaw
from gencodec.train.__main__ import main
from gencodec.train.export import plain_weights
from gencodec.train.grow import grown
from gencodec.train.transfer import transferred
from tests.train.runs import fresh

TINY = CONFIGS["tiny"]
LARGER = replace(TINY, depth8=TINY.depth8 + 1)


@torch.no_grad()
def moved(vae: ImageVae, seed: int) -> ImageVae:
    """The same with every number somewhere else."""
    generator = torch.Generator().manual_seed(seed)
    twin = learned_vae(vae.config)
    twin.load_state_dict(
        {
            name: value + 0.1 * torch.randn(value.shape, generator=generator)
            for name, value in vae.state_dict().items()
        }
    )
    return twin


def test_differences_are_added_to_what_is_shared() -> None:
    origin = fresh()
    onto, tuned = moved(grown(origin, LARGER), 1), moved(origin, 2)
    start = transferred(onto, tuned, origin)
    assert start.config == LARGER
    shared = origin.state_dict()
    for name, value in start.state_dict().items():
        expected = onto.state_dict()[name]
        if name in shared:
            expected = expected + tuned.state_dict()[name] - shared[name]
        assert torch.allclose(value, expected, atol=1e-6), name
    assert len(shared) < len(start.state_dict())


def test_differences_that_cannot_be_added() -> None:
    small, large = fresh(), learned_vae(LARGER)
    for onto, tuned, origin in ((small, large, large), (large, large, small)):
        with pytest.raises(WeightsError, match="cannot be added"):
            transferred(onto, tuned, origin)


def test_the_command_writes_weights_to_begin_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """To what they started from, tuned weights are added whole; what is there stays."""
    paths = [tmp_path / f"{name}.safetensors" for name in ("origin", "tuned", "start")]
    origin = fresh()
    for path, vae in zip(paths, (origin, moved(origin, 1)), strict=False):
        path.write_bytes(plain_weights(vae))
    first, second, third = map(str, paths)
    command = ["transfer", first, "--tuned", second, "--origin", first, "-o", third]
    assert main(command) == 0
    tuned, start = (thaw(load_weights(path)).state_dict() for path in paths[1:])
    for name, value in start.items():
        assert torch.allclose(value, tuned[name], atol=1e-3), name
    capsys.readouterr()
    assert main(command) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
