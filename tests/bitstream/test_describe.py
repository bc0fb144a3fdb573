from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gencodec.bitstream import (
    ALPHA,
    ICC,
    LATENTS,
    Container,
    Header,
    Section,
    SectionInfo,
    describe,
    pack,
)
from gencodec.errors import ChecksumError, GencodecError, NotGencodecError, TruncatedError

REPOSITORY = Path(__file__).resolve().parents[2]
HEADER = Header(weights_id=b"\xde\xad\xbe\xef", step=8, width=100, height=40, grey=True)
STREAM = pack(
    Container(
        HEADER,
        (
            Section(ALPHA, b"\0\0"),
            Section(ICC, b"profile"),
            Section(0x91, b"?"),
            Section(LATENTS, bytes(300)),
        ),
    )
)


def test_a_sound_stream() -> None:
    info = describe(STREAM)
    assert info.file_bytes == len(STREAM)
    assert (info.version, info.weights_id, info.step) == (1, "deadbeef", 8)
    assert (info.width, info.height, info.grey, info.bit_depth) == (100, 40, True, 8)
    assert info.sections == (
        SectionInfo(ALPHA, "ALPHA", 2, 2),
        SectionInfo(ICC, "ICC", 7, 7),
        SectionInfo(0x91, "0x91", 1, 1),
        SectionInfo(LATENTS, "LATENTS", 300, 300),
    )
    assert info.bpp == pytest.approx(8 * len(STREAM) / 4000)
    assert info.complete and info.checks_ok and info.problem is None
    # Tag and length of four sections (one length has two bytes), then END.
    assert info.header_bytes + (2 + 2) + (2 + 7) + (2 + 1) + (3 + 300) + 5 == len(STREAM)


def test_it_turns_into_json() -> None:
    assert json.loads(json.dumps(asdict(describe(STREAM))))["weights_id"] == "deadbeef"


def test_a_cut_stream() -> None:
    info = describe(STREAM[:-100])
    assert not info.complete and not info.checks_ok and "cut" in str(info.problem)
    assert info.sections[-1] == SectionInfo(LATENTS, "LATENTS", 300 - 95, 300)
    assert describe(STREAM[:-1]).sections[-1].bytes == 300
    assert not describe(STREAM[:-1]).complete


def test_a_damaged_stream() -> None:
    info = describe(STREAM[:50] + b"\x55" + STREAM[51:])
    assert info.complete and not info.checks_ok and "damaged" in str(info.problem)


def test_bytes_after_the_end() -> None:
    info = describe(STREAM + b"!")
    assert info.complete and not info.checks_ok and "follow" in str(info.problem)


def test_a_stream_that_is_too_new_or_too_large_is_described() -> None:
    huge = Header(b"\0\0\0\0", 1, 2**24, 2**24)
    info = describe(pack(Container(huge, (Section(LATENTS, b""),))))
    assert info.checks_ok and info.width == 2**24


def test_no_header_no_description() -> None:
    with pytest.raises(NotGencodecError):
        describe(b"GIF89a")
    with pytest.raises(TruncatedError):
        describe(STREAM[:12])
    with pytest.raises(ChecksumError):
        describe(STREAM[:10] + b"\xff" + STREAM[11:])


@given(st.data())
def test_damage_gives_a_description_or_a_named_error(data: st.DataObject) -> None:
    stream = bytearray(STREAM)
    stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = bytes(stream[: data.draw(st.integers(0, len(stream)))])
    with contextlib.suppress(GencodecError):
        info = describe(damaged)
        assert not info.checks_ok and info.problem


def test_it_needs_the_standard_library_only() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import gencodec.bitstream; "
        "print(*(m for m in ('numpy', 'PIL', 'torch', 'constriction') if m in sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(REPOSITORY)], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""
