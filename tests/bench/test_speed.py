"""The machinery of speed reports; what time it takes is no matter here."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from gencodec.bench import speed
from gencodec.bench.__main__ import main
from gencodec.bench.contestants import Gencodec, load_rival
from gencodec.bench.environment import peak_memory
from gencodec.bench.memory import Memory
from gencodec.bench.pictures import find_pictures, load_picture
from gencodec.bench.report import read_report
from gencodec.bench.stages import timed_compress, timed_decompress
from gencodec.image import Pixels

needs_compressai = pytest.mark.skipif(
    find_spec("compressai") is None, reason="compressai is not installed"
)


def test_stages_are_the_codec(codec: Gencodec, folder: Path) -> None:
    path = folder / "picture0.png"
    pixels = load_picture(path).pixels
    stream, encode = timed_compress(codec, path)
    assert stream == codec.compress(pixels)
    decoded, decode = timed_decompress(codec, stream)
    assert np.array_equal(decoded, codec.decompress(stream))
    assert list(encode) == ["read", "g_a", "prior", "ans", "pack"]
    assert list(decode) == ["unpack", "prior", "ans", "g_s", "write"]
    assert min(*encode.values(), *decode.values()) > 0.0


class RawPixels:
    """A rival that stores pixels as they are."""

    name, label, note = "raw", "Raw", "no compression"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def compress(self, pixels: Pixels) -> bytes:
        self.calls.append(f"c{pixels.shape[0]}")
        return np.array(pixels.shape[:2], "<u4").tobytes() + pixels.tobytes()

    def decompress(self, stream: bytes) -> Pixels:
        height, width = np.frombuffer(stream[:8], "<u4")
        self.calls.append(f"d{height}")
        return np.frombuffer(stream[8:], np.uint8).reshape(height, width, 3)


def test_codecs_take_turns(codec: Gencodec, folder: Path) -> None:
    rival = RawPixels()
    timings, stages = speed.race([codec, rival], find_pictures(folder), 2)
    # The untimed round, then twice through both pictures.
    assert rival.calls == ["c40", "d40", "c33", "d33"] * 3
    assert [(row.codec, row.image) for row in timings] == [
        (name, image) for image in ("picture0", "picture1") for name in ("gencodec", "raw")
    ]
    assert timings[1].file_bytes == 8 + 40 * 57 * 3
    assert all(0.0 <= row.encode_min_s <= row.encode_s for row in timings)
    for direction in ("encode", "decode"):
        parts = [part.share for part in stages if part.direction == direction]
        assert sum(share for share in parts if share is not None) == pytest.approx(1, abs=1e-3)
        assert parts.count(None) == 1


def test_a_summary_adds_up(folder: Path) -> None:
    rival = RawPixels()
    timings = [
        speed.Timing("raw", "a", 1000, 500, 125000, 1.0, 0.5, 0.0, 0.0),
        speed.Timing("gencodec", "a", 1000, 500, 1, 9.0, 9.0, 9.0, 9.0),
        speed.Timing("raw", "b", 500, 1000, 62500, 2.0, 0.25, 0.0, 0.0),
    ]
    row = speed.summary(rival, timings, Memory(1, 2, 3))
    assert (row.bpp, row.encode_s_per_mp, row.decode_s_per_mp) == (1.5, 3.0, 0.75)


@pytest.mark.slow
def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "speed.json"
    arguments = ["speed", str(folder), "-o", str(output), "--repeat", "1", "--limit", "1"]
    assert main([*arguments, "--quality", "30", "--device", "cpu"]) == 0
    report = read_report(speed.Speed, output)
    assert (report.quality, report.repetitions, report.dataset.images) == (30.0, 1, 1)
    (row,) = report.codecs
    assert row.label.startswith("gencodec base, quality 30")
    if peak_memory():
        memory = row.memory
        assert 50 < memory.loaded <= memory.encode
        assert memory.decode > 50  # of a process of its own: a megabyte less than loaded, at times
    assert "s/MP" in capsys.readouterr().out


def test_peak_memory_grows() -> None:
    before = peak_memory()
    block = np.ones(50_000_000, np.uint8)
    assert int(block[-1]) == 1
    if sys.platform.startswith("linux"):
        assert peak_memory() >= before > 10_000_000


@pytest.mark.parametrize("name", ["nobody:x", "compressai", "compressai:"])
def test_unknown_rivals(name: str) -> None:
    with pytest.raises(ValueError, match="unknown rival"):
        load_rival(name, torch.device("cpu"))


@needs_compressai
@pytest.mark.slow
def test_compressai_codes_at_an_ordinary_rate() -> None:
    rival = load_rival("compressai:mbt2018-mean", torch.device("cpu"))
    again = load_rival("compressai:mbt2018-mean", torch.device("cpu"))
    rows, columns = np.mgrid[:97, :161]
    waves = [np.sin(rows / (9.0 + k)) * np.cos(columns / 7.0) for k in range(3)]
    pixels = (128 + 100 * np.stack(waves, 2)).astype(np.uint8)
    stream = rival.compress(pixels)
    assert rival.decompress(stream).shape == pixels.shape
    # Sides are padded to 128 and 192: rates of small pictures are a little high.
    assert 0.2 < 8 * len(stream) / (128 * 192) < 1.5
    assert again.compress(pixels) == stream
    assert "random weights" in rival.note
    with pytest.raises(ValueError, match="no rival compressai:factorised"):
        load_rival("compressai:factorised", torch.device("cpu"))
