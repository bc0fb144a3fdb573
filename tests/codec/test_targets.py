"""Streams of a size or fidelity that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gencodec
from gencodec.bench.curves import psnr as psnr_of
from gencodec.codec import Codec, meet_metric, meet_size, rate
from gencodec.errors import TargetError
from gencodec.image import PictureRows, picture_from_array
from gencodec.model.config import CONFIGS
from gencodec.model.quality import quality_of
from gencodec.model.transforms import Analysis
from gencodec.model.weights import pack_weights, read_weights

Photo = Callable[..., np.ndarray]


@pytest.mark.parametrize("share", [0.15, 0.4, 0.8])
def test_a_size_is_met_from_below(codec: Codec, photo: Photo, share: float) -> None:
    picture = picture_from_array(photo(256, 320, 3))
    source = PictureRows(picture)
    target = int(share * len(codec.compress(picture, quality=100)))
    found = meet_size(codec.encoder(source, keep=True), target)
    assert 0.95 * target <= len(found.stream) <= target
    finer = codec.compress(picture, quality=quality_of(found.step + 1))
    assert len(found.stream) >= 0.98 * target or len(finer) > target  # steps may be far apart
    assert found.value == len(found.stream) and 1 <= found.passes <= rate.MAX_PASSES
    assert codec.decompress(found.stream).shape == (256, 320, 3)


def test_a_size_from_the_package(photo: Photo) -> None:
    pixels = photo(90, 120)
    stream = gencodec.compress(pixels, target_bytes=1500, tile=64, device="cpu")
    info = gencodec.info(stream)
    assert 1200 < info.file_bytes <= 1500 and info.tile_side == 64
    part = gencodec.decompress(stream, region=(0, 0, 50, 40), scale=2, device="cpu")
    assert part.shape == (20, 25, 3)


def test_weights_written_anew_are_read_anew(photo: Photo, tiny_path: Path, tmp_path: Path) -> None:
    """As by a training run, of which the process keeps the path."""
    path = tmp_path / "weights.safetensors"
    path.write_bytes(tiny_path.read_bytes())
    first = gencodec.info(gencodec.compress(photo(16, 16), model=path, device="cpu"))
    tensors = dict(read_weights(path)[1])
    tensors["g_s.leave.bias"] = tensors["g_s.leave.bias"] + 0.5
    path.write_bytes(pack_weights(CONFIGS["tiny"], tensors))
    second = gencodec.info(gencodec.compress(photo(16, 16), model=path, device="cpu"))
    assert first.weights_id != second.weights_id


def test_a_fidelity_is_met_from_above(codec: Codec, photo: Photo) -> None:
    pixels = photo(256, 320, 3)
    encoder = codec.encoder(PictureRows(picture_from_array(pixels)), tile=128, keep=True)
    found = meet_metric(encoder, pixels, psnr_of, 36.0)
    assert 36.0 <= psnr_of(pixels, codec.decompress(found.stream)) < 36.0 * 1.02
    assert found.passes <= rate.MAX_PASSES


def test_any_metric_will_do(tiny: Codec, photo: Photo) -> None:
    """Also one in which less is nearer, turned round."""
    pixels = photo(64, 64)

    def nearness(original: np.ndarray, decoded: np.ndarray) -> float:
        return -float(np.abs(original.astype(float) - decoded).mean())

    encoder = tiny.encoder(PictureRows(picture_from_array(pixels)), keep=True)
    values = [nearness(pixels, encoder.stream_and_pixels(step)[1]) for step in (0, 255)]
    target = sum(values) / 2
    found = meet_metric(encoder, pixels, nearness, target)
    assert found.value >= target and found.step < 255


def test_targets_out_of_reach(tiny: Codec, photo: Photo) -> None:
    source = PictureRows(picture_from_array(photo(64, 64)))
    with pytest.raises(TargetError, match="too few"):
        meet_size(tiny.encoder(source, keep=True), 50)
    with pytest.raises(TargetError, match="out of reach"):
        meet_metric(tiny.encoder(source, keep=True), source.rows(0, 64), psnr_of, 90.0)
    most = meet_size(tiny.encoder(source, keep=True), 10**400)
    assert most.step == 255


@pytest.mark.parametrize("target", [0, -5])
def test_a_size_that_no_file_has(tiny: Codec, photo: Photo, target: int) -> None:
    with pytest.raises(TargetError, match="too few"):
        tiny.compress_to_size(photo(16, 16), target)


def test_fidelities_that_are_no_numbers(tiny: Codec, photo: Photo) -> None:
    pixels = photo(64, 64)
    encoder = tiny.encoder(PictureRows(picture_from_array(pixels)), keep=True)
    with pytest.raises(TargetError, match="out of reach"):
        meet_metric(encoder, pixels, psnr_of, 1e308)
    for target in (np.inf, np.nan):
        with pytest.raises(ValueError, match="finite"):
            meet_metric(encoder, pixels, psnr_of, target)


@pytest.mark.parametrize("last_finite", [-1, 0, 120, 254])
def test_a_metric_may_say_infinity(last_finite: int) -> None:
    """As PSNR does where nothing is lost."""
    found = rate._search(
        lambda step: step / 255 if step <= last_finite else np.inf,
        0.9,
        aim=0.9,
        guess=100.0,
        slope=None,
        near=lambda *_: False,
    )
    assert found.passes <= rate.MAX_PASSES
    assert found.above is not None and found.above[0] == min(last_finite + 1, 230)


def test_the_trunk_runs_once(tiny: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    trunk = Analysis.trunk

    def count(self: Analysis, *args: object) -> object:
        calls.append(1)
        return trunk(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Analysis, "trunk", count)
    source = PictureRows(picture_from_array(photo(130, 130)))
    found = meet_size(tiny.encoder(source, tile=64, keep=True), 9000)
    assert len(calls) == 3  # rows of tiles
    assert found.passes > 1


@pytest.mark.parametrize("power", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("aim", [0.01, 0.2, 0.5, 0.99])
def test_the_search_encloses_any_rising_target(power: float, aim: float) -> None:
    """However the curve bends, neighbours enclose it, within the bound on passes."""
    for slope in (None, 1 / 255, 5.0):
        found = rate._search(
            lambda step: (step / 255) ** power,
            aim,
            aim=aim,
            guess=100.0,
            slope=slope,
            near=lambda *_: False,
        )
        assert found.passes <= rate.MAX_PASSES
        assert found.below is not None and found.above is not None
        assert found.above[0] == found.below[0] + 1
        assert found.below[1] <= aim < found.above[1]
