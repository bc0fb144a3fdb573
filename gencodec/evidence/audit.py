"""The audit of one set of weights: every part that the pictures at hand allow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from gencodec.bench.own_codec import Gencodec
from gencodec.codec import Codec
from gencodec.image import Pixels
from gencodec.train.export import loaded
from gencodec.train.photos import Photo

from .accounting import Accounting, account_for
from .anything import (
    Anything,
    Specimen,
    code_all,
    given_pictures,
    library_pictures,
    made_pictures,
)
from .collection import Collection, choose, crops_of, decoded
from .copies import Copies, CopyPictures, find_copies
from .explain import is_telling
from .membership import Membership, attack, side_for
from .memoriser import memorise
from .order import Order, disorder
from .sampling import SAMPLE_SIDE, samples
from .stranger import other_weights

SAMPLES = 24
MOST_SEARCHED = 2000
MEMBERS = 64
MEASURED = 10
RIVAL_PICTURES = 4
MEMORISED, MEMORISED_SIDE, MEMORISED_STEPS = 8, 64, 250
NOT_MEMORISED = 24

Say = Callable[[str], None]


@dataclass(frozen=True)
class Group:
    """What the audit knew of the training pictures."""

    trained: int
    held_out: int
    rule: str


@dataclass(frozen=True)
class Control:
    """The same attack on a model trained to memorise; `caught` is what must come out."""

    caught: bool
    finding: str
    parameters: int
    steps: int
    membership: Membership


@dataclass(frozen=True)
class Audit:
    """Everything measured; a part is None where there were no pictures for it."""

    verdict: str
    passed: bool
    complete: bool
    command: str
    weights: str
    weights_id: str
    quality: float
    seed: int
    collection: Group | None
    left_out: tuple[str, ...]
    copies: Copies | None
    membership: Membership | None
    control: Control | None
    accounting: Accounting
    anything: Anything
    order: Order


@dataclass(frozen=True, eq=False)
class AuditPictures:
    """What the page shows beside the figures."""

    samples: Sequence[Pixels]
    copies: CopyPictures | None
    coded: Sequence[tuple[Specimen, Pixels]]
    order: dict[str, Pixels]
    order_original: Pixels


def audit(
    codec: Gencodec,
    weights_files: Sequence[Path],
    collection: Collection | None,
    pictures: Sequence[Photo],
    *,
    command: str,
    seed: int,
    say: Say,
) -> tuple[Audit, AuditPictures]:
    """Run all parts. weights_files: of these weights, all that are needed to read them.

    pictures: others than the training pictures, may be empty.

    Raises ImageError for a picture that cannot be read, ValueError when a collection is too
    small to tell anything.
    """
    say("samples from the prior")
    drawn = samples(codec.weights, SAMPLES, SAMPLE_SIDE, seed)
    copies, copy_pictures, membership, control = None, None, None, None
    measured: list[Photo] = []
    left_out = [] if collection is not None else list(NEEDS_COLLECTION)
    if collection is not None:
        held_out = decoded(collection.held_out)
        searched = choose(collection.trained, MOST_SEARCHED, seed)
        say(f"nearest neighbours in {len(searched)} training pictures")
        try:
            copies, copy_pictures = find_copies(drawn, searched, held_out, codec.codec, seed=seed)
        except ValueError as error:
            left_out.append(f"nearest neighbours of the samples: {error}")
        members = decoded(choose(collection.trained, MEMBERS, seed + 1))
        say(f"membership: {len(members)} training, {len(held_out)} held-out pictures")
        side = side_for([*members, *held_out])
        try:
            membership = attack(codec.codec, members, held_out, seed=seed, side=side)
            say("control: training a model to memorise")
            control = memorising_control(members, held_out, seed=seed, steps=MEMORISED_STEPS)
        except ValueError as error:
            left_out.append(f"membership: {error}")
        measured = members[:MEASURED]
    say("accounting")
    accounting = account_for(
        codec,
        weights_files,
        collection.trained if collection is not None else (),
        measured,
        pictures[:RIVAL_PICTURES],
    )
    say("pictures of every kind")
    specimens = [*made_pictures(seed), *library_pictures(), *given_pictures(pictures)]
    anything, coded = code_all(specimens, codec)
    say("order")
    name, original = _picture_for_order(pictures, specimens)
    other = other_weights(codec.weights.vae.config, original, seed=seed)
    order, order_pictures = disorder(name, original, codec, other, seed=seed)
    parts = [copies, membership, anything, order]
    passed = all(part.passed for part in parts if part is not None)
    sound = control is None or control.caught
    result = Audit(
        verdict=_verdict(copies, membership, control, anything, order),
        passed=passed and sound,
        complete=not left_out,
        command=command,
        weights=codec.weights_name,
        weights_id=codec.weights.digest.hex(),
        quality=codec.quality,
        seed=seed,
        collection=None
        if collection is None
        else Group(len(collection.trained), len(collection.held_out), collection.rule),
        left_out=tuple(left_out),
        copies=copies,
        membership=membership,
        control=control,
        accounting=accounting,
        anything=anything,
        order=order,
    )
    return result, AuditPictures(drawn, copy_pictures, coded, order_pictures, original)


NEEDS_COLLECTION = (
    "nearest neighbours of the samples: the training pictures were not given",
    "membership and its control: the training pictures were not given",
)


def memorising_control(
    members: Sequence[Photo],
    others: Sequence[Photo],
    *,
    seed: int,
    steps: int,
) -> Control:
    """Train on eight small crops until they are known by heart, and attack that model.

    The crops that it did not see come from other pictures of both groups.
    """
    rng = np.random.default_rng(seed)
    members = [photo for photo in members if min(photo.pixels.shape[:2]) >= MEMORISED_SIDE]
    learnt = _small(members[:MEMORISED], rng)
    unseen = _small([*members[MEMORISED:], *others], rng)[:NOT_MEMORISED]
    weights = loaded(memorise([photo.pixels for photo in learnt], steps=steps, seed=seed))
    codec = Codec(weights, torch.device("cpu"))
    found = attack(codec, learnt, unseen, seed=seed, side=MEMORISED_SIDE, crops=1)
    caught = not found.passed
    words = found.auc_calibrated.words()
    return Control(
        caught=caught,
        finding=(
            f"A model trained to memorise {len(learnt)} pictures was "
            f"{'caught' if caught else 'NOT caught: the attack is blind'} (AUC {words})."
        ),
        parameters=sum(p.numel() for p in weights.vae.parameters()),
        steps=steps,
        membership=found,
    )


def _small(photos: Sequence[Photo], rng: np.random.Generator) -> list[Photo]:
    return [
        Photo(photo.name, photo.sha256, crop)
        for photo in photos
        for crop in crops_of(photo.pixels, MEMORISED_SIDE, 1, rng)
    ]


def _picture_for_order(
    pictures: Sequence[Photo], specimens: Sequence[Specimen]
) -> tuple[str, Pixels]:
    """The first given one that can be told from others at all, else one that came with this."""
    for photo in pictures:
        if is_telling(photo.pixels):
            return photo.name, photo.pixels
    best = next((s for s in specimens if s.kind == "photograph"), specimens[1])
    return best.name, best.pixels


def _verdict(
    copies: Copies | None,
    membership: Membership | None,
    control: Control | None,
    anything: Anything,
    order: Order,
) -> str:
    if membership is not None and not membership.passed:
        return "These weights know their training pictures: the audit caught them."
    if copies is not None and copies.calibrated and not copies.passed:
        return "Samples of these weights are copies of training pictures."
    if copies is not None and not copies.calibrated:
        return "No verdict: the search for copies did not find the copies planted to test it."
    if control is not None and not control.caught:
        return "No verdict: the audit did not catch a model that was trained to memorise."
    if not (anything.passed and order.passed):
        return "Something is wrong with the codec itself: see the parts that failed."
    if membership is None or copies is None or control is None:
        return (
            "The files carry the pictures. Whether the weights hold any training picture was not "
            "fully tested: that takes enough of the training pictures."
        )
    return (
        "The files carry the pictures, the weights carry the language they are written in: no "
        "training picture was found in them."
    )
