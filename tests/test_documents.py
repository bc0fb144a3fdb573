"""The documents: links that lead somewhere, and commands that the programs would take."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from gencodec.bench import figures, formats, memory, tiling
from gencodec.cli.failures import UsageError
from gencodec.cli.main import COMMANDS
from gencodec.cli.options import CommandParser
from gencodec.train.__main__ import COMMANDS as TRAIN_COMMANDS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    [ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md", "samples/SOURCES.md")]
    + [*(ROOT / "docs").glob("*.md"), *(ROOT / "weights").glob("*.md")]
    + [ROOT / "gencodec" / "bitstream" / "FORMAT.md"]
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BENCH_COMMANDS = {"figures": figures, "formats": formats, "memory": memory, "tiles": tiling}


def anchors(text: str) -> set[str]:
    """What links may name within a document: its headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command of this project that a document shows, in blocks and tables."""
    blocks = [body for kind, body in FENCED.findall(text) if kind == "sh"]
    rows = re.findall(r"^\|.*$", text, re.MULTILINE)
    spans = [span for row in rows for span in re.findall(r"`([^`]+)`", row)]
    lines = [line for body in blocks for line in body.replace("\\\n", " ").splitlines()]
    for line in [*lines, *spans]:
        for part in re.split(r" \|\| | && | \| | [<>&] ?| 2>", line):
            words = shlex.split(part, comments=True)
            words = words[1:] if words[:1] == ["setsid"] else words
            words = words[2:] if words[:2] == ["python", "-m"] else words
            if words and words[0].split(".")[0] == "gencodec" and len(words) > 2:
                yield words


def parse(words: list[str]) -> None:
    """Parse a command as its program does, without running it; errors as it raises them."""
    program, name, *rest = words
    parser: argparse.ArgumentParser = CommandParser(name, summary="", epilog="")
    if program == "gencodec":
        module = importlib.import_module(COMMANDS[name].module)
    elif program == "gencodec.train":
        module = importlib.import_module(TRAIN_COMMANDS[name][0])
    else:
        module = BENCH_COMMANDS[name]
    module.register(parser)
    parser.parse_intermixed_args(rest)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = FENCED.sub("", path.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), link


def test_how_every_file_of_the_benchmarks_was_made_is_told() -> None:
    rows = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    told = [
        name for row in re.findall(r"^\|([^|]*)\|", rows, re.MULTILINE) for name in row.split("`")
    ]
    here = [path.name for path in (ROOT / "benchmarks").iterdir()]
    assert [name for name in here if not any(fnmatch(name, pattern) for pattern in told)] == []


def test_the_source_distribution_holds_the_documents() -> None:
    tomllib = pytest.importorskip("tomllib", reason="standard from Python 3.11 on")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    sdist = project["tool"]["hatch"]["build"]["targets"]["sdist"]
    tops = {f"/{path.relative_to(ROOT).parts[0]}" for path in DOCUMENTS}
    assert tops - {"/README.md"} <= set(sdist["include"])  # the README goes with the metadata


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_are_ones_that_the_programs_take(path: Path) -> None:
    for words in commands(path.read_text(encoding="utf-8")):
        try:
            parse(words)
        except (UsageError, KeyError) as error:
            raise AssertionError(f"{shlex.join(words)}: {error}") from error
