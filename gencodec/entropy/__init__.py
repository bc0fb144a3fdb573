"""Integers to bytes and back: frozen probability tables, and the coding of symbols with them."""

from gencodec.entropy.coding import Pass, PassDecoder, encode_passes, ideal_bits
from gencodec.entropy.tables import (
    MAX_SYMBOL,
    N_SCALES,
    ScaleTables,
    fitted_tables,
    gaussian_tables,
)

__all__ = [
    "MAX_SYMBOL",
    "N_SCALES",
    "Pass",
    "PassDecoder",
    "ScaleTables",
    "encode_passes",
    "fitted_tables",
    "gaussian_tables",
    "ideal_bits",
]
