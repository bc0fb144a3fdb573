"""The straight line: a picture to a stream and back."""

from gencodec.image import DEFAULT_MAX_PIXELS
from gencodec.model.quality import DEFAULT_QUALITY, EFFORT_MAX, quality_of, step_of

from .codec import Codec
from .rate import Metric, Result, meet_metric, meet_size
from .refine import Search
from .stream import ImageLike

__all__ = [
    "Codec",
    "DEFAULT_MAX_PIXELS",
    "DEFAULT_QUALITY",
    "EFFORT_MAX",
    "ImageLike",
    "Metric",
    "Result",
    "Search",
    "meet_metric",
    "meet_size",
    "quality_of",
    "step_of",
]
