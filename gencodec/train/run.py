"""One training run from folders of pictures to a weights file that is proven and measured."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gencodec.errors import ImageError, OutputError, WeightsError
from gencodec.image import Pixels, atomic_write
from gencodec.model.config import CONFIGS
from gencodec.model.registry import find_weights
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.model.weights import load_weights, thaw

from .export import Candidate, make_candidate
from .loop import CHECKPOINT, RunState, load_checkpoint, new_state, train
from .photos import PhotoStore, centre_crops, read_photos, split
from .plan import TrainingPlan
from .start import start_from_block_transform

EVALUATION_SIDES = (512, 384, 256, 128, 64)
START_CROPS, START_SIDE = 320, 256
TABLE_SAMPLES = 96
WEIGHTS = "weights.safetensors"
CURVE = "curve.json"

Say = Callable[[str], None]


def run_training(
    sources: Sequence[Path],
    run: Path,
    plan: TrainingPlan,
    *,
    config: str = "base",
    init: str | None = None,
    device: torch.device,
    say: Say,
) -> Candidate:
    """Train in the folder ``run`` (resuming what is there) and export to ``run/weights...``.

    sources: folders and tar files of pictures.  init: a shipped name or weights file to start
    from instead of the block transform.  say: where progress lines go.
    Raises ImageError (no usable pictures), WeightsError, OutputError (the run's folder cannot be
    written), ArithmeticError (the loss stays not finite).
    """
    torch.manual_seed(plan.seed)
    photos = {}
    for name, pixels in read_photos(sources):
        if isinstance(pixels, str):
            say(f"skipped {name}: {pixels}")
        else:
            photos[name] = pixels
    training, held_out = split(photos)
    if not training:
        raise ImageError(f"no pictures to train on in {', '.join(map(str, sources))}")
    evaluation = _evaluation(held_out or training)
    say(f"{len(training)} pictures to train on, {len(evaluation)} held out")
    store = PhotoStore(training, device)
    try:
        run.mkdir(parents=True, exist_ok=True)
        state = _state(run, plan, config, init, store, say)
        train(state, store, _batch(evaluation, device), plan, run)
        candidate = make_candidate(
            state.average.cpu().eval(), _spread(training, TABLE_SAMPLES), evaluation, run
        )
        atomic_write(run / WEIGHTS, candidate.data, overwrite=True)
        curve = {"content_sha256": candidate.content_sha256, **asdict(candidate.curve)}
        atomic_write(run / CURVE, (json.dumps(curve) + "\n").encode(), overwrite=True)
    except OSError as error:
        raise OutputError(f"{run}: {os.strerror(error.errno or 0)}") from error
    return candidate


def _state(
    run: Path, plan: TrainingPlan, config: str, init: str | None, store: PhotoStore, say: Say
) -> RunState:
    if (run / CHECKPOINT).exists():
        state = load_checkpoint(run, plan, store.device)
        say(f"resumed at step {state.step}, {state.elapsed / 60:.1f} minutes in")
        return state
    return new_state(_fresh(config, init, store, plan).to(store.device), plan)


def _fresh(config: str, init: str | None, store: PhotoStore, plan: TrainingPlan) -> ImageVae:
    if init is not None:
        path = Path(init)
        return thaw(load_weights(path if path.suffix else find_weights(init).path))
    if config not in CONFIGS:
        raise WeightsError(
            f"no configuration is called {config!r} (there are: {', '.join(CONFIGS)})"
        )
    vae = learned_vae(CONFIGS[config])
    rng = np.random.default_rng((plan.seed, 2**32))
    side = min(START_SIDE, store.smallest_side() // 16 * 16)
    batches = [store.crops(8, side, rng).cpu() for _ in range(START_CROPS // 8)]
    start_from_block_transform(vae, torch.cat(batches))
    return vae


def _evaluation(photos: Sequence[Pixels]) -> list[Pixels]:
    for side in EVALUATION_SIDES:
        crops = centre_crops(photos, side)
        if crops:
            return crops
    raise ImageError(f"every picture is smaller than {EVALUATION_SIDES[-1]} pixels a side")


def _batch(pictures: Sequence[Pixels], device: torch.device) -> Tensor:
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return x.to(device).float() / 255.0


def _spread(photos: Sequence[Pixels], count: int) -> list[Pixels]:
    return list(photos[:: max(1, len(photos) // count)][:count])
