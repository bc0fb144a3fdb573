"""The curves of a run as a PNG, drawn with Pillow alone: training needs no plotting library."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageDraw, ImageFont

WIDTH, PANEL_HEIGHT = 880, 250
LEFT, RIGHT, TOP, BOTTOM = 64, 84, 34, 34
LABEL_GAP = 15
SCALE = 2
INK, GRID, GREY = "#222222", "#dddddd", "#666666"
# Okabe and Ito's colours, told apart by colour-blind readers too.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve of a panel: its label at the right end, and its points by ascending x."""

    label: str
    points: Sequence[Point]


@dataclass(frozen=True)
class Panel:
    """One coordinate system."""

    title: str
    lines: Sequence[Line]


def draw_log(rows: Sequence[dict[str, Any]]) -> bytes:
    """A PNG of the rows of a log: loss, rate, PSNR and held-out curves over minutes."""
    steps = [row for row in rows if "loss" in row]
    panels = [
        Panel(title, [Line("", [(row["minutes"], row[name]) for row in steps])])
        for name, title in (
            ("loss", "loss, training crops"),
            ("bpp", "bits per pixel, training crops"),
            ("psnr", "PSNR in dB, training crops"),
        )
    ]
    curves = [row for row in rows if "held_out" in row]
    points = len(curves[0]["held_out"]) if curves else 0
    for axis, title in ((0, "bits per pixel"), (1, "PSNR in dB")):
        lines = [
            Line(f"{k + 1}", [(row["minutes"], row["held_out"][k][axis]) for row in curves])
            for k in range(points)
        ]
        panels.append(Panel(f"{title}, held-out pictures, low to high quality", lines))
    return draw_panels(panels)


def draw_panels(panels: Sequence[Panel]) -> bytes:
    """Panels one below the other over a common axis of minutes, as PNG bytes."""
    height = PANEL_HEIGHT * len(panels) + 24
    # Drawn larger and shrunk: Pillow's lines have no soft edges of their own.
    sheet = Image.new("RGB", (WIDTH * SCALE, height * SCALE), "white")
    pen = ImageDraw.Draw(sheet)
    xs = [x for panel in panels for line in panel.lines for x, _ in line.points]
    x_ticks = _ticks(0.0, max(xs, default=1.0))
    for number, panel in enumerate(panels):
        _draw_panel(pen, panel, x_ticks, number * PANEL_HEIGHT * SCALE)
    place = LEFT * SCALE, (height - 22) * SCALE
    pen.text(place, "minutes of computing", fill=GREY, font=_font(13), anchor="lt")
    buffer = io.BytesIO()
    sheet.reduce(SCALE).save(buffer, "PNG")
    return buffer.getvalue()


def _draw_panel(pen: ImageDraw.ImageDraw, panel: Panel, x_ticks: list[float], top: int) -> None:
    pen.text((LEFT * SCALE, top + 10 * SCALE), panel.title, fill=INK, font=_font(15), anchor="lt")
    values = [y for line in panel.lines for _, y in line.points if math.isfinite(y)]
    y_ticks = _ticks(min(values, default=0.0), max(values, default=1.0))
    low, high = top + (PANEL_HEIGHT - BOTTOM) * SCALE, top + TOP * SCALE
    left, right = LEFT * SCALE, (WIDTH - RIGHT) * SCALE

    def place(x: float, y: float) -> Point:
        across = (x - x_ticks[0]) / (x_ticks[-1] - x_ticks[0])
        up = (y - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])
        return left + across * (right - left), low + up * (high - low)

    for y in y_ticks:
        at = place(x_ticks[0], y)
        pen.line((at, (right, at[1])), fill=GRID, width=SCALE)
        pen.text((left - 8 * SCALE, at[1]), f"{y:.4g}", fill=GREY, font=_font(13), anchor="rm")
    for x in x_ticks:
        at = place(x, y_ticks[0])
        pen.line((at, (at[0], at[1] + 4 * SCALE)), fill=GREY, width=SCALE)
        pen.text((at[0], at[1] + 8 * SCALE), f"{x:.4g}", fill=GREY, font=_font(13), anchor="mt")
    ends: list[tuple[float, str, str]] = []
    for number, line in enumerate(panel.lines):
        colour = COLOURS[number % len(COLOURS)]
        finite = [(x, y) for x, y in line.points if math.isfinite(y)]
        shown = [place(x, y) for x, y in finite]
        if len(shown) > 1:
            pen.line(shown, fill=colour, width=2 * SCALE, joint="curve")
        if shown:
            x, y = shown[-1]
            radius = 3 * SCALE
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
            ends.append((y, f"{line.label}  {finite[-1][1]:.4g}".strip(), colour))
    lowest = float(low + LABEL_GAP * SCALE)
    for y, label, colour in sorted(ends, reverse=True):  # from the bottom up, never overlapping
        lowest = min(y, lowest - LABEL_GAP * SCALE)
        pen.text((right + 10 * SCALE, lowest), label, fill=colour, font=_font(13), anchor="lm")


def _font(size: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size * SCALE)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers from at most ``low`` to at least ``high``, four to nine of them."""
    if not high > low:
        low, high = min(low, max(0.0, low - 0.5)), low + 0.5  # nothing drawn is less than nothing
    rough = (high - low) / 5.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1.0, 2.0, 5.0, 10.0) if power * k >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [k * step for k in range(first, last + 1)]
