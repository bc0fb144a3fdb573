"""A page being drawn: its colours, its lettering, and shapes with smooth edges.

Shapes are drawn three times as large and averaged; lettering comes on top, at its own size, so
that it has the hinted stems a screen shows, or, on some pages, colour fringes: three samples a
pixel across, one for each stripe of a screen.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from gencodec.image import Pixels

Colour = tuple[int, int, int]
Point = tuple[float, float]
Font = ImageFont.FreeTypeFont

FINE = 3
"""Samples a pixel, across and down, that shapes are drawn with."""

FRINGE = np.array((1.0, 2.0, 3.0, 2.0, 1.0)) / 9.0
"""How a sample of lettering spreads over the stripes beside it."""

_WORDS = (
    "the of and to in a is that for it as was with be by on not he this are or his from at which "
    "but have an had they you were their one all we can her has there been if more when will would "
    "who so no said what up its about into than them time only some could these two may then do "
    "first any my now such like our over man me even most made after also did many before must "
    "through back years where much your way well down should because each just those people how "
    "too little state good very make world still own see men work long get here between both life "
    "being under never day same another know while last might us great old year off come since "
    "against go came right used take three File Edit View Search Settings Account Total Price Save "
    "Cancel Image Report Table Value Error Window Message Network Photograph Compression Quality "
    "Zebra quick jumps Xylophone JPEG bytes 2024 1,024 0.75 12 % pixel query"
)
WORDS = _WORDS.split()

_NAMES = (
    "value index count total width height stream pixels symbols table buffer offset error result "
    "config model item key path name size step state self left right data line node x y i n"
)
NAMES = _NAMES.split()


@dataclass(frozen=True)
class Theme:
    """The colours of a page."""

    paper: Colour
    panel: Colour
    ink: Colour
    faint: Colour
    edge: Colour
    accent: Colour
    dark: bool


def a_theme(rng: np.random.Generator) -> Theme:
    """Dark ink on light paper for two pages in three."""
    hue, dark = float(rng.random()), bool(rng.random() < 0.35)
    tint = float(rng.choice((0.0, 0.0, 0.04, 0.12)))
    levels = (0.10, 0.16, 0.90, 0.58, 0.27) if dark else (1.0, 0.955, 0.12, 0.45, 0.85)
    wobble = rng.uniform(-0.03, 0.03, len(levels))
    shades = [
        colour(hue, tint if level > 0.5 else 2 * tint, min(1.0, max(0.0, level + part)))
        for level, part in zip(levels, wobble, strict=True)
    ]
    if not dark and rng.random() < 0.6:
        shades[0] = (255, 255, 255)
    accent = colour(float(rng.random()), float(rng.uniform(0.5, 1.0)), 0.95 if dark else 0.75)
    paper, panel, ink, faint, edge = shades
    return Theme(paper, panel, ink, faint, edge, accent, dark)


def colour(hue: float, saturation: float, value: float) -> Colour:
    """HSV in 0..1 -> 8-bit RGB."""
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


class Sheet:
    """A page of ``width`` x ``height`` pixels; ``fonts``: files to letter with, or Pillow's own.

    ValueError when Pillow has no FreeType, without which there is no lettering.
    """

    def __init__(
        self, width: int, height: int, rng: np.random.Generator, fonts: Sequence[str] = ()
    ) -> None:
        self.width, self.height, self.rng = width, height, rng
        self.theme = a_theme(rng)
        self.fringed = bool(rng.random() < 0.25)
        self._face = str(rng.choice(fonts)) if fonts else None
        self._fine = Image.new("RGB", (width * FINE, height * FINE), self.theme.paper)
        self._draw = ImageDraw.Draw(self._fine)
        self._lettering: list[tuple[Point, str, Font, Colour]] = []

    def font(self, size: float) -> Font:
        """This page's face at ``size`` pixels."""
        if self._face is not None:
            return ImageFont.truetype(self._face, size)
        font = ImageFont.load_default(size)
        if not isinstance(font, ImageFont.FreeTypeFont):
            raise ValueError("this Pillow was built without FreeType and cannot draw letters")
        return font

    def box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: Colour,
        edge: Colour | None = None,
        radius: float = 0.0,
    ) -> None:
        """A rectangle in pixels, its corners rounded by ``radius``; nothing where it is empty."""
        if right - left < 1 or bottom - top < 1:
            return
        corners = [FINE * left, FINE * top, FINE * right - 1, FINE * bottom - 1]
        self._draw.rounded_rectangle(corners, FINE * radius, fill, edge, FINE)

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        """A filled circle."""
        corners = [
            FINE * (x - radius),
            FINE * (y - radius),
            FINE * (x + radius),
            FINE * (y + radius),
        ]
        self._draw.ellipse(corners, fill)

    def stroke(self, points: Sequence[Point], ink: Colour, width: float = 1.0) -> None:
        """A line through points."""
        scaled = [(FINE * x, FINE * y) for x, y in points]
        self._draw.line(scaled, ink, max(1, round(FINE * width)), joint="curve")

    def area(self, points: Sequence[Point], fill: Colour) -> None:
        """A filled polygon."""
        self._draw.polygon([(FINE * x, FINE * y) for x, y in points], fill)

    def write(self, x: float, y: float, text: str, font: Font, ink: Colour | None = None) -> float:
        """One line of text with its top left at (x, y); returns where it ends."""
        self._lettering.append(((round(x), round(y)), text, font, ink or self.theme.ink))
        return x + font.getlength(text)

    def paragraph(
        self, x: float, y: float, width: float, lines: int, font: Font, ink: Colour | None = None
    ) -> float:
        """``lines`` lines of words, the last one shorter; returns the y below them."""
        for index in range(lines):
            full = width if index < lines - 1 else width * self.rng.uniform(0.2, 0.9)
            self.write(x, y, self.words(full, font), font, ink)
            y += round(font.size * 1.5)
        return y

    def words(self, width: float, font: Font) -> str:
        """As many words as fit into ``width`` pixels, one at least."""
        text = self.word()
        while font.getlength(longer := f"{text} {self.word()}") <= width:
            text = longer
        return text

    def word(self) -> str:
        """One of WORDS."""
        return WORDS[int(self.rng.integers(len(WORDS)))]

    def name(self) -> str:
        """What a programmer might call something."""
        return "_".join(NAMES[int(self.rng.integers(len(NAMES)))] for _ in range(self.pick(1, 2)))

    def pick(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def hue(self, value: float | None = None) -> Colour:
        """Any strong colour that stands out on this page."""
        value = (0.9 if self.theme.dark else 0.65) if value is None else value
        return colour(float(self.rng.random()), float(self.rng.uniform(0.4, 1.0)), value)

    def finished(self) -> Pixels:
        """The page: (height, width, 3) uint8."""
        page = self._fine.reduce(FINE)
        letter = self._fringed_letters if self.fringed else self._grey_letters
        return letter(page)

    def _grey_letters(self, page: Image.Image) -> Pixels:
        draw = ImageDraw.Draw(page)
        for place, text, font, ink in self._lettering:
            draw.text(place, text, ink, font, anchor="la")
        return np.array(page)

    def _fringed_letters(self, page: Image.Image) -> Pixels:
        pixels = np.array(page)
        for (x, y), text, font, ink in self._lettering:
            cover = _stripes(text, font)
            rows, of_rows = _overlap(int(y), len(cover), self.height)
            columns, of_columns = _overlap(int(x), cover.shape[1], self.width)
            below, part = pixels[rows, columns], cover[of_rows, of_columns]
            pixels[rows, columns] = np.rint(below + part * (np.array(ink) - below)).astype(np.uint8)
        return pixels


def _stripes(text: str, font: Font) -> npt.NDArray[np.float64]:
    """How much of each stripe of each pixel the text covers: (h, w, 3) in 0..1."""
    large = font.font_variant(size=font.size * 3)
    width, height = (int(3 * -(-length // 3)) for length in large.getbbox(text, anchor="la")[2:])
    mask = Image.new("L", (max(width, 3), max(height, 3)))
    ImageDraw.Draw(mask).text((0, 0), text, 255, large, anchor="la")
    fine = np.asarray(mask, np.float64) / 255.0
    rows = fine.reshape(fine.shape[0] // 3, 3, -1).mean(1)
    spread = np.apply_along_axis(np.convolve, 1, rows, FRINGE, "same")
    return spread.reshape(len(rows), -1, 3)


def _overlap(start: int, length: int, room: int) -> tuple[slice, slice]:
    """Of what lies from ``start`` on: its part within 0..room, and that part in its own terms."""
    first, last = min(max(start, 0), room), min(max(start + length, 0), room)
    return slice(first, last), slice(first - start, last - start)
