"""A decoder written from FORMAT.md alone: Python and numpy, slow and plain.

It shares no line with gencodec and imports nothing of it, and no floating point reaches a symbol.
That it gets the symbols of every golden vector, and its pixels, is what makes FORMAT.md normative
and the prior exact. Sections beside the coded picture are not looked into.
"""

from .pixels import pixels_of
from .prior import prior_digest
from .stream import Decoded, decode
from .weights import File, read_weights

__all__ = ["Decoded", "File", "decode", "pixels_of", "prior_digest", "read_weights"]
