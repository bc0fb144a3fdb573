"""What is on a page: an article, code, a table, a chart, a diagram, a form, a map."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .sheet import Colour, Font, Point, Sheet

MARKS = (" ", " = ", "(", ")", ".", ", ", ": ", " + ", "[0]", "()")
"""What stands after a name in code."""


class Axes(NamedTuple):
    """Where the lines of a chart are, in pixels."""

    left: float
    top: float
    right: float
    bottom: float


def article(sheet: Sheet) -> None:
    """Headings, paragraphs and links, with a bar above and perhaps a list of chapters beside."""
    theme, size = sheet.theme, sheet.pick(12, 19)
    body, small = sheet.font(size), sheet.font(max(9, size - 3))
    left, top = _frame(sheet, small)
    right = sheet.width - sheet.pick(10, max(11, sheet.width // 5))
    y = top + 18.0
    while y < sheet.height:
        title = sheet.font(size * float(sheet.rng.uniform(1.3, 2.2)))
        sheet.write(left, y, sheet.words((right - left) * 0.7, title), title)
        y += round(title.size * 1.7)
        for _ in range(sheet.pick(1, 3)):
            if sheet.rng.random() < 0.25:
                y = _bullets(sheet, left + 18, y, right, body)
                continue
            y = sheet.paragraph(left, y, right - left, sheet.pick(2, 6), body)
            if sheet.rng.random() < 0.5:
                x = sheet.write(left, y, "see ", small, theme.faint)
                sheet.write(x, y, sheet.words(120, small), small, theme.accent)
                y += round(small.size * 1.8)
            y += round(size * 0.6)


def editor(sheet: Sheet) -> None:
    """Code in the colours of an editor, or a terminal's lines."""
    theme, size = sheet.theme, sheet.pick(11, 18)
    font = sheet.font(size)
    colours = [theme.ink, theme.ink, *(sheet.hue() for _ in range(4))]
    gutter, pitch = 4 * size, round(size * 1.4)
    sheet.box(0, 0, gutter - 8, sheet.height, theme.panel)
    depth, first = 0, sheet.pick(1, 900)
    for index, y in enumerate(range(6, sheet.height, pitch)):
        number = str(first + index)
        sheet.write(gutter - 14 - font.getlength(number), y, number, font, theme.faint)
        if sheet.rng.random() < 0.12:
            continue
        depth = min(6, max(0, depth + sheet.pick(-1, 1)))
        x = gutter + 2.0 * size * depth
        for _ in range(sheet.pick(1, 8)):
            ink = colours[sheet.pick(0, len(colours) - 1)]
            mark = str(sheet.rng.choice(MARKS))
            x = sheet.write(x, y, sheet.name() + mark, font, ink)


def table(sheet: Sheet) -> None:
    """Rows and columns of numbers, ruled or striped."""
    theme, size = sheet.theme, sheet.pick(11, 17)
    font = sheet.font(size)
    pitch, striped = round(size * float(sheet.rng.uniform(1.5, 2.2))), sheet.rng.random() < 0.5
    columns = [0.0]
    while columns[-1] < sheet.width:
        columns.append(columns[-1] + sheet.pick(60, 170))
    for row, y in enumerate(range(0, sheet.height, pitch)):
        if row == 0:
            sheet.box(0, 0, sheet.width, pitch, theme.accent)
        elif striped and row % 2:
            sheet.box(0, y, sheet.width, y + pitch, theme.panel)
        else:
            sheet.box(0, y + pitch - 1, sheet.width, y + pitch, theme.edge)
        for index, x in enumerate(columns[:-1]):
            words = index == 0 or row == 0
            text = sheet.word() if words else f"{sheet.rng.normal() * 10 ** sheet.pick(0, 4):,.2f}"
            ink = theme.paper if row == 0 else theme.ink
            inset = 6 if words else columns[index + 1] - x - 8 - font.getlength(text)
            sheet.write(x + inset, y + (pitch - size) // 2, text, font, ink)
    if not striped:
        for x in columns[1:]:
            sheet.box(x - 1, pitch, x, sheet.height, theme.edge)


def chart(sheet: Sheet) -> None:
    """Curves, bars or dots over a grid, with numbers at the axes and a legend."""
    theme, font = sheet.theme, sheet.font(sheet.pick(10, 16))
    across = max(1, sheet.width // sheet.pick(260, 700))
    down = max(1, sheet.height // sheet.pick(200, 600))
    for row in range(down):
        for column in range(across):
            left, right = (sheet.width * (column + part) / across for part in (0, 1))
            top, bottom = (sheet.height * (row + part) / down for part in (0, 1))
            inset = left + 3.5 * font.size
            axes = (inset, top + 2 * font.size, right - 12, bottom - 2 * font.size)
            _plot(sheet, Axes(*(float(round(side)) for side in axes)), font)
            sheet.write(inset, top + 4, sheet.words(150, font), font, theme.ink)


def diagram(sheet: Sheet) -> None:
    """Boxes with names, joined by lines and arrows."""
    theme, font = sheet.theme, sheet.font(sheet.pick(11, 18))
    fills = [theme.panel, theme.paper, *(sheet.hue(0.35 if theme.dark else 0.95) for _ in range(3))]
    centres = [
        (float(sheet.pick(60, max(61, sheet.width - 60))), float(sheet.pick(30, sheet.height - 30)))
        for _ in range(sheet.width * sheet.height // 30_000 + 3)
    ]
    for start in centres:
        end = centres[sheet.pick(0, len(centres) - 1)]
        bend = (end[0], start[1]) if sheet.rng.random() < 0.6 else end
        _arrow(sheet, [start, bend, end], sheet.hue() if sheet.rng.random() < 0.3 else theme.faint)
    for x, y in centres:
        text = sheet.words(float(sheet.pick(20, 110)), font)
        wide, high = font.getlength(text) / 2 + 10, font.size
        radius = float(sheet.rng.choice((0.0, 4.0, font.size)))
        fill = fills[sheet.pick(0, len(fills) - 1)]
        x, y = round(x), round(y)
        sheet.box(round(x - wide), y - high, round(x + wide), y + high, fill, theme.ink, radius)
        sheet.write(x - wide + 10, y - font.size * 0.55, text, font)


def form(sheet: Sheet) -> None:
    """Panels with labels, fields, switches and buttons, as settings and shops have them."""
    theme, size = sheet.theme, sheet.pick(11, 17)
    font, small = sheet.font(size), sheet.font(max(9, size - 2))
    left, top = _frame(sheet, small)
    radius, y = float(sheet.rng.choice((0, 3, 6, 10))), top + 14
    while y < sheet.height:
        high = sheet.pick(5, 12) * size
        right = sheet.width - 16
        sheet.box(left, y, right, y + high, theme.panel, theme.edge, radius)
        sheet.write(left + 14, y + 10, sheet.words(200, font), font)
        for line in range(y + 10 + 2 * size, y + high - 2 * size, 2 * size + 6):
            _field(sheet, left + 14, line, right - 14, small, radius)
        y += high + sheet.pick(10, 24)


def chart_of_land(sheet: Sheet) -> None:
    """A map: areas with coasts, roads, places and their names."""
    theme, font = sheet.theme, sheet.font(sheet.pick(10, 20))
    turns = np.linspace(0.0, 2 * math.pi, 60, endpoint=False)
    for _ in range(sheet.pick(3, 8)):
        waves = sum(
            sheet.rng.uniform(0, 0.4) / n * np.sin(n * turns + sheet.rng.uniform(0, 6.3))
            for n in range(1, 9)
        )
        radius = sheet.rng.uniform(0.1, 0.5) * sheet.width * (1.0 + waves)
        x, y = sheet.rng.uniform(0, sheet.width), sheet.rng.uniform(0, sheet.height)
        away = zip(x + radius * np.cos(turns), y + radius * np.sin(turns), strict=True)
        coast = [(float(east), float(south)) for east, south in away]
        sheet.area(coast, sheet.hue(0.4 if theme.dark else 0.95))
        sheet.stroke([*coast, coast[0]], theme.faint, float(sheet.rng.uniform(0.7, 2.5)))
    for _ in range(sheet.pick(4, 14)):
        steps = sheet.rng.normal(0, 40, (25, 2)).cumsum(0) + sheet.rng.uniform(0, sheet.width, 2)
        road = [(float(x), float(y)) for x, y in steps]
        sheet.stroke(road, sheet.hue(), float(sheet.rng.uniform(0.7, 5)))
    for _ in range(sheet.width * sheet.height // 12_000):
        x, y = sheet.pick(0, sheet.width), sheet.pick(0, sheet.height)
        sheet.disc(x, y, float(sheet.rng.uniform(1.5, 4)), theme.ink)
        sheet.write(x + 6, y - font.size / 2, sheet.word(), font)


KINDS: dict[str, Callable[[Sheet], None]] = {
    "article": article,
    "editor": editor,
    "table": table,
    "chart": chart,
    "diagram": diagram,
    "form": form,
    "map": chart_of_land,
}


def _frame(sheet: Sheet, font: Font) -> tuple[int, int]:
    """A bar above and perhaps a menu at the left; returns where the rest begins: (x, y)."""
    theme, high = sheet.theme, sheet.pick(0, 3) * 16
    strong = sheet.rng.random() < 0.5
    sheet.box(0, 0, sheet.width, high, theme.accent if strong else theme.panel)
    x = 14.0
    while high >= 32 and x < sheet.width:
        ink = theme.paper if strong else theme.ink
        x = sheet.write(x, (high - font.size) // 2, sheet.word(), font, ink) + sheet.pick(14, 120)
    if sheet.rng.random() < 0.5:
        return sheet.pick(10, max(11, sheet.width // 6)), high
    wide = sheet.pick(90, 200)
    sheet.box(0, high, wide, sheet.height, theme.panel)
    for y in range(high + 16, sheet.height, round(font.size * 2.2)):
        if sheet.rng.random() < 0.1:
            sheet.box(0, y - 4, wide, y + font.size + 6, theme.accent)
        sheet.disc(16, y + font.size / 2, 4, sheet.hue())
        sheet.write(28, y, sheet.words(wide - 40, font), font)
    return wide + sheet.pick(12, 30), high


def _bullets(sheet: Sheet, x: float, y: float, right: float, font: Font) -> float:
    for _ in range(sheet.pick(2, 5)):
        sheet.disc(x - 9, y + font.size * 0.6, 2, sheet.theme.ink)
        y = sheet.paragraph(x, y, right - x, sheet.pick(1, 2), font)
    return y + font.size * 0.5


def _field(sheet: Sheet, x: int, y: int, right: int, font: Font, radius: float) -> None:
    theme, high = sheet.theme, round(font.size * 1.7)
    kind = sheet.pick(0, 3)
    if kind == 0:
        sheet.write(x, y + 3, sheet.words(110, font), font, theme.faint)
        sheet.box(x + 130, y, right, y + high, theme.paper, theme.edge, radius)
        sheet.write(x + 138, y + 3, sheet.words(100, font), font)
    elif kind == 1:
        on = sheet.rng.random() < 0.5
        sheet.box(x, y + 2, x + 32, y + 18, theme.accent if on else theme.edge, radius=8)
        sheet.disc(x + (24 if on else 8), y + 10, 6, theme.paper)
        sheet.write(x + 44, y + 3, sheet.words(200, font), font)
    elif kind == 2:
        text = sheet.words(90, font)
        end = x + font.getlength(text) + 24
        sheet.box(x, y, round(end), y + high, theme.accent, None, radius)
        sheet.write(x + 12, y + 3, text, font, theme.paper)
    else:
        sheet.paragraph(x, y, right - x, 1, font, theme.faint)


def _plot(sheet: Sheet, axes: Axes, font: Font) -> None:
    """One set of axes and what it shows."""
    theme, (left, top, right, bottom) = sheet.theme, axes
    if right - left < 40 or bottom - top < 40:
        return
    lines = sheet.pick(3, 8)
    for index in range(lines + 1):
        level = round(bottom - (bottom - top) * index / lines)
        sheet.box(left, level, right, level + 1, theme.edge)
        number = f"{index * 0.25:.2f}"
        sheet.write(left - 3 * font.size, level - font.size / 2, number, font, theme.faint)
        place = round(left + (right - left) * index / lines)
        sheet.write(place - font.size, bottom + 4, str(index * 20), font, theme.faint)
    series = [sheet.hue() for _ in range(sheet.pick(1, 4))]
    show = (_curve, _bars, _dots)[sheet.pick(0, 2)]
    for index, ink in enumerate(series):
        show(sheet, axes, ink)
        y = top + 6 + index * font.size * 1.4
        sheet.box(round(right - 110), round(y), round(right - 96), round(y) + font.size - 2, ink)
        sheet.write(right - 90, y, sheet.word(), font)
    sheet.box(left, top, left + 1, bottom, theme.ink)
    sheet.box(left, bottom, right, bottom + 1, theme.ink)


def _levels(sheet: Sheet, count: int, axes: Axes) -> list[float]:
    high = axes.bottom - axes.top
    steps = sheet.rng.normal(0, 0.12, count).cumsum() + sheet.rng.uniform(0.2, 0.8)
    return [float(axes.bottom - high * min(0.98, max(0.02, step))) for step in steps]


def _curve(sheet: Sheet, axes: Axes, ink: Colour) -> None:
    levels = _levels(sheet, sheet.pick(5, 120), axes)
    step = (axes.right - axes.left) / (len(levels) - 1)
    points: list[Point] = [(axes.left + step * index, level) for index, level in enumerate(levels)]
    sheet.stroke(points, ink, float(sheet.rng.uniform(0.8, 3)))


def _bars(sheet: Sheet, axes: Axes, ink: Colour) -> None:
    levels = _levels(sheet, sheet.pick(4, 24), axes)
    step = (axes.right - axes.left) / len(levels)
    for index, level in enumerate(levels):
        x = axes.left + step * (index + 0.15)
        sheet.box(round(x), round(level), round(x + step * 0.4), axes.bottom, ink)


def _dots(sheet: Sheet, axes: Axes, ink: Colour) -> None:
    for level in _levels(sheet, sheet.pick(20, 150), axes):
        sheet.disc(
            float(sheet.rng.uniform(axes.left, axes.right)), level, float(sheet.pick(2, 4)), ink
        )


def _arrow(sheet: Sheet, points: list[Point], ink: Colour) -> None:
    sheet.stroke(points, ink, float(sheet.pick(1, 3)))
    (x0, y0), (x1, y1) = points[-2:]
    length = math.hypot(x1 - x0, y1 - y0)
    if length > 30:
        # The head stands half way: the end is under a box.
        dx, dy, x, y = (x1 - x0) / length, (y1 - y0) / length, (x0 + x1) / 2, (y0 + y1) / 2
        tip, one, other = ((9, 0), (0, 5), (0, -5))
        corners = [(x + a * dx - b * dy, y + a * dy + b * dx) for a, b in (tip, one, other)]
        sheet.area(corners, ink)
