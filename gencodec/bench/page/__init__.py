"""The report as one self-contained HTML page: curves, comparison, speed and pictures.

    report, published curves --page_data--> JSON --+
    pictures --views--> crops at equal bytes ------+--> page.html with page.css and page.js in it

The page loads nothing: pictures are data URIs, and there is no library in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gencodec.bench.anchors import Anchor
from gencodec.bench.command import Plan, Report
from gencodec.bench.comparison import anchor_curve
from gencodec.bench.contestants import OWN_NAME, Recipe, make_contestant
from gencodec.bench.metrics import METRICS, Metric
from gencodec.bench.page.views import make_views
from gencodec.bench.pictures import name_of
from gencodec.bench.rate_distortion import Mean, Row, curve_of
from gencodec.image import atomic_write

HERE = Path(__file__).parent


def write_page(
    report: Report, published: Sequence[Anchor], plan: Plan, paths: Sequence[Path], jobs: int
) -> None:
    """Write the page of a report to plan.html; `paths` are the pictures that were measured."""
    drawn = {mean.codec for mean in report.means}
    named = [a.name for a in report.codecs if a.name != OWN_NAME and a.name in drawn]
    wanted = named[:2] if plan.show is None else [_plain_name(name, plan) for name in plan.show]
    recipes = [
        Recipe(name, plan.model, "cpu", None, 1, plan.codecs)
        for name in (OWN_NAME, *(name for name in wanted if name in drawn))
    ]
    measured = {row.image for row in report.images}
    pictures = [path for path in paths if name_of(path) in measured]
    views = make_views(recipes, plan.views, pictures, jobs, plan.cache)
    data = page_data(report, published) | {"views": asdict(views)}
    atomic_write(plan.html or "", page_text(report, data).encode(), overwrite=True)


def _plain_name(name: str, plan: Plan) -> str:
    """The name that rows go by: "webp" for "webp:6", which is the same."""
    try:
        return make_contestant(Recipe(name, codecs=plan.codecs)).about.name
    except Exception:  # not installed, and in the table of bugs already
        return name


def page_text(report: Report, data: dict[str, Any]) -> str:
    """The template with style, script and data put in."""
    template = (HERE / "page.html").read_text(encoding="utf-8")
    # "</" would end the script element that carries the data.
    content = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    title = f"gencodec on {report.dataset.folder}"
    texts = {
        "TITLE": title.replace("&", "&amp;").replace("<", "&lt;"),
        "STYLE": (HERE / "page.css").read_text(encoding="utf-8"),
        "SCRIPT": (HERE / "page.js").read_text(encoding="utf-8"),
        "DATA": content.replace("</", "<\\/").replace("<!--", "<\\u0021--"),
    }
    # In one go: what is put in is not searched for marks, which a folder's name may look like.
    return re.sub(r"\[\[(\w+)\]\]", lambda mark: texts[mark[1]], template)


def page_data(report: Report, published: Sequence[Anchor]) -> dict[str, Any]:
    """What the script draws: everything in the report, curves already on their scales."""
    images = list(dict.fromkeys(row.image for row in report.images))
    metrics = [m for m in METRICS if any(getattr(row, m.name) is not None for row in report.images)]
    codecs = [
        asdict(about) | {"published": False, "curves": _curves(report.means, about.name, metrics)}
        for about in report.codecs
    ]
    for anchor in published:
        curves = {m.name: c for m in metrics if (c := anchor_curve(anchor, m))}
        codecs.append(
            {
                "name": anchor.name,
                "label": anchor.label,
                "published": True,
                "source": anchor.source,
                "curves": {
                    name: [list(point) for point in zip(curve.bpp, curve.score, strict=True)]
                    for name, curve in curves.items()
                },
            }
        )
    return {
        "own": OWN_NAME,
        "weights": f"{report.weights} ({report.weights_id[:8]})",
        "dataset": asdict(report.dataset),
        "environment": asdict(report.environment),
        "metrics": [asdict(metric) for metric in metrics],
        "codecs": codecs,
        "images": images,
        "rows": {about.name: _rows(report.images, about.name, images) for about in report.codecs},
        "deltas": [asdict(delta) for delta in report.deltas],
        "bugs": [asdict(bug) for bug in report.bugs],
        "speed": None if report.speed is None else asdict(report.speed),
    }


def _curves(means: Sequence[Mean], codec: str, metrics: Sequence[Metric]) -> dict[str, Any]:
    curves = {}
    for metric in metrics:
        curve = curve_of(means, codec, metric)
        if curve is not None and curve.bpp:
            curves[metric.name] = [
                [round(bpp, 5), round(score, 4)]
                for bpp, score in zip(curve.bpp, curve.score, strict=True)
            ]
    return curves


def _rows(rows: Sequence[Row], codec: str, images: Sequence[str]) -> list[list[float | None]]:
    """[image, bpp, then a score for each metric, on the scale of curves]"""
    place = {image: index for index, image in enumerate(images)}
    table = []
    for row in rows:
        if row.codec == codec:
            values = ((metric, getattr(row, metric.name)) for metric in METRICS)
            scores = [None if v is None else round(m.on_curve(v), 3) for m, v in values]
            table.append([place[row.image], round(row.bpp, 4), *scores])
    return table
