"""The straight line: a picture to a stream and back."""

from .codec import DEFAULT_MAX_PIXELS, DEFAULT_QUALITY, Codec
from .rate import quality_of, step_of
from .stream import ImageLike

__all__ = ["DEFAULT_MAX_PIXELS", "DEFAULT_QUALITY", "Codec", "ImageLike", "quality_of", "step_of"]
