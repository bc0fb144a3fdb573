"""Makes golden vectors of the default weights, and the error files: python tests/vectors/make.py

To be run when new default weights are released. Golden vectors that are there stay as they are,
those of older weights among them: a golden stream that no longer decodes to the same symbols is a
broken promise (FORMAT.md, Versions), not a reason to make it anew.

    golden/WEIGHTS/NAME.gnc     a stream            golden/WEIGHTS/NAME.png  its pixels here
    golden/WEIGHTS/golden.json  what it must decode to
    errors/NAME.gnc             a stream with one thing wrong
    errors/errors.json          the exception it must raise
"""

from __future__ import annotations

import json
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from gencodec.bitstream import LATENTS, MAX_METADATA_BYTES, TILES, Container, Header, unpack  # noqa: E402
from gencodec.codec import Codec  # noqa: E402
from gencodec.image import Picture, encode_alpha, to_pil  # noqa: E402
from gencodec.model.registry import WeightsEntry, find_weights, list_weights  # noqa: E402

GOLDEN, ERRORS = HERE / "golden", HERE / "errors"
MAX_GOLDEN_BYTES = 60_000
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def photo(height: int, width: int, seed: int) -> np.ndarray:
    """A picture with the spectrum of a photo, and edges in it: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    total = np.full((height, width, 3), 128.0)
    for level in range(1, 8):
        for colours in (np.ones(3), rng.uniform(-0.4, 0.4, 3)):
            noise = rng.standard_normal((2**level + 1, 2**level + 1)).astype(np.float32)
            layer = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
            total += np.asarray(layer)[:, :, None] * colours * (60.0 / 1.9**level)
    rows, columns = np.mgrid[0:height, 0:width] / max(height, width)
    for angle in rng.uniform(0.0, 6.28, 3):
        beyond = np.cos(angle) * (rows - 0.5) + np.sin(angle) * (columns - 0.5) > 0.1
        total += beyond[:, :, None] * rng.uniform(-40.0, 40.0, 3)
    grain = rng.normal(0.0, 8.0, (height, width, 1)) + rng.normal(0.0, 2.0, (height, width, 3))
    total += grain * (np.sin(9.0 * rows) > 0.0)[:, :, None]
    return np.clip(total, 0, 255).astype(np.uint8)


def golden_pictures() -> dict[str, tuple[Picture, float, int | None]]:
    """Name -> picture, quality, tile side: odd sizes, grey, alpha, metadata, both ends."""
    rows, columns = np.mgrid[0:47, 0:33]
    alpha = np.clip(300 - 12 * np.hypot(rows - 23, columns - 16), 0, 255).astype(np.uint8)
    return {
        "photo": (Picture(photo(119, 161, 1)), 60.0, None),
        "grey": (Picture(photo(81, 112, 2)[:, :, 1].copy()), 25.0, None),
        "alpha": (Picture(photo(47, 33, 3), alpha, xmp=XMP), 90.0, None),
        "thin": (Picture(photo(5, 130, 4)), 100.0, None),
        "noise": (
            Picture(np.random.default_rng(5).integers(0, 256, (31, 33, 3), np.uint8)),
            100.0,
            None,
        ),
        "dot": (Picture(np.array([[[200, 30, 90]]], np.uint8)), 0.0, None),
        "tiles": (Picture(photo(150, 201, 6)), 50.0, 64),
        "grey-tiles": (Picture(photo(70, 129, 7)[:, :, 1].copy()), 75.0, 128),
    }


def symbols_checks(container: Container) -> list[str]:
    """Of every tile; a picture without tiles is one."""
    if container.tiles is not None:
        return [f"{tile.symbols_check:08x}" for tile in container.tiles.tiles]
    payload = container.section(LATENTS)
    assert payload is not None
    return [f"{int.from_bytes(payload[:4], 'little'):08x}"]


def make_golden(entry: WeightsEntry, folder: Path) -> None:
    """Compress the pictures that have no vector yet; record what they decode to."""
    codec = Codec.load(entry.name, device="cpu")
    record = folder / "golden.json"
    vectors = json.loads(record.read_text("utf-8"))["vectors"] if record.exists() else []
    known = {vector["name"] for vector in vectors}
    for name, (picture, quality, tile) in golden_pictures().items():
        if name in known:
            continue
        stream = codec.compress_picture(picture, quality=quality, tile=tile)
        decoded = codec.decompress_picture(stream)
        container = unpack(stream)
        checks = symbols_checks(container)
        vectors.append(
            {
                "name": name,
                "file_bytes": len(stream),
                "width": picture.width,
                "height": picture.height,
                "step": container.header.step,
                "symbols_crc32": checks[0] if container.tiles is None else checks,
                "mean_level": round(float(decoded.pixels.mean()), 2),
            }
        )
        (folder / f"{name}.gnc").write_bytes(stream)
        plain = replace(decoded, icc=None, exif=None, xmp=None)
        to_pil(plain).save(folder / f"{name}.png", optimize=True)
    about = {"weights": entry.name, "weights_sha256": entry.id_hex, "vectors": vectors}
    write_json(record, about)


# Streams with one thing wrong, from bytes alone: the package itself would refuse to write them.


def varint(value: int) -> bytes:
    packed = bytearray()
    while value > 0x7F:
        packed.append(0x80 | value & 0x7F)
        value >>= 7
    return bytes((*packed, value))


def header_bytes(
    header: Header,
    *,
    version: int = 1,
    flags: int = 0,
    width: bytes | None = None,
    height: bytes | None = None,
    bit_depth: int = 8,
) -> bytes:
    """A header with its check right, whatever its fields say."""
    fields = b"\x97GNC" + bytes((version, flags)) + header.weights_id + bytes((header.step,))
    fields += varint(header.width) if width is None else width
    fields += varint(header.height) if height is None else height
    fields += bytes((bit_depth,))
    return fields + (zlib.crc32(fields) & 0xFFFF).to_bytes(2, "little")


def stream_bytes(header: bytes, *sections: tuple[int, bytes]) -> bytes:
    """A whole stream with its check right, whatever its sections are."""
    body = header + b"".join(bytes((tag,)) + varint(len(data)) + data for tag, data in sections)
    body += b"\x00"
    return body + zlib.crc32(body).to_bytes(4, "little")


def resealed(index: bytes) -> bytes:
    """A TILES payload with its check right, whatever it says."""
    return index[:-4] + zlib.crc32(index[:-4]).to_bytes(4, "little")


def flipped(data: bytes, offset: int) -> bytes:
    return data[:offset] + bytes((data[offset] ^ 0x10,)) + data[offset + 1 :]


def error_streams(base: bytes, tiled: bytes) -> dict[str, tuple[str, bytes]]:
    """Name -> (exception, bytes), each one step away from a sound stream, with or without tiles."""
    container = unpack(base)
    header, payload = container.header, container.section(LATENTS)
    assert payload is not None
    sound, latents = header_bytes(header), (0x01, payload)
    assert stream_bytes(sound, latents) == base
    end, inside = len(sound), len(sound) + len(payload) // 2
    xmp = zlib.compress(XMP)
    largest, too_large = varint(2**24), varint(2**24 + 1)
    alpha = b"\x01" + b"no PNG at all"
    other_alpha = encode_alpha(np.eye(header.height, header.width + 1, dtype=np.uint8))

    tiled_container = unpack(tiled)
    index, parts = (tiled_container.section(tag) for tag in (TILES, LATENTS))
    assert index is not None and parts is not None
    tiled_header, tiles = header_bytes(tiled_container.header, flags=0x02), (0x03, index)
    tiled_start = len(tiled_header)
    assert stream_bytes(tiled_header, tiles, (0x01, parts)) == tiled

    def with_header(**fields: object) -> bytes:
        return stream_bytes(header_bytes(header, **fields), latents)  # type: ignore[arg-type]

    def with_latents(data: bytes) -> bytes:
        return stream_bytes(sound, (0x01, data))

    def with_other_header(**fields: object) -> bytes:
        return stream_bytes(header_bytes(replace(header, **fields)), latents)  # type: ignore[arg-type]

    files = {
        "NotGencodecError": {
            "other-file": b"\x89PNG\r\n\x1a\n" + bytes(64),
            "text": b"GNC files begin with another byte\n",
            "seven-bits": b"\x17" + base[1:],
        },
        "UnsupportedVersionError": {
            "version-2": with_header(version=2),
            "flag-reserved": with_header(flags=0x80),
            "bit-depth-10": with_header(bit_depth=10),
            "section-residual": stream_bytes(sound, (0x04, b"?"), latents),
            "section-critical": stream_bytes(sound, (0x7F, b"?"), latents),
        },
        "TruncatedError": {
            "empty": b"",
            "cut-in-header": base[: end - 1],
            "cut-before-latents": base[:end],
            "cut-in-latents": base[:inside],
            "cut-in-check": base[:-1],
            "cut-in-tiles": tiled[: tiled_start + len(index) // 2],
        },
        "ChecksumError": {
            "header-damaged": flipped(base, 10),
            "latents-damaged": flipped(base, inside),
            "check-damaged": flipped(base, len(base) - 1),
            # From here on every check over bytes is right: only the symbols tell.
            "symbols-differ": with_latents(flipped(payload, len(payload) // 2)),
            "symbols-check-differs": with_latents(flipped(payload, 0)),
            "words-missing": with_latents(payload[:-4]),
            "words-too-many": with_latents(payload + bytes(8)),
            "other-width": with_other_header(width=header.width + 16),
            "tile-damaged": stream_bytes(tiled_header, tiles, (0x01, flipped(parts, 0))),
            "tile-index-damaged": stream_bytes(
                tiled_header, (0x03, flipped(index, 9)), (0x01, parts)
            ),
            "tile-symbols-check-differs": stream_bytes(
                tiled_header, (0x03, resealed(flipped(index, 2))), (0x01, parts)
            ),
            "other-step": with_other_header(step=header.step ^ 0x80),
        },
        "FormatError": {
            "flag-tiles": with_header(flags=0x02),
            "section-tiles": stream_bytes(sound, tiles, latents),
            "tiles-without-flag": stream_bytes(sound, tiles, (0x01, parts)),
            "tiles-too-few": stream_bytes(
                tiled_header, (0x03, resealed(index[:-20])), (0x01, parts)
            ),
            "tiles-of-no-side": stream_bytes(
                tiled_header, (0x03, resealed(b"\x00" + index[1:])), (0x01, parts)
            ),
            "tiles-without-layers": stream_bytes(
                tiled_header, (0x03, resealed(index[:1] + b"\x00" + index[2:])), (0x01, parts)
            ),
            "tiles-shorter-than-told": stream_bytes(tiled_header, tiles, (0x01, parts[:-4])),
            "trailing-byte": base + b"\x00",
            "two-streams": base + base,
            "width-zero": with_header(width=b"\x00"),
            "height-too-large": with_header(height=too_large),
            "number-not-shortest": with_header(width=b"\x81\x00"),
            "number-too-long": with_header(width=b"\xff\xff\xff\xff\xff\x01"),
            "no-latents": stream_bytes(sound, (0x83, xmp)),
            "two-latents": stream_bytes(sound, latents, latents),
            "order-of-sections": stream_bytes(sound, latents, (0x83, xmp)),
            "latents-without-words": with_latents(payload[:4]),
            "latents-odd-bytes": with_latents(payload + b"\x00"),
            "metadata-damaged": stream_bytes(sound, (0x83, flipped(xmp, 8)), latents),
            "metadata-cut": stream_bytes(sound, (0x83, xmp[:-1]), latents),
            "alpha-damaged": stream_bytes(sound, (0x02, alpha), latents),
            "alpha-other-kind": stream_bytes(sound, (0x02, b"\x02\xff"), latents),
            "alpha-other-size": stream_bytes(sound, (0x02, other_alpha), latents),
        },
        "LimitError": {
            "tiles-too-many": stream_bytes(
                header_bytes(tiled_container.header, flags=0x02, width=varint(2**22)),
                (0x03, resealed(index)),
                (0x01, parts),
            ),
            "size-absurd": with_header(width=largest, height=largest),
            "sections-without-end": stream_bytes(sound, *[(0x90, b"")] * 70, latents),
            "metadata-bomb": stream_bytes(
                sound, (0x83, zlib.compress(bytes(MAX_METADATA_BYTES + 1), 9)), latents
            ),
        },
        "WeightsError": {"weights-unknown": with_other_header(weights_id=b"\xde\xad\xbe\xef")},
    }
    return {name: (error, data) for error, group in files.items() for name, data in group.items()}


def make_errors(base: bytes, tiled: bytes) -> None:
    """Write every error file and the list of what each must raise."""
    files = error_streams(base, tiled)
    for name, (_, data) in files.items():
        (ERRORS / f"{name}.gnc").write_bytes(data)
    write_json(ERRORS / "errors.json", {name: files[name][0] for name in sorted(files)})


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    for entry in (entry for entry in list_weights() if entry.default_for):
        folder = GOLDEN / entry.name
        folder.mkdir(parents=True, exist_ok=True)
        make_golden(entry, folder)
        size = sum(path.stat().st_size for path in folder.glob("*.gnc"))
        assert size <= MAX_GOLDEN_BYTES, f"the golden streams have {size} bytes"
    folder = GOLDEN / find_weights().name
    ERRORS.mkdir(exist_ok=True)
    for path in ERRORS.iterdir():
        path.unlink()
    make_errors((folder / "thin.gnc").read_bytes(), (folder / "tiles.gnc").read_bytes())


if __name__ == "__main__":
    main()
