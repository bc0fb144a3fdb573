"""Two small drawings for the audit's page, as SVG in the page's own colours."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .copies import Spread
from .statistics import Interval

WIDTH, ROW, LABEL = 960, 46, 330


def interval_plot(rows: Sequence[tuple[str, Interval, bool]]) -> str:
    """Points with their intervals on the scale of an AUC, 0 to 1, and a line at 0.5.

    rows: label, interval, and whether it speaks of memory, which is told by another colour.
    """
    parts = [_rule(_place(0.5), len(rows), "0.5: guessing"), _rule(_place(1.0), len(rows), "1")]
    for number, (label, interval, memory) in enumerate(rows):
        y = 40 + ROW * number
        low, high, value = (_place(x) for x in (interval.low, interval.high, interval.value))
        colour = "var(--bad)" if memory else "var(--bar)"
        parts += [
            _label(label, y),
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{colour}" '
            'stroke-width="7" stroke-linecap="round" opacity=".4"/>',
            f'<circle cx="{value:.1f}" cy="{y}" r="7" fill="{colour}"/>',
            _small(value, y - 14, f"{interval.value:.2f}"),
        ]
    said = [f"{label} {i.value:.2f}, {i.low:.2f} to {i.high:.2f}" for label, i, _ in rows]
    return _svg(parts, 40 + ROW * len(rows), "; ".join(said))


def strip_plot(rows: Sequence[tuple[str, Spread]], threshold: float) -> str:
    """Where the distances of each kind lie: 5 % to 95 %, the median, and the least."""
    most = max(spread.percent_95 for _, spread in rows)
    parts = [_rule(_place(threshold / most), len(rows), "the line")]
    for number, (label, spread) in enumerate(rows):
        y = 40 + ROW * number
        low, middle, high, least = (
            _place(value / most)
            for value in (spread.percent_5, spread.median, spread.percent_95, spread.least)
        )
        parts += [
            _label(label, y),
            f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="var(--bar)" '
            'stroke-width="14" stroke-linecap="round" opacity=".35"/>',
            f'<circle cx="{middle:.1f}" cy="{y}" r="7" fill="var(--bar)"/>',
            f'<circle cx="{least:.1f}" cy="{y}" r="3" fill="var(--bar)"/>',
        ]
    said = [f"{label} {spread.percent_5:.3f} to {spread.percent_95:.3f}" for label, spread in rows]
    return _svg(parts, 40 + ROW * len(rows), f"{'; '.join(said)}; the line {threshold:.3f}")


def _place(share: float) -> float:
    return LABEL + max(0.0, min(1.0, share)) * (WIDTH - LABEL - 30)


def _rule(x: float, rows: int, words: str) -> str:
    bottom = 22 + ROW * rows
    return (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="18" y2="{bottom}" stroke="var(--soft)" '
        f'stroke-dasharray="4 4"/>{_small(x, 12, words)}'
    )


def _label(words: str, y: float) -> str:
    return f'<text x="0" y="{y + 5}" fill="var(--ink)" font-size="16">{escape(words)}</text>'


def _small(x: float, y: float, words: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y}" fill="var(--soft)" font-size="13" '
        f'text-anchor="middle">{escape(words)}</text>'
    )


def _svg(parts: Sequence[str], height: int, said: str) -> str:
    """`said`: what is read to those who do not see it."""
    return (
        f'<div class="wide"><svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(said)}">' + "".join(parts) + "</svg></div>"
    )
