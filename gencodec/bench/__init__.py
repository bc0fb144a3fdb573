"""Measuring: rate-distortion curves and speed, of this codec and its rivals."""
