"""FORMAT.md says what the code does, as far as a test can compare them."""

from __future__ import annotations

import re
from pathlib import Path

from gencodec import bitstream
from gencodec.bitstream import container, header, sections

TEXT = (Path(bitstream.__file__).parent / "FORMAT.md").read_text(encoding="utf-8")


def test_magic_and_version() -> None:
    assert f"`{header.MAGIC.hex(' ').upper()}`" in TEXT
    assert f"| version | u8 | {header.VERSION} |" in TEXT
    assert TEXT.startswith(f"# The .gnc format, version {header.VERSION}\n")


def test_header_fields_stand_in_order() -> None:
    rows = re.findall(r"^\| (\w+) \| (?:u8|u16|varint|4 bytes) \|", TEXT, re.MULTILINE)
    assert rows == [
        *("magic", "version", "flags", "weights_id", "step"),
        *("width", "height", "bit_depth", "header_check"),
    ]
    assert f"1..{header.MAX_SIDE} " in TEXT
    assert f"16 to {header.MAX_HEADER_BYTES} bytes" in TEXT


def test_section_table() -> None:
    rows = re.findall(r"^\| 0x([0-9A-F]{2}) \| (\w+) \| (critical|optional) \|", TEXT, re.MULTILINE)
    assert {int(tag, 16): name for tag, name, _ in rows} == sections.SECTION_NAMES
    for tag, _, kind in rows:
        assert (int(tag, 16) & sections.OPTIONAL_BIT != 0) == (kind == "optional")


def test_bounds() -> None:
    limits = container.Limits()
    for number in (limits.max_pixels, limits.max_section_bytes, bitstream.MAX_METADATA_BYTES):
        assert str(number) in TEXT
    assert f"at most {sections.MAX_SECTIONS} sections" in TEXT
