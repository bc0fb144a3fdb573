"""gencodec train: weights from your own pictures."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gencodec.cli import options
from gencodec.cli.failures import UsageError
from gencodec.cli.loading import use_threads


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    parser.add_argument("sources", nargs="+", metavar="DIR", help="folder or tar file of pictures")
    parser.add_argument(
        "-o", "--output", required=True, metavar="RUN", help="folder of the run; resumed if begun"
    )
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="computing time to spend (default: 30)"
    )
    parser.add_argument("--config", metavar="NAME", help="size of the network: tiny, base or high")
    parser.add_argument(
        "--init", metavar="WEIGHTS", help="start from these weights (a shipped name or a file)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of crops and noise (default: 0)")
    options.add_machine(parser)


def run(args: argparse.Namespace) -> int:
    """Train, export, and print where the weights are."""
    if not 0.0 < args.minutes < 1e6:
        raise UsageError(f"--minutes must be positive, not {args.minutes}")
    if args.init is not None and args.config is not None:
        raise UsageError("--init brings its own configuration; leave --config out")
    use_threads(args.threads)
    from gencodec.codec.device import choose_device
    from gencodec.train.plan import TrainingPlan
    from gencodec.train.run import WEIGHTS, run_training

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    run_training(
        [Path(source) for source in args.sources],
        Path(args.output),
        TrainingPlan(minutes=args.minutes, seed=args.seed),
        config=args.config or "base",
        init=args.init,
        device=choose_device(args.device),
        say=say,
    )
    say(f"weights: {Path(args.output) / WEIGHTS} (use them with 'gencodec compress --model FILE')")
    return 0
