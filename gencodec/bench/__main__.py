"""``python -m gencodec.bench``: tables and drawings for a checkout's documents, and odd files.

``formats``, ``tiles`` and ``memory`` measure what is kept of odd files, what tiles cost and what
commands hold in memory; all else that is measured is ``gencodec bench``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gencodec.bench import figures, formats, memory, tiling
from gencodec.errors import GencodecError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m gencodec.bench", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    row = commands.add_parser("figures", help="renew tables and drawings from benchmarks/")
    figures.register(row)
    row.set_defaults(run=figures.run)
    row = commands.add_parser("formats", help="odd picture files: what is kept of each")
    formats.register(row)
    row.set_defaults(run=formats.run)
    row = commands.add_parser("tiles", help="what tiles cost, and whether their borders show")
    tiling.register(row)
    row.set_defaults(run=tiling.run)
    row = commands.add_parser("memory", help="how much memory compress and decompress take")
    memory.register(row)
    row.set_defaults(run=memory.run)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except ModuleNotFoundError as error:
        reason = f"the Python package '{error.name}' is needed and not installed"
    except (GencodecError, ValueError, OSError) as error:
        reason = str(error)
    print(f"gencodec.bench: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
