"""Amounts that are told to people are true of one thing, and of nearly all."""

from __future__ import annotations

import zlib

import pytest

from gencodec.amounts import counted, megapixels, percent
from gencodec.bitstream.container import check_end
from gencodec.cli.reporter import Reporter
from gencodec.errors import FormatError


def test_one_thing_and_several() -> None:
    assert [counted(n, "byte") for n in (0, 1, 2)] == ["0 bytes", "1 byte", "2 bytes"]


@pytest.mark.parametrize(
    ("millions", "words"),
    [
        (0.0101, "0.01 megapixels"),
        (1.02, "1 megapixel"),
        (1.4, "1.4 megapixels"),
        (99.4, "99 megapixels"),
        (567.2, "567 megapixels"),
        (12345, "12345 megapixels"),
    ],
)
def test_few_pixels_are_not_none(millions: float, words: str) -> None:
    assert megapixels(millions) == words


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0.0, "0%"),
        (0.004, "under 1%"),
        (0.006, "1%"),
        (0.994, "99%"),
        (0.9999, "over 99%"),
        (1.0, "100%"),
        (1.2, "120%"),
    ],
)
def test_only_all_is_all_and_only_nothing_is_nothing(share: float, words: str) -> None:
    assert percent(share) == words


def test_a_byte_follows() -> None:
    data = bytes(8)
    whole = data + zlib.crc32(data).to_bytes(4, "little")
    with pytest.raises(FormatError, match="1 byte follows the end"):
        check_end(whole + b"x", len(data) - 1)


def test_a_batch_that_saved_nearly_all(capsys: pytest.CaptureFixture[str]) -> None:
    with Reporter("compress", json=False) as reporter:
        reporter.expect(10)
        for _ in range(10):
            reporter.done("done", {"bytes_in": 10_000_000, "bytes_out": 1_000})
    assert "(over 99%)" in capsys.readouterr().err
