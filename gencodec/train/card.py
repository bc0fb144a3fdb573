"""The model card: what weights were made from, how, and what they measure."""

from __future__ import annotations

from dataclasses import dataclass

from gencodec.amounts import megapixels
from gencodec.bench.curves import bd_rate
from gencodec.model.config import ModelConfig
from gencodec.model.registry import PLAIN

from .heldout import QUALITIES, HeldOutScores
from .plan import TrainingPlan


@dataclass(frozen=True)
class Candidate:
    """Weights that may be shipped: the file's bytes and their scores on held-out pictures."""

    data: bytes
    content_sha256: str
    config: ModelConfig
    parameters: int
    scores: HeldOutScores


@dataclass(frozen=True)
class Predecessor:
    """The weights that new ones are measured beside, on the same pictures."""

    name: str
    scores: HeldOutScores


@dataclass(frozen=True)
class TrainingRecord:
    """What a run was: enough to repeat it.

    earlier: runs before it, first the first, each the start of the one after.
    """

    pictures: int
    held_out: int
    megapixels: float
    minutes: float
    steps: int
    plan: TrainingPlan
    start: str
    machine: str
    earlier: tuple[TrainingRecord, ...] = ()


def model_card(
    name: str,
    weights: Candidate,
    record: TrainingRecord,
    *,
    data: str,
    before: Predecessor | None = None,
    reference: str | None = None,
) -> str:
    """Markdown text; ``data`` is the paragraph on the pictures and their licences.

    before: what was shipped until then, measured on the same pictures.  reference: the weights
    that a compact file is told as a difference from.
    """
    scores, config, digest = weights.scores, weights.config, weights.content_sha256
    millions = weights.parameters / 1e6
    return f"""# {name}

Weights of gencodec, content SHA-256 `{digest}`; streams name them `{digest[:8]}`.
Licence: Apache-2.0.

## What it is
{_purpose(record.plan.distortion)}
Configuration `{config.name}`: `{config.to_json()}`, {millions:.1f} million parameters.
Transforms are float16 numbers on grids as fine as each matters (`gencodec/train/compaction.py`);
the prior is int8 weights, int32 biases and integer tables, its arithmetic proven exact at export
(`gencodec/model/exact.py`).{_needs(reference)}

For photographs and other natural pictures, 8 bits a channel. It was not made for, and has not been
measured on, medical or other pictures in which an invented detail could do harm: like every lossy
codec at low quality it smooths and redraws texture.

## Data

{data}

{record.pictures} pictures ({megapixels(record.megapixels)}) to train on, {record.held_out} of
the collection held out by a hash of their names.

## Recipe

`gencodec train`, {recipe(record)} The
prior's integer arithmetic is simulated from the first step, exactly at the end. The coding
tables are Gaussian, bent towards the symbols counted on training pictures.

## Measured on the held-out pictures

{_measured_how(scores)}

{_table(scores, before)}

## Measured on Kodak

{_kodak(record.plan.distortion)}
"""


def _kodak(tune: str) -> str:
    if tune == PLAIN:
        return "<!-- figures:begin kodak -->\n<!-- figures:end kodak -->"
    return (
        f"`gencodec:{tune}` in [benchmarks/kodak.json](../benchmarks/kodak.json); the rows\n"
        f"“for {tune}” of the table in [README.md](../README.md)."
    )


def _needs(reference: str | None) -> str:
    if reference is None:
        return ""
    return f" The file holds what differs from [{reference}]({reference}.md), and needs it."


def _purpose(tune: str) -> str:
    return "" if tune == PLAIN else f"\nWeights for `--tune {tune}`, which takes them by default.\n"


def recipe(record: TrainingRecord) -> str:
    """What was done, after the command's name."""
    runs = [*record.earlier, record]
    if record.earlier:
        told = [_told(run, _start(run) if run is runs[0] else "", _rate(run)) for run in runs]
        rows = "\n".join("- " + each.replace("\n", "\n  ") for each in told)
        what = f"{len(runs)} runs, each from the averaged weights of the one before:\n\n{rows}\n\n"
        rate = ""
    else:
        what, rate = f"{_told(record, _start(record))}.\n", f" at {record.plan.learning_rate:g}"
    return f"""{what}Loss: bits per pixel + lmbda 255^2 {_DISTORTION[record.plan.distortion]},
lmbda log-spaced from 0.0007 to 0.25 over the quality steps, each crop's loss divided by the square
root of its lmbda; AdamW{rate}
with warm-up and cosine annealing by elapsed time; exponential moving average of the weights."""


def _start(record: TrainingRecord) -> str:
    return f", started from {record.start}"


def _rate(record: TrainingRecord) -> str:
    return f" at a rate of {record.plan.learning_rate:g}"


def _told(record: TrainingRecord, start: str, rate: str = "") -> str:
    """One run, with what is to be said of its start and its learning rate."""
    plan = record.plan
    cut = plan.minutes is not None and record.minutes < 0.99 * plan.minutes
    planned = f" of {plan.minutes:g} planned" if cut else ""
    return f"""seed {plan.seed}{start}: {record.steps} steps of
{plan.crops} crops of {plan.crop_side} x {plan.crop_side}{_last_crops(record)}{rate},
{record.minutes:.1f} minutes{planned} on {record.machine}"""


def _last_crops(record: TrainingRecord) -> str:
    side = record.plan.final_crop_side
    return f" (in the last phase of {side} x {side})" if side != record.plan.crop_side else ""


def encoder_card(
    name: str,
    weights: str,
    record: TrainingRecord,
    scores: HeldOutScores,
    *,
    before: Predecessor,
) -> str:
    """Markdown text on another encoder for weights that have a card of their own."""
    return f"""# {name}

Another encoder for the weights [{weights}]({weights}.md): the transform g_a alone, trained on while
everything else stood still. What it makes is decoded with {weights}, by everyone who has those.
Licence, pictures and limits are theirs.

## Recipe

`gencodec train --encoder-only --distortion {record.plan.distortion}`, {recipe(record)}

## Measured on the held-out pictures

{_measured_how(scores)}

{_table(scores, before)}
"""


def _measured_how(scores: HeldOutScores) -> str:
    pictures = "1 picture" if scores.pictures == 1 else f"{scores.pictures} pictures"
    return f"""\
Real file bytes, PSNR and MS-SSIM over RGB of the decoded 8-bit pixels, means over the middles
({scores.side} x {scores.side}) of {pictures}."""


_DISTORTION = {
    "mse": "MSE",
    "ssim": "D, D half MSE and half 1 - SSIM over scales (`gencodec/model/distortion.py`)",
}


def _table(scores: HeldOutScores, before: Predecessor | None) -> str:
    names = ["quality", "bpp", "PSNR, dB", "MS-SSIM"]
    columns = [[str(quality) for quality in QUALITIES], *_cells(scores)]
    if before is not None:
        names += [f"{name} of {before.name}" for name in ("bpp", "PSNR", "MS-SSIM")]
        columns += _cells(before.scores)
    rows = [names, ["---"] * len(names), *map(list, zip(*columns, strict=True))]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if before is not None:
        by_psnr = bd_rate(scores.curve, before.scores.curve)
        by_structure = bd_rate(scores.structure, before.scores.structure)
        lines += [
            "",
            f"Bits against {before.name}: {by_psnr:+.1f} % at equal PSNR, "
            f"{by_structure:+.1f} % at equal MS-SSIM.",
        ]
    return "\n".join(lines)


def _cells(scores: HeldOutScores) -> list[list[str]]:
    digits = ((scores.bpp, 3), (scores.psnr, 2), (scores.ms_ssim, 4))
    return [[f"{value:.{places}f}" for value in values] for values, places in digits]
