"""gencodec bench: rate, distortion and speed on your own pictures, beside other codecs."""

from __future__ import annotations

import argparse
from pathlib import Path

from gencodec.cli import options
from gencodec.cli.failures import AbortError, UsageError
from gencodec.cli.libraries import use_threads
from gencodec.cli.streams import print_text
from gencodec.names import visible

RIVALS = "jpeg, webp, avif, avif-ssim, jxl, jpeg2000, compressai:MODEL"


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="DIR", help="folder of pictures, or one picture")
    parser.add_argument(
        "--against",
        type=_names,
        default=(),
        metavar="CODEC,...",
        help=f"rivals: {RIVALS}, each also with a setting (jpeg:444, webp:4, avif:3, jxl:9), and "
        "those of --codecs",
    )
    parser.add_argument(
        "--codecs", metavar="TOML", help="more rivals: commands that encode and decode"
    )
    parser.add_argument(
        "-q",
        "--qualities",
        type=_qualities,
        metavar="Q,...",
        help="of gencodec's curve (default: 0,10,...,100)",
    )
    options.add_model(parser, "weights to use: a name that 'gencodec models' lists, or a file")
    parser.add_argument(
        "--limit", type=options.positive, metavar="N", help="the first N pictures only"
    )
    results = parser.add_argument_group("results, beside the table on stdout")
    results.add_argument("-o", "--output", metavar="JSON", help="the whole report")
    results.add_argument("--html", metavar="FILE", help="the report as a page with curves")
    results.add_argument("-f", "--force", action="store_true", help="replace what is there")
    results.add_argument(
        "--show",
        type=_names,
        metavar="CODEC,...",
        help="rivals in the page's pictures (default: the first two of --against)",
    )
    results.add_argument(
        "--views",
        type=_qualities,
        default=(20.0, 40.0, 60.0),
        metavar="Q,...",
        help="qualities in the page's pictures (default: 20,40,60)",
    )
    results.add_argument(
        "--published",
        metavar="JSON",
        help="published curves (default: benchmarks/anchors.json, on the pictures it names)",
    )
    speed = parser.add_argument_group("speed")
    speed.add_argument(
        "--speed",
        action="store_true",
        help="time all codecs as well, in turns, at files of equal size; wants an idle machine",
    )
    speed.add_argument(
        "--repeat", type=options.positive, default=5, metavar="N", help="runs (default: 5)"
    )
    speed.add_argument(
        "--speed-quality",
        type=options.quality,
        default=60.0,
        metavar="0..100",
        help="gencodec's quality when timed (default: 60)",
    )
    speed.add_argument(
        "--speed-images",
        type=options.positive,
        default=6,
        metavar="N",
        help="pictures timed (default: the first 6)",
    )
    work = parser.add_argument_group("work")
    work.add_argument(
        "--jobs", type=options.positive, metavar="N", help="processes (default: one a core)"
    )
    work.add_argument(
        "--cache", metavar="DIR", help="where measured rows are kept (default: the user's cache)"
    )
    work.add_argument("--no-cache", action="store_true", help="measure everything anew")
    options.add_machine(parser)


def run(args: argparse.Namespace) -> int:
    """Measure; 0 done, 1 done with bugs in the table."""
    if args.no_cache and args.cache is not None:
        raise UsageError("--cache and --no-cache exclude each other")
    if args.output and args.html and Path(args.output).resolve() == Path(args.html).resolve():
        raise UsageError("-o and --html name the same file")
    if args.output and args.output.lower().endswith((".html", ".htm")):
        raise UsageError("-o writes JSON; the page is written by --html")
    use_threads(args.threads)
    try:
        from gencodec.bench.cache import default_folder
        from gencodec.bench.command import Plan, run_bench
        from gencodec.bench.contestants import UnknownRivalError
    except ModuleNotFoundError as error:
        raise AbortError(
            f"the Python package '{error.name}' is needed: pip install 'gencodec[bench]'"
        ) from error
    cache = Path(args.cache) if args.cache else default_folder()
    plan = Plan(
        folder=Path(args.folder),
        against=args.against,
        output=_path(args.output),
        html=_path(args.html),
        force=args.force,
        qualities=args.qualities,
        published=_path(args.published),
        codecs=_path(args.codecs),
        limit=args.limit,
        jobs=args.jobs,
        cache=None if args.no_cache else cache,
        speed=args.speed,
        repeat=args.repeat,
        speed_quality=args.speed_quality,
        speed_images=args.speed_images,
        views=args.views,
        show=args.show,
        model=args.model,
        device=args.device,
        threads=args.threads,
    )
    try:
        return run_bench(plan, print_text)
    except UnknownRivalError as error:
        raise UsageError(visible(str(error))) from error
    except ValueError as error:  # a file of codecs or of curves that is none
        raise AbortError(visible(str(error))) from error


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _names(text: str) -> tuple[str, ...]:
    """Names with commas between, each once."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise argparse.ArgumentTypeError("names of codecs, with commas between")
    return names


def _qualities(text: str) -> tuple[float, ...]:
    """Qualities with commas between, ascending and each once."""
    return tuple(sorted({options.quality(part) for part in text.split(",")}))
