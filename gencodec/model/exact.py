"""Integer arithmetic in float32: layers whose every partial sum is exact, in any order.

A layer maps integers ``x`` with ``|x| <= x_max`` to integers

    y = clamp(floor(sum(w * x) * 2^-shift + bias * 2^-shift + 1/2), low, high)

with ``w`` int8 and ``bias`` int32, one ``shift`` an output channel.  Products and sums are
multiples of ``2^-shift``; if ``x_max * sum|w| + |bias| + 2^(shift-1) < 2^24`` for every output
channel, each partial sum, in whatever order a library adds, is such a multiple below
``2^(24-shift)`` and float32 holds it exactly: no rounding takes place, so there is nothing in
which two machines could differ.  (float32 has a 24-bit significand, IEEE 754-2019, 3.6.)
The condition is proven a channel at a time when weights are frozen and again when loaded.

Only 1x1 and depthwise 3x3 kernels exist here: no library may replace those by Winograd
transforms, whose intermediate values are not integers.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from .region import region
from .straight import clamp_through, floor_through, round_through

EXACT_LIMIT = 2**24
WEIGHT_MAX = 127
SHIFT_MIN, SHIFT_MAX = 1, 14
ACTIVATION_MAX = 255
FEATURE_SCALE = 16.0
"""Integer units to one unit of the float network that training thinks in."""


class _StrictPrecision:
    """Process-wide settings held strict while any thread computes exactly, then put back.

    TensorFloat-32 and bfloat16 substitutes would round the very sums that must not be.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: list[tuple[object, str, object]] = []

    def __enter__(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._before = []
                for owner, name, strict in _precision_settings():
                    before = getattr(owner, name)
                    if before != strict:
                        self._before.append((owner, name, before))
                        setattr(owner, name, strict)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for owner, name, value in reversed(self._before):
                    setattr(owner, name, value)


strict_precision = _StrictPrecision()
"""Within: float32 products are float32, whatever reduced precision the caller has allowed."""


@contextlib.contextmanager
def exact_arithmetic(device: torch.device) -> Iterator[None]:
    """Within: strict precision, no autocast and no gradients; what coding needs.

    The caller's settings come back when the last thread leaves.
    """
    with strict_precision, torch.inference_mode(), _no_autocast(device):
        yield


@contextlib.contextmanager
def own_gradients(device: torch.device) -> Iterator[None]:
    """Within: neither inference mode nor autocast of the caller, so that there can be gradients."""
    with torch.inference_mode(False), _no_autocast(device):
        yield


@contextlib.contextmanager
def _no_autocast(device: torch.device) -> Iterator[None]:
    # Of the CPU too: the prior may be there while the transforms are on a GPU.
    with torch.autocast("cpu", enabled=False), torch.autocast(device.type, enabled=False):
        yield


def _precision_settings() -> list[tuple[object, str, object]]:
    """Owner, name and strict value of each, those that others follow first."""
    backends = torch.backends
    if hasattr(backends, "fp32_precision"):  # torch 2.9; it refuses a mix with the older names
        # Most operations follow their library, and libraries torch, until they are set apart; then
        # they never do again.  So what follows is not set: the caller may set torch afterwards.
        operations = [
            getattr(library, operation)
            for library in (backends.mkldnn, backends.cuda, backends.cudnn)
            for operation in ("matmul", "conv")
            if hasattr(library, operation)
        ]
        owners = [backends, backends.mkldnn, backends.cudnn, *operations]
        return [(owner, "fp32_precision", "ieee") for owner in owners]
    return [(backends.cuda.matmul, "allow_tf32", False), (backends.cudnn, "allow_tf32", False)]


@region
def compand(v16: Tensor) -> Tensor:
    """Integers in sixteenths -> integers in -127..127 for a layer's input.

    Fine (steps of 1/8) within +-8 and coarse (steps of 4) up to +-252: two clamps, exact in
    float32 for ``|v16| < 2^23``.
    """
    fine = clamp_through(floor_through(v16 * 0.5 + 0.5), -64.0, 64.0)
    coarse = clamp_through(floor_through(v16 * (1.0 / 64.0) + 0.5), -63.0, 63.0)
    return fine + coarse


def exact_bound(weight: Tensor, bias: Tensor, shift: Tensor, x_max: int) -> Tensor:
    """The largest magnitude any partial sum can reach, in units of 2^-shift: (C_out,) int64.

    weight: (C_out, C_in, k, k) int8; bias: (C_out,) int32; shift: (C_out,) int8.
    """
    total = weight.to(torch.int64).abs().flatten(1).sum(1)
    half = (2 ** shift.to(torch.int64)) // 2
    return total * x_max + bias.to(torch.int64).abs() + half


def quantise(weight: Tensor, bias: Tensor, x_max: int) -> tuple[Tensor, Tensor, Tensor]:
    """Float weight and bias (in output units) -> (int8 weight, int32 bias, int8 shift).

    Takes for each output channel the finest power of two at which the weights fit int8 and
    :func:`exact_bound` stays below 2^24.
    """
    if not (torch.isfinite(weight).all() and torch.isfinite(bias).all()):
        raise ValueError("a weight is not a finite number")
    shift = _fitting_shift(weight, bias, x_max)
    scale = torch.exp2(shift.float())
    w = torch.floor(weight * scale.view(-1, 1, 1, 1) + 0.5)
    w = w.clamp(-WEIGHT_MAX, WEIGHT_MAX).to(torch.int8)
    b = torch.floor(bias.double() * scale.double() + 0.5).to(torch.int32)
    if int(exact_bound(w, b, shift, x_max).max()) >= EXACT_LIMIT:
        raise ValueError("weights too large for exact arithmetic at any shift")
    return w, b, shift


def rounded(weight: Tensor, bias: Tensor, x_max: int) -> tuple[Tensor, Tensor]:
    """The float32 values that :func:`quantise` would make of weight and bias, with gradients."""
    unit = torch.exp2(-_fitting_shift(weight, bias, x_max).float())
    bias = round_through(bias / unit) * unit
    unit = unit.view(-1, 1, 1, 1)
    weight = clamp_through(round_through(weight / unit), -WEIGHT_MAX, WEIGHT_MAX)
    return weight * unit, bias


def _fitting_shift(weight: Tensor, bias: Tensor, x_max: int) -> Tensor:
    magnitude = weight.detach().abs().flatten(1).double()
    fits_int8 = _floor_log2(WEIGHT_MAX / magnitude.amax(1).clamp_min(1e-9))
    # Rounding may add half a unit to every weight and to the bias.
    room = EXACT_LIMIT - 2.0 - 0.5 * x_max * magnitude.shape[1]
    total = x_max * magnitude.sum(1) + bias.detach().abs().double() + 0.5
    within_bound = _floor_log2(room / total)
    shift = torch.minimum(fits_int8, within_bound)
    return shift.clamp(SHIFT_MIN, SHIFT_MAX).to(torch.int8)


def _floor_log2(x: Tensor) -> Tensor:
    """floor(log2(x)) of positive, normal float64: int64, read from the exponent's bits.

    log2 near a power of two may round either way; frexp is exact too, but torch.compile's
    C++ for it does not build (torch 2.13).
    """
    return (x.view(torch.int64) >> 52) - 1023


class ExactConv(nn.Module):
    """A frozen integer layer: int8 weights, int32 bias and int8 shifts as buffers.

    forward: x (B, C_in, H, W) float32 holding integers -> (B, C_out, H, W) likewise, before
    the clamp that the caller applies (it may first add a skip connection).
    """

    weight: Tensor
    bias: Tensor
    shift: Tensor

    def __init__(
        self, c_in: int, c_out: int, *, kernel: int = 1, x_max: int = 255, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.depthwise = kernel == 3
        self.x_max = x_max
        self.register_buffer(
            "weight",
            torch.zeros((c_out, 1 if self.depthwise else c_in, kernel, kernel), dtype=torch.int8),
        )
        self.register_buffer("bias", torch.zeros(c_out, dtype=torch.int32))
        self.register_buffer("shift", torch.zeros(c_out, dtype=torch.int8))
        self._ready: tuple[Tensor, Tensor] | None = None

    def prove(self) -> None:
        """Raise ValueError unless every output channel is provably exact."""
        worst = int(exact_bound(self.weight, self.bias, self.shift, self.x_max).max())
        if (
            worst >= EXACT_LIMIT
            or int(self.shift.min()) < SHIFT_MIN
            or int(self.shift.max()) > SHIFT_MAX
        ):
            raise ValueError(f"partial sums may reach {worst}, the exact limit is {EXACT_LIMIT}")

    def prepare(self) -> None:
        """Spread the weights as float32 multiples of 2^-shift, once, on the current device."""
        scale = torch.exp2(-self.shift.float())
        # The half that makes floor() round is a multiple of 2^-shift because shift >= 1.
        bias = self.bias.float() * scale + 0.5
        self._ready = (self.weight.float() * scale.view(-1, 1, 1, 1), bias)

    def forward(self, x: Tensor) -> Tensor:
        if self._ready is None:
            self.prepare()
        assert self._ready is not None
        out = convolve(x, *self._ready, depthwise=self.depthwise)
        # Coding needs no gradient; a search for better symbols does, and floor() has none.
        return floor_through(out) if torch.is_grad_enabled() else out.floor_()


class LearnedExactConv(nn.Module):
    """The same layer while it is learned: float parameters, quantised in every forward pass.

    ``gain`` converts a unit of the float network into the layer's output units, so that one
    learning rate suits every layer.
    """

    def __init__(
        self, c_in: int, c_out: int, *, kernel: int = 1, x_max: int = 255, gain: float = 1.0
    ) -> None:
        super().__init__()
        self.depthwise = kernel == 3
        self.x_max = x_max
        self.gain = gain
        fan_in = kernel * kernel * (1 if self.depthwise else c_in)
        shape = (c_out, 1 if self.depthwise else c_in, kernel, kernel)
        self.weight = nn.Parameter(torch.randn(shape) * (1.4 / fan_in**0.5))
        self.bias = nn.Parameter(torch.zeros(c_out))

    def real(self) -> tuple[Tensor, Tensor]:
        """Weight and bias in output units, not rounded yet."""
        return in_output_units(self.weight, self.bias, self.gain)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = rounded(*self.real(), self.x_max)
        return round_through(self.convolved(x, weight, bias).float())

    def convolved(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """The layer's sums before they are rounded; training may know a faster way to them."""
        return convolve(x, weight, bias, depthwise=self.depthwise)

    @torch.no_grad()
    def frozen(self) -> dict[str, Tensor]:
        """The buffers of the :class:`ExactConv` that this layer has become."""
        weight, bias = self.real()
        w, b, shift = quantise(weight.float().cpu(), bias.float().cpu(), self.x_max)
        return {"weight": w, "bias": b, "shift": shift}

    @torch.no_grad()
    def thaw(self, frozen: dict[str, Tensor]) -> None:
        """Inverse of :meth:`frozen`: go on learning from integers."""
        scale = torch.exp2(-frozen["shift"].float())
        self.weight.copy_(frozen["weight"].float() * scale.view(-1, 1, 1, 1) / self.gain)
        self.bias.copy_(frozen["bias"].float() * scale / (FEATURE_SCALE * self.gain))


def in_output_units(weight: Tensor, bias: Tensor, gain: float) -> tuple[Tensor, Tensor]:
    """Weight and bias of learned layers, whose unit is that of the float network."""
    return weight * gain, bias * (FEATURE_SCALE * gain)


def convolve(x: Tensor, weight: Tensor, bias: Tensor, *, depthwise: bool = False) -> Tensor:
    """A layer's sums, for pictures of any size: x (B, C_in, H, W) -> (B, C_out, H, W)."""
    if not x.numel():  # a phase without positions: y is one row high or one column wide
        return x.new_zeros((len(x), len(weight), *x.shape[2:]))
    if depthwise:
        return functional.conv2d(x, weight, bias, padding=1, groups=weight.shape[0])
    return functional.conv2d(x, weight, bias)
