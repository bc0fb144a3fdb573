"""Any codec with a command line as a rival, described by a few lines of TOML.

    [cjxl-e9]
    encode = "cjxl {input} {output} -d {quality} -e 9"
    decode = "djxl {input} {output}"
    qualities = [8, 4, 2, 1, 0.5]      # by ascending rate
    suffix = ".jxl"                    # of the coded file
    label = "JPEG XL e9"               # optional; the name otherwise
    version = "cjxl --version"         # optional; the first line of its output

Commands are split as a shell would split them, and run without one.  Pictures are handed over
and taken back as PNG, or as what `pictures` names (".ppm").
"""

from __future__ import annotations

import math
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from PIL import Image

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from gencodec.bench.contestants import OWN_NAME, About, Recipe, UnknownRivalError, family_of
from gencodec.image import Pixels, read_picture

TIMEOUT_S = 600
FIELDS = {"encode", "decode", "qualities", "suffix", "label", "version", "pictures"}
NEEDED = {"encode", "decode", "qualities"}
PLACES = {"input", "output", "quality"}
PICTURES = {".bmp", ".jp2", ".pcx", ".pgm", ".png", ".pnm", ".ppm", ".sgi", ".tga", ".tif", ".tiff"}
"""What Pillow writes without loss, grey or not: a loss would be counted against the codec."""


@dataclass(frozen=True)
class Command:
    """One entry of the file."""

    name: str
    encode: str
    decode: str
    qualities: tuple[float, ...]
    suffix: str = ".bin"
    label: str = ""
    version: str = ""
    pictures: str = ".png"


@lru_cache(maxsize=8)
def read_commands(path: Path) -> dict[str, Command]:
    """Entries by name; ValueError with the file's name when it is not as described above."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return {name: _command(name, entry) for name, entry in content.items()}
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None


def _command(name: str, entry: Any) -> Command:
    if not isinstance(entry, dict) or not set(entry) >= NEEDED or set(entry) - FIELDS:
        needed, others = sorted(NEEDED), sorted(FIELDS - NEEDED)
        raise ValueError(f"[{name}] needs {', '.join(needed)}, and may have {', '.join(others)}")
    if family_of(name) == OWN_NAME:  # its rows would pass for gencodec's own
        raise ValueError(f"[{name}]: {OWN_NAME} is this codec; call it otherwise")
    words = {key: value for key, value in entry.items() if key != "qualities"}
    if not all(isinstance(value, str) for value in words.values()):
        raise ValueError(f"[{name}]: all but qualities are strings")
    qualities = entry["qualities"]
    if not isinstance(qualities, list) or not qualities:
        raise ValueError(f"[{name}]: qualities is a list of numbers")
    levels = tuple(float(value) for value in qualities)
    if not all(map(math.isfinite, levels)) or len(set(levels)) < len(levels):
        raise ValueError(f"[{name}]: qualities are finite numbers, no two alike")
    for key in ("encode", "decode"):
        if not set(re.findall(r"{(\w+)}", entry[key])) <= PLACES or "{output}" not in entry[key]:
            raise ValueError(f"[{name}]: {key} takes {{input}}, {{output}} and {{quality}}")
    if str(entry.get("pictures", ".png")).lower() not in PICTURES:
        raise ValueError(f"[{name}]: pictures is one of {', '.join(sorted(PICTURES))}")
    return Command(name, qualities=levels, **words)


@dataclass(frozen=True, eq=False)
class CommandCodec:
    """A pair of commands at one quality."""

    command: Command
    quality: float
    version: str

    @property
    def about(self) -> About:
        command = self.command
        settings = f"{command.encode} | {command.decode}".replace("{quality}", "q")
        return About(
            name=command.name,
            label=command.label or command.name,
            settings=settings,
            version=self.version or "not stated",
            threads=0,
            note="times include starting the program and reading and writing pictures",
        )

    @property
    def qualities(self) -> tuple[float, ...]:
        return self.command.qualities

    @property
    def whole(self) -> bool:
        return all(value.is_integer() for value in self.command.qualities)

    @property
    def identity(self) -> str:
        return f"{self.command} {self.version}"

    def at(self, quality: float) -> CommandCodec:
        return replace(self, quality=quality)

    def compress(self, pixels: Pixels) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"picture{self.command.pictures}"
            target = Path(folder) / f"coded{self.command.suffix}"
            Image.fromarray(pixels).save(source)
            self._run(self.command.encode, source, target)
            return target.read_bytes()

    def decompress(self, stream: bytes) -> Pixels:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"coded{self.command.suffix}"
            target = Path(folder) / f"picture{self.command.pictures}"
            source.write_bytes(stream)
            self._run(self.command.decode, source, target)
            return read_picture(target).pixels

    def _run(self, template: str, source: Path, target: Path) -> None:
        """Run one command; RuntimeError with the last line of what it said when it fails."""
        # All digits: 1234567 may be a size in bytes, and no program takes 1.23457e+06 for it.
        quality = f"{self.quality:.0f}" if self.quality.is_integer() else repr(self.quality)
        values = {"input": str(source), "output": str(target), "quality": quality}
        # Split before filling in, so that no name is ever taken apart.
        words = [word.format(**values) for word in shlex.split(template)]
        done = subprocess.run(
            words, capture_output=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode == 0 and target.exists() and target.stat().st_size == 0:
            raise RuntimeError(f"{words[0]} wrote an empty file")
        if done.returncode != 0 or not target.exists():
            said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            why = said[-1] if said else "it said nothing"
            raise RuntimeError(f"{words[0]} failed with code {done.returncode}: {why}")


def load(recipe: Recipe) -> CommandCodec:
    """name: an entry of the file; FileNotFoundError when one of its programs is not installed."""
    commands = read_commands(recipe.codecs) if recipe.codecs else {}
    if recipe.name not in commands:
        raise UnknownRivalError(f"unknown rival {recipe.name!r}")
    command = commands[recipe.name]
    for template in (command.encode, command.decode):
        program = shlex.split(template)[0]
        if shutil.which(program) is None:
            raise FileNotFoundError(f"the program '{program}' is not installed")
    middle = command.qualities[len(command.qualities) // 2]
    return CommandCodec(command, middle, _version(command))


def _version(command: Command) -> str:
    if not command.version:
        return ""
    try:
        done = subprocess.run(
            shlex.split(command.version),
            capture_output=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).decode(errors="replace").strip().partition("\n")[0]
