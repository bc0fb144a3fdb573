"""Streams that are cut, too large, or need what is not here; and weights that are not right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import gencodec
from gencodec.bitstream import LATENTS, Container, Header, Section, pack
from gencodec.codec import Codec
from gencodec.errors import GencodecError, LimitError, TruncatedError, WeightsError
from gencodec.image import Picture
from gencodec.model import locate
from gencodec.model.weights import load_weights

Photo = Callable[..., np.ndarray]
Psnr = Callable[[np.ndarray, np.ndarray], float]


# Cut streams -----------------------------------------------------------------------------------


def test_a_cut_stream_shows_the_whole_picture_in_less_detail(
    codec: Codec, photo: Photo, psnr: Psnr
) -> None:
    pixels = photo(150, 200)
    stream = codec.compress(pixels, quality=75)
    whole = psnr(pixels, codec.decompress(stream))
    fidelity, shares = [], []
    for kept in (0.15, 0.4, 0.7, 0.95):
        cut = stream[: int(len(stream) * kept)]
        with pytest.raises(TruncatedError):
            codec.decompress_picture(cut)
        with pytest.raises(TruncatedError):
            codec.verify(cut)
        picture = codec.decompress_picture(cut, allow_truncated=True)
        assert (picture.width, picture.height) == (200, 150)
        (note,) = picture.notes
        assert "cut" in note and "\n" not in note
        shares.append(int(note.split("%")[0].split()[-1]))
        fidelity.append(psnr(pixels, picture.pixels))
    assert fidelity == sorted(fidelity) and fidelity[-1] > fidelity[0] + 1, fidelity
    assert shares == sorted(set(shares)) and 0 < shares[0] and shares[-1] < 100
    assert fidelity[-1] <= whole + 0.1


def test_every_cut_gives_a_picture_or_says_why_not(tiny: Codec, photo: Photo) -> None:
    alpha = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    stream = tiny.compress_picture(Picture(photo(20, 30), alpha, xmp=b"<x/>"))
    header_bytes = gencodec.info(stream).header_bytes
    for length in range(len(stream)):
        if length < header_bytes:
            with pytest.raises(TruncatedError):
                tiny.decompress_picture(stream[:length], allow_truncated=True)
        elif length % 7 == 0 or length > len(stream) - 8:
            picture = tiny.decompress_picture(stream[:length], allow_truncated=True)
            assert (picture.width, picture.height) == (30, 20) and len(picture.notes) == 1
    whole = tiny.decompress_picture(stream, allow_truncated=True)
    assert whole.notes == () and whole.alpha is not None


def test_metadata_outlives_a_cut(codec: Codec, photo: Photo) -> None:
    """It stands before the latents: what a cut costs is detail."""
    stream = codec.compress_picture(Picture(photo(60, 60), icc=b"p" * 50, xmp=b"<x/>"))
    picture = codec.decompress_picture(stream[:-40], allow_truncated=True)
    assert (picture.icc, picture.xmp) == (b"p" * 50, b"<x/>")


def test_damage_is_not_taken_for_a_cut(codec: Codec, photo: Photo) -> None:
    stream = codec.compress(photo(60, 60))
    damaged = stream[:40] + bytes((stream[40] ^ 1,)) + stream[41:]
    for allow_truncated in (False, True):
        with pytest.raises(GencodecError):
            codec.decompress_picture(damaged, allow_truncated=allow_truncated)


# Limits ----------------------------------------------------------------------------------------


def test_max_pixels(codec: Codec, photo: Photo) -> None:
    stream = codec.compress(photo(30, 40))
    assert codec.decompress(stream, max_pixels=1200).shape == (30, 40, 3)
    for read in (codec.decompress, codec.decompress_picture, codec.verify):
        with pytest.raises(LimitError, match="1200 pixels"):
            read(stream, max_pixels=1199)  # type: ignore[operator]
    with pytest.raises(LimitError):
        codec.decompress_picture(stream[:-5], max_pixels=1199, allow_truncated=True)
    with pytest.raises(LimitError):
        codec.decompress_batch([stream], max_pixels=1199)


def test_random_bytes_never_decode(codec: Codec, photo: Photo) -> None:
    """Sound in structure, noise inside: a named error, in bounded time."""
    rng = np.random.default_rng(0)
    for size in ((1, 1), (64, 64), (500, 400)):
        header = Header(codec.weights_id, int(rng.integers(256)), *size)
        for words in (2, 3, 50, 2000):
            noise = rng.bytes(4 + 4 * words)
            with pytest.raises(GencodecError):
                codec.decompress(pack(Container(header, (Section(LATENTS, noise),))))


# Weights ---------------------------------------------------------------------------------------


def test_a_stream_of_weights_that_are_not_here(codec: Codec, tiny: Codec, photo: Photo) -> None:
    stream = tiny.compress(photo(20, 20))
    for read in (codec.decompress, codec.verify, lambda data: codec.decompress_batch([data])):
        with pytest.raises(WeightsError, match=tiny.weights_id.hex()):
            read(stream)


def test_names_and_devices_that_do_not_exist() -> None:
    for model in ("no-such-model", "no-such-file.safetensors", Path("/nowhere/x.safetensors"), ""):
        with pytest.raises(WeightsError):
            Codec.load(model, device="cpu")
    for device in ("gpu", "mps", "", "cuda:99"):
        with pytest.raises(WeightsError):
            Codec.load(device=device)


@pytest.fixture
def shipped(tmp_path: Path, tiny_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of shipped weights that tests may spoil: two files and their manifest."""
    folder = tmp_path / "weights"
    folder.mkdir()
    shutil.copy(tiny_path, folder / "first.safetensors")
    row = {
        "name": "first",
        "file": "first.safetensors",
        "content_sha256": load_weights(tiny_path).digest.hex(),
        "config": "tiny",
        "bytes": tiny_path.stat().st_size,
        "released": "2026-01-01",
    }
    (folder / "manifest.json").write_text(json.dumps({"default": "first", "weights": [row]}))
    monkeypatch.setattr(locate, "INSTALLED", tmp_path / "none")
    monkeypatch.setattr(locate, "CHECKOUT", folder)
    return folder


def test_weights_from_a_manifest(shipped: Path, photo: Photo) -> None:
    codec = Codec.load(device="cpu")
    assert codec.weights_id == Codec.load("first", device="cpu").weights_id
    assert codec.decompress(codec.compress(photo(20, 20))).shape == (20, 20, 3)


def test_weights_that_are_not_what_the_manifest_says(
    codec: Codec, shipped: Path, photo: Photo
) -> None:
    """A damaged or exchanged file must not make streams that no other copy can read."""
    stream = Codec.load(device="cpu").compress(photo(20, 20))
    path = shipped / "first.safetensors"
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    g_a = json.loads(data[8:start])["g_a.enter.bias"]["data_offsets"][0]
    data[start + g_a] ^= 1  # one bit of the analysis: still sound, no longer the same
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="manifest"):
        Codec.load(device="cpu")
    with pytest.raises(WeightsError, match="manifest"):
        Codec.load("first", device="cpu")
    with pytest.raises(WeightsError, match="manifest"):
        codec.decompress(stream)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"default": "a"}',
        '{"default": "a", "weights": [{}]}',
        '{"default": "a", "weights": 5}',
        '{"default": "a", "weights": []}',
        "[" * 20_000,
    ],
)
def test_a_broken_manifest(shipped: Path, text: str) -> None:
    (shipped / "manifest.json").write_text(text)
    with pytest.raises(WeightsError):
        Codec.load(device="cpu")


def test_a_manifest_never_leads_out_of_its_folder(shipped: Path, tiny_path: Path) -> None:
    manifest = shipped / "manifest.json"
    (shipped / "first.safetensors").unlink()
    text = manifest.read_text(encoding="utf-8").replace("first.safetensors", str(tiny_path))
    manifest.write_text(text)
    with pytest.raises(WeightsError):
        Codec.load(device="cpu")
