"""What weights have learned since others, added to a third: a start that knows of both.

    start = onto + (tuned - origin)

Weights trained for something else (the eye, a collection) from an older start keep what they
learned when that start has been trained on in the meantime (task arithmetic, Ilharco et al.,
arXiv:2212.04089).  The sum is where a run begins, not what is shipped.
"""

from __future__ import annotations

import argparse
import sys

import torch

from gencodec.codec.shelf import open_weights
from gencodec.errors import WeightsError
from gencodec.image import atomic_write
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.model.weights import thaw

from .export import plain_weights
from .options import new_file


@torch.no_grad()
def transferred(onto: ImageVae, tuned: ImageVae, origin: ImageVae) -> ImageVae:
    """A new model of the configuration of ``onto``; what only that has stays as it is there.

    WeightsError where tuned and origin are of two configurations, or hold what onto has not, or
    has in another shape.
    """
    start = learned_vae(onto.config)
    sums, plus, minus = onto.state_dict(), tuned.state_dict(), origin.state_dict()
    shapes = [{name: value.shape for name, value in each.items()} for each in (sums, plus, minus)]
    if tuned.config != origin.config or not shapes[1].items() <= shapes[0].items():
        raise WeightsError(
            "what the tuned weights have learned since their origin cannot be added: those two "
            "have to be of one configuration, and all their layers in what it is added to"
        )
    for name, value in plus.items():
        sums[name] = sums[name] + (value - minus[name])
    start.load_state_dict(sums)
    return start


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train transfer``."""
    parser.add_argument("onto", metavar="NAME|FILE", help="weights to add to")
    parser.add_argument(
        "--tuned", required=True, metavar="NAME|FILE", help="weights that have learned something"
    )
    parser.add_argument(
        "--origin", required=True, metavar="NAME|FILE", help="those that they started from"
    )
    parser.add_argument("-o", "--output", type=new_file, required=True, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """Read three, write weights to begin a run with."""
    onto, tuned, origin = (
        thaw(open_weights(name, torch.device("cpu"))[0])
        for name in (args.onto, args.tuned, args.origin)
    )
    atomic_write(args.output, plain_weights(transferred(onto, tuned, origin)), overwrite=False)
    print(f"{args.output}: {args.onto} and what {args.tuned} has of its own", file=sys.stderr)
    return 0
