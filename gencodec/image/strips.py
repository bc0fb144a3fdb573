"""Pictures read and written a strip of rows at a time, so that a large one is never whole."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from gencodec.errors import ImageError
from gencodec.image.hidden import smooth_hidden
from gencodec.image.picture import Picture, Pixels, is_grey, three_channels

_CHUNK_ROWS = 256
_PPM_CHANNELS = {b"P5": 1, b"P6": 3}
_MAX_HEADER = 4096
"""A header with comments is longer than 20 bytes; with a kilobyte of them it is no photo."""


class PixelRows(Protocol):
    """A picture whose rows can be had a few at a time."""

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...

    @property
    def grey(self) -> bool: ...

    def rows(self, top: int, bottom: int) -> Pixels:
        """RGB of these rows, (bottom - top, width, 3) uint8; a grey picture's three times."""
        ...


@dataclass(frozen=True, eq=False)
class PictureRows:
    """The rows of a picture in memory, smooth where they cannot be seen."""

    picture: Picture

    def __post_init__(self) -> None:
        object.__setattr__(self, "picture", smooth_hidden(self.picture))

    @property
    def width(self) -> int:
        return self.picture.width

    @property
    def height(self) -> int:
        return self.picture.height

    @property
    def grey(self) -> bool:
        return self.picture.grey

    def rows(self, top: int, bottom: int) -> Pixels:
        return three_channels(self.picture.pixels[top:bottom])


class PpmRows:
    """The rows of a binary PPM or PGM file of 8 bits, read as they are asked for.

    An RGB file whose channels are equal counts as grey, as everywhere. ImageError when the file
    is not of this kind or shorter than its header says.
    """

    def __init__(self, path: Path) -> None:
        found = _ppm_header(path)
        if found is None:
            raise ImageError(f"cannot read {path}: not a binary PPM of 8 bits")
        self.width, self.height, self._channels, self._offset = found
        self._path = path
        if os.path.getsize(path) < self._offset + self.width * self.height * self._channels:
            raise ImageError(f"cannot read {path}: the file is cut")
        self.grey = self._channels == 1 or self._all_grey()

    def rows(self, top: int, bottom: int) -> Pixels:
        return three_channels(self._read(top, bottom))

    def _read(self, top: int, bottom: int) -> Pixels:
        line = self.width * self._channels
        with open(self._path, "rb") as file:
            file.seek(self._offset + top * line)
            data = file.read((bottom - top) * line)
        if len(data) != (bottom - top) * line:
            raise ImageError(f"cannot read {self._path}: the file is cut")
        shape = (bottom - top, self.width, self._channels)
        pixels = np.frombuffer(data, np.uint8).reshape(shape)
        return pixels[:, :, 0] if self._channels == 1 else pixels

    def _all_grey(self) -> bool:
        tops = range(0, self.height, _CHUNK_ROWS)
        return all(is_grey(self._read(top, min(top + _CHUNK_ROWS, self.height))) for top in tops)


def is_plain_ppm(path: Path) -> bool:
    """Whether :class:`PpmRows` reads this file."""
    try:
        return path.is_file() and _ppm_header(path) is not None
    except OSError:
        return False


def write_ppm_strips(
    file: BinaryIO, strips: Iterable[Pixels], width: int, height: int, *, grey: bool
) -> None:
    """Write strips (rows, width) or (rows, width, 3) uint8, end to end, as PGM or PPM."""
    file.write(b"P%d\n%d %d\n255\n" % (5 if grey else 6, width, height))
    for strip in strips:
        file.write(np.ascontiguousarray(strip).data)


def _ppm_header(path: Path) -> tuple[int, int, int, int] | None:
    """(width, height, channels, offset of the samples) of a binary 8-bit PPM or PGM, or None."""
    with open(path, "rb") as file:
        data = file.read(_MAX_HEADER)
    if data[:2] not in _PPM_CHANNELS:
        return None
    numbers: list[int] = []
    offset = 2
    while len(numbers) < 3:
        while data[offset : offset + 1].isspace() or data[offset : offset + 1] == b"#":
            if data[offset : offset + 1] == b"#":
                offset = data.find(b"\n", offset)
                if offset < 0:
                    return None
            offset += 1
        digits = data[offset : offset + 10].split(maxsplit=1)[:1]
        if not digits or not digits[0].isdigit():
            return None
        numbers.append(int(digits[0]))
        offset += len(digits[0])
    width, height, white = numbers
    if white != 255 or not data[offset : offset + 1].isspace() or min(width, height) < 1:
        return None
    return width, height, _PPM_CHANNELS[data[:2]], offset + 1
