"""The training run: steps until the minutes are spent, checkpoints that survive a kill.

crops --g_a,h_a--> y,z --prior (integers simulated)--> bits --+
  |                 +----g_s----> x_hat --> distortion -------+--> loss, balanced over qualities
"""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gencodec.model.config import FINE_STEPS, LATENT_STRIDE, ModelConfig
from gencodec.model.layers import channels_last
from gencodec.model.vae import ImageVae, learned_vae

from .photos import PhotoStore
from .plan import EXACT_FROM, TrainingPlan, crop_shape, learning_rate
from .start import lmbda_of

CHECKPOINT = "checkpoint.pt"
LOG = "log.jsonl"
LONGEST_STEP = 20.0
"""Seconds; a step that took longer was a paused process and counts as this much."""

EVALUATION_STEPS = (0, 40, 85, 128, 170, 213, 255)


@dataclass
class RunState:
    """All that a checkpoint holds."""

    vae: ImageVae
    average: ImageVae
    optimizer: torch.optim.Optimizer
    step: int = 0
    elapsed: float = 0.0


def new_state(vae: ImageVae, plan: TrainingPlan) -> RunState:
    channels_last(vae)
    average = learned_vae(vae.config).requires_grad_(False)
    average.load_state_dict(vae.state_dict())
    average.to(next(vae.parameters()).device)
    optimizer = torch.optim.AdamW(
        vae.parameters(), lr=plan.learning_rate, betas=(0.9, 0.99), weight_decay=0.0
    )
    return RunState(vae, average, optimizer)


def save_checkpoint(state: RunState, run: Path) -> None:
    """Write beside, then rename: the last good checkpoint always loads."""
    content = {
        "config": state.vae.config.to_json(),
        "vae": state.vae.state_dict(),
        "average": state.average.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "elapsed": state.elapsed,
    }
    partial = run / (CHECKPOINT + ".partial")
    with open(partial, "wb") as handle:
        torch.save(content, handle)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(partial, run / CHECKPOINT)


def load_checkpoint(run: Path, plan: TrainingPlan, device: torch.device) -> RunState:
    content = torch.load(run / CHECKPOINT, map_location=device, weights_only=True)
    vae = learned_vae(ModelConfig.from_json(content["config"])).to(device)
    vae.load_state_dict(content["vae"])
    state = new_state(vae, plan)
    state.average.load_state_dict(content["average"])
    state.optimizer.load_state_dict(content["optimizer"])
    state.step, state.elapsed = content["step"], content["elapsed"]
    return state


def train(
    state: RunState, photos: PhotoStore, held_out: Tensor, plan: TrainingPlan, run: Path
) -> None:
    """Run to the end of the plan, from wherever ``state`` stands.

    held_out: (B, 3, H, W) float32 pictures that are never trained on, for the log.
    """
    run.mkdir(parents=True, exist_ok=True)
    device = photos.device
    amp = torch.bfloat16
    state.vae.train()
    total = plan.minutes * 60.0
    next_save = state.elapsed + plan.checkpoint_minutes * 60.0
    window: list[dict[str, float]] = []
    bad = 0
    while state.elapsed < total:
        begun = time.perf_counter()
        part = state.elapsed / total
        rng = np.random.default_rng((plan.seed, state.step))
        torch.manual_seed(int(rng.integers(2**62)))  # the noise too, so that a resumed run repeats
        count, side = crop_shape(plan, part)
        side = min(side, photos.largest_side() // LATENT_STRIDE * LATENT_STRIDE)
        x = photos.crops(count, side, rng).to(memory_format=torch.channels_last)
        quality = torch.from_numpy(_spread(rng, count)).to(device)
        for group in state.optimizer.param_groups:
            group["lr"] = learning_rate(plan, part)
        prior_amp = None if part >= EXACT_FROM or device.type == "cuda" else amp
        estimate = state.vae(x, quality, amp=amp, prior_amp=prior_amp)
        bpp = (estimate.y_bits + estimate.z_bits) / side**2
        mse = (estimate.x_hat - x).square().mean((1, 2, 3))
        lmbda = lmbda_of(quality)
        # Both terms grow with lmbda about as its square root; dividing by it lets every quality
        # speak equally loud, where the plain sum is deafened by the high ones.
        loss = (0.1 * (bpp + lmbda * 255.0**2 * mse) * lmbda.rsqrt()).mean()
        state.vae.zero_grad(set_to_none=True)
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_(state.vae.parameters(), plan.clip_norm))
        if math.isfinite(norm):
            bad = 0
            state.optimizer.step()
            _average(state, plan.ema_decay)
        else:
            bad += 1
            if bad >= 50:
                raise ArithmeticError("the loss was not finite 50 steps in a row")
        state.step += 1
        seconds = min(time.perf_counter() - begun, LONGEST_STEP)
        state.elapsed += seconds
        window.append(
            {
                "loss": float(loss.detach()),
                "bpp": float(bpp.detach().mean()),
                "psnr": float(-10.0 * mse.detach().log10().mean()),
                "norm": norm,
                "pixels_per_second": count * side**2 / seconds,
            }
        )
        if len(window) == 50:
            _log(run, state, window)
            window = []
        if state.elapsed >= next_save:
            next_save = state.elapsed + plan.checkpoint_minutes * 60.0
            save_checkpoint(state, run)
            _log_evaluation(run, state, held_out)
    save_checkpoint(state, run)
    _log_evaluation(run, state, held_out)


def _spread(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """One quality step from each of ``count`` equal parts of 0..255, in random order."""
    return rng.permutation((np.arange(count) + rng.random(count)) * FINE_STEPS / count).astype(
        np.int64
    )


@torch.no_grad()
def _average(state: RunState, longest: float) -> None:
    # A short memory at first, so that the average does not drag the random start along.
    decay = min(longest, (1.0 + state.step) / (20.0 + state.step))
    for averaged, current in zip(state.average.parameters(), state.vae.parameters(), strict=True):
        averaged.lerp_(current, 1.0 - decay)


def _log(run: Path, state: RunState, window: list[dict[str, float]]) -> None:
    row: dict[str, object] = {"step": state.step, "minutes": round(state.elapsed / 60.0, 3)}
    for name in window[0]:
        row[name] = float(f"{np.mean([entry[name] for entry in window]):.5g}")
    _append(run, row)


def _log_evaluation(run: Path, state: RunState, held_out: Tensor) -> None:
    """Rate and distortion of the averaged weights at seven quality steps, by rounded symbols."""
    curve = []
    for step in EVALUATION_STEPS:
        bits, psnr = 0.0, 0.0
        for x in held_out.split(4):
            estimate = state.average.rounded(x, torch.full((len(x),), step, device=x.device))
            bits += float((estimate.y_bits + estimate.z_bits).sum())
            mse = (estimate.x_hat.clamp(0, 1) - x).square().mean((1, 2, 3))
            psnr += float(-10.0 * mse.log10().sum())
        pixels = held_out.shape[0] * held_out.shape[2] * held_out.shape[3]
        curve.append([round(bits / pixels, 4), round(psnr / len(held_out), 3)])
    _append(run, {"step": state.step, "minutes": round(state.elapsed / 60.0, 2), "held_out": curve})


def _append(run: Path, row: dict[str, object]) -> None:
    line = json.dumps(row)
    print(line, flush=True)
    with open(run / LOG, "a", encoding="utf-8") as handle:
        handle.write(line + "\n")
