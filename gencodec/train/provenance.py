"""Whether a list of training pictures is true: every picture named, none of them a test picture."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gencodec.bench.report import write_report

from .likeness import Likeness, Match, find
from .options import report
from .photos import Photo, PhotoFolder, Unreadable

NEEDED = ("file", "sha256", "source", "licence")

WHAT = (
    "listed: rows of the list; found: pictures in the folders; problems: rows and pictures that "
    "do not belong together or lack a source, a licence or a right SHA-256, and test pictures that "
    "cannot be read; like_test_pictures: "
    "training pictures that show a test picture, whole, cropped, scaled or mirrored, or are "
    "part of one, with their correlation beyond coarse layout (gencodec/train/likeness.py)"
)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the list or a picture."""

    file: str
    what: str


@dataclass(frozen=True)
class Provenance:
    """The outcome of a check."""

    what: str
    listed: int
    found: int
    test_pictures: int
    licences: dict[str, int]
    problems: tuple[Problem, ...]
    like_test_pictures: tuple[Match, ...]


def read_list(path: Path) -> list[dict[str, str]]:
    """The rows of a list of pictures; ValueError when it lacks a column."""
    with open(path, encoding="utf-8-sig", newline="") as handle:
        table = csv.DictReader(handle)
        missing = set(NEEDED) - set(table.fieldnames or ())
        if missing:
            raise ValueError(f"{path}: no column {', '.join(sorted(missing))}")
        return [{name: value or "" for name, value in row.items() if name} for row in table]


def check_list(
    rows: Sequence[dict[str, str]], pictures: Sequence[Photo | Unreadable]
) -> list[Problem]:
    """What is wrong between a list and the pictures themselves."""
    problems = [
        Problem(row["file"], f"has no {name}")
        for row in rows
        for name in NEEDED
        if not row[name].strip()
    ]
    listed = {row["file"]: row["sha256"] for row in rows}
    if len(listed) < len(rows):
        names = [row["file"] for row in rows]
        twice = sorted({name for name in names if names.count(name) > 1})
        problems += [Problem(name, "is listed more than once") for name in twice]
    found = set()
    for picture in pictures:
        found.add(picture.name)
        if isinstance(picture, Unreadable):
            problems.append(Problem(picture.name, f"cannot be read: {picture.reason}"))
        elif picture.name not in listed:
            problems.append(Problem(picture.name, "is not listed"))
        elif picture.sha256 != listed[picture.name]:
            problems.append(Problem(picture.name, "is not the file of the listed SHA-256"))
    problems += [Problem(name, "is not there") for name in sorted(set(listed) - found)]
    return problems


def like_test_pictures(training: Sequence[Likeness], tests: Sequence[Likeness]) -> list[Match]:
    """Training pictures that show a test picture or are part of one; the best match of a pair."""
    matches = [*find(tests, training, parts=True), *find(training, tests, parts=False)]
    best: dict[frozenset[str], Match] = {}
    for match in matches:
        pair = frozenset((match.needle, match.haystack))
        if pair not in best or best[pair].score < match.score:
            best[pair] = match
    return sorted(best.values(), key=lambda match: -match.score)


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train provenance``."""
    parser.add_argument("list", type=Path, metavar="CSV", help="such as weights/base.pictures.csv")
    parser.add_argument(
        "sources", type=Path, nargs="+", metavar="DIR", help="folder or tar file of the pictures"
    )
    parser.add_argument(
        "--test",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder of test pictures that none of them may show; may be repeated",
    )
    parser.add_argument("-o", "--output", type=report, metavar="JSON", help="write the report here")


def run(args: argparse.Namespace) -> int:
    """Check, print what is wrong; exit code 1 if anything is."""
    rows = read_list(args.list)
    # One at a time: a collection is larger than what has to be kept of it.
    training: list[Likeness] = []
    pictures: list[Photo | Unreadable] = []
    for picture in PhotoFolder(args.sources).new():
        if isinstance(picture, Photo):
            training.append(Likeness(picture.name, picture.pixels))
            picture = Photo(picture.name, picture.sha256, np.empty((0, 0, 3), np.uint8))
        pictures.append(picture)
    if not pictures:
        raise ValueError(f"no pictures in {', '.join(map(str, args.sources))}")
    tests: list[Likeness] = []
    unread: list[Problem] = []
    for found in PhotoFolder(args.test).new():
        if isinstance(found, Photo):
            tests.append(Likeness(found.name, found.pixels))
        else:
            what = f"cannot be read, so nothing was compared with it: {found.reason}"
            unread.append(Problem(found.name, what))
    if args.test and not tests:
        raise ValueError(f"no test pictures in {', '.join(map(str, args.test))}")
    report = Provenance(
        what=WHAT,
        listed=len(rows),
        found=len(pictures),
        test_pictures=len(tests),
        licences=_by_licence(rows),
        problems=(*check_list(rows, pictures), *unread),
        like_test_pictures=tuple(like_test_pictures(training, tests)),
    )
    for problem in report.problems:
        print(f"{problem.file} {problem.what}")
    for match in report.like_test_pictures:
        print(f"{match.needle} is seen in {match.haystack} at {match.window} ({match.score:.2f})")
    print(
        f"{report.listed} listed, {report.found} found, {len(report.problems)} problems, "
        f"{len(report.like_test_pictures)} of them like one of {report.test_pictures} test pictures"
    )
    if args.output is not None:
        write_report(report, args.output)
    return 1 if report.problems or report.like_test_pictures else 0


def _by_licence(rows: Sequence[dict[str, str]]) -> dict[str, int]:
    """Rows by tier where the list has tiers, else by licence."""
    counts: dict[str, int] = {}
    for row in rows:
        name = f"tier {row['tier']}" if row.get("tier") else row["licence"]
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
