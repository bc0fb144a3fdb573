"""Bytes: no more than the model's own estimate, a short header, more of them for more quality."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

import gencodec
from gencodec.bitstream import LATENTS, unpack
from gencodec.codec import Codec
from gencodec.codec.latents import hyper_latents, quantise
from gencodec.codec.transform import analyze
from gencodec.entropy import gaussian_tables, ideal_bits
from gencodec.model.config import GROUPS
from gencodec.model.quality import quality_of, step_of
from gencodec.model.scales import SCALE_LEVELS, SKIP_BELOW, scale_of
from gencodec.model.vae import bits_of, table_rows
from gencodec.model.weights import thaw

Photo = Callable[..., np.ndarray]
Psnr = Callable[[np.ndarray, np.ndarray], float]


@pytest.mark.parametrize("quality", [0, 60, 100])
@pytest.mark.parametrize("size", [(1, 1), (40, 64), (200, 300)])
def test_the_rate_gap(codec: Codec, photo: Photo, size: tuple[int, int], quality: float) -> None:
    weights, pixels = codec.weights, photo(*size)
    step = torch.tensor([step_of(quality)])
    (latents,) = quantise(weights.vae, analyze(weights.vae, pixels[None], step), step)
    ideal = latents.ideal_bits(weights.tables) / 8
    payload = unpack(codec.compress(pixels, quality=quality)).section(LATENTS)
    assert payload is not None
    assert ideal - 1 <= len(payload) <= ideal * 1.01 + 24
    assert payload == latents.encode(weights.tables)


@pytest.mark.parametrize("size", [(1, 1), (127, 128), (1, 20_000)])
def test_the_header_is_short(tiny: Codec, size: tuple[int, int]) -> None:
    pixels = np.zeros((*size, 3), np.uint8)
    stream = tiny.compress(pixels)
    info = gencodec.info(stream)
    assert info.header_bytes < 32
    (latents,) = info.sections
    assert len(stream) - latents.bytes < 32  # header, tag, length, end and check together


@pytest.mark.parametrize("step", [10, 120, 230])
def test_the_estimate_of_training_is_what_coding_costs(
    codec: Codec, photo: Photo, step: int
) -> None:
    """Bits that the loss counts for rounded symbols, and the same symbols under the same curve."""
    pixels, steps = photo(192, 256), torch.tensor([step])
    vae, learned = codec.weights.vae, thaw(codec.weights)
    y = analyze(vae, pixels[None], steps)
    with torch.no_grad():
        estimate = learned.quantised(y, hyper_latents(vae, y), table_rows(steps))
    gaussian = gaussian_tables([scale_of(i) for i in range(SCALE_LEVELS)], SKIP_BELOW)
    (latents,) = quantise(vae, y, steps)
    z_bits = ideal_bits(latents.passes[:-GROUPS], gaussian)
    y_bits = ideal_bits(latents.passes[-GROUPS:], gaussian)
    assert float(bits_of(estimate.z_hat, estimate.of_z)) == pytest.approx(z_bits, rel=0.001)
    # The loss stops counting at 18 bits a symbol; an escape may cost more.
    assert float(bits_of(estimate.y_hat, estimate.of_y)) == pytest.approx(y_bits, rel=0.01)


def test_more_quality_is_more_bytes_and_more_fidelity(
    codec: Codec, photo: Photo, psnr: Psnr
) -> None:
    pixels = photo(160, 224)
    qualities = range(0, 101, 10)
    streams = [codec.compress(pixels, quality=quality) for quality in qualities]
    sizes = [len(stream) for stream in streams]
    assert sizes == sorted(set(sizes)), sizes
    fidelity = [psnr(pixels, codec.decompress(stream)) for stream in (streams[0], *streams[4::3])]
    assert fidelity == sorted(fidelity) and fidelity[-1] > fidelity[0] + 3


def test_steps_and_qualities() -> None:
    assert (step_of(0), step_of(100), step_of(60)) == (0, 255, 153)
    steps = [step_of(quality / 10) for quality in range(1001)]
    assert steps == sorted(steps) and set(steps) == set(range(256))
    assert [step_of(quality_of(step)) for step in range(256)] == list(range(256))
    for wrong in (-1, 101, math.nan, -math.inf):
        with pytest.raises(ValueError, match="quality"):
            step_of(wrong)
