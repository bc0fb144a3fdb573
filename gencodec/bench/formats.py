"""Odd picture files through the codec and back: what is kept, converted or refused, file by file.

Each file is read, compressed, decompressed, and written in every format that gencodec writes. What
comes back is held against what Pillow alone reads from the source.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from gencodec.bench.environment import Environment, environment
from gencodec.bench.metrics import PSNR_OF_EQUALS, finite_psnr
from gencodec.bench.report import write_report
from gencodec.codec import Codec
from gencodec.codec.device import choose_device
from gencodec.errors import ImageError, OutputError
from gencodec.image import Picture, check_place, open_pillow, read_picture, write_picture
from gencodec.names import visible

WHAT = (
    "icc, exif, xmp: what became of the source's block ('' where it has none): same = bit for bit, "
    "upright = the same but for the orientation, now 1, rewritten = the photo's tags of a TIFF, "
    "found elsewhere = where Pillow does not look, or made of the stated resolution, used = "
    "colours were converted by it, dropped; alpha: lossless or '' ; psnr: over the pixels "
    "that can be seen, of the decoded 8-bit pixels, dB; out: formats whose file, read again, lacks "
    "something, and what; notes: what the user is told; refused: the one line instead of a picture"
)
OUT_FORMATS = ("png", "jpeg", "webp", "tiff", "ppm")


@dataclass(frozen=True)
class FileRow:
    """One file; every field but `file` and `refused` is empty or 0 for a refused one."""

    file: str
    kind: str
    mode: str
    width: int
    height: int
    coded: str
    alpha: str
    icc: str
    exif: str
    xmp: str
    bytes: int
    psnr: float
    out: tuple[str, ...]
    notes: tuple[str, ...]
    refused: str


@dataclass(frozen=True)
class OddFormats:
    """All files of a folder and its folders."""

    what: str
    folder: str
    weights_id: str
    quality: float
    environment: Environment
    files: tuple[FileRow, ...]

    def count(self, text: str) -> int:
        """Files with this note."""
        return sum(text in row.notes for row in self.files)


def survey(codec: Codec, folder: Path, paths: list[Path], at_quality: float) -> Iterator[FileRow]:
    """A row for each file."""
    for path in tqdm(paths, unit="file", disable=not sys.stderr.isatty()):
        name = visible(path.relative_to(folder).as_posix())
        try:
            picture = read_picture(path)
        except ImageError as error:
            reason = visible(str(error).removeprefix(f"cannot read {path}: "))
            yield FileRow(name, "", "", 0, 0, "", "", "", "", "", 0, 0.0, (), (), reason)
            continue
        yield _row(codec, path, name, picture, at_quality)


def _row(codec: Codec, path: Path, name: str, picture: Picture, at_quality: float) -> FileRow:
    stream = codec.compress_picture(picture, quality=at_quality)
    back = codec.decompress_picture(stream)
    kind, mode, blocks = _as_pillow_says(path)
    lossless = _equal(picture.alpha, back.alpha)
    return FileRow(
        file=name,
        kind=kind,
        mode=mode,
        width=picture.width,
        height=picture.height,
        coded="grey" if back.grey else "RGB",
        alpha="" if back.alpha is None and lossless else "lossless" if lossless else "DIFFERS",
        icc=_fate(blocks.get("icc"), back.icc, kind, picture.notes),
        exif=_fate(blocks.get("exif"), back.exif, kind, picture.notes),
        xmp=_fate(blocks.get("xmp"), back.xmp, kind, picture.notes),
        bytes=len(stream),
        psnr=round(_visible_psnr(picture, back), 2),
        out=tuple(_losses_out(back)),
        notes=picture.notes,
        refused="",
    )


def _as_pillow_says(path: Path) -> tuple[str, str, dict[str, bytes]]:
    """Format, mode and the raw blocks of metadata, read without gencodec's own reading of them."""
    data = path.read_bytes()
    with open_pillow(io.BytesIO(data), data[:12]) as image:
        kind, mode = str(image.format), image.mode
        image.load()
        info = image.info
        found = {"icc": info.get("icc_profile"), "xmp": info.get("xmp"), "exif": info.get("exif")}
        if kind == "TIFF":
            found["exif"] = b"tiff" if len(image.getexif()) else None
    blocks = {}
    for name, value in found.items():
        if isinstance(value, str):
            value = value.encode("utf-8", "surrogateescape")
        if isinstance(value, bytes) and value:
            blocks[name] = value.removeprefix(b"Exif\0\0") if name == "exif" else value
    return kind, mode, blocks


def _fate(before: bytes | None, after: bytes | None, kind: str, notes: tuple[str, ...]) -> str:
    if before == b"tiff":
        return "rewritten" if after else ""
    if before is None:
        return "found elsewhere" if after else ""
    if after is None:
        return "used" if any("through its colour profile" in note for note in notes) else "dropped"
    if after == before:
        return "same"
    changed = sum(one != other for one, other in zip(before, after, strict=False))
    return "upright" if len(after) == len(before) and changed <= 2 else "DIFFERS"


def _equal(one: object, other: object) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))


def _visible_psnr(picture: Picture, back: Picture) -> float:
    if picture.alpha is None:
        return finite_psnr(picture.pixels, back.pixels)
    seen = picture.alpha > 0
    if not seen.any():
        return PSNR_OF_EQUALS
    return finite_psnr(picture.pixels[seen], back.pixels[seen])


def _losses_out(picture: Picture) -> Iterator[str]:
    """What each output format does not give back, by writing and reading."""
    for name in OUT_FORMATS:
        memory = io.BytesIO()
        try:
            write_picture(picture, memory, format=name)
            again = read_picture(memory.getvalue())
        except (OutputError, ImageError) as error:
            yield f"{name}: {error}"
            continue
        lost = [part for part in ("icc", "exif", "xmp") if _lost(part, picture, again, name)]
        if not _equal(again.alpha, picture.alpha):
            lost.append("alpha")
        lossless = name in ("png", "webp", "tiff") or (name == "ppm" and picture.icc is None)
        if lossless and not _equal(again.pixels, picture.pixels):
            lost.append("pixels")
        if lost:
            yield f"{name}: without {', '.join(lost)}"


def _lost(part: str, picture: Picture, again: Picture, name: str) -> bool:
    before, after = getattr(picture, part), getattr(again, part)
    if name == "tiff" and part == "exif":  # written anew: a TIFF file is its own EXIF block
        return before is not None and after is None
    return before is not None and after != before


def markdown(report: OddFormats) -> str:
    """What a document says of the report: counts, and the files worth a look."""
    read = [row for row in report.files if not row.refused]
    refused = [row for row in report.files if row.refused]
    lines = [
        f"{len(report.files)} files of `{report.folder}`: {len(read)} read, compressed at quality "
        f"{report.quality:g}, decompressed and compared, {len(refused)} refused in one line.",
        "",
        "| kept | files | same, bit for bit | same but the orientation | otherwise |",
        "|---|---:|---:|---:|---|",
    ]
    for name in ("icc", "exif", "xmp"):
        fates = Counter(str(getattr(row, name)) for row in read)
        fates.pop("", None)
        total, same, upright = fates.total(), fates.pop("same", 0), fates.pop("upright", 0)
        rest = ", ".join(f"{count} {fate}" for fate, count in sorted(fates.items()))
        lines.append(f"| {name.upper()} | {total} | {same} | {upright} | {rest} |")
    alphas = [row for row in read if row.alpha]
    lossless = sum(row.alpha == "lossless" for row in alphas)
    lines += [
        f"| alpha | {len(alphas)} | {lossless} | | |",
        "",
        "| what the user is told (a note) | files |",
        "|---|---:|",
    ]
    notes = Counter(note.partition(" (")[0] for row in read for note in row.notes)
    lines += [f"| {text} | {count} |" for text, count in notes.most_common()]
    lines += ["", "| refused because | files |", "|---|---:|"]
    reasons = Counter(row.refused for row in refused)
    lines += [f"| {text} | {count} |" for text, count in reasons.most_common()]
    lines += [
        "",
        "All rows: [benchmarks/oddformats.json](benchmarks/oddformats.json), made by "
        "`python -m gencodec.bench formats DIR -o benchmarks/oddformats.json`.",
    ]
    return "\n".join(lines)


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.bench formats``."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of odd pictures")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="JSON", help="the report, replaced"
    )
    parser.add_argument("-m", "--model", metavar="NAME|FILE", help="weights (default: as shipped)")
    parser.add_argument("-q", "--quality", type=float, default=60.0, help="default: %(default)g")
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where the networks run (default: auto, cuda if there is one)",
    )


def run(args: argparse.Namespace) -> int:
    """Survey every file under the folder and write the report; 1 if something differs."""
    check_place(args.output)
    codec = Codec.load(args.model, device=args.device)
    paths = sorted(path for path in args.folder.rglob("*") if path.is_file())
    Image.init()
    rows = tuple(survey(codec, args.folder, paths, args.quality))
    report = OddFormats(
        WHAT,
        visible(args.folder.resolve().name),
        codec.weights_id.hex(),
        args.quality,
        environment(choose_device(args.device)),
        rows,
    )
    write_report(report, args.output)
    wrong = [row.file for row in rows if "DIFFERS" in (row.alpha, row.icc, row.exif, row.xmp)]
    for name in wrong:
        print(f"{name}: what comes back differs", file=sys.stderr)
    return 1 if wrong else 0
