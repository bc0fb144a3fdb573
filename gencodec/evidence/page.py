"""Pages of one file each: pictures, tables and bars as HTML with everything inside.

No script, no font, no address outside: what is on the page is in the file. Every function
returns HTML; every text that comes in is escaped here.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
from PIL import Image

from gencodec.image import Pixels

WEBP_QUALITY = 80
RESULTS = {True: "passed", False: "failed", None: "not measured"}

STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5b6675; --line: #dde2ea; --paper: #fff;
  --card: #f6f8fb; --good: #0f7b53; --bad: #b3261e; --open: #8a6100; --bar: #4062bb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7ebf2; --soft: #9aa6b8; --line: #323a48;
  --paper: #14181f; --card: #1c222c; --good: #4cc38a; --bad: #ff8b7e; --open: #e5b454;
  --bar: #8aa4f0; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.25rem 5rem; background: var(--paper);
  color: var(--ink); font: 1.02rem/1.6 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.15rem; margin: 0 0 .4rem; color: var(--soft); font-weight: 600; }
h2 { font-size: 1.35rem; margin: 3.2rem 0 .5rem; line-height: 1.3; }
h3 { font-size: 1.02rem; margin: 1.6rem 0 .4rem; }
h2, p, .bars span { overflow-wrap: anywhere; }
p { margin: .5rem 0 .9rem; max-width: 46rem; }
.verdict { font-size: clamp(1.5rem, 3.4vw, 2.15rem); line-height: 1.28; font-weight: 650;
  letter-spacing: -.012em; margin: 0 0 1rem; max-width: none; text-wrap: balance; }
.mark { font-size: .8rem; font-weight: 650; padding: .12rem .6rem; border-radius: 1rem;
  border: 1.5px solid currentColor; vertical-align: .18em; margin-right: .5rem;
  white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); }
.soft, figcaption, .soft td { color: var(--soft); }
.grid { display: grid; gap: .8rem; margin: 1rem 0 1.2rem; align-items: start; }
figure { margin: 0; } figure img { width: 100%; height: auto; display: block; border-radius: 6px;
  background: var(--card); } .pixels img { image-rendering: pixelated; }
figcaption { font-size: .86rem; line-height: 1.4; margin-top: .35rem; overflow-wrap: anywhere; }
figcaption b { color: var(--ink); }
table { border-collapse: collapse; width: 100%; font-size: .93rem; margin: .6rem 0 1.2rem; }
th, td { text-align: left; padding: .36rem .8rem .36rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; color: var(--soft); font-size: .84rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.wide { overflow-x: auto; }
.bars { margin: .8rem 0 1.4rem; } .bars div { display: grid; gap: .8rem; align-items: center;
  grid-template-columns: 14rem 1fr 8.5rem; font-size: .92rem; padding: .16rem 0; }
.bars i { display: block; height: .85rem; border-radius: 3px; background: var(--bar);
  min-width: 2px; }
.bars .odd i { background: var(--open); }
.bars span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
@media (max-width: 38rem) { .bars div { grid-template-columns: 7rem 1fr 6rem; } }
.box { background: var(--card); border-radius: 8px; padding: .9rem 1.1rem; margin: 1rem 0; }
.box p:last-child { margin-bottom: 0; } .box p:first-child { margin-top: 0; }
code { font: .88em ui-monospace, Menlo, monospace; overflow-wrap: anywhere; }
svg { display: block; width: 100%; min-width: 40rem; height: auto; margin: 1rem 0; }
@media print { h2, h3 { break-after: avoid; } figure, tr, .bars div, svg { break-inside: avoid; }
  .wide { overflow: visible; } svg { min-width: 0; }
  .bars i { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""


def page(title: str, parts: Sequence[str]) -> str:
    """A whole document."""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def verdict(over: str, line: str) -> str:
    """What is asked, small, and the answer, large."""
    return f'<h1>{escape(over)}</h1>\n<p class="verdict">{escape(line)}</p>'


def heading(text: str, mark: str = "") -> str:
    """A section's title; mark is the HTML of :func:`mark`."""
    return f"<h2>{mark}{escape(text)}</h2>"


def minor(text: str) -> str:
    """A title within a section."""
    return f"<h3>{escape(text)}</h3>"


def mark(passed: bool | None) -> str:
    """A small seal: passed, failed, or (None) not measured."""
    kind = {True: "good", False: "bad", None: "open"}[passed]
    return f'<span class="mark {kind}">{RESULTS[passed]}</span>'


def text(*paragraphs: str, soft: bool = False) -> str:
    """Paragraphs of plain text."""
    kind = ' class="soft"' if soft else ""
    return "\n".join(f"<p{kind}>{escape(paragraph)}</p>" for paragraph in paragraphs)


def box(*paragraphs: str) -> str:
    """Paragraphs set apart."""
    return f'<div class="box">{text(*paragraphs)}</div>'


def code(command: str) -> str:
    """A command line to repeat."""
    return f'<p class="soft">Command: <code>{escape(command)}</code></p>'


def figure(pixels: Pixels, bold: str, caption: str = "", *, width: int | None = None) -> str:
    """A picture inside the page; `width` scales it down to so many pixels."""
    words = f"<b>{escape(bold)}</b> {escape(caption)}".strip()
    return (
        f'<figure><img src="{data_uri(pixels, width)}" alt="{escape(bold, quote=True)}">'
        f"<figcaption>{words}</figcaption></figure>"
    )


def grid(figures: Sequence[str], columns: int) -> str:
    """Figures side by side."""
    least = max(5.5, 52 / columns)
    rule = f"grid-template-columns:repeat(auto-fill,minmax(min(45%,{least:.3g}rem),1fr))"
    return f'<div class="grid" style="{rule}">' + "\n".join(figures) + "</div>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int = 1) -> str:
    """A table whose columns from index `numbers` on are figures."""

    def row(cells: Sequence[str], tag: str) -> str:
        parts = []
        for place, cell in enumerate(cells):
            kind = ' class="n"' if place >= numbers else ""
            parts.append(f"<{tag}{kind}>{escape(cell)}</{tag}>")
        return f"<tr>{''.join(parts)}</tr>"

    body = "\n".join(row(cells, "td") for cells in rows)
    return f'<div class="wide"><table>\n{row(head, "th")}\n{body}\n</table></div>'


def bars(rows: Sequence[tuple[str, float, str]], *, odd: int | None = None) -> str:
    """Horizontal bars: label, length, words at the end; row `odd` in another colour."""
    most = max((length for _, length, _ in rows), default=1.0) or 1.0
    parts = []
    for place, (label, length, words) in enumerate(rows):
        kind = ' class="odd"' if place == odd else ""
        share = max(0.0, min(1.0, length / most)) * 100
        parts.append(
            f"<div{kind}><span>{escape(label)}</span>"
            f'<i style="width:{share:.2f}%"></i><span>{escape(words)}</span></div>'
        )
    return f'<div class="bars">{"".join(parts)}</div>'


HEAT = ((10, 8, 30), (75, 20, 110), (160, 40, 110), (225, 85, 65), (250, 165, 45), (252, 250, 190))


def heat_colours(values: npt.NDArray[np.float64], most: float) -> Pixels:
    """(h, w) from 0 to `most` -> (h, w, 3) uint8, dark to bright."""
    place = np.clip(values / max(most, 1e-9), 0.0, 1.0)
    anchors = np.linspace(0.0, 1.0, len(HEAT))
    colours = [np.interp(place, anchors, [colour[c] for colour in HEAT]) for c in range(3)]
    return np.stack(colours, -1).round().astype(np.uint8)


def enlarged(pixels: Pixels, factor: int) -> Pixels:
    """Each pixel as a square of `factor` pixels."""
    return np.repeat(np.repeat(pixels, factor, 0), factor, 1)


def data_uri(pixels: Pixels, width: int | None = None) -> str:
    """The picture as a WebP inside an address."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if width is not None and image.width > width:
        height = max(1, round(image.height * width / image.width))
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    memory = io.BytesIO()
    image.save(memory, "WEBP", quality=WEBP_QUALITY, method=6)
    return "data:image/webp;base64," + base64.b64encode(memory.getvalue()).decode()
