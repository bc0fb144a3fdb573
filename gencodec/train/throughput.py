"""How fast training steps are here: every way of taking them, and where the time goes."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from gencodec.bench.environment import Environment, environment
from gencodec.bench.report import write_report
from gencodec.codec.device import choose_device, settle
from gencodec.model.config import CONFIGS
from gencodec.model.vae import learned_vae

from .checkpoint import new_state
from .depthwise import use_faster_gradient
from .loop import spread
from .meter import peak_flops, training_flops_per_pixel
from .options import add_machine, duration, positive, report, side
from .plan import TrainingPlan, batch_shape
from .store import PhotoStore, on_device
from .update import WARM_UP_STEPS, Manner, Stepper, average, precision_of

PLAIN = Manner()
KERNELS = 12
PROFILED_STEPS = 3

WHAT = (
    "pixels_per_second: of training crops, cut, forward, backward, optimiser step and average; "
    "flops_per_pixel: of the convolutions by their shapes, a multiplication and an addition "
    "being two, backward counted as twice forward; share_of_peak: of the measured rate of a "
    "square matrix product of random numbers, bfloat16 on a GPU and float32 on a CPU; "
    "first_step_seconds: with compilation"
)


def manners(*, on_gpu: bool, compile_too: bool) -> list[Manner]:
    """Every manner that a machine has; the soonest to start first."""
    made = [PLAIN]
    if compile_too:
        made += [Manner(compiled=True, in_parts=True), Manner(compiled=True)]
    return [
        replace(each, recorded=recorded)
        for each in made
        for recorded in ((False, True) if on_gpu else (False,))
    ]


@dataclass(frozen=True)
class Way:
    """One way of taking steps. memory_gib: the most that tensors took on a GPU, else None."""

    way: str
    crops: int
    side: int
    steps: int
    first_step_seconds: float
    milliseconds: float
    pixels_per_second: float
    teraflops: float
    share_of_peak: float
    memory_gib: float | None


@dataclass(frozen=True)
class Kernel:
    """One operation's share of a step of the plain way, by torch's profiler."""

    name: str
    calls: int
    milliseconds: float


@dataclass(frozen=True)
class Throughput:
    """A whole measurement."""

    what: str
    config: str
    flops_per_pixel: float
    peak_teraflops: float
    peak_side: int
    environment: Environment
    ways: tuple[Way, ...]
    kernels: tuple[Kernel, ...]


@dataclass(frozen=True)
class Bench:
    """What all ways have in common."""

    config: str
    crops: int
    side: int
    seconds: float
    device: torch.device
    flops_per_pixel: float
    peak: float


class Steps:
    """Training steps of a fresh model on pictures that are random: zeros would run faster."""

    def __init__(self, bench: Bench, manner: Manner) -> None:
        torch.manual_seed(0)
        vae = learned_vae(CONFIGS[bench.config]).to(bench.device).train()
        use_faster_gradient(vae, bench.crops, bench.side, _say, compiled=manner.compiled)
        plan = TrainingPlan(steps=1)
        self._state = new_state(vae, plan)
        self._rng = np.random.default_rng(0)
        height = 2 * bench.side + 32
        photos = self._rng.integers(0, 256, (4, height, height, 3)).astype(np.uint8)
        self._store = PhotoStore(list(photos), bench.device)
        self._bench = bench
        self._decay = plan.ema_decay
        self._stepper = Stepper(self._state, plan.clip_norm, manner=manner, say=_say)

    def step(self) -> None:
        """One step, as the training loop takes it."""
        x = self._store.crops(self._bench.crops, self._bench.side, self._rng)
        quality = on_device(spread(self._rng, self._bench.crops), self._bench.device)
        self._stepper.step(x, quality, precision_of(self._bench.device))
        average(self._state, self._decay)
        self._state.step += 1


def measure(bench: Bench, manner: Manner) -> Way:
    """Warm up, then as many steps as fit the time."""
    on_gpu = bench.device.type == "cuda"
    if on_gpu:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    steps = Steps(bench, manner)
    first = _seconds(steps, 1, bench.device)
    _seconds(steps, WARM_UP_STEPS + 2 if on_gpu else 1, bench.device)
    count, taken = 0, 0.0
    while taken < bench.seconds:
        more = 10 if on_gpu else 1
        taken += _seconds(steps, more, bench.device)
        count += more
    rate = bench.crops * bench.side**2 * count / taken
    return Way(
        way=str(manner),
        crops=bench.crops,
        side=bench.side,
        steps=count,
        first_step_seconds=round(first, 2),
        milliseconds=round(1e3 * taken / count, 3),
        pixels_per_second=float(f"{rate:.4g}"),
        teraflops=float(f"{rate * bench.flops_per_pixel / 1e12:.4g}"),
        share_of_peak=round(rate * bench.flops_per_pixel / bench.peak, 4),
        memory_gib=round(torch.cuda.max_memory_allocated() / 2**30, 2) if on_gpu else None,
    )


def profile(bench: Bench) -> tuple[Kernel, ...]:
    """The operations that take the most time of the device themselves, per step."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as profiler

    steps = Steps(bench, PLAIN)
    _seconds(steps, 2, bench.device)
    on_gpu = bench.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    # Without acc_events, the only cycle there is raises a warning that others are dropped.
    with profiler(activities=activities, acc_events=True) as report:
        _seconds(steps, PROFILED_STEPS, bench.device)
    rows = [
        Kernel(
            row.key[:90],
            round(row.count / PROFILED_STEPS),
            round(
                (row.self_device_time_total if on_gpu else row.self_cpu_time_total)
                / (1e3 * PROFILED_STEPS),
                3,
            ),
        )
        for row in report.key_averages()
    ]
    return tuple(sorted(rows, key=lambda row: -row.milliseconds)[:KERNELS])


def register(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``python -m gencodec.train throughput``."""
    parser.add_argument("-o", "--output", type=report, required=True, metavar="JSON")
    parser.add_argument("--config", choices=tuple(CONFIGS), default="base")
    parser.add_argument("--crops", type=positive, metavar="N", help="default: as in training")
    parser.add_argument("--side", type=side, metavar="PIXELS", help="default: as in training")
    parser.add_argument(
        "--seconds", type=duration, default=5.0, help="to measure each way for (default: 5)"
    )
    parser.add_argument("--compile", action="store_true", help="measure torch.compile as well")
    add_machine(parser)


def run(args: argparse.Namespace) -> int:
    """Measure, write the report after every way, print its rows."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    device = choose_device(args.device)
    shape = batch_shape(device.type)
    flops = training_flops_per_pixel(CONFIGS[args.config])
    peak_side = 8192 if device.type == "cuda" else 1024
    peak = peak_flops(device, side=peak_side, repeats=10 if device.type == "cuda" else 2)
    bench = Bench(
        args.config,
        args.crops or shape.crops,
        args.side or shape.side,
        args.seconds,
        device,
        flops,
        peak,
    )
    print(f"{flops / 1e3:.1f} kFLOP a pixel, peak {peak / 1e12:.4g} TFLOP/s")
    done: list[Way] = []
    kernels: tuple[Kernel, ...] = ()
    for manner in manners(on_gpu=device.type == "cuda", compile_too=args.compile):
        done.append(measure(bench, manner))
        row = done[-1]
        print(
            f"{row.way}: {row.milliseconds:.2f} ms a step of {row.crops} x "
            f"{row.side}^2, {row.pixels_per_second / 1e6:.4g} Mpixel/s, "
            f"{row.share_of_peak:.1%} of peak, first step {row.first_step_seconds:.1f} s",
            flush=True,
        )
        if not kernels:
            kernels = profile(bench)
            for kernel in kernels:
                print(f"    {kernel.milliseconds:9.3f} ms {kernel.calls:5d} x {kernel.name}")
        report = Throughput(
            what=WHAT,
            config=args.config,
            flops_per_pixel=round(flops, 1),
            peak_teraflops=float(f"{peak / 1e12:.4g}"),
            peak_side=peak_side,
            environment=environment(device),
            ways=tuple(done),
            kernels=kernels,
        )
        write_report(report, args.output)  # each time: so nothing is lost if a later way fails
    return 0


def _seconds(steps: Steps, count: int, device: torch.device) -> float:
    settle(device)
    begun = time.perf_counter()
    for _ in range(count):
        steps.step()
    settle(device)
    return time.perf_counter() - begun


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
