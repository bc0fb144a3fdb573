"""One training step on the device, without a word to the host.

x --g_a,h_a--> y,z --prior (integers simulated)--> bits --+
|                 +----g_s----> x_hat --> distortion -----+--> loss --> gradients --> AdamW

A step whose gradients are not finite changes nothing; that too is settled on the device.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from gencodec.model.distortion import Distortion, squared_error
from gencodec.model.exact import strict_precision
from gencodec.model.quality import lmbda_of
from gencodec.model.vae import Estimate, ImageVae

from .agreement import disagreement
from .checkpoint import RunState
from .compiler import compiled, compiled_in_parts

REPORT = ("loss", "bpp", "psnr", "norm")
WARM_UP_STEPS = 3
"""Steps before a CUDA graph is recorded: libraries settle on kernels, moments come to be."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Precision:
    """Arithmetic of a step.

    amp: autocast type of the transforms, None for float32; the prior is float32 always.
    exact: whether float32 must be float32, so that the prior's integers are what they will be.
    """

    amp: torch.dtype | None
    exact: bool

    @property
    def loss_scale(self) -> float:
        """What the loss is multiplied by, so that float16 does not lose small gradients in zeros.

        Between 2^8 and 2^14 it was seen to make no difference; at 2^10 even a picture of mere noise
        at the highest quality, alone in its batch, leaves no gradient out of range.
        """
        return 2.0**10 if self.amp == torch.float16 else 1.0


Estimator = Callable[[ImageVae, Tensor, Tensor, Precision], Estimate]
"""The training pass, as :func:`estimated` or what a compiler made of it."""


def precision_of(device: torch.device) -> Precision:
    """float16 for the transforms on a GPU, on a CPU float32.

    On a GPU float32 products are TensorFloat-32, exact for the prior's operands, none of which is
    wider than 8 bits.  float16 rounds as finely.  bfloat16 rounds eight times as coarsely, which
    near the end of a run drowns the gradient (``python -m gencodec.train rounding``).
    """
    if device.type == "cuda":
        return Precision(torch.float16, exact=False)
    return Precision(None, exact=True)


def estimated(vae: ImageVae, x: Tensor, quality: Tensor, precision: Precision) -> Estimate:
    """The training pass in some arithmetic; x: (B, 3, H, W), quality: (B,) steps 0..255."""
    return vae(x, quality, amp=precision.amp)


def losses(
    estimate: Estimate, x: Tensor, quality: Tensor, distortion: Distortion = squared_error
) -> tuple[Tensor, ...]:
    """Loss, and the means of loss, bits a pixel and PSNR in dB: scalars.

    x: (B, 3, H, W), what the estimate is of; quality: (B,) quality steps 0..255.
    """
    bpp = (estimate.y_bits + estimate.z_bits) / (x.shape[2] * x.shape[3])
    lost = distortion(estimate.x_hat, x)
    lmbda = lmbda_of(quality)
    # Both terms grow with lmbda about as its square root; dividing by it lets every quality
    # speak equally loud, where the plain sum is deafened by the high ones.
    loss = (0.1 * (bpp + lmbda * 255.0**2 * lost) * lmbda.rsqrt()).mean()
    psnr = -10.0 * squared_error(estimate.x_hat.detach(), x).log10().mean()
    return loss, loss.detach(), bpp.detach().mean(), psnr.detach()


class Update:
    """Forward, backward and optimiser step; the report is a tensor (4,) named by REPORT."""

    def __init__(
        self,
        state: RunState,
        precision: Precision,
        clip_norm: float,
        *,
        distortion: Distortion = squared_error,
        estimator: Estimator = estimated,
    ) -> None:
        self.state = state
        self.precision = precision
        self.clip_norm = clip_norm
        self.estimated = estimator
        self.distortion = distortion

    def gradients(self, x: Tensor, quality: Tensor) -> list[Tensor]:
        """Forward and backward alone, times the loss scale; the report is without the norm."""
        self.state.optimizer.zero_grad(set_to_none=True)
        with strict_precision if self.precision.exact else contextlib.nullcontext():
            estimate = self.estimated(self.state.vae, x, quality, self.precision)
            loss, *report = losses(estimate, x, quality, self.distortion)
            (loss * self.precision.loss_scale).backward()
        return report

    def __call__(self, x: Tensor, quality: Tensor) -> Tensor:
        optimizer = self.state.optimizer
        report = self.gradients(x, quality)
        scale = self.precision.loss_scale
        norm = torch.nn.utils.clip_grad_norm_(self.state.current, self.clip_norm * scale)
        finite = torch.isfinite(norm) & torch.isfinite(report[0])
        # What GradScaler tells the fused optimiser: the step that is to be passed over, and the
        # scale, which it takes away as it reads the gradients.
        optimizer.found_inf = torch.logical_not(finite).float()  # type: ignore[attr-defined]
        optimizer.grad_scale = torch.full_like(norm, scale)  # type: ignore[attr-defined]
        optimizer.step()
        return torch.stack((*report, norm / scale))


class RecordedUpdate:
    """The same, recorded once as a CUDA graph and replayed: thousands of launches become one.

    The optimiser's rate still follows its tensor.
    """

    def __init__(self, update: Update, x: Tensor, quality: Tensor) -> None:
        self._x, self._quality = x.clone(), quality.clone()
        self._graph = torch.cuda.CUDAGraph()
        update.state.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self._graph):
            self._report = update(self._x, self._quality)

    def __call__(self, x: Tensor, quality: Tensor) -> Tensor:
        self._x.copy_(x)
        self._quality.copy_(quality)
        self._graph.replay()
        return self._report.clone()


@dataclass(frozen=True)
class Manner:
    """How steps are taken: compiled or not, whole or in parts, recorded as a CUDA graph or not."""

    compiled: bool = False
    in_parts: bool = False
    recorded: bool = False

    def __str__(self) -> str:
        made = ("compiled in parts " if self.in_parts else "compiled ") if self.compiled else ""
        return made + ("recorded" if self.recorded else "plain")


class Stepper:
    """Takes steps in the fastest way that works here, and says so where one does not."""

    def __init__(
        self,
        state: RunState,
        clip_norm: float,
        distortion: Distortion = squared_error,
        *,
        manner: Manner,
        say: Say,
    ) -> None:
        self._state = state
        self._distortion = distortion
        self._clip_norm = clip_norm
        self._compiled = manner.compiled
        self._in_parts = manner.in_parts
        self._joined = state.device.type == "cuda"
        self._recorded = manner.recorded
        self._say = say
        if state.device.type == "cuda":
            # Shapes stay the same for thousands of steps; the fastest kernels are worth a search.
            torch.backends.cudnn.benchmark = True
            # TensorFloat-32, where a step's precision is not exact.
            torch.set_float32_matmul_precision("high")
        self._key: tuple[object, ...] | None = None
        self._taken = 0
        self._update: Callable[[Tensor, Tensor], Tensor] | None = None

    def step(self, x: Tensor, quality: Tensor, precision: Precision) -> Tensor:
        """One step on a batch; the report (4,) stays on the device."""
        key = (tuple(x.shape), precision)
        if self._key != key or self._update is None:
            self._update = None  # a recorded graph gives back its memory before another takes some
            self._update = self._chosen(x, quality, precision)
            self._key, self._taken = key, 0
        if self._recorded and self._taken < WARM_UP_STEPS:
            report = self._on_side_stream(x, quality)
        else:
            if self._recorded and self._taken == WARM_UP_STEPS:
                self._record(x, quality)
            report = self._update(x, quality)
        self._taken += 1
        return report

    def _chosen(self, x: Tensor, quality: Tensor, precision: Precision) -> Update:
        """The compiled step where it has the gradients of the plain one."""
        update = partial(Update, self._state, precision, self._clip_norm)
        plain = update(distortion=self._distortion)
        if self._compiled:
            self._say("compiling a step, which may take minutes")
        while self._compiled:
            network = compiled_in_parts if self._in_parts else compiled
            # Apart, so that a run for another distortion finds the larger part compiled already.
            other = update(
                distortion=compiled(self._distortion, joined=self._joined),
                estimator=network(estimated, joined=self._joined),
            )
            ways = (partial(each.gradients, x, quality) for each in (plain, other))
            try:
                reason = disagreement(self._state.current, *ways)
            except Exception as error:  # a compiler fails in its own ways; nothing is lost yet
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)[:120]
            if not reason:
                return other
            what = "joining of small kernels" if self._joined else "torch.compile"
            self._say(f"{what} does not work here, going on without: {reason}")
            self._compiled, self._joined = self._joined, False
        return plain

    def _on_side_stream(self, x: Tensor, quality: Tensor) -> Tensor:
        assert self._update is not None
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            report = self._update(x, quality)
        torch.cuda.current_stream().wait_stream(side)
        return report

    def _record(self, x: Tensor, quality: Tensor) -> None:
        assert isinstance(self._update, Update)
        try:
            torch.cuda.synchronize()
            self._update = RecordedUpdate(self._update, x, quality)
        except RuntimeError as error:
            self._say(f"no CUDA graph here, going on without: {str(error).splitlines()[0][:120]}")
            self._recorded = False


@torch.no_grad()
def average(state: RunState, longest: float) -> None:
    """Move the average towards the weights, all parameters at once."""
    # A short memory at first, so that the average does not drag the random start along.
    decay = min(longest, (1.0 + state.step) / (20.0 + state.step))
    get_ema_multi_avg_fn(decay)(state.averaged, state.current, None)


def set_rate(state: RunState, rate: float) -> None:
    """The optimiser's learning rate, in place where it is a tensor on the device."""
    for group in state.optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
