"""Tables and drawings from the reports in benchmarks/, put where the README shows them."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import cycle
from pathlib import Path

import numpy as np

from gencodec.bench.anchors import read_anchors
from gencodec.bench.command import Report
from gencodec.bench.contestants import OWN_NAME, Recipe, family_of, search_label
from gencodec.bench.drawing import COLOURS, PANEL, SCORE_AXES, Line, draw_curves, draw_qualities
from gencodec.bench.formats import OddFormats, markdown
from gencodec.bench.metrics import METRICS, Metric
from gencodec.bench.own_codec import load
from gencodec.bench.pictures import load_picture
from gencodec.bench.rate_distortion import curve_of
from gencodec.bench.report import read_report
from gencodec.bench.tables import (
    TARGET,
    effort_section,
    fuzz_section,
    kodak_section,
    replace_section,
    speed_section,
)
from gencodec.image import atomic_write

DOCUMENTS = ("README.md", "SECURITY.md", "docs/files.md", "docs/large.md")
SHOWN = (10.0, 40.0, 70.0)
METRIC_OF = {metric.name: metric for metric in METRICS}


def sections(root: Path) -> dict[str, str]:
    """The text of every section whose report is there, by its marker's name."""
    texts = {}
    kodak, speed = root / "benchmarks" / "kodak.json", root / "benchmarks" / "speed.json"
    effort = root / "benchmarks" / "kodak-effort.json"
    if kodak.exists() or effort.exists():
        published = read_anchors(root / "benchmarks" / "anchors.json").anchors
    if kodak.exists():
        texts["kodak"] = kodak_section(read_report(Report, kodak), published)
    if effort.exists():
        texts["effort"] = effort_section(read_report(Report, effort), published)
    if speed.exists():
        texts["speed"] = speed_section(read_report(Report, speed))
    formats, fuzz = root / "benchmarks" / "oddformats.json", root / "benchmarks" / "fuzz.json"
    if formats.exists():
        texts["formats"] = markdown(read_report(OddFormats, formats))
    if fuzz.exists():
        texts["fuzz"] = fuzz_section(json.loads(fuzz.read_text(encoding="utf-8")))
    return texts


def rewritten(document: Path, texts: dict[str, str]) -> str:
    """What a document should say: its text with all sections renewed."""
    text = document.read_text(encoding="utf-8")
    for name, body in texts.items():
        text = replace_section(text, name, _relinked(body, document))
    return text


def documents(root: Path) -> list[Path]:
    """Where sections may stand: the model card of the measured weights too, no older one."""
    named = [root / name for name in DOCUMENTS]
    kodak = root / "benchmarks" / "kodak.json"
    if kodak.exists():
        named.append(root / "weights" / f"{read_report(Report, kodak).weights}.md")
    return [path for path in named if path.exists()]


def stale_documents(root: Path) -> list[Path]:
    """Documents whose sections are not those of the reports."""
    texts = sections(root)
    there = documents(root)
    return [path for path in there if rewritten(path, texts) != path.read_text(encoding="utf-8")]


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.bench figures``."""
    parser.add_argument(
        "--root", type=Path, default=Path(), metavar="DIR", help="the checkout (default: here)"
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a table is out of date"
    )
    parser.add_argument(
        "--photo", type=Path, metavar="FILE", help="photograph for docs/qualities.png"
    )
    parser.add_argument(
        "--corner",
        type=_corner,
        metavar="LEFT,TOP",
        help=f"of the {PANEL[0]}x{PANEL[1]} crop shown (default: the middle)",
    )
    parser.add_argument(
        "--qualities", type=_qualities, default=SHOWN, metavar="Q,Q,...", help="of the photograph"
    )
    parser.add_argument("-m", "--model", metavar="NAME|FILE", help="weights for the photograph")


def run(args: argparse.Namespace) -> int:
    """Renew tables, then drawings; with --check, only say whether tables are up to date."""
    stale = stale_documents(args.root)
    if args.check:
        for path in stale:
            print(f"{path}: tables differ from benchmarks/", file=sys.stderr)
        return 1 if stale else 0
    texts = sections(args.root)
    for path in stale:
        atomic_write(path, rewritten(path, texts).encode(), overwrite=True)
        print(f"{path}: tables renewed")
    docs = args.root / "docs"
    docs.mkdir(exist_ok=True)
    _draw_curves(args.root, METRIC_OF["psnr"], docs / "kodak.svg")
    _draw_curves(args.root, METRIC_OF["ssimulacra2"], docs / "kodak-ssimulacra2.svg")
    if args.photo is not None:
        _draw_photo(args, docs / "qualities.png")
    return 0


def _draw_curves(root: Path, metric: Metric, target: Path) -> None:
    report_path = root / "benchmarks" / "kodak.json"
    if not report_path.exists():
        return
    report = read_report(Report, report_path)
    published = read_anchors(root / "benchmarks" / "anchors.json").anchors
    lines = [
        Line(anchor.label, anchor.curve, COLOURS[-1], published=True)
        for anchor in published
        if anchor.name == TARGET and metric.name == "psnr"
    ]
    own = curve_of(report.means, OWN_NAME, metric)
    colours = cycle(COLOURS)
    for about in report.codecs:
        curve = curve_of(report.means, about.name, metric)
        if curve is None or about.name == OWN_NAME:
            continue
        if family_of(about.name) == OWN_NAME:
            lines.append(Line(f"{OWN_NAME} {search_label(about.name)}", curve, searched=True))
        else:
            lines.append(Line(about.label, curve, next(colours)))
    # From the best at a middle rate down, as the labels then stand.
    lines.sort(key=lambda line: -np.interp(1.0, line.curve.bpp, line.curve.score))
    title = f"{report.dataset.folder.capitalize()}, means of {report.dataset.images} images"
    if own is None:
        return
    try:
        draw_curves(own, lines, title, target, SCORE_AXES[metric.name])
    except ModuleNotFoundError as error:
        print(f"{target}: not drawn, {error.name} is not installed", file=sys.stderr)
        return
    print(f"{target}: drawn")


def _draw_photo(args: argparse.Namespace, target: Path) -> None:
    sample = load_picture(args.photo)
    middle = ((sample.width - PANEL[0]) // 2, (sample.height - PANEL[1]) // 2)
    codec = load(Recipe(OWN_NAME, args.model))
    draw_qualities(codec, sample, args.qualities, args.corner or middle, target)
    print(f"{target}: drawn")


def _relinked(body: str, document: Path) -> str:
    """Links are written for the top of the checkout; a card in a folder needs a step up."""
    on_top = document.name in ("README.md", "SECURITY.md")
    return body if on_top else body.replace("](", "](../")


def _qualities(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not Q,Q,...") from None


def _corner(text: str) -> tuple[int, int]:
    parts = text.split(",")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"'{text}' is not LEFT,TOP in pixels")
    return int(parts[0]), int(parts[1])
