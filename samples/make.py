"""Make the sample streams again from their originals, with the default weights.

    python samples/make.py SHARDS

SHARDS is the folder that holds the training shards (tar files of AVIF pictures) from which the
samples come; SOURCES.md names the pictures, their authors and licences.
"""

from __future__ import annotations

import sys
import tarfile
from pathlib import Path

from gencodec.codec import Codec
from gencodec.image import read_picture

SAMPLES = {
    "roadster": ("pimcore_demo__BMW_507_4_dad58938.avif", 62.0),
    "jetty": ("elementary__Jonas_Nilsson_Lee_72a313a8.avif", 62.0),
    "dunes": ("immich__mongolels_bdafd5a6.avif", 62.0),
}
"""Name of the sample: the member of a shard it is made from, and the quality."""


def main(shards: Path) -> int:
    """Write samples/NAME.gnc for every sample; exit code 1 if an original is missing."""
    codec = Codec.load()
    wanted = {member: (name, quality) for name, (member, quality) in SAMPLES.items()}
    for path in sorted(shards.glob("*.tar")):
        with tarfile.open(path) as archive:
            for member in archive:
                handle = archive.extractfile(member) if member.name in wanted else None
                if handle is None:
                    continue
                name, quality = wanted.pop(member.name)
                stream = codec.compress(read_picture(handle.read()), quality=quality)
                (Path(__file__).parent / f"{name}.gnc").write_bytes(stream)
                print(f"{name}.gnc: {len(stream)} bytes")
    for member in wanted:
        print(f"not found: {member}", file=sys.stderr)
    return 1 if wanted else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
