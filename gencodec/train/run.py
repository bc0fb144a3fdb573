"""One training run from folders of pictures to a weights file that is proven and measured."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from gencodec.amounts import counted, megapixels
from gencodec.codec.shelf import open_weights
from gencodec.errors import ImageError, OutputError, WeightsError
from gencodec.image import Pixels
from gencodec.model.config import CONFIGS
from gencodec.model.encoders import PART
from gencodec.model.vae import ImageVae, learned_vae
from gencodec.model.weights import thaw

from .checkpoint import CHECKPOINT, RunState, load_checkpoint, new_state
from .contexts import learn_contexts
from .depthwise import use_faster_gradient
from .folder import own_folder
from .gallery import Gallery
from .grow import grown
from .heldout import planes
from .loop import Training
from .meter import peak_flops, training_flops_per_pixel
from .notes import RunNote, note_run, read_note
from .photos import LEAST_SIDE, Photo, centre_crops, is_large_enough
from .plan import TrainingPlan
from .product import ENCODER, WEIGHTS, EncoderProduct, WeightsProduct
from .start import start_from_block_transform
from .stop import Stop
from .store import USUAL, PhotoStore

EVALUATION_SIDES = (512, 384, 256, 128, LEAST_SIDE)
START_CROPS, START_SIDE = 320, 256

Say = Callable[[str], None]


def run_training(
    sources: Sequence[Path],
    run: Path,
    plan: TrainingPlan,
    *,
    config: str | None = None,
    init: str | None = None,
    device: torch.device,
    say: Say,
    stop: Stop | None = None,
) -> None:
    """Train in the folder ``run`` (resuming what is there) and export to ``run/weights...``,
    or to ``run/encoder...`` where the plan is for an encoder only.

    sources: folders and tar files of pictures; what is added to them later is taken in at a
    checkpoint.  init: a shipped name or weights file to start from instead of the block
    transform.  say: where progress lines go.  stop: takes SIGINT, SIGTERM and SIGHUP while
    training, and ends it between two steps.

    Raises ImageError (no usable pictures, or a source that is none), WeightsError (also where what
    is there was begun as something else), OutputError (the run's folder cannot be written, holds
    weights and no checkpoint, or another process trains there), ArithmeticError (the loss stays not
    finite).
    """
    product: WeightsProduct | EncoderProduct = WeightsProduct(run)
    if plan.encoder_only:
        if init is None:
            raise WeightsError("an encoder alone is trained for weights there are: none are named")
        product = EncoderProduct(run, open_weights(init, torch.device("cpu"))[0])
    goes_on = (run / CHECKPOINT).exists()
    if goes_on:
        _check_same_kind(run, plan, init)
    else:
        _check_free(run)
        start = _start(config, init, say)
    with own_folder(run):
        if goes_on:
            state = load_checkpoint(run, plan, device)
            _check_same_network(run, state, config, product)
        elif (run / CHECKPOINT).exists():  # whoever trained there ended while weights were opened
            raise OutputError(f"{run}: a run is there by now; the same command goes on with it")
        gallery = Gallery(sources, run, say)
        torch.manual_seed(plan.seed)
        training, kept = gallery.split(list(gallery.read()))
        if not training:
            raise ImageError(f"no pictures to train on in {', '.join(map(str, sources))}")
        evaluation = _evaluation(training, kept, say)
        gallery.settle(training, kept)
        store = PhotoStore([photo.pixels for photo in training], device)
        pictures = counted(len(training), "picture")
        size = megapixels(store.megapixels())
        say(f"{pictures} ({size}) to train on, {len(kept)} held out")
        del training, kept
        if goes_on:
            say(f"resumed at step {state.step}, {state.elapsed / 60:.1f} minutes in")
        else:
            state = new_state(start(store, plan).to(device), plan)
        note_run(run, RunNote.of(plan, init, device))
        use_faster_gradient(state.vae, plan.crops, plan.crop_side, say, compiled=plan.compiled)
        signals = contextlib.nullcontext() if stop is None else stop.on_signals()
        with gallery.watching(), signals, _denormals_flushed():
            training_run = Training(
                state,
                store,
                planes(evaluation).to(device),
                plan,
                run,
                say=say,
                arrivals=gallery.arrivals,
                flops_share=_flops_share(state, say),
                snapshot=lambda state: product.snapshot(state.average),
            )
            done = training_run.to_the_end((lambda: False) if stop is None else stop)
        gallery.write_list()
        stopped = stop is not None and stop()
        if done and not stopped:  # else the same command does the rest
            product.finish(training_run.state.average.cpu().eval(), store, evaluation, say)


@contextlib.contextmanager
def _denormals_flushed() -> Iterator[None]:
    """Within: numbers below 1e-38 are zeros.

    Tails of distributions lead to them, and some CPUs take a hundred times as long for each.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _check_free(run: Path) -> None:
    """OutputError where a new run would write over what came of an earlier one."""
    if run.exists() and not run.is_dir():
        raise OutputError(f"{run}: there is a file of that name")
    for name in (WEIGHTS, ENCODER):
        if (run / name).exists():
            raise OutputError(
                f"{run / name}: is there already, without a {CHECKPOINT} to go on from; "
                "name another folder"
            )


def _check_same_kind(run: Path, plan: TrainingPlan, init: str | None) -> None:
    """WeightsError where a run would go on as what it was not begun as."""
    try:
        note = read_note(run)
    except WeightsError:
        return  # the checkpoint says what it can
    if note.plan.encoder_only != plan.encoder_only:
        begun = "for an encoder only" if note.plan.encoder_only else "for whole weights"
        raise WeightsError(f"{run}: a run that was begun {begun} goes on as such")
    if init is not None and note.init != Path(init).stem:
        if plan.encoder_only:
            raise WeightsError(f"{run}: an encoder for {note.init}, not for {Path(init).stem}")
        raise WeightsError(f"{run}: a run that began from {note.start} goes on from there")


def _check_same_network(
    run: Path,
    state: RunState,
    config: str | None,
    product: WeightsProduct | EncoderProduct,
) -> None:
    """WeightsError where a checkpoint is of another configuration, or an encoder's other weights.

    An encoder would else be said to be for weights that it has never met: names tell little, as
    every run calls its weights the same.
    """
    name = state.vae.config.name
    if config is not None and config != name:
        raise WeightsError(f"{run}: a run of the configuration {name} goes on as such")
    if isinstance(product, EncoderProduct):
        own, named = state.vae.state_dict(), thaw(product.weights).state_dict()
        still = [part for part in named if not part.startswith(PART)]
        if not all(part in own and torch.equal(own[part].cpu(), named[part]) for part in still):
            raise WeightsError(f"{run}: an encoder for other weights than those of --init")


def _start(
    config: str | None, init: str | None, say: Say
) -> Callable[[PhotoStore, TrainingPlan], ImageVae]:
    """How a new run gets its first weights; WeightsError before any picture is read."""
    if config is not None and config not in CONFIGS:
        raise WeightsError(
            f"no configuration is called {config!r} (there are: {', '.join(CONFIGS)})"
        )
    if init is not None:
        vae = thaw(open_weights(init, torch.device("cpu"))[0])
        if config is None:
            return lambda store, plan: vae
        larger = grown(vae, CONFIGS[config])
        if larger.config.hyper_depth == vae.config.hyper_depth:
            return lambda store, plan: larger
        return lambda store, plan: _with_contexts(larger, store, plan, say)
    return lambda store, plan: _block_transform(config or "base", store, plan)


def _with_contexts(vae: ImageVae, store: PhotoStore, plan: TrainingPlan, say: Say) -> ImageVae:
    vae.to(store.device)
    say("new contexts of z learn by themselves first, outside the plan: some minutes on a CPU")
    learn_contexts(vae, store, plan.seed, say)
    return vae


def _block_transform(config: str, store: PhotoStore, plan: TrainingPlan) -> ImageVae:
    vae = learned_vae(CONFIGS[config])
    rng = np.random.default_rng((plan.seed, 2**32))
    side = store.crop_side(START_SIDE)
    batches = [store.crops(8, side, rng).cpu() for _ in range(START_CROPS // 8)]
    start_from_block_transform(vae, torch.cat(batches))
    return vae


def evaluation_crops(photos: Sequence[Pixels]) -> list[Pixels]:
    """The middles of the pictures, as large as most of them allow; smaller ones are left out.

    ImageError when all of them are smaller than the smallest side.
    """
    count = sum(map(is_large_enough, photos))
    for side in EVALUATION_SIDES:
        crops = centre_crops(photos, side)
        if crops and count - len(crops) <= USUAL * count:
            return crops
    raise _too_small()


def _evaluation(training: Sequence[Photo], kept: Sequence[Photo], say: Say) -> list[Pixels]:
    """What a run is measured on: what is held out, or else what it is trained on."""
    parts = [[photo.pixels for photo in photos] for photos in (training, kept)]
    if not any(map(is_large_enough, parts[0])):
        raise _too_small()
    if any(map(is_large_enough, parts[1])):
        return evaluation_crops(parts[1])
    say("no picture is left to hold out: what is called held out is trained on as well")
    return evaluation_crops(parts[0])


def _too_small() -> ImageError:
    return ImageError(f"every picture is smaller than {LEAST_SIDE} pixels a side")


def _flops_share(state: RunState, say: Say) -> Callable[[float], float] | None:
    """Pixels a second -> share of the rate of a large matrix product, where there is a GPU."""
    if state.device.type != "cuda":
        return None
    flops = training_flops_per_pixel(state.vae.config)
    peak = peak_flops(state.device)
    say(f"{flops / 1e3:.0f} kFLOP a pixel; an 8192 x 8192 bf16 product: {peak / 1e12:.0f} TFLOP/s")
    return lambda pixels_per_second: pixels_per_second * flops / peak
