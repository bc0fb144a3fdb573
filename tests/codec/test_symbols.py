"""Symbols: those encoded are those decoded, whoever decodes, and any others are noticed."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from gencodec.bitstream import LATENTS, Container, Section, pack, unpack
from gencodec.codec import Codec
from gencodec.codec import latents as latents_module
from gencodec.codec.latents import Latents, decode_latents, quantise
from gencodec.codec.transform import analyze
from gencodec.entropy import PassDecoder, encode_passes
from gencodec.errors import ChecksumError, GencodecError, WeightsError
from gencodec.model.config import GROUPS
from gencodec.model.exact import ExactConv
from gencodec.model.weights import Weights, load_weights, pack_weights
from tests.codec.costs import cost
from tests.vectors import reference

Photo = Callable[..., np.ndarray]
SIZES = [(1, 1), (16, 33), (1, 80), (80, 1), (70, 130)]


class Recorder(PassDecoder):
    """A decoder that keeps what it decoded."""

    def __init__(self, payload: bytes, weights: Weights) -> None:
        super().__init__(payload, weights.tables)
        self.passes: list[tuple[np.ndarray, np.ndarray]] = []

    def decode(self, scale_index: np.ndarray) -> np.ndarray:
        symbols = super().decode(scale_index)
        self.passes.append((symbols, scale_index.copy()))
        return symbols


def encoded(weights: Weights, pictures: Sequence[np.ndarray], steps: list[int]) -> list[Latents]:
    step = torch.tensor(steps)
    return quantise(weights.vae, analyze(weights.vae, np.stack(pictures), step), step)


def rows_and_columns(pixels: np.ndarray) -> tuple[int, int]:
    return -(-pixels.shape[0] // 16), -(-pixels.shape[1] // 16)


def assert_same(latents: Latents, recorder: Recorder) -> None:
    assert len(recorder.passes) == len(latents.passes) == 2 * GROUPS
    for (symbols, scale_index), (decoded, used) in zip(
        latents.passes, recorder.passes, strict=True
    ):
        assert np.array_equal(scale_index, used)
        assert np.array_equal(symbols, decoded)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("step", [0, 101, 255])
def test_decoded_is_encoded(codec: Codec, photo: Photo, height: int, width: int, step: int) -> None:
    weights, pixels = codec.weights, photo(height, width)
    (latents,) = encoded(weights, [pixels], [step])
    payload = latents.encode(weights.tables)
    recorder = Recorder(payload, weights)
    y_hat = decode_latents(weights, [recorder], torch.tensor([step]), *rows_and_columns(pixels))
    assert_same(latents, recorder)
    config = weights.vae.config
    elements = [symbols.size for symbols, _ in latents.passes]
    assert sum(elements[-GROUPS:]) == config.latent * y_hat.shape[2] * y_hat.shape[3]
    assert torch.equal(y_hat * 16, torch.floor(y_hat * 16))  # exactly sixteenths
    check = 0
    for symbols, _ in latents.passes:
        check = zlib.crc32(symbols.astype("<i4").tobytes(), check)
    assert check == int.from_bytes(payload[:4], "little")


def test_pictures_of_a_batch_do_not_touch_each_other(codec: Codec, photo: Photo) -> None:
    """Streams made one by one decode together, at different steps, and the other way round."""
    weights, steps = codec.weights, [4, 130, 255]
    pictures = [photo(50, 70, seed) for seed in range(3)]
    size = rows_and_columns(pictures[0])
    alone = [encoded(weights, [p], [s])[0] for p, s in zip(pictures, steps, strict=True)]
    together = [Recorder(latents.encode(weights.tables), weights) for latents in alone]
    decode_latents(weights, together, torch.tensor(steps), *size)
    for latents, recorder in zip(alone, together, strict=True):
        assert_same(latents, recorder)
    for latents, step in zip(encoded(weights, pictures, steps), steps, strict=True):
        recorder = Recorder(latents.encode(weights.tables), weights)
        decode_latents(weights, [recorder], torch.tensor([step]), *size)
        assert_same(latents, recorder)


def test_thread_counts(codec: Codec, photo: Photo, threads: Callable[[int], None]) -> None:
    pixels = photo(150, 210)
    streams = {}
    for made in (1, 2):
        threads(made)
        streams[made] = codec.compress(pixels, quality=80)
    for made, read in ((1, 2), (2, 1), (1, 3)):
        threads(read)
        codec.verify(streams[made])


@pytest.mark.usefixtures("medium_precision")
def test_callers_precision_and_autocast(codec: Codec, photo: Photo) -> None:
    """What a program does to torch for its own ends must not reach the symbols."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made_inside = codec.compress(photo(60, 90))
        codec.verify(made_inside)
    codec.verify(made_inside)
    made_outside = codec.compress(photo(60, 90))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        codec.verify(made_outside)


def test_callers_default_dtype(codec: Codec, photo: Photo) -> None:
    stream = codec.compress(photo(60, 90))
    torch.set_default_dtype(torch.float64)
    try:
        codec.verify(stream)
        assert codec.compress(photo(60, 90)) == stream
    finally:
        torch.set_default_dtype(torch.float32)


# What must be noticed --------------------------------------------------------------------------


def with_payload(stream: bytes, payload: bytes) -> bytes:
    """The stream with other latents and every check over bytes right."""
    return pack(Container(unpack(stream).header, (Section(LATENTS, payload),)))


def test_a_flip_that_only_the_symbols_show(codec: Codec, photo: Photo) -> None:
    stream = codec.compress(photo(50, 70))
    payload = unpack(stream).section(LATENTS)
    assert payload is not None
    rng = np.random.default_rng(0)
    for place in [0, 5, len(payload) - 1, *rng.integers(4, len(payload), 5)]:
        flipped = bytearray(payload)
        flipped[place] ^= 1 << int(rng.integers(8))
        damaged = with_payload(stream, bytes(flipped))
        for read in (codec.decompress, codec.verify):
            with pytest.raises(ChecksumError):
                read(damaged)
    with pytest.raises(ChecksumError):
        codec.decompress_batch([stream, with_payload(stream, bytes(flipped))])


def test_a_machine_that_computes_another_prior(tiny_path: Path, photo: Photo) -> None:
    """One unit more in one scale index or mean: loud, never noise."""
    stream = Codec.load(tiny_path, device="cpu").compress(photo(64, 64))
    for name in ("step_scale", "z_scale", "z_mean", "step_features"):
        wrong = Codec.load(tiny_path, device="cpu")
        rows = wrong.weights.vae.prior.get_submodule(name).rows
        assert isinstance(rows, torch.Tensor)
        rows += 1
        with pytest.raises(ChecksumError):
            wrong.verify(stream)
    wrong = Codec.load(tiny_path, device="cpu")
    prior = wrong.weights.vae.prior
    layer = prior.get_submodule("means.9")
    assert isinstance(layer, ExactConv)
    layer.bias += 2 ** layer.shift.to(torch.int32)  # one more at the output
    layer.prepare()
    with pytest.raises(ChecksumError):
        wrong.verify(stream)


@pytest.mark.parametrize(("shape", "tile"), [((1, 1), None), ((90, 70), None), ((150, 330), 128)])
def test_contexts_of_z_as_the_format_has_them(
    tiny: Codec, tiny_path: Path, photo: Photo, shape: tuple[int, int], tile: int | None
) -> None:
    """The decoder written from FORMAT.md alone gets the same symbols (it asserts their check)."""
    stream = tiny.compress(photo(*shape), quality=70, tile=tile)
    tiles = reference.decode(stream, reference.read_weights(tiny_path)).passes
    assert all(len(passes) == 2 * GROUPS for passes in tiles)
    assert shape == (1, 1) or all(any(part.any() for part in passes[:GROUPS]) for passes in tiles)


def test_the_encoder_reads_its_own_stream(
    codec: Codec, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A coder that loses something must not hand out a stream."""

    def careless(passes: Sequence[tuple[np.ndarray, np.ndarray]], tables: object) -> bytes:
        changed = [(symbols.copy(), index) for symbols, index in passes]
        coded = np.flatnonzero(changed[2][1] >= 3)
        changed[2][0][coded[0]] += 1
        return real(changed, tables)  # type: ignore[arg-type]

    real = encode_passes
    monkeypatch.setattr(latents_module, "encode_passes", careless)
    with pytest.raises(ChecksumError, match="did not decode"):
        codec.compress(photo(30, 40))


def test_tables_with_another_threshold(tiny_path: Path, photo: Photo, tmp_path: Path) -> None:
    """The threshold under which nothing is coded is the weights': honoured, or refused at once."""
    from safetensors.torch import load_file

    tensors = load_file(tiny_path)
    tensors["tables.skip_below"] += 2
    path = tmp_path / "other.safetensors"
    path.write_bytes(pack_weights(load_weights(tiny_path).vae.config, tensors))
    try:
        codec = Codec.load(path, device="cpu")
    except WeightsError:
        return
    codec.verify(codec.compress(photo(40, 40)))


def test_latents_of_any_size_fit_the_format(tiny: Codec, photo: Photo) -> None:
    """Transforms that overflow or fail to be numbers still make a stream that decodes."""
    wild = Codec(copy.deepcopy(tiny.weights), torch.device("cpu"))
    for value in (1e30, float("inf"), float("nan")):
        with torch.no_grad():
            for name in ("g_a.down.bias", "h_a.down64.bias"):
                wild.weights.vae.get_parameter(name).fill_(value)
        try:
            stream = wild.compress(photo(33, 20))
        except GencodecError:
            continue
        assert wild.decompress(stream).shape == (33, 20, 3)


# On a GPU --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cuda_codec() -> Codec:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return Codec.load(device="cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("quality", [0, 60, 100])
def test_cuda_and_cpu_read_each_other(
    codec: Codec, cuda_codec: Codec, photo: Photo, quality: float
) -> None:
    assert cuda_codec.weights.notes == ()  # the prior runs on the GPU, not beside it
    for size in [(1, 1), (65, 63), (300, 400)]:
        pixels = photo(*size)
        for made, read in ((codec, cuda_codec), (cuda_codec, codec)):
            stream = made.compress(pixels, quality=quality)
            read.verify(stream)  # raises if a single symbol differs
            first, second = made.decompress(stream), read.decompress(stream)
            assert np.abs(first.astype(int) - second).max() <= 2  # half precision on the GPU


@pytest.mark.gpu
@pytest.mark.parametrize("tune", ["mse", "ssim"])
def test_cuda_makes_an_effort(codec: Codec, cuda_codec: Codec, photo: Photo, tune: str) -> None:
    """Gradients in half precision bring what those of the CPU bring."""
    pixels = photo(400, 528)  # of a smaller picture a word of four bytes is as much as is saved
    costs = [cost(codec, pixels, codec.compress(pixels, quality=50, tune=tune), 50, tune)]
    for made in (codec, cuda_codec):
        stream = made.compress(pixels, quality=50, effort=4, tune=tune)
        codec.verify(stream)
        costs.append(cost(codec, pixels, stream, 50, tune))
    plain, by_cpu, by_cuda = costs
    assert plain - by_cuda > 0.5 * (plain - by_cpu) > 0.0


@pytest.mark.gpu
def test_cuda_batches(codec: Codec, cuda_codec: Codec, photo: Photo) -> None:
    pictures = [photo(64, 96, seed) for seed in range(5)]
    streams = cuda_codec.compress_batch(pictures)
    for stream in streams:
        codec.verify(stream)
    assert len(cuda_codec.decompress_batch(codec.compress_batch(pictures))) == 5
