"""Drawings of the README: rate-distortion curves, and a photograph at several qualities."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gencodec.bench.curves import Curve
from gencodec.bench.metrics import finite_psnr
from gencodec.bench.own_codec import Gencodec
from gencodec.bench.pictures import Sample
from gencodec.image import Pixels, atomic_write

# Okabe and Ito's colours, told apart by colour-blind readers too, and two more; black is for
# gencodec, dotted and dashed for its searches.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5230", "#777777")
OWN_LABEL = "gencodec"
SEARCH_STYLES: tuple[Any, ...] = (":", "-.", (0, (8, 2, 1, 2, 1, 2)))
STYLE_OF = {False: "-", True: "--"}
STYLE: Any = {
    "svg.hashsalt": "gencodec",  # the same file from the same figures
    "font.family": "DejaVu Sans",
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
MAX_BPP = 2.0
LABEL_GAP = 0.4
"""Least distance between the curves' labels at the right edge, in ticks of the scores' axis."""

PANEL = (264, 330)
"""Width and height of the crops set side by side, in pixels."""
GAP = 6
CAPTION = 44
MAX_PICTURE_BYTES = 600_000


@dataclass(frozen=True)
class Line:
    """One curve of a drawing; published ones are dashed, and say so; searched: gencodec's own."""

    label: str
    curve: Curve
    colour: str = "black"
    published: bool = False
    searched: bool = False


@dataclass(frozen=True)
class ScoreAxis:
    """What is drawn over the rate, and from which score on."""

    label: str
    floor: float
    tick: float


SCORE_AXES = {
    "psnr": ScoreAxis("PSNR over RGB, dB", 24.0, 2.0),
    "ssimulacra2": ScoreAxis("SSIMULACRA 2", 0.0, 10.0),
}
"""By the metric's name."""


def draw_curves(
    curve: Curve, others: Sequence[Line], title: str, path: Path, axis: ScoreAxis
) -> None:
    """Mean scores over mean bpp as SVG, every curve labelled at its right end.

    ModuleNotFoundError when matplotlib is not installed.
    """
    import matplotlib  # type: ignore[import-not-found]  # an extra
    from matplotlib import ticker
    from matplotlib.figure import Figure  # type: ignore[import-not-found]

    drawn = [*others, Line(OWN_LABEL, curve)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 5.2), facecolor="white")
        axes = figure.subplots()
        searches = cycle(SEARCH_STYLES)
        styles = [next(searches) if line.searched else STYLE_OF[line.published] for line in drawn]
        ends = [_draw_line(axes, line, style) for line, style in zip(drawn, styles, strict=True)]
        heights = _apart([score for _, score in ends], LABEL_GAP * axis.tick)
        for line, end, at in zip(drawn, ends, heights, strict=True):
            axes.annotate(
                f"{line.label} (published)" if line.published else line.label,
                end,
                (MAX_BPP * 1.06, at),
                color="#222222",
                va="center",
                fontweight="bold" if line.label == OWN_LABEL else "normal",
                annotation_clip=False,
                arrowprops={
                    "arrowstyle": "-",
                    "color": line.colour,
                    "linewidth": 1.5,
                    "relpos": (0.0, 0.5),
                    "shrinkA": 2,
                    "shrinkB": 0,
                },
            )
        axes.set_xlim(0.0, MAX_BPP)
        axes.set_ylim(axis.floor, None)
        axes.yaxis.set_major_locator(ticker.MultipleLocator(axis.tick))
        axes.grid(color="#dddddd", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.set_xlabel("bits per pixel, whole file")
        axes.set_ylabel(axis.label)
        axes.set_title(title, loc="left", fontsize=11.5)
        figure.tight_layout()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    atomic_write(path, buffer.getvalue(), overwrite=True)


def draw_qualities(
    codec: Gencodec, sample: Sample, qualities: Sequence[float], corner: tuple[int, int], path: Path
) -> None:
    """The same crop of a photograph, original and at several qualities, as PNG.

    corner: left and top of the crop.  Captions give figures of the whole photograph.
    ValueError when the crop is not within it, or the file would exceed MAX_PICTURE_BYTES.
    """
    panels = [(_crop(sample.pixels, corner), "original", "24 bpp")]
    for quality in qualities:
        at = codec.at(quality)
        stream = at.compress(sample.pixels)
        decoded = at.decompress(stream)
        bpp = 8 * len(stream) / (sample.width * sample.height)
        figures = f"{bpp:.2f} bpp, {finite_psnr(sample.pixels, decoded):.1f} dB"
        panels.append((_crop(decoded, corner), f"quality {quality:g}", figures))
    width, height = PANEL
    sheet = Image.new("RGB", (len(panels) * (width + GAP) - GAP, height + CAPTION), "white")
    pen = ImageDraw.Draw(sheet)
    for index, (pixels, first, second) in enumerate(panels):
        left = index * (width + GAP)
        sheet.paste(Image.fromarray(pixels), (left, 0))
        pen.text((left + 2, height + 5), first, fill="black", font=ImageFont.load_default(15))
        pen.text((left + 2, height + 24), second, fill="#444444", font=ImageFont.load_default(14))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    if buffer.tell() > MAX_PICTURE_BYTES:
        raise ValueError(f"{path}: {buffer.tell()} bytes, more than {MAX_PICTURE_BYTES}")
    atomic_write(path, buffer.getvalue(), overwrite=True)


def _crop(pixels: Pixels, corner: tuple[int, int]) -> Pixels:
    left, top = corner
    width, height = PANEL
    if left < 0 or top < 0 or left + width > pixels.shape[1] or top + height > pixels.shape[0]:
        raise ValueError(f"a crop of {width}x{height} at {left},{top} leaves the photograph")
    return np.ascontiguousarray(pixels[top : top + height, left : left + width])


def _draw_line(axes: Any, line: Line, style: str) -> tuple[float, float]:
    """One curve as far as MAX_BPP; the point (bpp, score) where it ends or leaves the drawing."""
    curve = line.curve
    bpp = [value for value in curve.bpp if value < MAX_BPP]
    score = list(curve.score[: len(bpp)])
    own = line.label == OWN_LABEL
    if own:
        axes.plot(bpp, score, "o", color=line.colour, markersize=4.5, zorder=4)
    if len(bpp) < len(curve.bpp):
        bpp.append(MAX_BPP)
        score.append(float(np.interp(MAX_BPP, curve.bpp, curve.score)))
    width, order = (2.6, 3) if own else (1.5, 2)
    axes.plot(bpp, score, color=line.colour, linewidth=width, zorder=order, linestyle=style)
    return bpp[-1], score[-1]


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights moved as little as needed for this gap between neighbours, order kept."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    # Neighbours that come too close form a block about their mean, as in isotonic regression.
    blocks: list[tuple[float, int]] = []
    for place, index in enumerate(order):
        block = (heights[index] - place * gap, 1)
        while blocks and blocks[-1][0] / blocks[-1][1] > block[0] / block[1]:
            total, count = blocks.pop()
            block = (total + block[0], count + block[1])
        blocks.append(block)
    flat = [total / count for total, count in blocks for _ in range(count)]
    moved = [0.0] * len(heights)
    for place, index in enumerate(order):
        moved[index] = flat[place] + place * gap
    return moved
