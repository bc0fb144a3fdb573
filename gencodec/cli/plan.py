"""Inputs and output options to jobs: who becomes what, decided and checked before any work."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gencodec.cli.failures import UsageError
from gencodec.cli.folders import search
from gencodec.errors import GencodecError, OutputError
from gencodec.names import visible

STREAM_SUFFIX = ".gnc"
# Folders are searched by suffix alone: opening every file to see what it is would be slow, and
# a file named on the command line is tried whatever its suffix.
PICTURE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".dib", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jp2", ".jpe", ".jpeg"}
    | {".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp"}
)
# What decompress can write, and the suffix it gives a file that the user did not name.
FORMAT_SUFFIX = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif", "ppm": ".ppm"}
SUFFIX_FORMAT = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".jpe": "jpeg",
    ".jfif": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".ppm": "ppm",
    ".pgm": "ppm",
    ".pnm": "ppm",
}


@dataclass(frozen=True)
class Job:
    """One input and where its result goes; None is stdin or stdout.

    done: the result is there and up to date; what is left is what comes after (see `deletion`).
    """

    source: Path | None
    target: Path | None
    done: bool = False

    @property
    def name(self) -> str:
        """The input as messages call it."""
        return "-" if self.source is None else str(self.source)

    @property
    def target_name(self) -> str:
        """The output as messages call it."""
        return "-" if self.target is None else str(self.target)


@dataclass(frozen=True)
class Refused:
    """An input that cannot become a job, and why."""

    name: str
    error: GencodecError | OSError


@dataclass(frozen=True)
class Plan:
    """What to do, what cannot be done, what need not be, and what else there is in folders: how
    many files of each suffix."""

    jobs: tuple[Job, ...]
    refused: tuple[Refused, ...]
    done: tuple[Job, ...]
    others: Mapping[str, Mapping[str, int]]


@dataclass
class _Found:
    """Input files with the path of each below the folder it was found in (or its bare name)."""

    files: list[tuple[Path, Path]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    others: dict[str, Mapping[str, int]] = field(default_factory=dict)


def stream_name(path: Path) -> Path:
    """photo.jpg -> photo.gnc; a suffix that names no picture format is part of the name."""
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return path.with_suffix(STREAM_SUFFIX)
    return path.with_name(path.name + STREAM_SUFFIX)


def picture_name(path: Path, suffix: str) -> Path:
    """photo.gnc -> photo.png; any other suffix is part of the name."""
    if path.suffix.lower() == STREAM_SUFFIX:
        return path.with_suffix(suffix)
    return path.with_name(path.name + suffix)


def format_of(path: Path) -> str | None:
    """The picture format that a file name asks for, or None if it names none we write."""
    return SUFFIX_FORMAT.get(path.suffix.lower())


def make_plan(
    args: argparse.Namespace,
    *,
    suffixes: frozenset[str],
    rename: Callable[[Path], Path],
    outdated: Callable[[Job], str | None] | None,
) -> Plan:
    """Pair every input with its output, as the options of `add_output` say.

    `suffixes` are those that a search through folders takes; `rename` gives the output's name.
    `outdated` (for --resume) says why a result that exists has to be made again, or None.
    Raises UsageError, before anything is read or written, for options that contradict each
    other, two inputs with one output, and an output that is itself an input. An input that is
    missing or whose output exists is refused alone and leaves the others to be done; so are, in
    folders, all inputs with one output.
    """
    _check_options(args.inputs, args.output, args.output_dir, args.recursive)
    if "-" in args.inputs:
        target = None if args.output in (None, "-") else Path(args.output)
        jobs, refused, others = [Job(None, target)], [], {}
    else:
        found = find_inputs(args.inputs, recursive=args.recursive, suffixes=suffixes)
        named = args.output, args.output_dir
        jobs = [_job(path, below, *named, rename) for path, below in found.files]
        refused, others = found.refused, found.others
    if args.recursive:
        jobs = _without_clashes(_once(jobs), refused)
    _check_distinct(jobs)

    accepted, done = [], []
    for job in jobs:
        problem = _target_problem(job.target, force=args.force or outdated is not None)
        if problem is None and outdated is not None and _is_file(job.target):
            why = outdated(job)
            if why is None:
                done.append(replace(job, done=True))
                continue
            if not args.force:
                problem = f"output {visible(job.target_name)} {why} (use -f to overwrite)"
        if problem is None:
            accepted.append(job)
        else:
            refused.append(Refused(job.name, OutputError(problem)))
    if args.json and any(job.target is None for job in accepted):
        raise UsageError("--json and data both want standard output; use -o FILE")
    check_terminals(accepted)
    return Plan(tuple(accepted), tuple(refused), tuple(done), others)


def find_inputs(inputs: Sequence[str], *, recursive: bool, suffixes: frozenset[str]) -> _Found:
    """The files that the arguments name, folders searched if `recursive`, in a fixed order."""
    found = _Found()
    for text in inputs:
        path = Path(text)
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (OSError, ValueError) as error:
            why = error if isinstance(error, OSError) else OSError(0, "not a valid file name")
            found.refused.append(Refused(text, why))
            continue
        if not is_folder:
            found.files.append((path, Path(path.name)))
        elif not recursive:
            found.refused.append(Refused(text, OutputError("is a folder (use -r)")))
        else:
            below = search(path, suffixes)
            found.files += [(file, file.relative_to(path)) for file in below.files]
            found.refused += [Refused(str(error.filename), error) for error in below.unreadable]
            found.others[text] = below.others
            if not below.files and not below.unreadable:
                kinds = "pictures" if len(suffixes) > 1 else f"{STREAM_SUFFIX} files"
                found.refused.append(Refused(text, OutputError(f"no {kinds} in this folder")))
    return found


def _check_options(
    inputs: Sequence[str], output: str | None, output_dir: str | None, recursive: bool
) -> None:
    if output is not None and output_dir is not None:
        raise UsageError("-o and --output-dir exclude each other")
    if output is not None and recursive:
        raise UsageError("-o and -r exclude each other; use --output-dir")
    if output is not None and len(inputs) > 1:
        raise UsageError(f"-o takes one input, not {len(inputs)}; use --output-dir")
    if output == "" or output_dir == "":
        raise UsageError("the name of the output is empty")
    if "-" in inputs:
        if len(inputs) > 1:
            raise UsageError("'-' (standard input) goes with no other input")
        if output_dir is not None or recursive:
            raise UsageError("'-' (standard input) has no name for --output-dir or -r; use -o")
    if output not in (None, "-") and os.path.isdir(str(output)):
        raise UsageError(f"-o {visible(str(output))} is a folder; use --output-dir")
    if output_dir is not None and os.path.lexists(output_dir) and not os.path.isdir(output_dir):
        raise UsageError(f"--output-dir {visible(output_dir)} is not a folder")


def _job(
    path: Path,
    below: Path,
    output: str | None,
    output_dir: str | None,
    rename: Callable[[Path], Path],
) -> Job:
    if output is not None:
        return Job(path, None if output == "-" else Path(output))
    if output_dir is not None:
        return Job(path, Path(output_dir) / rename(below))
    return Job(path, rename(path))


def _once(jobs: Sequence[Job]) -> list[Job]:
    """One folder may lie in another that is searched too."""
    found: dict[tuple[str, ...], Job] = {}
    for job in jobs:
        names = tuple(_identity(path) for path in (job.source, job.target) if path is not None)
        found.setdefault(names, job)
    return list(found.values())


def _without_clashes(jobs: Sequence[Job], refused: list[Refused]) -> list[Job]:
    """Folders hold a.jpg beside a.png: neither may take the name, and others are not at fault."""
    by_target: dict[str, list[Job]] = {}
    for job in jobs:
        by_target.setdefault(_identity(job.target) if job.target else "", []).append(job)
    alone = []
    for clash in by_target.values():
        if len(clash) == 1:
            alone += clash
            continue
        for job in clash:
            rival = clash[1] if job is clash[0] else clash[0]
            text = f"would become {visible(job.target_name)}, as {visible(rival.name)} would"
            refused.append(Refused(job.name, OutputError(text)))
    return alone


def _check_distinct(jobs: Sequence[Job]) -> None:
    sources = {_identity(job.source): job for job in jobs if job.source is not None}
    targets: dict[str, Job] = {}
    for job in jobs:
        if job.target is None:
            continue
        key = _identity(job.target)
        if key in sources:
            raise UsageError(f"output {visible(job.target_name)} is also an input")
        other = targets.setdefault(key, job)
        if other is not job:
            raise UsageError(
                f"{visible(other.name)} and {visible(job.name)} would both become "
                f"{visible(job.target_name)}"
            )


def _identity(path: Path) -> str:
    """Equal for two names of one file, as far as names can tell on this system."""
    name = os.path.normcase(os.path.realpath(path))
    if sys.platform != "darwin":
        return name
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", name).casefold())


def _target_problem(target: Path | None, *, force: bool) -> str | None:
    if target is None or is_special(target):
        return None
    if os.path.isdir(target):  # unlike Path.is_dir, also of a name that is too long
        return f"output {visible(str(target))} is a folder"
    if not force and os.path.lexists(target):
        return f"output {visible(str(target))} exists already (use -f to overwrite)"
    return None


def _is_file(target: Path | None) -> bool:
    return target is not None and os.path.lexists(target) and not is_special(target)


def is_special(path: Path) -> bool:
    """True for a device or a named pipe: written into, never replaced by a file."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISBLK(mode) or stat.S_ISFIFO(mode)


def check_terminals(jobs: Sequence[Job]) -> None:
    """Raise UsageError where pictures or streams would go to, or come from, a terminal."""
    if any(job.target is None for job in jobs) and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("refusing to write binary data to a terminal; use -o FILE or a pipe")
    if any(job.source is None for job in jobs) and sys.stdin is not None and sys.stdin.isatty():
        raise UsageError("standard input is a terminal; name a file or use a pipe")
