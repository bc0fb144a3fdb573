"""Order is not content: a file's bytes in another order, or under other weights, are no picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from gencodec.bench.own_codec import Gencodec
from gencodec.bitstream import Header
from gencodec.entropy.coding import CHECK_BYTES
from gencodec.errors import GencodecError
from gencodec.image import Pixels
from gencodec.model.weights import Weights

from .explain import SAME, likeness, no_likeness
from .streams import force, payload_of

SHUFFLES = 4

Decode = Callable[[bytes, Header, Weights], Pixels]


@dataclass(frozen=True)
class Order:
    """Likenesses to the original, -1 to 1. refused: what the program says to shuffled files."""

    passed: bool
    finding: str
    picture: str
    file_bytes: int
    in_order: float
    shuffled_words: tuple[float, ...]
    shuffled_bytes: tuple[float, ...]
    other_weights: float
    shuffles_refused: int
    shuffles: int
    refusal: str


def shuffled(payload: bytes, unit: int, rng: np.random.Generator) -> bytes:
    """The coded words with units of `unit` bytes permuted; the check in front stays."""
    units = np.frombuffer(payload[CHECK_BYTES:], np.uint8).reshape(-1, unit)
    return payload[:CHECK_BYTES] + units[rng.permutation(len(units))].tobytes()


def forced_pixels(payload: bytes, header: Header, weights: Weights) -> Pixels:
    return force(payload, header, weights).pixels


def disorder(
    name: str,
    original: Pixels,
    codec: Gencodec,
    other: Weights,
    *,
    seed: int,
    decode: Decode = forced_pixels,
) -> tuple[Order, dict[str, Pixels]]:
    """Shuffle one picture's file in several ways and look for the picture in the results.

    decode: makes pixels of a payload whatever the checks say; another one lets a test cheat.
    """
    stream = codec.compress(original)
    header, payload = payload_of(stream)
    rng = np.random.default_rng(seed)
    whole = decode(payload, header, codec.weights)
    by_words = [shuffled(payload, 4, rng) for _ in range(SHUFFLES)]
    by_bytes = [shuffled(payload, 1, rng) for _ in range(SHUFFLES)]
    pictures = [decode(part, header, codec.weights) for part in (*by_words, *by_bytes)]
    strange = decode(payload, header, other)
    whole_file = np.frombuffer(stream, np.uint8)
    refusals = [_refusal(rng.permutation(whole_file).tobytes(), codec) for _ in range(SHUFFLES)]
    likenesses = [round(likeness(picture, original), 4) for picture in pictures]
    in_order = likeness(whole, original)
    of_other = likeness(strange, original)
    # The mean over shuffles: what is left of a picture is left in each of them, while the few large
    # shapes that nonsense may decode to are alike to anything, now and then, in either direction.
    most = max(abs(fmean(likenesses)), abs(of_other))
    refused = sum(bool(words) for words in refusals)
    passed = in_order > SAME and most < no_likeness(original) and refused == SHUFFLES
    result = Order(
        passed=passed,
        finding=(
            f"In order, the bytes show the picture (likeness {in_order:.2f}); in other orders, on "
            f"the mean, or under other weights, at most {most:.2f} of it. Left to itself, the "
            f"program refused {refused} of {SHUFFLES} shuffled files."
        ),
        picture=name,
        file_bytes=len(stream),
        in_order=round(in_order, 4),
        shuffled_words=tuple(likenesses[:SHUFFLES]),
        shuffled_bytes=tuple(likenesses[SHUFFLES:]),
        other_weights=round(of_other, 4),
        shuffles_refused=refused,
        shuffles=SHUFFLES,
        refusal=next((words for words in refusals if words), ""),
    )
    return result, {
        "in order": whole,
        "words shuffled": pictures[0],
        "bytes shuffled": pictures[SHUFFLES],
        "other weights": strange,
    }


def _refusal(data: bytes, codec: Gencodec) -> str:
    try:
        codec.decompress(data)
    except GencodecError as error:
        return str(error)
    return ""
