"""The machinery of speed reports; what time it takes is no matter here."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gencodec.bench import compressai_codec, speed
from gencodec.bench.cold import Cold, Memory, measure_cold
from gencodec.bench.command import Plan, racing_recipes
from gencodec.bench.contestants import OWN_NAME, Recipe, make_contestant, nearest_in_bytes
from gencodec.bench.environment import peak_memory
from gencodec.bench.own_codec import Gencodec
from gencodec.bench.pictures import find_pictures, load_picture
from gencodec.bench.rate_distortion import measure
from gencodec.bench.stages import timed_compress, timed_decompress
from gencodec.bench.throughput import measure_throughput
from gencodec.bitstream import unpack
from gencodec.codec import tiles
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


def test_stages_and_account_of_tiles(
    codec: Gencodec, tmp_path: Path, photo: Callable[..., Pixels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "UNTILED_PIXELS", 20_000)
    monkeypatch.setattr(tiles, "AUTO_TILE_SIDE", 64)
    pixels = photo(150, 200)
    path = tmp_path / "large.png"
    Image.fromarray(pixels).save(path)
    stream, _ = timed_compress(codec, path)
    container = unpack(stream)
    assert container.tiles is not None and len(container.tiles.tiles) == 3 * 4
    decoded, _ = timed_decompress(codec, stream)
    assert np.array_equal(decoded, codec.decompress(stream))
    row = measure(codec, load_picture(path))
    # Each tile's coder wastes two words of state and its last one; its check is in the index.
    assert row.container_bytes is not None and row.ideal_bits is not None
    waste = 8 * (row.file_bytes - row.container_bytes) - row.ideal_bits
    assert 0 <= waste <= 12 * 8 * 12


def test_codecs_take_turns(codec: Gencodec, raw: Any, folder: Path) -> None:
    paths = find_pictures(folder)
    samples = [load_picture(path) for path in paths]
    timings, stages = speed.race([[codec, codec], [raw, raw]], samples, paths, 2)
    # The untimed round, then twice through both pictures.
    assert raw.calls == ["c40", "d40", "c33", "d33"] * 3
    assert [(row.codec, row.image) for row in timings] == [
        (name, image) for image in ("picture0", "picture1") for name in ("gencodec", "raw")
    ]
    assert timings[1].file_bytes == 8 + 40 * 57 * 3
    assert all(0.0 <= row.encode_min_s <= row.encode_s for row in timings)
    for direction in ("encode", "decode"):
        parts = [part.share for part in stages if part.direction == direction]
        assert sum(share for share in parts if share is not None) == pytest.approx(1, abs=1e-3)
        assert parts.count(None) == 1


def test_who_cannot_decode_a_picture_is_known_before_the_race(raw: Any, folder: Path) -> None:
    samples = [load_picture(path) for path in find_pictures(folder)]

    class Picky(type(raw)):  # type: ignore[misc]  # its threads are its own, as a command's are
        about = replace(raw.about, threads=0)

        def decompress(self, stream: bytes) -> Pixels:
            if int.from_bytes(stream[:4], "little") == 33:
                raise RuntimeError("no luck")
            return np.asarray(super().decompress(stream))

    assert speed.decodes_alike(Recipe("raw"), [Picky()], samples[:1], 1) is None
    with pytest.raises(RuntimeError, match="no luck"):
        speed.decodes_alike(Recipe("raw"), [Picky(), Picky()], samples, 1)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="no cores are told apart here")
def test_a_race_is_on_the_cores_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5, 7, 8})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    (recipe,) = racing_recipes(Plan(Path()), "cpu", [OWN_NAME])
    assert recipe.threads == 3


def test_a_summary_adds_up(raw: Any) -> None:
    timings = [
        speed.Timing("raw", "a", 1000, 500, 8.0, 125000, 1.0, 0.5, 0.0, 0.0),
        speed.Timing("gencodec", "a", 1000, 500, 60.0, 1, 9.0, 9.0, 9.0, 9.0),
        speed.Timing("raw", "b", 500, 1000, 8.0, 62500, 2.0, 0.25, 0.0, 0.0),
    ]
    row = speed.summary(raw, timings, Memory(1, 2, 3), Cold(1.0, 2.0, 3.0), 2)
    assert (row.bpp, row.encode_s_per_mp, row.decode_s_per_mp) == (1.5, 3.0, 0.75)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no cp")
def test_the_memory_of_commands_is_not_that_of_python(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "codecs.toml"
    path.write_text(
        "[copy]\nencode = 'cp {input} {output}'\ndecode = 'cp {input} {output}'\nqualities = [1]"
    )
    recipe = Recipe("copy", codecs=path)
    pixels = load_picture(folder / "picture0.png").pixels
    memory, cold = measure_cold(recipe, pixels, make_contestant(recipe).compress(pixels))
    assert memory == Memory(0, 0, 0) and cold.encode_s > 0.0


def test_a_race_and_those_who_cannot_run(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "codecs.toml").write_text(
        "[wrong]\nencode = 'cp {input} {output}'\ndecode = 'cp /dev/null {output}'\nqualities = [1]"
    )
    cold = Memory(1, 2, 3), Cold(1.0, 2.0, 3.0)
    monkeypatch.setattr(
        speed,
        "measure_cold",
        lambda r, *work: cold if r.name == "wrong" else measure_cold(r, *work),
    )
    recipes = [
        Recipe(OWN_NAME, quality=30.0),
        Recipe("compressai:none"),
        Recipe("wrong", codecs=tmp_path / "codecs.toml"),
    ]
    report, bugs = speed.measure_speed(recipes, find_pictures(folder)[:1], 1)
    (row,) = report.codecs
    assert (report.quality, report.threads, report.other_threads) == (30.0, 1, 2)
    assert (row.codec, row.alike) == ("gencodec", 1)
    assert [timing.quality for timing in report.timings] == [30.0]
    assert min(row.cold.load_s, row.cold.encode_s, row.cold.decode_s) > 0.0
    if peak_memory():
        memory = row.memory
        assert 50 < memory.loaded <= memory.encode
        assert memory.decode > 50  # of a process of its own: a megabyte less than loaded, at times
    assert [bug.codec for bug in bugs] == ["compressai:none", "wrong"]
    assert all(bug.reason.startswith("speed: ") for bug in bugs)
    assert report.throughput == ()  # no CUDA was asked for


def test_no_race_without_gencodec(folder: Path, no_shared_locks: None) -> None:
    with pytest.raises(FileNotFoundError):
        speed.measure_speed([Recipe(OWN_NAME, quality=30.0)], find_pictures(folder)[:1], 1)


def test_throughput(codec: Gencodec, folder: Path) -> None:
    samples = [load_picture(path) for path in find_pictures(folder)]
    rows = measure_throughput(codec, samples, [(48, 32)], [1, 2], 1, everywhere=True)
    assert [row.direction for row in rows] == ["encode", "decode"]
    assert all(0 < row.single <= row.best and row.best_batch in (1, 2) for row in rows)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_throughput_on_cuda(folder: Path) -> None:
    subject = make_contestant(Recipe(OWN_NAME, device="cuda", quality=60.0))
    assert isinstance(subject, Gencodec)
    samples = [load_picture(path) for path in find_pictures(folder)]
    rows = measure_throughput(subject, samples, [(768, 512)], [1, 2], 2)
    assert len(rows) == 2 and all(row.single > 0 for row in rows)


def test_peak_memory_grows() -> None:
    before = peak_memory()
    block = np.ones(50_000_000, np.uint8)
    assert int(block[-1]) == 1
    if sys.platform.startswith("linux"):
        assert peak_memory() >= before > 10_000_000


def test_compressai_with_weights_of_some_qualities_only(folder: Path) -> None:
    class Net:
        def __init__(self, size: int) -> None:
            self.size = size

        def compress(self, x: torch.Tensor) -> dict[str, Any]:
            return {"strings": [[bytes(self.size)], [b""]], "shape": (1, 1)}

    nets = {1: Net(10), 6: Net(1000)}
    codec = compressai_codec.CompressaiCodec("m", True, nets, 6, 1, torch.device("cpu"), "")
    sample = load_picture(folder / "picture0.png")
    for target, level in ((700, 6), (100, 1), (2, 1), (5000, 6)):
        assert nearest_in_bytes(codec, sample, target)[0].quality == level


@needs_compressai
@pytest.mark.slow
def test_compressai_codes_at_an_ordinary_rate() -> None:
    rival, again = (compressai_codec.load(Recipe("compressai:mbt2018-mean")) for _ in range(2))
    rows, columns = np.mgrid[:97, :161]
    waves = [np.sin(rows / (9.0 + k)) * np.cos(columns / 7.0) for k in range(3)]
    pixels = (128 + 100 * np.stack(waves, 2)).astype(np.uint8)
    stream = rival.compress(pixels)
    assert rival.decompress(stream).shape == pixels.shape
    # Sides are padded to 128 and 192: rates of small pictures are a little high.
    assert 0.2 < 8 * len(stream) / (128 * 192) < 1.5
    assert again.compress(pixels) == stream
    assert "random weights" in rival.about.note and rival.qualities == ()


@needs_compressai
@pytest.mark.slow
def test_compressai_with_weights_that_were_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    net = compressai_codec.load(Recipe("compressai:mbt2018-mean")).net
    files = compressai_codec._published("mbt2018-mean")
    assert list(files) == list(range(1, 9))
    files[4].parent.mkdir(parents=True)
    torch.save(net.state_dict(), files[4])
    rival = compressai_codec.load(Recipe("compressai:mbt2018-mean"))
    assert rival.qualities == (4.0,) and "published weights" in rival.about.settings
    pixels = np.full((64, 64, 3), 90, np.uint8)
    assert rival.decompress(rival.compress(pixels)).shape == pixels.shape
