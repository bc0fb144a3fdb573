"""Anything can be coded: pictures of every kind, and what the prior thinks of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from gencodec.bench.metrics import finite_psnr
from gencodec.bench.own_codec import Gencodec
from gencodec.errors import GencodecError
from gencodec.image import Pixels, three_channels
from gencodec.train.photos import Photo

SIDE = 256
LARGEST = 512
HOLDS_FROM = 24.0
"""dB at the audit's quality that every picture must reach, noise apart: the transform keeps fewer
numbers than a picture has samples, and in noise no sample can be told from the others."""

TEXT = (
    "A file carries its own picture.",
    "The weights are the same for all.",
    "Order is not content. 0123456789",
    "What is rare costs more bits.",
)
ELLIPSES = (  # the phantom of Shepp and Logan (1974): density, half axes, centre, degrees
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
)


@dataclass(frozen=True)
class Coded:
    """One picture. refused: the error's text, None if it was coded."""

    name: str
    kind: str
    width: int
    height: int
    file_bytes: int
    bpp: float
    psnr: float
    refused: str | None


@dataclass(frozen=True)
class Anything:
    """Everything was coded, at a quality that holds, and costs rise with surprise."""

    passed: bool
    finding: str
    quality: float
    rows: tuple[Coded, ...]


@dataclass(frozen=True, eq=False)
class Specimen:
    """kind: one of photograph, drawing, text, medical, sky, nothing, noise, given."""

    name: str
    kind: str
    pixels: Pixels


def code_all(
    specimens: Sequence[Specimen], codec: Gencodec
) -> tuple[Anything, list[tuple[Specimen, Pixels]]]:
    """Code every specimen; the pictures are those that came back."""
    rows, shown = [], []
    for specimen in specimens:
        height, width = specimen.pixels.shape[:2]
        try:
            stream = codec.compress(specimen.pixels)
            back = three_channels(codec.decompress(stream))
        except GencodecError as error:
            rows.append(Coded(specimen.name, specimen.kind, width, height, 0, 0.0, 0.0, str(error)))
            continue
        rows.append(
            Coded(
                specimen.name,
                specimen.kind,
                width,
                height,
                len(stream),
                round(8 * len(stream) / (width * height), 4),
                round(finite_psnr(specimen.pixels, back), 2),
                None,
            )
        )
        shown.append((specimen, back))
    return judge(rows, codec.quality), shown


def judge(rows: Sequence[Coded], quality: float) -> Anything:
    """Nothing refused, nothing ruined, noise dearest and nothing cheapest.

    What the caller has given is not ranked: a blank page or an icon of a few pixels is no surprise.
    """
    refused = [row for row in rows if row.refused is not None]
    coded = [row for row in rows if row.refused is None]
    ruined = [row.name for row in coded if row.kind != "noise" and row.psnr < HOLDS_FROM]
    noise = [row.bpp for row in coded if row.kind == "noise"]
    blank = [row.bpp for row in coded if row.kind == "nothing"]
    rest = [row.bpp for row in coded if row.kind not in ("noise", "nothing", "given")]
    ordered = not (noise and blank and rest) or max(blank) < min(rest) <= max(rest) < max(noise)
    if refused:
        finding = f"Refused: {', '.join(row.name for row in refused)}."
    elif ruined:
        finding = f"Coded, but under {HOLDS_FROM:g} dB: {', '.join(ruined)}."
    elif not ordered:
        finding = "All were coded, but their costs are not in the order of their surprise."
    else:
        finding = (
            f"All {len(coded)} pictures were coded, none but noise under {HOLDS_FROM:g} dB; an "
            f"empty one costs {min(blank, default=0):.3f} bits per pixel, noise "
            f"{max(noise, default=0):.1f}."
        )
    return Anything(not refused and not ruined and ordered, finding, quality, tuple(rows))


def made_pictures(seed: int) -> list[Specimen]:
    """Pictures that no camera took."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    flat = np.full((SIDE, SIDE, 3), (122, 110, 76), np.uint8)
    return [
        Specimen("one average colour", "nothing", flat),
        Specimen("drawing", "drawing", _drawing()),
        Specimen("text", "text", _text()),
        Specimen("phantom of a head (Shepp-Logan)", "medical", _phantom()),
        Specimen("random pixels", "noise", noise),
    ]


def library_pictures() -> list[Specimen]:
    """Real pictures that come with scikit-image, where it is installed."""
    try:
        from skimage import data
    except ImportError:
        return []
    kinds = (
        ("retina", "medical", data.retina),
        ("tissue under a microscope", "medical", data.immunohistochemistry),
        ("scanned page", "text", data.page),
        ("deep sky (Hubble)", "sky", data.hubble_deep_field),
        ("cup of coffee", "photograph", data.coffee),
        ("cat", "photograph", data.chelsea),
    )
    return [Specimen(f"{name}, scikit-image", kind, _middle(load())) for name, kind, load in kinds]


def given_pictures(photos: Sequence[Photo]) -> list[Specimen]:
    """The caller's own."""
    return [Specimen(photo.name, "given", _reduced(photo.pixels)) for photo in photos]


def _middle(pixels: Pixels) -> Pixels:
    """(H, W, 3), the middle of at most LARGEST pixels a side."""
    rgb = three_channels(pixels)
    top, left = (max(0, (length - LARGEST) // 2) for length in rgb.shape[:2])
    return np.ascontiguousarray(rgb[top : top + LARGEST, left : left + LARGEST])


def _reduced(pixels: Pixels) -> Pixels:
    """The whole picture, at most 1.5 times LARGEST on its longer side."""
    image = Image.fromarray(pixels)
    image.thumbnail((LARGEST * 3 // 2, LARGEST * 3 // 2), Image.Resampling.LANCZOS)
    return np.asarray(image).copy()


def _drawing() -> Pixels:
    image = Image.new("RGB", (SIDE, SIDE), (250, 246, 235))
    pen = ImageDraw.Draw(image)
    pen.ellipse((30, 36, 140, 146), fill=(232, 182, 52), outline=(40, 40, 60), width=4)
    pen.polygon(((20, 230), (120, 120), (226, 230)), fill=(70, 120, 90), outline=(30, 50, 40))
    pen.rectangle((150, 170, 220, 230), fill=(180, 70, 60), outline=(40, 20, 20), width=3)
    for x in range(0, SIDE, 16):
        pen.line((x, 250, x + 8, 236), fill=(50, 90, 160), width=2)
    return np.asarray(image).copy()


def _text() -> Pixels:
    image = Image.new("RGB", (SIDE, SIDE), (255, 255, 255))
    pen = ImageDraw.Draw(image)
    for line in range(14):
        pen.text((14, 12 + 17 * line), TEXT[line % len(TEXT)], fill=(20, 20, 24))
    return np.asarray(image).copy()


def _phantom() -> Pixels:
    along = np.linspace(-1.0, 1.0, SIDE)
    x, y = np.meshgrid(along, -along)
    total = np.zeros((SIDE, SIDE))
    for density, a, b, x0, y0, degrees in ELLIPSES:
        angle = np.radians(degrees)
        u = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
        v = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
        total[(u / a) ** 2 + (v / b) ** 2 <= 1.0] += density
    grey = (np.clip(total, 0.0, 1.0) * 255.0).round().astype(np.uint8)
    return three_channels(grey)
