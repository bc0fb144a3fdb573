"""``python -m gencodec.bench COMMAND``: measure, and make figures of what was measured."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from gencodec.errors import GencodecError

COMMANDS = {
    "kodak": ("gencodec.bench.rate_distortion", "rate and distortion over a folder of images"),
    "speed": ("gencodec.bench.speed", "seconds a megapixel, beside rivals"),
    "figures": ("gencodec.bench.figures", "tables and drawings from the reports"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0 done, 1 failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m gencodec.bench", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, summary) in COMMANDS.items():
        command = importlib.import_module(module)
        row = commands.add_parser(name, help=summary, description=summary)
        command.register(row)
        row.set_defaults(run=command.run)
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
