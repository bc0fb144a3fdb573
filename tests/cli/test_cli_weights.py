"""The command line with the shipped weights, as a process: the whole way there and back."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bitstream import describe, read_header

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
OneError = Callable[..., str]
MakePhoto = Callable[..., Path]
CHECKOUT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(
    not list((CHECKOUT / "weights").glob("*.safetensors")), reason="weights/ holds none yet"
)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """PSNR in dB between two uint8 pictures."""
    error = np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / max(float(error), 1e-12)))


def pixels(source: Path | io.BytesIO) -> np.ndarray:
    """The pixels of a picture file."""
    with Image.open(source) as image:
        return np.asarray(image)


def test_there_and_back(run: Run, tmp_path: Path, make_photo: MakePhoto) -> None:
    make_photo(tmp_path / "photo.png", 127, 65)
    packed = run("compress", "photo.png", "-q", "70", "--verify")
    assert packed.returncode == 0, packed.stderr
    assert packed.stdout == b""
    assert len(packed.stderr.splitlines()) == 1
    assert b"verified" in packed.stderr
    size = (tmp_path / "photo.gnc").stat().st_size
    assert f"-> {size} bytes, {8 * size / (127 * 65):.3f} bpp".encode() in packed.stderr

    unpacked = run("decompress", "photo.gnc", "-o", "back.png", door="file")
    assert unpacked.returncode == 0, unpacked.stderr
    assert len(unpacked.stderr.splitlines()) == 1
    original, result = pixels(tmp_path / "photo.png"), pixels(tmp_path / "back.png")
    assert result.shape == original.shape
    assert psnr(original, result) > 20


def test_pipes_carry_pictures_and_streams(
    run: Run, here: Run, tmp_path: Path, make_photo: MakePhoto
) -> None:
    photo = make_photo(tmp_path / "photo.png").read_bytes()
    packed = run("compress", "-", stdin=photo)
    assert packed.returncode == 0, packed.stderr
    assert packed.stdout.startswith(b"\x97GNC")
    assert packed.stderr.startswith(b"- -> -: ")
    unpacked = run("decompress", "-", "-o", "-", "--format", "ppm", stdin=packed.stdout)
    assert unpacked.returncode == 0, unpacked.stderr
    assert unpacked.stdout.startswith(b"P6")
    assert pixels(io.BytesIO(unpacked.stdout)).shape == (65, 63, 3)
    here("compress", "photo.png")
    assert (tmp_path / "photo.gnc").read_bytes() == packed.stdout


def test_quality_changes_size_and_fidelity(
    here: Run, tmp_path: Path, make_photo: MakePhoto
) -> None:
    make_photo(tmp_path / "photo.png", 128, 128)
    sizes = []
    for quality in (5, 50, 95):
        assert here("compress", "photo.png", "-q", quality, "-o", f"{quality}.gnc").returncode == 0
        sizes.append((tmp_path / f"{quality}.gnc").stat().st_size)
    assert sizes == sorted(set(sizes))


def test_verify_info_and_models_agree(here: Run, tmp_path: Path, make_photo: MakePhoto) -> None:
    make_photo(tmp_path / "photo.png")
    record = json.loads(here("compress", "photo.png", "--json").stdout)
    stream = (tmp_path / "photo.gnc").read_bytes()
    info = json.loads(here("info", "photo.gnc", "--json").stdout)
    models = [json.loads(line) for line in here("models", "--json").stdout.splitlines()]
    default = [model for model in models if model["default"]]
    assert len(default) == 1
    for entry in (record, info):
        assert entry["weights"] == default[0]["name"]
        assert entry["weights_id"] == default[0]["weights_id"]
    assert read_header(stream).weights_id.hex() == default[0]["weights_id"]
    assert info["header_bytes"] == describe(stream).header_bytes < 32
    assert default[0]["name"].encode() in here("info", "photo.gnc").stdout
    assert default[0]["default_for"] == ["mse"]
    assert [model["name"] for model in models if model["encoders"] == ["ssim"]] == ["base-5"]
    tuned = [model for model in models if "ssim" in model["default_for"]]
    assert [model["tune"] for model in tuned] == ["ssim"]
    listed = here("models").stdout
    assert b"(default)" in listed and b"(encoder for ssim)" in listed
    assert b"(default with --tune ssim)" in listed

    verified = here("verify", "photo.gnc")
    assert verified.returncode == 0, verified.stderr
    assert verified.stdout == b""
    assert verified.stderr.startswith(b"photo.gnc: ok, ")

    for_ssim = ("compress", "photo.png", "--tune", "ssim", "--json", "--resume", "-f")
    for stands in (False, True):  # made with other weights, so made again; then it stands
        result = json.loads(here(*for_ssim).stdout)
        assert result["ok"] and result.get("skipped", False) is stands
    info = json.loads(here("info", "photo.gnc", "--json").stdout)
    assert info["weights"] == tuned[0]["name"]


def test_wrong_symbols_are_caught_by_verify_and_decompress(
    here: Run, one_error: OneError, tmp_path: Path, make_photo: MakePhoto
) -> None:
    """Latents damaged by somebody who mended the file's own checksum."""
    from gencodec.bitstream import Container, Section, pack, unpack

    make_photo(tmp_path / "photo.png")
    here("compress", "photo.png")
    container = unpack((tmp_path / "photo.gnc").read_bytes())
    sections = []
    for section in container.sections:
        payload = bytearray(section.payload)
        payload[len(payload) // 2] ^= 0x10
        sections.append(Section(section.tag, bytes(payload)))
    forged = pack(Container(container.header, tuple(sections), True))
    (tmp_path / "forged.gnc").write_bytes(forged)
    assert here("info", "forged.gnc").returncode == 0
    one_error(here("verify", "forged.gnc"), 1, "gencodec: forged.gnc: ")
    one_error(here("decompress", "forged.gnc"), 1, "gencodec: forged.gnc: ")
    assert not (tmp_path / "forged.png").exists()


def test_a_cut_file(here: Run, one_error: OneError, tmp_path: Path, make_photo: MakePhoto) -> None:
    make_photo(tmp_path / "photo.png", 128, 96)
    here("compress", "photo.png", "-q", "90", "-o", "whole.gnc")
    stream = (tmp_path / "whole.gnc").read_bytes()
    (tmp_path / "cut.gnc").write_bytes(stream[: len(stream) * 2 // 3])
    one_error(here("decompress", "cut.gnc"), 1, "cut")
    result = here("decompress", "cut.gnc", "--allow-truncated")
    assert result.returncode == 0, result.stderr
    assert b"gencodec: cut.gnc: note: " in result.stderr
    assert pixels(tmp_path / "cut.png").shape == (96, 128, 3)


def test_weights_that_are_not_here(
    here: Run,
    one_error: OneError,
    tmp_path: Path,
    make_stream: Callable[..., bytes],
    make_photo: MakePhoto,
) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream())
    one_error(here("decompress", "a.gnc"), 1, "gencodec: a.gnc: ", "deadbeef")
    one_error(here("verify", "a.gnc"), 1, "gencodec: a.gnc: ", "deadbeef")
    make_photo(tmp_path / "photo.png")
    one_error(here("compress", "photo.png", "-m", "no-such-model"), 1, "no-such-model")
    assert not (tmp_path / "photo.gnc").exists()


def test_no_cuda(
    here: Run,
    one_error: OneError,
    tmp_path: Path,
    make_photo: MakePhoto,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_photo(tmp_path / "photo.png")
    # Hidden where there is one, so that the test is the same everywhere.
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    one_error(here("compress", "photo.png", "--device", "cuda"), 1, "no CUDA device")


def test_streams_verify_under_other_thread_counts(
    run: Run, here: Run, tmp_path: Path, make_photo: MakePhoto
) -> None:
    make_photo(tmp_path / "photo.png", 200, 150)
    assert here("compress", "photo.png").returncode == 0
    assert run("verify", "photo.gnc", "--threads", "2").returncode == 0


def test_grey_alpha_and_metadata_survive(here: Run, tmp_path: Path, make_photo: MakePhoto) -> None:
    with Image.open(make_photo(tmp_path / "photo.png")) as image:
        image.convert("L").save(tmp_path / "grey.png")
        alpha = image.copy()
        alpha.putalpha(image.convert("L"))
        alpha.save(tmp_path / "alpha.png")
        exif = Image.Exif()
        exif[0x010E] = "a place"
        image.save(tmp_path / "exif.jpg", exif=exif)
    result = here("compress", "grey.png", "alpha.png", "exif.jpg", "--output-dir", "packed")
    assert result.returncode == 0, result.stderr
    assert here("decompress", "-r", "packed", "--output-dir", "back").returncode == 0
    with Image.open(tmp_path / "back/grey.png") as image:
        assert image.mode == "L"
    with Image.open(tmp_path / "back/alpha.png") as image:
        assert image.mode == "RGBA"
    with Image.open(tmp_path / "back/exif.png") as image:
        assert image.getexif()[0x010E] == "a place"
    names = {entry["name"] for entry in sections(here, "packed/exif.gnc")}
    assert "EXIF" in names
    assert here("compress", "exif.jpg", "--strip").returncode == 0
    assert "EXIF" not in {entry["name"] for entry in sections(here, "exif.gnc")}


def sections(here: Run, name: str) -> list[dict[str, object]]:
    """The sections that `info --json` lists."""
    found: list[dict[str, object]] = json.loads(here("info", "--json", name).stdout)["sections"]
    return found


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_of_the_picture_that_goes_away(
    here: Run, tmp_path: Path, make_photo: MakePhoto, unbuffered: str
) -> None:
    make_photo(tmp_path / "photo.png", 640, 480)
    assert here("compress", "photo.png").returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "gencodec", "decompress", "photo.gnc", "-o-", "--format", "ppm"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONUNBUFFERED": unbuffered},
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.read1(2) == b"P6"  # type: ignore[attr-defined]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=300) == 141
