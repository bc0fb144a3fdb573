"""The page of ``gencodec audit``: the verdict, the pictures, then the figures, part by part."""

from __future__ import annotations

from collections.abc import Sequence

from gencodec.amounts import digits

from .anything import Anything
from .audit import Audit, AuditPictures, Control
from .copies import Copies
from .membership import Membership
from .order import Order
from .page import (
    RESULTS,
    bars,
    box,
    code,
    figure,
    grid,
    heading,
    mark,
    page,
    table,
    text,
    verdict,
)
from .training_page import accounting_part, copies_part, membership_part

THUMB = 220
SAMPLES_SHOWN = 8

OTHER_MODELS = (
    "These results are about these weights. In training they were shown small random pieces of "
    "pictures, without captions, and never asked to invent one.",
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
            "Random bits decoded by the model, with no file to tell it anything: this is "
            "all that the weights have to say by themselves. It looks like texture of the world; "
            "whether it is any picture of it, part 1 measures."
        ),
        _overview(a),
        *([box(*(f"Left out: {words}." for words in a.left_out))] if a.left_out else []),
        *copies_part(a.copies, pictures.copies),
        *membership_part(a.membership, a.control),
        *accounting_part(a.accounting),
        *_anything(a.anything, pictures),
        *_order(a.order, pictures),
        heading("What this does not show"),
        box(*OTHER_MODELS),
        heading("How this was made"),
        code(a.command),
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
    rows = [
        ("Samples are no copies", *_result(a.copies)),
        ("Training pictures are no better known", *_result(a.membership)),
        ("A memoriser is caught", *_result(a.control)),
        ("Anything can be coded", *_result(a.anything)),
        ("Order is not content", *_result(a.order)),
    ]
    return table(("part", "result", "finding"), rows, numbers=9)


def _result(part: Copies | Membership | Control | Anything | Order | None) -> tuple[str, str]:
    if part is None:
        return RESULTS[None], ""
    return RESULTS[part.caught if isinstance(part, Control) else part.passed], part.finding


def _anything(a: Anything, pictures: AuditPictures) -> list[str]:
    coded = [row for row in a.rows if row.refused is None]  # two may be called the same
    figures = [
        figure(back, row.name, f"{row.bpp:.3f} bpp, {row.psnr:.1f} dB", width=THUMB)
        for row, (_, back) in zip(coded, pictures.coded, strict=True)
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
        "in order": f"likeness {digits(o.in_order, 2)}",
        "words shuffled": f"likeness {digits(o.shuffled_words[0], 2)}",
        "bytes shuffled": f"likeness {digits(o.shuffled_bytes[0], 2)}",
        "other weights": f"likeness {digits(o.other_weights, 2)}",
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
            f"overridden: likeness {digits(min(every), 2)} to {digits(max(every), 2)}. The very "
            "same bytes are there; the picture is not. What the program says to a shuffled file: "
            f"“{o.refusal}”."
        ),
    ]
