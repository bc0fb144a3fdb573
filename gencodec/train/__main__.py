"""``python -m gencodec.train COMMAND``: what is measured and checked around training.

Training itself is ``gencodec train``.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from gencodec.errors import GencodecError

COMMANDS = {
    "throughput": ("gencodec.train.throughput", "pixels a second and share of the device's peak"),
    "provenance": ("gencodec.train.provenance", "check a list of training pictures against them"),
    "arithmetic": ("gencodec.train.arithmetic", "what the prior's integers cost, in bits"),
    "ship": ("gencodec.train.ship", "make a run's weights the shipped ones, if they are better"),
    "ship-encoder": ("gencodec.train.ship_encoder", "the same for a run of the encoder alone"),
    "compact": ("gencodec.train.compaction", "a weights file in a third of its bytes or less"),
    "equalise": ("gencodec.train.equalise", "weights to go on from, their prior's ranges used"),
    "transfer": ("gencodec.train.transfer", "weights to go on from, with what others have learned"),
    "single": ("gencodec.train.single", "what one network for all rates costs against single ones"),
    "pages": ("gencodec.train.pages.draw", "draw pages as screens show them, to train on as well"),
    "rest": ("gencodec.train.rest", "whether the gradient of training is zero at some weights"),
    "rounding": ("gencodec.train.rounding", "what narrower arithmetic leaves of a gradient"),
    "gain": ("gencodec.train.gain", "bits that weights save against others on a folder"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 0 done, 1 failed, 2 wrong usage."""
    given = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="python -m gencodec.train",
        description=__doc__,
        epilog="\n".join(f"{name:14}{summary}" for name, (_, summary) in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=tuple(COMMANDS), metavar="COMMAND")
    name = parser.parse_args(given[:1]).command
    module, summary = COMMANDS[name]
    try:
        # Only the one that is asked for: on a bare machine others lack what they need.
        command = importlib.import_module(module)
        own = argparse.ArgumentParser(prog=f"python -m gencodec.train {name}", description=summary)
        command.register(own)
        return int(command.run(own.parse_args(given[1:])))
    except ModuleNotFoundError as error:
        reason = f"the Python package '{error.name}' is needed and not installed"
    except (GencodecError, ValueError, OSError) as error:
        reason = str(error)
    print(f"gencodec.train: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
