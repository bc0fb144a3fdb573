"""`gencodec bench`: measure, print a table, write the report as JSON and as a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gencodec.bench.anchors import Anchor, Published, read_anchors
from gencodec.bench.cache import Cache
from gencodec.bench.comparison import Delta, deltas
from gencodec.bench.contestants import (
    OWN_NAME,
    About,
    Recipe,
    UnknownRivalError,
    family_of,
    make_contestant,
    module_of,
)
from gencodec.bench.environment import Environment, environment
from gencodec.bench.jobs import reason_of
from gencodec.bench.own_codec import Gencodec
from gencodec.bench.pictures import Dataset, find_pictures, name_of
from gencodec.bench.rate_distortion import Bug, Mean, Row, means, measure_all
from gencodec.bench.report import write_report
from gencodec.bench.speed import Speed, measure_speed
from gencodec.bench.terminal import table
from gencodec.errors import OutputError
from gencodec.image import check_place
from gencodec.processes import usable_cores

PUBLISHED = Path("benchmarks/anchors.json")

WHAT = (
    "bpp: 8 x file bytes / pixels, header included; psnr: over RGB of decoded 8-bit pixels, dB; "
    "psnr_y: of BT.601 luma, dB; ms_ssim: over RGB, 0 to 1; ssimulacra2: 100 is equal; "
    "ideal_bits: information content of gencodec's symbols under its model; container_bytes: all "
    "of its file but the symbols; means over images; bd_rate: percent of bits against the anchor "
    "at equal score (MS-SSIM as -10 log10(1 - mean)), bd_score: mean advantage at equal bits, "
    "null where no bits are, both by PCHIP over the range that both curves span, from low to high, "
    "overlap percent of all they span"
)

PACKAGES = {
    "compressai": "compressai",
    "jpeg": "imagecodecs",
    "webp": "imagecodecs",
    "avif": "imagecodecs",
    "jxl": "imagecodecs",
    "jpeg2000": "imagecodecs",
}
METRIC_PACKAGES = ("pytorch-msssim", "ssimulacra2")


@dataclass(frozen=True)
class Report:
    """A whole measurement, as it stands in benchmarks/."""

    what: str
    weights: str
    weights_id: str
    dataset: Dataset
    environment: Environment
    codecs: tuple[About, ...]
    bugs: tuple[Bug, ...]
    deltas: tuple[Delta, ...]
    means: tuple[Mean, ...]
    images: tuple[Row, ...]
    speed: Speed | None = None


@dataclass(frozen=True)
class Plan:
    """What was asked for on the command line; see `gencodec bench --help`."""

    folder: Path
    against: tuple[str, ...] = ()
    output: Path | None = None
    html: Path | None = None
    force: bool = False
    qualities: tuple[float, ...] | None = None
    published: Path | None = None
    codecs: Path | None = None
    limit: int | None = None
    jobs: int | None = None
    cache: Path | None = None
    speed: bool = False
    repeat: int = 5
    speed_quality: float = 60.0
    speed_images: int = 6
    views: tuple[float, ...] = (20.0, 40.0, 60.0)
    show: tuple[str, ...] | None = None
    model: str | None = None
    device: str = "auto"
    threads: int | None = None


def check(plan: Plan) -> None:
    """Refuse before anything is measured what could not be done after it.

    UnknownRivalError for a codec that there is not, ValueError for a file of codecs that cannot be
    read or one of curves that is not there, OutputError for outputs that are there or cannot be.
    """
    for path in (plan.codecs, plan.published):
        if path is not None and (not path.exists() or path.is_dir()):
            raise ValueError(f"{path}: no such file")
    for name in plan.against:
        module_of(name, plan.codecs)
    for name in plan.show or ():
        if name not in plan.against:
            raise UnknownRivalError(f"--show has {name!r}, which --against has not")
    for path in (plan.output, plan.html):
        if path is None:
            continue
        if path.exists() and not plan.force:
            raise OutputError(f"{path} is there already; -f replaces it")
        check_place(path)


def run_bench(plan: Plan, say: Callable[[str], None]) -> int:
    """Carry out a plan; 0, or 1 when the table has bugs."""
    check(plan)
    # Once, as it may be a pipe, and before anything is measured.
    named = None if plan.published is None else read_anchors(plan.published)
    paths = find_pictures(plan.folder, limit=plan.limit)
    subject = make_contestant(Recipe(OWN_NAME, plan.model, plan.device, threads=plan.threads or 1))
    assert isinstance(subject, Gencodec)
    jobs = plan.jobs or (1 if subject.device.type == "cuda" else usable_cores())
    threads = plan.threads or max(1, usable_cores() // jobs)
    device = str(subject.device)
    recipes = [
        Recipe(name, plan.model, device, None, threads, plan.codecs)
        for name in (OWN_NAME, *dict.fromkeys(plan.against))
    ]
    cache = Cache(plan.cache)
    measured = measure_all(recipes, plan.qualities, paths, plan.folder, cache, jobs)
    names = [about.name for about in measured.codecs]
    published = apart(_published(named, measured.dataset), names)
    packages = sorted(
        {PACKAGES[family] for family in map(family_of, plan.against) if family in PACKAGES}
    )
    speed, slow_bugs = None, tuple[Bug, ...]()
    if plan.speed:
        usable = [path for path in paths if name_of(path) in set(measured.images)]
        racers = racing_recipes(plan, device, names)
        try:
            speed, slow_bugs = measure_speed(racers, usable[: plan.speed_images], plan.repeat)
        except Exception as error:  # the curves have been measured, and are not to be lost
            slow_bugs = (Bug(f"speed: {reason_of(error)}"),)
    report = Report(
        what=WHAT,
        weights=subject.weights_name,
        weights_id=subject.weights.digest.hex(),
        dataset=measured.dataset,
        environment=environment(subject.device, (*METRIC_PACKAGES, *packages)),
        codecs=measured.codecs,
        bugs=measured.bugs + slow_bugs,
        deltas=deltas(measured.rows, names, published),
        means=means(measured.rows),
        images=measured.rows,
        speed=speed,
    )
    if plan.output is not None:
        write_report(report, plan.output)
    if plan.html is not None:
        from gencodec.bench.page import write_page

        write_page(report, published, plan, paths, jobs)
    say(table(report, published))
    return 1 if report.bugs else 0


def racing_recipes(plan: Plan, device: str, names: Sequence[str]) -> tuple[Recipe, ...]:
    """The codecs of a race, on all threads that the plan allows."""
    threads = plan.threads or usable_cores()
    return tuple(
        Recipe(
            name,
            plan.model,
            device,
            plan.speed_quality if family_of(name) == OWN_NAME else None,
            threads,
            plan.codecs,
        )
        for name in names
    )


def apart(published: Sequence[Anchor], measured: Sequence[str]) -> tuple[Anchor, ...]:
    """Curves of others, by other names where they go by that of a codec measured here."""
    return tuple(
        replace(anchor, name=f"{anchor.name}, published") if anchor.name in measured else anchor
        for anchor in published
    )


def _published(named: Published | None, dataset: Dataset) -> tuple[Anchor, ...]:
    """The curves that were named, or those there are about the very images that were measured."""
    if named is not None:
        return named.anchors
    try:
        known = read_anchors(PUBLISHED)
    except (OSError, ValueError):  # not there, or another's file by that name
        return ()
    return known.anchors if known.dataset_sha256 == dataset.sha256 else ()
