"""Ways to run the command line: as a process, and in this process with a codec that is a stub."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gencodec.bitstream import Container, Header, Section, pack, read_header, unpack
from gencodec.cli import main
from gencodec.codec import Codec
from gencodec.errors import ChecksumError
from gencodec.image import PixelRows
from gencodec.model.quality import step_of

CHECKOUT = Path(__file__).resolve().parents[2]
LATENTS = 0x01
STUB_ID = b"stub"

Result = subprocess.CompletedProcess[bytes]
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run `python -m gencodec ARGS` in tmp_path and return code, stdout and stderr as bytes."""

    def call(
        *args: str | Path,
        door: str = "module",
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
    ) -> Result:
        start = ["-m", "gencodec"] if door == "module" else [str(CHECKOUT / "cli.py")]
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), **(env or {})}
        return subprocess.run(
            [sys.executable, *start, *map(str, args)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env=environment,
            timeout=300,
        )

    return call


@pytest.fixture(name="make_stream")
def _make_stream() -> Callable[..., bytes]:
    return make_stream


@pytest.fixture(name="make_photo")
def _make_photo() -> Callable[..., Path]:
    return make_photo


@pytest.fixture(name="one_error")
def _one_error() -> Callable[..., str]:
    return one_error


@pytest.fixture(name="checkout")
def _checkout() -> Path:
    return CHECKOUT


@pytest.fixture(scope="session")
def loaded() -> Callable[..., Codec]:
    """Codec.load, once for each of the shipped weights; a file's codec is loaded every time."""
    always = Codec.load
    once = functools.cache(always)

    def load(model: str | None = None, *, device: str = "auto") -> Codec:
        is_file = model is not None and model.endswith(".safetensors")
        return (always if is_file else once)(model, device=device)

    return load


@pytest.fixture
def here(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
    loaded: Callable[..., Codec],
) -> Run:
    """As `run`, but in this process: no three seconds of importing torch and reading weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Codec, "load", loaded)

    def call(*args: object) -> Result:
        words = [str(arg) for arg in args]
        code = main(words)
        return subprocess.CompletedProcess(words, code, *capfdbinary.readouterr())

    return call


def make_stream(width: int = 33, height: int = 17, latents: bytes = b"\x00" * 40) -> bytes:
    """A container that is sound to the last check, with latents that no model wrote."""
    header = Header(weights_id=b"\xde\xad\xbe\xef", step=100, width=width, height=height)
    return pack(Container(header, (Section(LATENTS, latents),), True))


def make_photo(path: Path, width: int = 63, height: int = 65, **save: Any) -> Path:
    """A smooth colour picture with some texture, in the format of the suffix."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [np.sin(rows / 9 + k) * 60 + np.cos(columns / 7 - k) * 60 + 128 for k in range(3)]
    pixels = np.clip(np.stack(waves, axis=-1), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **save)
    return path


def one_error(result: Result, code: int, *words: str) -> str:
    """The process ended with this code and exactly one line on stderr that holds these words."""
    text = result.stderr.decode()
    assert result.returncode == code, text
    lines = text.splitlines()
    assert len(lines) == 1, text
    assert lines[0].startswith("gencodec: ")
    assert "Traceback" not in text
    for word in words:
        assert word in lines[0], text
    return lines[0]


@dataclass
class StubCodec:
    """Stands in for Codec: a stream whose latents are the deflated differences of pixels."""

    fail: BaseException | None = None
    loads: int = 0

    def compress_rows(
        self, source: PixelRows, *, quality: float, rest: list[Section], **how: object
    ) -> bytes:
        if self.fail is not None:
            raise self.fail
        pixels = source.rows(0, source.height)
        header = Header(
            weights_id=STUB_ID,
            step=step_of(quality),
            width=pixels.shape[1],
            height=pixels.shape[0],
        )
        steps = np.diff(np.diff(pixels, axis=0, prepend=0), axis=1, prepend=0)
        latents = zlib.compress(steps.astype(np.uint8).tobytes())
        return pack(Container(header, (*rest, Section(LATENTS, latents)), True))

    def decompress_picture(
        self, data: bytes, *, max_pixels: int, allow_truncated: bool = False, **view: object
    ) -> object:
        from gencodec.image import picture_from_array

        if self.fail is not None:
            raise self.fail
        header = read_header(data)
        payload = unpack(data).section(LATENTS)
        assert payload is not None
        steps = np.frombuffer(zlib.decompress(payload), np.uint8).reshape(
            header.height, header.width, 3
        )
        return picture_from_array(steps.cumsum(0).cumsum(1).astype(np.uint8))

    def verify(self, data: bytes, *, max_pixels: int) -> None:
        if self.fail is not None:
            raise self.fail
        payload = unpack(data).section(LATENTS)
        try:
            zlib.decompress(payload or b"")
        except zlib.error as error:
            raise ChecksumError("the symbols do not match their check") from error


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StubCodec:
    """Replace the codec by a stub that needs no weights, and work in tmp_path."""
    codec = StubCodec()

    class Loader:
        @classmethod
        def load(cls, model: str | None = None, *, device: str = "auto") -> StubCodec:
            codec.loads += 1
            return codec

    monkeypatch.setattr("gencodec.codec.Codec", Loader)
    monkeypatch.chdir(tmp_path)
    return codec


@pytest.fixture
def album(stub: StubCodec, tmp_path: Path) -> Path:
    for index in range(3):
        make_photo(tmp_path / "album" / f"{index}.png", 17 + index, 9)
    return tmp_path / "album"
