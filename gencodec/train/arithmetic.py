"""What integer arithmetic costs: bits of the exact prior against the same one in floating point."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gencodec.bench.environment import Environment, environment
from gencodec.bench.report import write_report
from gencodec.codec.device import choose_device
from gencodec.model.config import LATENT_STRIDE
from gencodec.model.exact import LearnedExactConv, strict_precision
from gencodec.model.hyperprior import Prior
from gencodec.model.quality import step_of
from gencodec.model.registry import find_weights
from gencodec.model.step_tables import LearnedStepTable
from gencodec.model.vae import Estimate, ImageVae
from gencodec.model.weights import load_weights, thaw

from .checkpoint import load_checkpoint
from .heldout import planes
from .options import add_common, add_qualities, read_folder
from .photos import Photo
from .plan import TrainingPlan

WHAT = (
    "bpp: information content of y and z under the model's Gaussians, bits per pixel, means over "
    "images; exact: the prior as it codes, integers throughout; unrounded: the same parameters "
    "without rounding of weights, activations, tables, means and scales (their clamps, and the "
    "rounded inputs of the networks, stay); percent: bits of exact over bits of unrounded; "
    "psnr: of the synthesised pictures in floating point, dB"
)


class UnroundedConv(LearnedExactConv):
    """A prior's layer with the same parameters, in plain floating point."""

    def forward(self, x: Tensor) -> Tensor:
        """x: (B, C_in, H, W) -> (B, C_out, H, W)."""
        return self.convolved(x, *self.real())


class UnroundedTable(LearnedStepTable):
    """A prior's table with the same knots, its curve not rounded."""

    def _round(self, curve: Tensor) -> Tensor:
        return curve


@dataclass(frozen=True)
class Cost:
    """All images at one quality."""

    quality: float
    bpp_exact: float
    bpp_unrounded: float
    percent: float
    psnr_exact: float
    psnr_unrounded: float


@dataclass(frozen=True)
class Arithmetic:
    """A whole measurement. source: 'weights', already integers, or 'run', before export."""

    what: str
    source: str
    pictures: int
    environment: Environment
    mean_percent: float
    qualities: tuple[Cost, ...]


def unrounded(vae: ImageVae) -> ImageVae:
    """The same model with a prior that computes in floating point."""
    twin = ImageVae(vae.config, Prior(vae.config, UnroundedConv, UnroundedTable))
    twin.load_state_dict(vae.state_dict())
    return twin.requires_grad_(False).eval()


@torch.no_grad()
def cost(exact: ImageVae, plain: ImageVae, pictures: Sequence[Photo], quality: float) -> Cost:
    """Bits and PSNR of both at one quality, means over pictures."""
    table = []
    device = next(exact.parameters()).device
    for picture in pictures:
        height, width = (side // LATENT_STRIDE * LATENT_STRIDE for side in picture.pixels.shape[:2])
        x = planes([picture.pixels[:height, :width]]).to(device)
        step = torch.tensor([step_of(quality)], device=device)
        with strict_precision:
            both = [_account(vae.rounded(x, step), x) for vae in (exact, plain)]
        table.append([value for account in both for value in account])
    bpp, psnr, plain_bpp, plain_psnr = np.mean(table, axis=0).tolist()
    return Cost(
        quality=quality,
        bpp_exact=round(bpp, 6),
        bpp_unrounded=round(plain_bpp, 6),
        percent=round(100.0 * (bpp / plain_bpp - 1.0), 4),
        psnr_exact=round(psnr, 4),
        psnr_unrounded=round(plain_psnr, 4),
    )


def _account(estimate: Estimate, x: Tensor) -> tuple[float, float]:
    mse = float((estimate.x_hat.clamp(0, 1) - x).square().mean())
    bits = float(estimate.y_bits + estimate.z_bits)
    return bits / (x.shape[2] * x.shape[3]), -10.0 * float(np.log10(mse))


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train arithmetic``."""
    add_common(parser, "benchmarks/arithmetic.json")
    parser.add_argument(
        "--run",
        dest="training_run",
        type=Path,
        metavar="RUN",
        help="measure the averaged weights of this run, not yet rounded to integers",
    )
    add_qualities(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, write the report, print its rows."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    if args.training_run is not None:
        vae = load_checkpoint(args.training_run, TrainingPlan(steps=0), device).average
    else:
        path = Path(args.model) if args.model and Path(args.model).suffix else None
        vae = thaw(load_weights(path or find_weights(args.model).path)).to(device)
    exact = vae.requires_grad_(False).eval()
    plain = unrounded(exact).to(device)
    pictures = read_folder(args.folder, args.limit)
    rows = []
    for quality in args.qualities:
        row = cost(exact, plain, pictures, quality)
        rows.append(row)
        print(
            f"quality {quality:5g}: {row.bpp_exact:.4f} bpp exact, {row.bpp_unrounded:.4f} "
            f"unrounded ({row.percent:+.3f} %), {row.psnr_exact - row.psnr_unrounded:+.4f} dB",
            flush=True,
        )
    report = Arithmetic(
        what=WHAT,
        source="weights" if args.training_run is None else "run",
        pictures=len(pictures),
        environment=environment(device),
        mean_percent=round(float(np.mean([row.percent for row in rows])), 4),
        qualities=tuple(rows),
    )
    write_report(report, args.output)
    print(f"integers cost {report.mean_percent:+.3f} % of the bits")
    return 0
