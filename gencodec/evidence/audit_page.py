"""The page of ``gencodec audit``: the verdict, the pictures, then the figures, part by part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gencodec.image import Pixels

from .accounting import Accounting
from .anything import Anything
from .audit import Audit, AuditPictures, Control
from .copies import Copies, CopyPictures, Spread
from .membership import Membership
from .order import Order
from .page import (
    bars,
    box,
    code,
    figure,
    grid,
    heading,
    mark,
    minor,
    page,
    table,
    text,
    verdict,
)
from .plots import interval_plot, strip_plot

THUMB = 220
SAMPLES_SHOWN = 8

OTHER_MODELS = (
    "These results are about this codec. It has few weights for each training picture, it saw "
    "each of them a handful of times in small random pieces, no captions, and it was never asked "
    "to invent a picture.",
    "A large diffusion model can memorise single pictures all the same: Carlini et al. (2023, "
    "arXiv:2301.13188) recovered about a hundred training images from Stable Diffusion, nearly "
    "all of them images that its training set holds many times over. Less than a byte of weights "
    "an image, on average, says nothing about the one image that was seen a thousand times. What "
    "differs: duplicates in the data, many passes over it, captions that name one picture, and a "
    "model made to produce whole pictures. Whoever wants to know must measure that model, as here.",
    "Nor does a passed test prove absence: it says that these attacks, of the power shown by their "
    "controls, found nothing.",
)


def audit_page(a: Audit, pictures: AuditPictures) -> str:
    """One document."""
    parts = [
        verdict("What do the weights alone know of their training pictures?", a.verdict),
        grid([figure(p, "From random bits") for p in pictures.samples[:SAMPLES_SHOWN]], 4),
        text(
            "Random bits decoded by the shipped model, with no file to tell it anything: this is "
            "all that the weights have to say by themselves. It looks like texture of the world; "
            "whether it is any picture of it, part 1 measures."
        ),
        _overview(a),
        *_copies(a.copies, pictures.copies),
        *_membership(a.membership, a.control),
        *_accounting(a.accounting),
        *_anything(a.anything, pictures),
        *_order(a.order, pictures),
        heading("What this does not show"),
        box(*OTHER_MODELS),
        heading("How this was made"),
        code("Command:", a.command),
        text(
            f"Weights {a.weights} ({a.weights_id[:8]}), quality {a.quality:g}, seed {a.seed}. "
            + (
                f"{a.collection.trained} training and {a.collection.held_out} held-out pictures, "
                f"told apart by {a.collection.rule}. "
                if a.collection is not None
                else ""
            )
            + "Intervals are 95 % bootstrap intervals over pictures. Pictures on this page are "
            "WebP copies; all figures are of the pixels themselves and of real file bytes.",
            soft=True,
        ),
    ]
    return page("gencodec audit", parts)


def _overview(a: Audit) -> str:
    rows: list[tuple[str, bool | None, str]] = [
        ("Samples are no copies", *_result(a.copies)),
        (
            "Training pictures are no better known",
            *_result(a.membership),
        ),
        ("A memoriser is caught", *_result(a.control)),
        ("Anything can be coded", a.anything.passed, a.anything.finding),
        ("Order is not content", a.order.passed, a.order.finding),
    ]
    return table(
        ("part", "result", "finding"),
        [
            (name, {True: "passed", False: "failed", None: "not measured"}[passed], finding)
            for name, passed, finding in rows
        ],
        numbers=9,
    )


def _result(part: Copies | Membership | Control | None) -> tuple[bool | None, str]:
    if part is None:
        return None, ""
    return (part.caught if isinstance(part, Control) else part.passed), part.finding


def _copies(copies: Copies | None, pictures: CopyPictures | None) -> list[str]:
    title = "1. Are the samples copies of training pictures?"
    if copies is None or pictures is None:
        return [heading(title, mark(None)), text("The training pictures were not given.")]
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
            f"copies in more than {1 - 0.05 ** (1 / copies.samples):.0%} of them would have been "
            "seen with a probability of 95 %; one that copies more rarely might not."
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


def _membership(m: Membership | None, control: Control | None) -> list[str]:
    title = "2. Are training pictures better known than others?"
    if m is None or control is None:
        return [heading(title, mark(None)), text("The training pictures were not given.")]
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
                ),
                ("their plain loss, difficulty not taken out", m.auc_loss),
                ("JPEG, which saw nothing, by its loss", m.auc_jpeg),
                ("a model trained to memorise", control.membership.auc_calibrated),
            ]
        ),
        text(
            f"The attacker's score (AUC): 0.5 is guessing, 1 is certainty. {m.finding} {saving}.",
            f"The interval is {m.auc_calibrated.width:.2f} wide, as only {m.held_out_pictures} "
            "pictures of the same sources were kept from training: a weak memory for many "
            f"pictures, up to an AUC of {m.auc_calibrated.high:.2f}, cannot be excluded "
            "by this test.",
        ),
        minor("The control: a model that memorises on purpose"),
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


def _accounting(a: Accounting) -> list[str]:
    parts = [heading("3. The accounting"), text(a.finding)]
    t = a.training
    if t is not None:
        parts += [
            bars(
                [
                    ("weights, as shipped", a.weights_bytes, _mega(a.weights_bytes)),
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


def _anything(a: Anything, pictures: AuditPictures) -> list[str]:
    coded = {row.name: row for row in a.rows}
    figures = [
        figure(
            back,
            specimen.name,
            f"{coded[specimen.name].bpp:.3f} bpp, {coded[specimen.name].psnr:.1f} dB",
            width=THUMB,
        )
        for specimen, back in pictures.coded
    ]
    ordered = sorted(a.rows, key=lambda row: row.bpp)
    return [
        heading("4. Anything can be coded", mark(a.passed)),
        text(a.finding),
        grid(figures, 6),
        bars([(row.name, row.bpp, f"{row.bpp:.3f} bpp") for row in ordered]),
        text(
            f"What came back at quality {a.quality:g}. The model was trained on photographs, and "
            "refuses nothing: what its prior finds likely is cheap, what surprises it is dear. "
            "Only noise is out of its reach: the transform keeps fewer numbers than noise has."
        ),
    ]


def _order(o: Order, pictures: AuditPictures) -> list[str]:
    captions = {
        "in order": f"likeness {o.in_order:.2f}",
        "words shuffled": f"likeness {o.shuffled_words[0]:.2f}",
        "bytes shuffled": f"likeness {o.shuffled_bytes[0]:.2f}",
        "other weights": f"likeness {o.other_weights:.2f}",
    }
    figures = [
        figure(pixels, name, captions[name], width=2 * THUMB)
        for name, pixels in pictures.order.items()
    ]
    every: Sequence[float] = (*o.shuffled_words, *o.shuffled_bytes)
    return [
        heading("5. Order is not content", mark(o.passed)),
        text(o.finding),
        grid(figures, 4),
        text(
            f"The {o.file_bytes:,} bytes of {o.picture}, shuffled {2 * o.shuffles} ways, checks "
            f"overridden: likeness {min(every):.2f} to {max(every):.2f}. The very same bytes are "
            f"there; the picture is not. What the program says to a shuffled file: “{o.refusal}”."
        ),
    ]


def _mega(count: float) -> str:
    return f"{count / 1e6:,.1f} MB"
