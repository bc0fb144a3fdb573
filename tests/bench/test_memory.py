"""What the commands hold in memory, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.bench import memory
from gencodec.bench.__main__ import main
from gencodec.bench.memory import MemoryReport
from gencodec.bench.report import read_report

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("shape", [(30, 50, 3), (30, 50)])
def test_a_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    monkeypatch.setattr(memory, "WIDTH", 64)
    monkeypatch.setattr(memory, "HEIGHTS", (48, 80))
    monkeypatch.setattr(memory, "_WAYS", {"compress": memory._Way(("compress", "{}.png"))})

    def peak(command: list[str], folder: Path) -> int:
        with Image.open(folder / command[1]) as image:
            return 300_000_000 + 1000 * image.width * image.height

    monkeypatch.setattr(memory, "_peak", peak)
    assert main(["memory", str(tmp_path), "-o", str(tmp_path / "memory.json")]) == 0
    (row,) = read_report(MemoryReport, tmp_path / "memory.json").rows
    assert row.megabytes == (303, 305)
    assert (row.bytes_a_pixel, row.program) == (1000, 300)


def test_the_peak_is_that_of_the_command(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="nothing tells of memory on this system")
    (tmp_path / "b.gnc").write_bytes(b"no stream")
    said = memory._peak(["--version"], tmp_path)
    assert 5e6 < said < 100e6  # this process, which began it, has torch in memory
    with pytest.raises(OSError, match=r"info b\.gnc: .*b\.gnc"):
        memory._peak(["info", "b.gnc"], tmp_path)


def test_what_is_promised_is_no_less_than_what_was_measured() -> None:
    said = " ".join((ROOT / "SECURITY.md").read_text(encoding="utf-8").split())
    found = re.search(r"about ([\d.]+) GB for the program and (\d+) bytes a pixel", said)
    assert found
    rows = read_report(MemoryReport, ROOT / "benchmarks" / "memory.json").rows
    decoding = [row for row in rows if row.command.startswith("decompress")]
    assert len(decoding) == 2
    for row in decoding:
        for size, megabytes in zip(row.sizes, row.megabytes, strict=True):
            assert megabytes <= 1000 * float(found[1]) + int(found[2]) * size.pixels / 1e6
