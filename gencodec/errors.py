"""Every error that gencodec raises on purpose; each message is one line a user can act on.

::

    GencodecError
    |-- FormatError                   the stream breaks a rule of FORMAT.md
    |   |-- NotGencodecError          it does not begin with the magic bytes
    |   |-- UnsupportedVersionError   it needs a newer reader than this one
    |   |-- TruncatedError            its end is missing
    |   `-- LimitError                it asks for more than the caller allows
    |-- ChecksumError                 it was damaged, or decoded to other symbols than were coded
    |-- WeightsError                  weights missing, damaged, or not the ones a stream names
    |-- ImageError                    a picture cannot be read, or is of no use to the codec
    |-- TargetError                   no quality gives the file size or fidelity that was asked for
    `-- OutputError                   a result cannot be written: target exists, no space, no right
"""

from __future__ import annotations

__all__ = [
    "ChecksumError",
    "FormatError",
    "GencodecError",
    "ImageError",
    "LimitError",
    "NotGencodecError",
    "OutputError",
    "TargetError",
    "TruncatedError",
    "UnsupportedVersionError",
    "WeightsError",
]


class GencodecError(Exception):
    """Base of all errors that gencodec raises on purpose."""


class FormatError(GencodecError):
    """The stream breaks a rule of FORMAT.md."""


class NotGencodecError(FormatError):
    """The bytes do not begin with the magic bytes: this is another kind of file."""


class UnsupportedVersionError(FormatError):
    """The stream uses a version, flag or section that this reader does not know."""


class TruncatedError(FormatError):
    """The stream ends before its structure does: an interrupted copy or download."""


class LimitError(FormatError):
    """The stream asks for more pixels or bytes than the caller allows."""


class ChecksumError(GencodecError):
    """A check over the bytes or over the decoded symbols differs: damage, or another decoder."""


class WeightsError(GencodecError):
    """Weights are missing, damaged, or not those that a stream names."""


class ImageError(GencodecError):
    """A picture cannot be read: missing, damaged, too large, or of an unknown kind."""


class TargetError(GencodecError):
    """No quality gives the file size or the fidelity that was asked for."""


class OutputError(GencodecError):
    """A result cannot be written: the target exists, there is no space, or no permission."""
