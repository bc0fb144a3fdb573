"""The parts of the audit's page that are about the training pictures: 1 to 3."""

from __future__ import annotations

import numpy as np

from gencodec.image import Pixels

from .accounting import Accounting
from .audit import Control
from .copies import Copies, CopyPictures, Spread, share_caught
from .membership import Membership
from .page import bars, figure, grid, heading, mark, minor, table, text
from .plots import interval_plot, strip_plot
from .statistics import Interval

ABSENT = "Not measured; why is said above, under the results."


def copies_part(copies: Copies | None, pictures: CopyPictures | None) -> list[str]:
    """Part 1: samples, their nearest training pictures, and planted copies."""
    title = "1. Are the samples copies of training pictures?"
    if copies is None or pictures is None:
        return [heading(title, mark(None)), text(ABSENT)]
    side = copies.patch_side
    return [
        heading(title, mark(copies.passed)),
        text(copies.finding),
        grid(
            [
                figure(
                    _beside(*pair),
                    f"distance {row.distance:.2f}",
                    f"sample | its nearest: {row.picture}",
                )
                for pair, row in zip(pictures.pairs, copies.nearest, strict=True)
            ],
            6,
        ),
        text(
            f"The {len(pictures.pairs)} nearest pairs of all: a piece of a sample, {side} x {side} "
            "pixels, beside the piece of a training picture that is least unlike it, among all "
            f"places of {copies.training_pictures} training pictures at two scales."
        ),
        minor("What a copy would look like"),
        grid([figure(_beside(*pair), "planted copy | found") for pair in pictures.planted], 6),
        text(
            "To test the test, pieces of training pictures were planted: cropped anywhere, half "
            f"of them mirrored, coded at low quality. {copies.planted_found:.0%} were found in the "
            "right picture, below the line under which one in a hundred pieces of never-seen "
            "photographs falls."
        ),
        strip_plot(
            [
                ("planted copies", copies.planted),
                ("held-out photographs", copies.held_out),
                ("samples of the prior", copies.of_samples),
            ],
            copies.threshold,
        ),
        table(
            (
                "distance to the nearest training picture",
                "pieces",
                "least",
                "5 %",
                "median",
                "95 %",
            ),
            [
                _spread("planted copies", copies.planted),
                _spread("held-out photographs", copies.held_out),
                _spread("samples of the prior", copies.of_samples),
            ],
        ),
        text(
            f"Below the line ({copies.threshold:.3f}): {copies.samples_flagged.value:.2%} of the "
            f"samples' pieces, 95 % interval {copies.samples_flagged.low:.2%} to "
            f"{copies.samples_flagged.high:.2%}. With {copies.samples} samples, a model that "
            f"copies outright in {share_caught(copies.samples):.0%} of them fails with a "
            "probability of 95 %; one that copies more rarely may pass."
        ),
    ]


def _spread(name: str, spread: Spread) -> tuple[str, ...]:
    values = (spread.least, spread.percent_5, spread.median, spread.percent_95)
    return (name, str(spread.patches), *(f"{value:.3f}" for value in values))


def _beside(first: Pixels, second: Pixels) -> Pixels:
    """Two patches on one strip, the second scaled to the first."""
    side = first.shape[0]
    factor = max(1, second.shape[0] // side)
    small = second[::factor, ::factor][:side, :side]
    gap = np.full((side, 6, 3), 255, np.uint8)
    return np.concatenate([first, gap, small], 1)


def membership_part(m: Membership | None, control: Control | None) -> list[str]:
    """Part 2: the attack, its controls, and what the interval leaves open."""
    title = "2. Are training pictures better known than others?"
    if m is None:
        return [heading(title, mark(None)), text(ABSENT)]
    saving = "the two groups' curves do not meet at one quality"
    if m.saving_percent is not None:
        s = m.saving_percent
        saving = (
            f"At equal quality ({m.equal_psnr:.1f} dB) the saving on training pictures is "
            f"{s.value:.1f} % of their bits ({s.low:.1f} % to {s.high:.1f} %), what is usual for "
            "their difficulty taken off"
        )
    return [
        heading(title, mark(m.passed)),
        text(
            "If the weights held a picture, its file could be short: the model would know it "
            "already. So an attacker guesses who was in the training set by who is coded with "
            "less loss than is usual for a picture of its difficulty, which JPEG tells."
        ),
        interval_plot(
            [
                (
                    f"these weights, {m.trained_pictures} against {m.held_out_pictures} pictures",
                    m.auc_calibrated,
                    not m.passed,
                ),
                ("their plain loss, difficulty not taken out", m.auc_loss, False),
                ("JPEG, which saw nothing, by its loss", m.auc_jpeg, False),
                *([] if control is None else [_of_memoriser(control)]),
            ]
        ),
        text(
            f"The attacker's score (AUC): 0.5 is guessing, 1 is certainty. {m.finding} {saving}.",
            "What decides is how often so high a score comes by chance: less than 2.5 % of the "
            "time is too rare.",
            f"The 95 % interval is {m.auc_calibrated.width:.2f} wide, as only "
            f"{m.held_out_pictures} pictures of the same sources were kept from training: a weak "
            f"memory for many pictures, up to an AUC of {m.auc_calibrated.high:.2f}, cannot be "
            "excluded by this test.",
        ),
        minor("The control: a model that memorises on purpose"),
        *(_control(control) if control is not None else [text(ABSENT)]),
    ]


def _of_memoriser(control: Control) -> tuple[str, Interval, bool]:
    return "a model trained to memorise", control.membership.auc_calibrated, control.caught


def _control(control: Control) -> list[str]:
    return [
        text(
            f"{control.finding} It has {control.parameters:,} weights and saw the same "
            f"{control.membership.trained_pictures} small crops over and over, "
            f"{control.steps} times; {control.membership.held_out_pictures} other crops are "
            "its held-out ones."
        ),
        table(
            (
                "bits per pixel at three qualities",
                "its own crops",
                "PSNR, dB",
                "others",
                "PSNR, dB",
            ),
            [_control_row(control.membership, place) for place in range(3)],
        ),
    ]


def _control_row(m: Membership, place: int) -> tuple[str, ...]:
    cells = [f"quality {m.qualities[place]:g}"]
    for member in (True, False):
        rows = [row for row in m.pictures if row.trained is member]
        cells.append(f"{np.mean([row.bpp[place] for row in rows]):.3f}")
        cells.append(f"{np.mean([row.psnr[place] for row in rows]):.2f}")
    return tuple(cells)


def accounting_part(a: Accounting) -> list[str]:
    """Part 3: the arithmetic."""
    parts = [heading("3. The accounting"), text(a.finding)]
    t = a.training
    if t is not None:
        parts += [
            bars(
                [
                    ("weights, as they are", a.weights_bytes, _mega(a.weights_bytes)),
                    (
                        "weights, packed by zlib",
                        a.weights_packed_bytes,
                        _mega(a.weights_packed_bytes),
                    ),
                    (f"{t.pictures} pictures at {t.psnr:.1f} dB", t.needed, _mega(t.needed)),
                    ("the same as they were stored", t.stored_bytes, _mega(t.stored_bytes)),
                ],
                odd=2,
            ),
            table(
                ("for each training picture", "bytes"),
                [
                    ("weights there are", f"{t.weights_per_picture:,.0f}"),
                    (
                        f"a file of it needs, at {t.psnr_lowest:.1f} dB (quality 0)",
                        f"{t.file_bytes_lowest:,.0f}",
                    ),
                    (
                        f"a file of it needs, at {t.psnr:.1f} dB (quality {a.quality:g})",
                        f"{t.file_bytes:,.0f}",
                    ),
                ],
            ),
            text(
                "This training set is small, so there are many bytes of weights a picture; five "
                "billion pictures in three gigabytes would leave 0.6 of a byte each. What fits "
                "into 3 bytes is one average colour"
                + (
                    f", which shows these pictures at {a.average_colour_psnr:.1f} dB."
                    if a.average_colour_psnr is not None
                    else "."
                )
                + " An average bounds no single picture, which is why parts 1 and 2 measure."
            ),
        ]
    if a.break_even:
        parts += [
            minor("When does sharing the weights pay?"),
            table(
                (
                    "at equal PSNR, against",
                    "pictures",
                    "bytes, ours",
                    "bytes, theirs",
                    "pays after",
                ),
                [
                    (
                        row.rival,
                        str(row.pictures),
                        f"{row.bytes_ours:,.0f}",
                        f"{row.bytes_rival:,.0f}",
                        "never" if row.files is None else f"{row.files:,} files",
                    )
                    for row in a.break_even
                ],
            ),
            text(
                "The number of such files after which the bytes saved exceed the weights, which "
                "everybody needs once. A rival counts where it reaches the PSNR at all: "
                + "; ".join(f"{row.rival}: {row.settings}" for row in a.break_even)
                + ".",
                soft=True,
            ),
        ]
    return parts


def _mega(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"
