"""The page of ``gencodec explain``: the verdict, the pictures, then the figures."""

from __future__ import annotations

from collections.abc import Sequence

from gencodec.amounts import digits
from gencodec.model.config import LATENT_STRIDE

from .explain import SHARES, Explanation, Pictures
from .page import (
    bars,
    code,
    enlarged,
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

WIDTH = 480


def explain_page(explained: Sequence[tuple[Explanation, Pictures]], command: str) -> str:
    """One document for all pictures."""
    first = explained[0][0]
    whole = first.verdict
    if len(explained) > 1:
        sound = sum(figures.holds for figures, _ in explained)
        whole = (
            f"{sound} of {len(explained)} pictures: {first.verdict}"
            if sound == len(explained)
            else f"Shown for {sound} of {len(explained)} pictures only; see each."
        )
    parts = [verdict("Where did this picture come from?", whole)]
    for figures, pictures in explained:
        parts += _one(figures, pictures, alone=len(explained) == 1)
    parts += [
        heading("How this was made"),
        code(command),
        text(
            f"Weights {first.weights} ({first.weights_id[:8]}), seed {first.seed}. Likeness is the "
            "correlation of 8 x 8 block means of luma: 1 the same picture, 0 none at all. The "
            "pictures on this page are WebP copies; all figures are of the pixels themselves.",
            soft=True,
        ),
    ]
    return page("gencodec explain", parts)


def _one(e: Explanation, pictures: Pictures, *, alone: bool) -> list[str]:
    parts = [] if alone else [heading(e.name, mark(e.holds)), text(e.verdict)]
    steps = []
    for share, step in zip(SHARES, e.steps, strict=True):
        steps.append(
            figure(
                pictures[f"prefix {share:g}"],
                f"{step.percent:g} % of the file",
                f"{step.file_bytes} bytes, {step.psnr:.1f} dB, likeness {digits(step.likeness, 2)}",
                width=WIDTH,
            )
        )
    steps.append(figure(pictures["original"], "The original", e.name, width=WIDTH))
    heat = enlarged(pictures["heat"], LATENT_STRIDE)[: e.height, : e.width]
    return [
        *parts,
        grid(steps, 4),
        text(
            "The decoder gets the first bytes of the file; what is missing is filled with the "
            "model's own best guess. At 0 % it knows the size and the quality setting, nothing "
            "else" + (", and shows the same for any other picture." if e.nothing_same else ".")
        ),
        minor("Where the bits went"),
        grid(
            [
                figure(pictures["prefix 1"], "The decoded picture", width=WIDTH),
                figure(
                    heat,
                    "Its bits",
                    f"dark {e.heat_least:.2f}, bright {e.heat_most:.2f} bits per pixel",
                    width=WIDTH,
                ),
            ],
            2,
        ),
        bars([(entry.part, entry.bits, _bytes(entry.bits)) for entry in e.ledger]),
        text(
            f"The file has {e.file_bytes} bytes ({e.bpp:.3f} bits per pixel); the rows add up to "
            "it. z is a coarse summary, y the picture in four passes, each predicted from those "
            "before it."
        ),
        minor("What the model saved"),
        bars(
            [
                ("uniform code", e.bits_uniform, _bytes(e.bits_uniform)),
                ("one table a channel", e.bits_factorised, _bytes(e.bits_factorised)),
                ("the model's prior", e.bits_prior, _bytes(e.bits_prior)),
            ],
            odd=2,
        ),
        text(
            f"The same symbols under three codes. {_saved(e)} It shortens the message; it does "
            "not replace it."
        ),
        minor("The file in the wrong hands"),
        grid(
            [
                figure(
                    pictures["forced"],
                    "This file, other weights",
                    f"checks overridden; likeness {digits(e.forced_likeness, 2)}",
                    width=WIDTH,
                ),
                figure(pictures["second"], "A second picture", e.swapped_with, width=WIDTH),
                figure(
                    pictures["swapped"],
                    "Its symbols in this file",
                    "the same weights: "
                    + ("exactly the second picture" if e.swap_exact else "something else"),
                    width=WIDTH,
                ),
            ],
            3,
        ),
        text(
            "The other weights are a working codec of the same shape, fitted to this very picture "
            f"but never trained: its own file of it decodes at {e.other_own_psnr:.1f} dB. To a "
            f"file of weights that it does not have the program says: “{e.refusal or 'nothing'}”; "
            "where the name is forged, the check over the symbols "
            + ("stops it." if e.forged_id_caught else "did not stop it.")
        ),
        minor("Figures"),
        table(
            ("first bytes", "bytes", "symbols there", "PSNR, dB", "likeness"),
            [
                (
                    f"{step.percent:g} %",
                    str(step.file_bytes),
                    f"{step.symbols:.1%}",
                    f"{step.psnr:.2f}",
                    digits(step.likeness, 3),
                )
                for step in e.steps
            ],
        ),
    ]


def _saved(e: Explanation) -> str:
    """What the prior brought; a picture of few symbols is told shorter by tables made for it."""
    if e.bits_prior < e.bits_factorised:
        return (
            "What training brought is the difference: it saved "
            f"{1 - e.bits_prior / e.bits_factorised:.0%} against the best fixed tables for this "
            "very picture."
        )
    return (
        "Here training brought nothing: the picture has so few symbols, or so few different ones, "
        "that tables made for it, which are not charged for, say much of it."
    )


def _bytes(bits: float) -> str:
    return f"{bits / 8:,.0f} bytes" if bits >= 80 else f"{bits / 8:.1f} bytes"
