"""``python -m gencodec.bench``: tables and drawings for a checkout's documents, and odd files.

Measuring is ``gencodec bench``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from gencodec.bench import figures, formats
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
