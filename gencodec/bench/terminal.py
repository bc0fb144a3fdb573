"""A report as a table for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from gencodec.amounts import counted
from gencodec.bench.anchors import Anchor
from gencodec.bench.contestants import OWN_NAME
from gencodec.bench.curves import LEAST_POINTS
from gencodec.bench.metrics import METRICS, Metric
from gencodec.bench.rate_distortion import Bug

if TYPE_CHECKING:
    from gencodec.bench.command import Report
    from gencodec.bench.comparison import Delta, Spread

BUGS_SHOWN = 10


def table(report: Report, published: Sequence[Anchor]) -> str:
    """Codecs with their ranges, gencodec's BD-rate against each, speed if measured, and bugs."""
    compared = {delta.metric for delta in report.deltas if delta.codec == OWN_NAME}
    metrics = [metric for metric in METRICS if metric.name in compared]
    head = ["codec", "bpp", "PSNR, dB", *(metric.label for metric in metrics), "over, dB", "bugs"]
    rows = [head]
    for about in report.codecs:
        own = [mean for mean in report.means if mean.codec == about.name]
        bpp, psnr = [mean.bpp for mean in own], [mean.psnr for mean in own]
        ranges = [_range(bpp, 2), _range(psnr, 1)] if own else ["-", "-"]
        bugs = sum(bug.codec == about.name for bug in report.bugs)
        rows.append([about.label, *ranges, *_against(report, about.name, metrics), str(bugs)])
    absent = [bug for bug in report.bugs if bug.codec and not _is_measured(report, bug.codec)]
    for name in dict.fromkeys(bug.codec for bug in absent):
        count = sum(bug.codec == name for bug in absent)
        rows.append([str(name), "-", "-", *["-"] * len(metrics), "-", str(count)])
    for anchor in published:
        ranges = [_range(anchor.bpp, 2), _range(anchor.psnr, 1)]
        cells = _against(report, anchor.name, metrics)
        rows.append([f"{anchor.label} (published)", *ranges, *cells, ""])
    text = [_aligned(rows)]
    if metrics:
        text.append("Metrics: gencodec's bits against that codec's at equal score (BD-rate), %.")
        text += _by_picture(report, metrics)
    elif published or len(report.codecs) > 1:
        text.append(
            f"No BD-rates: they take {LEAST_POINTS} qualities at least, and scores in common."
        )
    text += _left_out(report)
    data = report.dataset
    text.append(f"{counted(data.images, 'image')} of '{data.folder}', {data.megapixels:g} MP.")
    if report.speed is not None:
        text += ["", _speed(report)]
    if report.bugs:
        text += ["", "Bugs:", *(f"  {_bug(bug)}" for bug in report.bugs[:BUGS_SHOWN])]
        if len(report.bugs) > BUGS_SHOWN:
            text.append(f"  and {len(report.bugs) - BUGS_SHOWN} more, in the report")
    return "\n".join(text)


def _by_picture(report: Report, metrics: Sequence[Metric]) -> Iterator[str]:
    """How far single pictures lie from the BD-rates of means; nothing where there is but one."""
    rows = []
    for about in report.codecs:
        spreads = {delta.metric: delta.spread for delta in _own(report, about.name)}
        if any(spreads.values()):
            rows.append([about.label, *(_span_of(spreads.get(m.name)) for m in metrics)])
    if rows:
        yield ""
        yield _aligned([["picture by picture", *(metric.label for metric in metrics)], *rows])
        yield "The lowest and the highest of them, %, and on how many gencodec needs fewer bits."


def _span_of(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    ends = f"{spread.lowest:+.0f} to {spread.highest:+.0f}"
    return f"{ends}, {spread.fewer}/{spread.pictures}"


def _left_out(report: Report) -> Iterator[str]:
    """Why a metric has no mean, a line each: what is not there for one image is there for none."""
    for metric in METRICS:
        without = {row.image for row in report.images if getattr(row, metric.name) is None}
        if without and report.environment.versions.get(str(metric.package)) == "not installed":
            yield f"No {metric.label}: the Python package '{metric.package}' is not installed."
        elif without:
            images = counted(len({row.image for row in report.images}), "image")
            yield f"No {metric.label}: of {images}, {len(without)} too small for it."


def _against(report: Report, anchor: str, metrics: Sequence[Metric]) -> list[str]:
    own = {delta.metric: delta for delta in _own(report, anchor)}
    cells = [f"{own[m.name].bd_rate:+.1f}" if m.name in own else "-" for m in metrics]
    span = f"{own['psnr'].low:.1f}-{own['psnr'].high:.1f}" if "psnr" in own else "-"
    return [*cells, span]


def _own(report: Report, anchor: str) -> list[Delta]:
    return [d for d in report.deltas if (d.codec, d.anchor) == (OWN_NAME, anchor)]


def _is_measured(report: Report, name: str) -> bool:
    return any(about.name == name for about in report.codecs)


def _speed(report: Report) -> str:
    assert report.speed is not None
    rows = [["codec", "bpp", "encode, s/MP", "decode, s/MP", "cold, s", "memory, MB", "threads"]]
    for row in report.speed.codecs:
        memory = max(row.memory.encode, row.memory.decode)
        rows.append(
            [
                row.label,
                f"{row.bpp:.2f}",
                f"{row.encode_s_per_mp:.3f}",
                f"{row.decode_s_per_mp:.3f}",
                f"{row.cold.load_s + row.cold.encode_s:.2f}",
                str(memory or "?"),
                str(row.threads or "its own"),
            ]
        )
    return _aligned(rows)


def _bug(bug: Bug) -> str:
    where = [word for word in (bug.codec, bug.image) if word]
    where += [] if bug.quality is None else [f"quality {bug.quality:g}"]
    return ": ".join(filter(None, (", ".join(where), bug.reason)))


def _range(values: Sequence[float], digits: int) -> str:
    return f"{min(values):.{digits}f}-{max(values):.{digits}f}"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they must be, the first to the left, the others to the right."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        blanks = [" " * (w - _width(cell)) for cell, w in zip(row, widths, strict=True)]
        others = (blank + cell for blank, cell in zip(blanks[1:], row[1:], strict=True))
        lines.append("  ".join([row[0] + blanks[0], *others]).rstrip())
    return "\n".join(lines)


def _width(text: str) -> int:
    """Cells of a terminal: names may be in scripts whose letters take two, or none of their own."""
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )
