"""The training run: steps until the plan is done, checkpoints that survive a kill.

The host never waits for the device but every LOOK_EVERY steps, to see how the loss does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gencodec.amounts import counted
from gencodec.bench.metrics import PSNR_OF_EQUALS
from gencodec.errors import OutputError
from gencodec.image import Pixels
from gencodec.model.config import FINE_STEPS
from gencodec.model.distortion import DISTORTIONS
from gencodec.model.exact import strict_precision
from gencodec.model.quality import step_of

from .checkpoint import CHECKPOINT, RunState, is_finite, load_checkpoint, save_checkpoint
from .depthwise import use_same_gradient
from .journal import Journal
from .plan import TrainingPlan, crop_shape, learning_rate
from .stopwatch import Stopwatch
from .store import PhotoStore, on_device
from .update import REPORT, Manner, Stepper, average, precision_of, set_rate

LOOK_EVERY = 25
"""Steps between two looks at the losses, and how many of the last are judged together."""

ROW_SECONDS = 10.0
"""The least time between two rows of the log."""

MAX_RETURNS = 3
"""How often a run goes back to its last checkpoint when its loss stays not finite."""

EVALUATION_SHARE = 0.05
"""Of a run's time, about what measuring on held-out pictures may take before it is done."""

EVALUATION_STEPS = (0, 40, 85, 128, 170, 213, 255)

Arrivals = Callable[[], Sequence[Pixels]]
"""Pictures that have come since the last call, ready decoded."""


class Training:
    """One run from wherever ``state`` stands to the end of its plan.

    held_out: (B, 3, H, W) float32 pictures that are never trained on, for the log.
    flops_share: pixels a second -> the share of the device's peak rate, where it is known.
    """

    def __init__(
        self,
        state: RunState,
        photos: PhotoStore,
        held_out: Tensor,
        plan: TrainingPlan,
        run: Path,
        *,
        say: Callable[[str], None] = lambda line: None,
        arrivals: Arrivals = lambda: (),
        flops_share: Callable[[float], float] | None = None,
        snapshot: Callable[[RunState], None] = lambda state: None,
    ) -> None:
        self.state = state
        self._photos = photos
        self._held_out = held_out
        self._plan = plan
        self._run = run
        self._journal = Journal(run, plan, say)
        self._arrivals = arrivals
        self._share = flops_share
        self._snapshot = snapshot
        self._too_small = 0
        self._next_evaluation = 0.0
        self._reports: list[Tensor] = []
        self._lately: list[bool] = []
        self._clear_row()
        self._stepper = self._fresh_stepper()

    def to_the_end(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Train; True when the plan is done, False when ``stop`` ended it (a checkpoint is kept).

        ArithmeticError when the loss stays not finite whatever is tried; OutputError when the
        run's folder cannot be written at the start or at the end.
        """
        self._run.mkdir(parents=True, exist_ok=True)
        plan = self._plan
        if not (self._run / CHECKPOINT).exists():
            self._save()  # a folder that cannot be written is found out now
        self._tell_of_small_pictures()
        self.state.vae.train()
        next_save = self.state.elapsed + plan.checkpoint_minutes * 60.0
        begun = self.state.step

        def under_way() -> bool:
            return plan.part(self.state.step, self.state.elapsed) < 1.0 and not stop()

        while under_way() or (self._look() and under_way()):  # the last look may lead back
            with self._timed():
                self._step()
            if len(self._reports) == LOOK_EVERY:
                self._look()
            if self.state.elapsed >= next_save:
                next_save = self.state.elapsed + plan.checkpoint_minutes * 60.0
                self._checkpoint()
        done = plan.part(self.state.step, self.state.elapsed) >= 1.0
        self._write_row()
        if not done or self.state.step != begun:  # else the weights there may be finished already
            self._save()
            self._snapshot(self.state)  # what follows takes a while and may be cut short
        if done or self._evaluation_is_due():
            self._evaluate()
        self._journal.draw()
        return done

    @contextlib.contextmanager
    def _timed(self) -> Iterator[None]:
        watch = Stopwatch()
        yield
        seconds = watch.seconds()
        self.state.elapsed += seconds
        self._row_seconds += seconds

    def _step(self) -> None:
        state, plan = self.state, self._plan
        part = plan.part(state.step, state.elapsed)
        seed = (plan.seed, state.step, *([state.returns] if state.returns else []))
        rng = np.random.default_rng(seed)
        count, side = crop_shape(plan, part)
        side = self._photos.crop_side(side)
        x = self._photos.crops(count, side, rng)
        quality = on_device(steps_of(plan, count, rng), self._photos.device)
        set_rate(state, learning_rate(plan, part) * 0.5**state.returns)
        self._reports.append(self._stepper.step(x, quality, precision_of(state.device)))
        average(state, plan.ema_decay)
        state.step += 1
        self._row_pixels += count * side**2

    def _look(self) -> bool:
        """Read the reports since the last look, which waits for the device.

        True when they led back to a checkpoint.  A look before one may be of a single step, which
        says nothing by itself, so the steps of the looks before it count as well.
        """
        if not self._reports:
            return False
        watch = Stopwatch()
        reports = torch.stack(self._reports).double().cpu().numpy()
        waited = watch.seconds()
        if self._photos.device.type != "cpu":
            self.state.elapsed += waited
            self._row_seconds += waited
        self._reports = []
        finite = np.isfinite(reports).all(1)
        self._lately = [*self._lately, *finite.tolist()][-LOOK_EVERY:]
        broken = not finite.all() and not is_finite(self.state.vae)
        if broken or 2 * self._lately.count(False) > LOOK_EVERY:
            self._go_back()
            return True
        if not finite.all():
            self._journal.event(
                self.state, f"{np.count_nonzero(~finite)} steps without a finite loss passed over"
            )
        if finite.any():
            self._row_reports.append(reports[finite])
        if self._row_seconds >= ROW_SECONDS:
            self._write_row()
        return False

    def _write_row(self) -> None:
        if self._row_reports:
            means = np.concatenate(self._row_reports).mean(0)
            rate = self._row_pixels / max(self._row_seconds, 1e-9)
            self._journal.progress(
                self.state,
                dict(zip(REPORT, means.tolist(), strict=True)),
                pixels_per_second=rate,
                share_of_peak=None if self._share is None else self._share(rate),
            )
        self._clear_row()

    def _clear_row(self) -> None:
        self._row_reports: list[npt.NDArray[np.float64]] = []
        self._row_seconds, self._row_pixels = 0.0, 0

    def _go_back(self) -> None:
        """To the last checkpoint, with other crops and half the learning rate."""
        state = self.state
        if state.returns == MAX_RETURNS:
            raise ArithmeticError(
                f"the loss is not finite at step {state.step}, after going back to a checkpoint "
                f"{MAX_RETURNS} times; try a lower learning rate"
            )
        elapsed, returns, failed = state.elapsed, state.returns + 1, state.step
        self.state = load_checkpoint(self._run, self._plan, self._photos.device)
        # The time is spent all the same; otherwise a run by minutes might never end.
        self.state.elapsed, self.state.returns = elapsed, returns
        use_same_gradient(self.state.vae, state.vae)
        self.state.vae.train()
        self._stepper = self._fresh_stepper()
        self._lately = []
        self._clear_row()
        what = f"loss not finite at step {failed}: back to step {self.state.step}, half the rate"
        self._journal.event(self.state, what)

    def _fresh_stepper(self) -> Stepper:
        return Stepper(
            self.state,
            self._plan.clip_norm,
            DISTORTIONS[self._plan.distortion],
            manner=Manner(
                compiled=self._plan.compiled,
                in_parts=self._plan.in_parts,
                recorded=self._photos.device.type == "cuda",
            ),
            say=self._journal.say,
        )

    def _checkpoint(self) -> None:
        self._look()
        try:
            self._save()
            self._snapshot(self.state)
        except OutputError as error:
            self._journal.say(f"{error}; the checkpoint before it stands, training goes on")
        if self._evaluation_is_due():
            self._evaluate()
        self._journal.draw()
        arrived = self._arrivals()
        if arrived:
            self._photos.extend(arrived)
            pictures = counted(len(arrived), "picture")
            self._journal.event(self.state, f"{pictures} arrived, {len(self._photos)} in all")
            self._tell_of_small_pictures()

    def _tell_of_small_pictures(self) -> None:
        """How many are never drawn, in one line where that is news."""
        side = self._photos.crop_side(min(self._plan.crop_side, self._plan.final_crop_side))
        before, self._too_small = self._too_small, self._photos.too_small(side)
        if self._too_small > before:
            self._journal.say(
                f"{self._too_small} of {len(self._photos)} pictures are too small to be drawn: "
                f"crops are {side} x {side}"
            )

    def _save(self) -> None:
        if not is_finite(self.state.vae):
            raise ArithmeticError("the weights are not finite; nothing was saved")
        save_checkpoint(self.state, self._run)

    def _evaluation_is_due(self) -> bool:
        return self.state.elapsed >= self._next_evaluation

    def _evaluate(self) -> None:
        watch = Stopwatch()
        self._journal.held_out(self.state, held_out_curve(self.state, self._held_out))
        self._next_evaluation = self.state.elapsed + watch.seconds() / EVALUATION_SHARE


def steps_of(plan: TrainingPlan, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """The quality steps of a batch: (count,)."""
    if plan.quality is None:
        return spread(rng, count)
    return np.full(count, step_of(plan.quality), np.int64)


def spread(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """One quality step from each of ``count`` equal parts of 0..255, in random order."""
    return rng.permutation((np.arange(count) + rng.random(count)) * FINE_STEPS / count).astype(
        np.int64
    )


@torch.no_grad()
def held_out_curve(state: RunState, held_out: Tensor) -> list[tuple[float, float]]:
    """The average's (bpp, PSNR in dB, of each at most 100) at EVALUATION_STEPS, symbols rounded.

    held_out: (B, 3, H, W) float32 in 0..1.
    """
    curve = []
    with strict_precision:
        for step in EVALUATION_STEPS:
            bits, psnr = 0.0, 0.0
            for x in held_out.split(4):
                quality = torch.full((len(x),), step, device=x.device)
                estimate = state.average.rounded(x, quality)
                bits += float((estimate.y_bits + estimate.z_bits).sum())
                mse = (estimate.x_hat.clamp(0, 1) - x).square().mean((1, 2, 3))
                psnr += float((-10.0 * mse.log10()).clamp_max(PSNR_OF_EQUALS).sum())
            pixels = held_out.shape[0] * held_out.shape[2] * held_out.shape[3]
            curve.append((bits / pixels, psnr / len(held_out)))
    return curve
