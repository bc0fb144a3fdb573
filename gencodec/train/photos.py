"""Reading photographs: folders and tar archives of pictures, decoded once to uint8.

Archives may arrive while a run is under way: :class:`PhotoFolder` is asked again and again.
"""

from __future__ import annotations

import errno
import hashlib
import io
import math
import stat
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gencodec.errors import ImageError
from gencodec.image import Pixels, three_channels
from gencodec.image.colour import decode_colours, raw_mode
from gencodec.names import has_suffix
from gencodec.processes import usable_cores

SUFFIXES = {".avif", ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm"}
HELD_OUT_ONE_IN = 80
LEAST_SIDE = 64
"""Pixels that a picture must have each way to have a say: smaller ones are not measured."""


@dataclass(frozen=True)
class Photo:
    """One picture as found: its name below the folder or in the archive, and its file's hash."""

    name: str
    sha256: str
    pixels: Pixels  # (H, W, 3) uint8


@dataclass(frozen=True)
class Unreadable:
    """What stands where a picture should be, and why it is none, in one line."""

    name: str
    reason: str


class PhotoFolder:
    """Folders, archives and single files of pictures; remembers what it has given out.

    ImageError for a source that is not there, or is a file of another kind.
    """

    def __init__(self, sources: Sequence[Path]) -> None:
        for source in sources:
            if not source.exists():
                raise ImageError(f"{source}: no such file or folder")
            if not source.is_dir() and source.suffix.lower() not in SUFFIXES | {".tar"}:
                kinds = ", ".join(sorted(SUFFIXES))
                raise ImageError(f"{source}: neither a folder, a tar file nor a picture ({kinds})")
        self._sources = tuple(sources)
        self._gone: set[Path] = set()
        self._seen: dict[Path, tuple[int, int]] = {}
        self._coming: dict[Path, tuple[int, int]] | None = None  # None: nothing was looked at yet
        self._given: set[tuple[Path, str]] = set()

    def new(self) -> Iterator[Photo | Unreadable]:
        """Every picture not given out yet, in the order of names; several are decoded at once.

        A file that has changed since the last time is read again, so an archive that is still
        being copied loses nothing: what it holds by now comes now, the rest later. A picture that
        was not there the first time is read once it has stayed the same from one time to the next:
        one without its last bytes may be a picture too, and nobody's copy.
        """
        with ThreadPoolExecutor(usable_cores()) as pool:
            waiting = []
            for path, name, data in self._files():
                waiting.append((path, pool.submit(_decode, name, data)))
                if len(waiting) > 64:  # what waits is held in memory
                    yield self._settle(*waiting.pop(0))
            for path, job in waiting:
                yield self._settle(path, job)
        if self._coming is None:
            self._coming = {}

    def _settle(self, path: Path, job: Future[Photo | Unreadable]) -> Photo | Unreadable:
        found = job.result()
        if isinstance(found, Photo):
            self._given.add((path, found.name))
        return found

    def _files(self) -> Iterator[tuple[Path, str, bytes | str]]:
        """(file or archive, name, content or why there is none) of what is new or has changed."""
        for source in self._sources:
            try:
                paths = _below(source)
            except OSError as error:  # a folder in it may go away while it is walked through
                if source not in self._gone:
                    yield source, as_text(source.name), error.strerror or str(error)
                self._gone.add(source)
                continue
            self._gone.discard(source)
            folder = source if source.is_dir() else source.parent
            for path in paths:
                if not has_suffix(path.name, SUFFIXES | {".tar"}):
                    continue
                try:
                    status = path.stat()
                    self._gone.discard(path)
                    if stat.S_ISDIR(status.st_mode):
                        continue
                    stamp = (status.st_size, status.st_mtime_ns)
                    archive = path.suffix.lower() == ".tar"
                    if self._seen.get(path) == stamp or not (archive or self._at_rest(path, stamp)):
                        continue
                    self._seen[path] = stamp
                    name = as_text(path.relative_to(folder).as_posix())
                    if not stat.S_ISREG(status.st_mode):
                        yield path, name, "is no regular file"  # a pipe would be waited for
                    elif archive:
                        yield from self._members(path)
                    elif (path, name) not in self._given:
                        yield path, name, path.read_bytes()
                except OSError as error:
                    if path not in self._gone:
                        yield path, as_text(path.name), error.strerror or str(error)
                    self._gone.add(path)

    def _at_rest(self, path: Path, stamp: tuple[int, int]) -> bool:
        """Whether a picture is as the last look found it; the first look takes all for whole."""
        if self._coming is None or self._coming.pop(path, None) == stamp:
            return True
        self._coming[path] = stamp
        return False

    def _members(self, path: Path) -> Iterator[tuple[Path, str, bytes | str]]:
        try:
            with tarfile.open(path, "r:") as archive:
                for member in archive:
                    wanted = has_suffix(member.name, SUFFIXES)
                    name = as_text(member.name)
                    if member.isfile() and wanted and (path, name) not in self._given:
                        handle = archive.extractfile(member)
                        yield path, name, handle.read() if handle else "no content"
        except tarfile.TarError as error:
            yield path, as_text(path.name), f"{error} (an archive cut short?)"


def _below(source: Path) -> list[Path]:
    """What is in a folder, by names, or the file itself; OSError where that cannot be told."""
    if not source.exists():
        raise FileNotFoundError(errno.ENOENT, "is no longer there")
    return sorted(source.rglob("*")) if source.is_dir() else [source]


def as_text(name: str) -> str:
    """A name that lists can hold: bytes that are no UTF-8, and ends of lines, as backslashes."""
    text = name.encode("utf-8", "backslashreplace").decode()
    return text.replace("\r", "\\r").replace("\n", "\\n")


def _decode(name: str, data: bytes | str) -> Photo | Unreadable:
    if isinstance(data, str):
        return Unreadable(name, data)
    try:
        with Image.open(io.BytesIO(data)) as image:
            pixels = eight_bits(image)
    except Exception as error:  # Pillow answers damage with almost any exception
        return Unreadable(name, f"{type(error).__name__}: {error}".splitlines()[0])
    return Photo(name, hashlib.sha256(data).hexdigest(), pixels)


def eight_bits(image: Image.Image) -> Pixels:
    """(H, W, 3) uint8 of an image that is open and not loaded; any exception may come out.

    Grey of more than 8 bits is what the codec takes it for: Pillow's own conversion cuts off all
    that is above 255 instead, which leaves a scan of 16 bits white.
    """
    if not image.mode.startswith(("I", "F")):
        return np.asarray(image.convert("RGB"))
    raw = raw_mode(image)
    image.load()
    return three_channels(decode_colours(image, raw).pixels)


def held_out(name: str) -> bool:
    """Whether a picture is kept from training, decided by its name alone.

    A crop (``NAME__crop.avif``) goes the way of the picture it was cut from.
    """
    return _lot(name) % HELD_OUT_ONE_IN == 0


def original_of(name: str) -> str:
    """The name that a picture and the crops cut from it share."""
    return name.replace("__crop", "")


def _lot(name: str) -> int:
    return int.from_bytes(hashlib.sha256(original_of(name).encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Seen:
    """What a run has done with pictures so far, by SHA-256, and the names of those held out."""

    trained: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    kept_names: frozenset[str] = frozenset()

    def and_of(self, training: Sequence[Photo], kept: Sequence[Photo]) -> Seen:
        """The same with further pictures."""
        return Seen(
            self.trained | {photo.sha256 for photo in training},
            self.kept | {photo.sha256 for photo in kept},
            self.kept_names | {photo.name for photo in kept},
        )


def split(
    photos: Sequence[Photo], seen: Seen = Seen(), *, first: bool = True
) -> tuple[list[Photo], list[Photo]]:
    """(to train on, held out): by what was seen, else by the lot; copies go the same way.

    first: where that holds none out that can be measured, the one with the lowest name-hash of
    those not trained on yet is held out too, unless there is no other to train on.
    """

    def is_kept(photo: Photo) -> bool:
        return photo.sha256 in seen.kept or photo.name in seen.kept_names or held_out(photo.name)

    free = [photo for photo in photos if photo.sha256 not in seen.trained]
    kept = {photo.sha256 for photo in free if is_kept(photo)}
    if first:
        large = [photo for photo in photos if is_large_enough(photo.pixels)] or photos
        digests = {photo.sha256 for photo in large}
        left = [photo for photo in large if photo.sha256 not in seen.trained]
        if left and len(digests) > 1 and not digests & kept:
            kept.add(min(left, key=lambda photo: _lot(photo.name)).sha256)
    return (
        [photo for photo in photos if photo.sha256 not in kept],
        [photo for photo in photos if photo.sha256 in kept],
    )


def is_large_enough(pixels: Pixels) -> bool:
    """Whether (H, W, 3) holds a square of LEAST_SIDE."""
    return min(pixels.shape[:2]) >= LEAST_SIDE


def centre_crops(photos: Sequence[Pixels], side: int) -> list[Pixels]:
    """The middle (side, side, 3) of every picture that is large enough."""
    crops = []
    for pixels in photos:
        top, left = ((length - side) // 2 for length in pixels.shape[:2])
        if top >= 0 and left >= 0:
            crops.append(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    return crops


def middle(pixels: Pixels, most: int) -> Pixels:
    """The picture, (H, W, 3), or of a larger one the middle of at most so many pixels."""
    height, width = pixels.shape[:2]
    side = max(math.isqrt(most), most // max(1, min(height, width)))
    wanted = (min(height, side), min(width, side)) if height * width > most else (height, width)
    top, left = (height - wanted[0]) // 2, (width - wanted[1]) // 2
    return np.ascontiguousarray(pixels[top : top + wanted[0], left : left + wanted[1]])
