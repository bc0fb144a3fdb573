"""gencodec train: weights from your own pictures."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

from gencodec.cli import options
from gencodec.cli.failures import AbortError, UsageError
from gencodec.cli.libraries import use_threads


def register(parser: options.CommandParser) -> None:
    """Declare the arguments."""
    parser.add_argument("sources", nargs="+", metavar="DIR", help="folder or tar file of pictures")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "-o",
        "--output",
        metavar="RUN",
        help="folder of the run: checkpoint, log, curves and weights; a run that is there goes on "
        "where it stopped, so the same command again survives any kill",
    )
    where.add_argument(
        "--resume", metavar="RUN", help="the same, refused where there is no run to go on with"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes", type=float, metavar="M", help="computing time to spend, in all (default: 30)"
    )
    length.add_argument("--steps", type=int, metavar="N", help="steps to take instead, in all")
    parser.add_argument(
        "--config",
        metavar="NAME",
        help="size of the network: tiny, base or high (default: base, or that of --init; weights "
        "of a smaller network can grow)",
    )
    parser.add_argument(
        "--init", metavar="WEIGHTS", help="start from these weights (a shipped name or a file)"
    )
    recipe = parser.add_argument_group("recipe")
    recipe.add_argument(
        "--learning-rate", type=float, default=1e-3, metavar="RATE", help="default: 0.001"
    )
    recipe.add_argument(
        "--crops",
        type=options.positive,
        metavar="N",
        help="crops a step (default: 6 of 192 x 192 pixels, on a GPU 14 of 384 x 384)",
    )
    recipe.add_argument(
        "--crop-side", type=options.positive, metavar="PIXELS", help="a multiple of 16"
    )
    recipe.add_argument(
        "--quality",
        type=options.quality,
        metavar="Q",
        help="train for this quality alone, 0 to 100 (default: for all)",
    )
    recipe.add_argument(
        "--distortion",
        choices=("mse", "ssim"),
        default="mse",
        help="what to keep low: squared error, or half of it lost structure (SSIM) at the price of "
        "a lower PSNR (default: mse)",
    )
    recipe.add_argument(
        "--encoder-only",
        action="store_true",
        help="train the transform from picture to latents alone, so that what it makes is decoded "
        "with the weights of --init by everyone who has those",
    )
    recipe.add_argument("--seed", type=int, default=0, help="of crops and qualities (default: 0)")
    recipe.add_argument(
        "--checkpoint-minutes", type=float, default=3.0, metavar="M", help="default: 3"
    )
    recipe.add_argument(
        "--compile", action="store_true", help="use torch.compile, if it works here"
    )
    recipe.add_argument(
        "--compile-parts",
        action="store_true",
        help="the same for the network's parts one by one: less to wait for",
    )
    options.add_machine(parser)


def run(args: argparse.Namespace) -> int:
    """Train, export, and print where the weights are."""
    minutes = 30.0 if args.minutes is None and args.steps is None else args.minutes
    _check(args, minutes)
    folder = Path(args.output or args.resume)
    use_threads(args.threads)
    from gencodec.codec.device import choose_device
    from gencodec.train.checkpoint import CHECKPOINT
    from gencodec.train.plan import TrainingPlan, batch_shape
    from gencodec.train.product import ENCODER, WEIGHTS
    from gencodec.train.run import run_training
    from gencodec.train.stop import Stop

    if args.resume is not None and not (folder / CHECKPOINT).exists():
        raise AbortError(f"there is no run to resume in {folder}")
    if args.encoder_only:
        check_installed(args.init)
    device = choose_device(args.device)
    batch = batch_shape(device.type)
    plan = TrainingPlan(
        minutes=minutes,
        steps=args.steps,
        learning_rate=args.learning_rate,
        crops=args.crops or batch.crops,
        crop_side=args.crop_side or batch.side,
        final_crop_side=args.crop_side or batch.final_side,
        checkpoint_minutes=args.checkpoint_minutes,
        seed=args.seed,
        quality=args.quality,
        distortion=args.distortion,
        encoder_only=args.encoder_only,
        compiled=args.compile or args.compile_parts,
        in_parts=args.compile_parts,
    )
    stop = Stop(say)
    try:
        run_training(
            [Path(source) for source in args.sources],
            folder,
            plan,
            config=args.config,
            init=args.init,
            device=device,
            say=say,
            stop=stop,
        )
    except ArithmeticError as error:
        raise AbortError(str(error)) from error
    if stop.signal is not None:
        say("stopped; the same command goes on from here")
        return 128 + stop.signal
    result = ENCODER if args.encoder_only else WEIGHTS
    say(f"weights: {folder / result} (use them with 'gencodec compress --model FILE')")
    return 0


def check_installed(init: str) -> None:
    """WeightsError for weights that are only a file: no command takes an encoder and a file.

    An encoder names its weights, and where it is used they are looked for among the installed ones.
    """
    from gencodec.codec.device import choose_device
    from gencodec.codec.shelf import open_weights
    from gencodec.errors import WeightsError
    from gencodec.model.registry import find_weights_by_id

    weights, _ = open_weights(init, choose_device("cpu"))
    try:
        find_weights_by_id(weights.weights_id)
    except WeightsError:
        raise WeightsError(
            f"{init}: --encoder-only needs weights that 'gencodec models' lists, as an encoder is "
            "used beside installed ones only"
        ) from None


def say(line: str) -> None:
    """One line of progress, on stderr; a closed pipe ends no run."""
    with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def _check(args: argparse.Namespace, minutes: float | None) -> None:
    if minutes is not None and not 0.0 <= minutes < 1e6:
        raise UsageError(f"--minutes must be from 0 to a million, not {minutes}")
    if args.encoder_only and (args.init is None or args.config is not None):
        raise UsageError("--encoder-only needs the weights of --init, and takes no --config")
    if args.steps is not None and not 0 <= args.steps < 10**12:
        raise UsageError(f"--steps must not be negative, not {args.steps}")
    if not 0.0 < args.learning_rate < 1.0:
        raise UsageError(f"--learning-rate must be from 0 to 1, not {args.learning_rate}")
    if not 0.0 < args.checkpoint_minutes < 1e6:
        raise UsageError(f"--checkpoint-minutes must be positive, not {args.checkpoint_minutes}")
    if not 0 <= args.seed < 2**63:
        raise UsageError(f"--seed must be from 0 to under 2^63, not {args.seed}")
    if args.crop_side is not None and args.crop_side % 16:
        raise UsageError(f"--crop-side must be a multiple of 16, not {args.crop_side}")
