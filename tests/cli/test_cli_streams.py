"""What is written, and how."""

from __future__ import annotations

from gencodec.cli.streams import encoded


def test_names_that_are_no_text() -> None:
    """As Python has them of files called b'b\\xff.png'."""
    assert encoded("b\udcff.png, é") == "b\\udcff.png, é".encode()
