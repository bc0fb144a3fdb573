"""--delete-source: an original goes only when what replaces it has been proved on the disk.

The original may be the only copy, so every doubt keeps it, and is told as a failure.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gencodec.bitstream import read_header
from gencodec.cli.failures import describe
from gencodec.cli.loading import weights_name
from gencodec.cli.resume import bears_time_of
from gencodec.errors import GencodecError, OutputError
from gencodec.names import visible

if TYPE_CHECKING:
    from gencodec.codec import Codec
    from gencodec.image import Picture

LEAST_PSNR = 20.0
"""Below this many dB over the visible pixels a picture counts as not the same."""


@dataclass(frozen=True)
class Original:
    """A source as it was before it was read."""

    path: Path
    state: os.stat_result

    @classmethod
    def look(cls, path: Path) -> Original:
        """OutputError where deleting this name would not be what it seems."""
        state = os.lstat(path)
        if not stat.S_ISREG(state.st_mode):
            raise OutputError("not to be deleted: it is not an ordinary file (a link, perhaps)")
        return cls(path, state)


def no_smaller(result: int, source: int) -> str | None:
    """What is to be said of a result with so many bytes, made of a file with so many; None where
    it is smaller."""
    if result < source:
        return None
    return f"the result is no smaller ({result} bytes, of {source}), and lossy; a lower -q may help"


def delete_original(
    original: Original,
    picture: Picture,
    target: Path,
    *,
    codec: Codec,
    max_pixels: int,
    just_made: bool,
    accept_loss: bool,
) -> None:
    """Delete a source after proving its result; OutputError, nothing deleted, for any doubt.

    picture: what was read from the source and should be in `target`. The target is read back from
    the disk, all its symbols decoded and checked, and the picture in it compared. accept_loss lets
    go of what the notes name, of extended attributes and, if the result was just made of this very
    picture, of likeness; never of the checks.
    """
    if not just_made and not bears_time_of(target, original.path):
        raise _kept("the result there bears another time, so it may be of another picture")
    try:
        data = _from_disk(target)
        back = codec.decompress_picture(data, max_pixels=max_pixels)
        problem = _difference(picture, back)
        if problem is None and not accept_loss:
            problem = _loss(picture, data) or no_smaller(len(data), original.state.st_size)
        if problem is None and not accept_loss:
            problem = _attributes_lost(original.path, target)
        if problem is None and not (accept_loss and just_made):
            problem = _unlikeness(picture, back)
    except (GencodecError, OSError) as error:
        problem = f"the result does not read back: {error}"
        raise _kept(problem) from error
    if problem is not None:
        raise _kept(problem)
    now = os.lstat(original.path)
    if _identity(now) != _identity(original.state):
        raise _kept("it changed meanwhile")
    if os.path.samefile(original.path, target):
        raise _kept("it is the result itself")
    try:
        os.unlink(original.path)
    except OSError as error:
        raise _kept(describe(error)) from error


def _from_disk(path: Path) -> bytes:
    """The bytes of a file that was synced; not those that the system remembers, where it can be
    told to forget them."""
    with open(path, "rb") as file:
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return file.read()


def _difference(picture: Picture, back: Picture) -> str | None:
    """What is not as it was that has to be, whatever the user accepts."""
    if back.pixels.shape != picture.pixels.shape:
        return "the result has another size or other channels"
    for name in ("icc", "exif", "xmp"):
        if getattr(back, name) != getattr(picture, name):
            return f"the result has another {name.upper()}"
    import numpy as np

    one, other = picture.alpha, back.alpha
    if (one is None) != (other is None) or not (
        one is None or other is None or np.array_equal(one, other)
    ):
        return "the result has another transparency"
    return None


def _loss(picture: Picture, data: bytes) -> str | None:
    """What the user would lose beyond what a lossy codec is known to cost."""
    if picture.notes:
        return "; ".join(picture.notes)
    if weights_name(read_header(data).weights_id) is None:
        return "the result needs weights that do not come with gencodec"
    return None


def _attributes_lost(source: Path, target: Path) -> str | None:
    """What file managers keep of the source, tags say, that the result does not bear."""
    from gencodec.image import user_attributes

    there = user_attributes(target).items()
    lost = [name for name, value in user_attributes(source).items() if (name, value) not in there]
    return f"the result does not bear its {visible(', '.join(lost))}" if lost else None


def _unlikeness(picture: Picture, back: Picture) -> str | None:
    """How far the result is off, where that is more than any quality should cost."""
    import numpy as np

    seen = picture.alpha > 0 if picture.alpha is not None else np.True_
    error = (picture.pixels[seen].astype(np.float32) - back.pixels[seen]) ** 2
    psnr = 10 * np.log10(255**2 / max(float(error.mean()), 1e-9)) if error.size else np.inf
    if psnr < LEAST_PSNR:
        return f"the result is far from it ({psnr:.1f} dB); a higher -q may help"
    return None


def _identity(state: os.stat_result) -> tuple[int, ...]:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


def _kept(why: str) -> OutputError:
    return OutputError(f"the original was kept: {why}")
